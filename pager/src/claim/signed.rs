//! A claim with its signature, as bytes and as a line of text. `docs/tza.md`, Claims.

use super::{Claim, ClaimError, MAX_CLAIM_TEXT_BYTES};
use crate::hex;
use crate::keys::{ArenaId, PublicKey, SigningKey};
use crate::reader::{Reader, put_text};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

/// The version of the format.
pub const CLAIM_VERSION: u8 = 1;

const MAGIC: &[u8; 7] = b"KVCLAIM";
const TEXT_PREFIX: &str = "kvcpu-claim-1:";

/// A claim that its signer signed: a value of this type is one whose signature was found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedClaim {
    claim: Claim,
    signer: PublicKey,
    signature: [u8; 64],
}

impl SignedClaim {
    /// Signs a claim.
    pub fn sign(claim: Claim, key: &SigningKey) -> Result<SignedClaim, ClaimError> {
        let signer = key.public();
        let signature = key.sign(&signed_bytes(&claim, signer)?);
        Ok(SignedClaim { claim, signer, signature })
    }

    /// The claim.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Whose signature it has. Whether it is that of the arena's owner, [`Claims::present`](super::Claims::present) says.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// As bytes: what is signed, the signature, and the CRC-32C of both.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ClaimError> {
        let mut bytes = signed_bytes(&self.claim, self.signer)?;
        bytes.extend_from_slice(&self.signature);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// From bytes; checks the signature.
    pub fn from_bytes(bytes: &[u8]) -> Result<SignedClaim, ClaimError> {
        let mut reader = Reader(bytes);
        let magic = reader.array::<7>().ok_or(ClaimError::Truncated)?;
        if magic != *MAGIC {
            return Err(ClaimError::Form);
        }
        match reader.u8().ok_or(ClaimError::Truncated)? {
            CLAIM_VERSION => {}
            found => return Err(ClaimError::Version { found }),
        }
        let (claim, signer, signature, crc) = fields(&mut reader)?;
        let covered = &bytes[..bytes.len() - reader.0.len() - 4];
        if !reader.0.is_empty() || crc32c::crc32c(covered) != crc {
            return Err(ClaimError::Damaged);
        }
        let message = &covered[..covered.len() - signature.len()];
        // One encoding a claim: what reads the same is the same bytes.
        if signed_bytes(&claim, signer).as_deref() != Ok(message) {
            return Err(ClaimError::Damaged);
        }
        let public = UnparsedPublicKey::new(&ED25519, signer.0);
        public.verify(message, &signature).map_err(|_| ClaimError::Forged)?;
        Ok(SignedClaim { claim, signer, signature })
    }

    /// As a line of text.
    pub fn to_text(&self) -> Result<String, ClaimError> {
        Ok(format!("{TEXT_PREFIX}{}\n", hex::encode(&self.to_bytes()?)))
    }

    /// From a line of text; checks the signature.
    pub fn from_text(text: &str) -> Result<SignedClaim, ClaimError> {
        let digits = text.trim().strip_prefix(TEXT_PREFIX).ok_or(ClaimError::Form)?.as_bytes();
        if digits.len() % 2 == 1 {
            return Err(ClaimError::Truncated);
        }
        SignedClaim::from_bytes(&hex::decode(digits).ok_or(ClaimError::Form)?)
    }
}

/// What is signed: magic, version, signer, and the claim's fields.
fn signed_bytes(claim: &Claim, signer: PublicKey) -> Result<Vec<u8>, ClaimError> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(CLAIM_VERSION);
    bytes.extend_from_slice(&signer.0);
    bytes.extend_from_slice(&claim.arena.0);
    bytes.extend_from_slice(&[claim.tenant, claim.clearance]);
    bytes.extend_from_slice(&claim.not_after_unix_s.to_le_bytes());
    bytes.extend_from_slice(&claim.serial.to_le_bytes());
    for (field, text) in
        [("the identity", &claim.identity), ("the role", &claim.role), ("the department", &claim.department)]
    {
        let too_long = ClaimError::TooLong { field, bytes: text.len() };
        if text.len() > MAX_CLAIM_TEXT_BYTES {
            return Err(too_long);
        }
        put_text(&mut bytes, text).ok_or(too_long)?;
    }
    Ok(bytes)
}

/// What comes after magic and version.
fn fields(reader: &mut Reader<'_>) -> Result<(Claim, PublicKey, [u8; 64], u32), ClaimError> {
    let truncated = ClaimError::Truncated;
    let signer = PublicKey(reader.array().ok_or(truncated.clone())?);
    let arena = ArenaId(reader.array().ok_or(truncated.clone())?);
    let [tenant, clearance] = reader.array().ok_or(truncated.clone())?;
    let not_after_unix_s = reader.u64().ok_or(truncated.clone())?;
    let serial = reader.u64().ok_or(truncated.clone())?;
    let mut text = || {
        let length = reader.u16().ok_or(ClaimError::Truncated)?;
        let bytes = reader.bytes(length.into()).ok_or(ClaimError::Truncated)?;
        String::from_utf8(bytes.into()).map_err(|_| ClaimError::Damaged)
    };
    let (identity, role, department) = (text()?, text()?, text()?);
    let signature = reader.array().ok_or(truncated.clone())?;
    let crc = reader.u32().ok_or(truncated)?;
    let claim = Claim { identity, role, department, clearance, tenant, arena, not_after_unix_s, serial };
    Ok((claim, signer, signature, crc))
}
