//! Claims: which tenant's blocks this process may read, said and signed by the arena's owner. `docs/tza.md`, Claims.
//!
//! A claim is a rule kept by the pager in a process that plays by it. It keeps tenants apart in a server; against who can change that
//! server's code or memory, or has the owner's secret, it does nothing.

mod signed;
mod table;

pub use signed::{CLAIM_VERSION, SignedClaim};
pub use table::{Claims, Requirement};

use crate::keys::{ArenaId, PublicKey};

/// The longest identity, role or department, bytes.
pub const MAX_CLAIM_TEXT_BYTES: usize = 255;

/// What an owner says about a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who: at most 255 bytes.
    pub identity: String,
    /// As what: at most 255 bytes.
    pub role: String,
    /// From where: at most 255 bytes.
    pub department: String,
    /// How much may be read: 0 the least, 255 all.
    pub clearance: u8,
    /// Whose blocks.
    pub tenant: u8,
    /// Of which arena.
    pub arena: ArenaId,
    /// The last second it is valid, of Unix time.
    pub not_after_unix_s: u64,
    /// Its number, for revoking it: one number a claim.
    pub serial: u64,
}

impl Claim {
    /// As JSON, for people.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "identity": self.identity,
            "role": self.role,
            "department": self.department,
            "clearance": self.clearance,
            "tenant": self.tenant,
            "arena": self.arena.to_string(),
            "not_after_unix_s": self.not_after_unix_s,
            "serial": self.serial,
        })
    }
}

/// Why a claim is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not text of the form of claims.
    #[error("this is no claim: its text begins with `kvcpu-claim-1:` and goes on in hex digits; copy the whole line")]
    Form,
    /// Another version of the format.
    #[error(
        "the claim is of version {found}, this program reads version {CLAIM_VERSION}: let the owner sign it with this version"
    )]
    Version {
        /// The version it has.
        found: u8,
    },
    /// It ends too early.
    #[error("the claim is cut short: copy the whole of it, or ask the owner for it again")]
    Truncated,
    /// Its checksum is wrong, or it has bytes too many.
    #[error("the claim was damaged on its way: copy it again, or ask the owner for it again")]
    Damaged,
    /// It says something that its signer did not sign.
    #[error("the claim's signature is wrong: it was changed after it was signed; ask the owner for a new one")]
    Forged,
    /// Another key signed it.
    #[error("the claim is signed by {found}, the arena's owner is {owner}: ask that owner for one")]
    WrongKey {
        /// Who signed it.
        found: PublicKey,
        /// Who should have.
        owner: PublicKey,
    },
    /// It is for another arena.
    #[error("the claim is for arena {found}, this one is {arena}: ask the owner for one for this arena")]
    WrongArena {
        /// The arena it is for.
        found: ArenaId,
        /// This arena.
        arena: ArenaId,
    },
    /// It was valid once.
    #[error(
        "the claim was valid until {not_after_unix_s} (Unix time), now is {now_unix_s}: ask the owner for a new one, or set the clock"
    )]
    Expired {
        /// The last second it was valid.
        not_after_unix_s: u64,
        /// Now.
        now_unix_s: u64,
    },
    /// It was revoked here.
    #[error("claim {serial} was revoked: ask the owner for a new one")]
    Revoked {
        /// Its number.
        serial: u64,
    },
    /// A text is too long to be signed.
    #[error("{field} has {bytes} bytes: at most 255 can be signed")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// Its bytes.
        bytes: usize,
    },
    /// The arena has no owner's key.
    #[error("the arena has no owner's key to check claims with: seal it anew with the owner's secret")]
    NoOwner,
}
