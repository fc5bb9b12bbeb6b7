//! The owner's secret, and the keys that come of it. `docs/tza.md`, Keys.
//!
//! ```text
//!   owner's secret ─ HKDF-SHA256(salt = arena id) ─┬─ "block" + tenant ─► AES-256-GCM key of the tenant's blocks
//!                  │                               ├─ "index"          ─► HMAC-SHA256 key of header and index
//!                  │                               └─ "check"          ─► the value that tells a wrong key at once
//!                  └ HKDF-SHA256(no salt)          ─── "claims"         ─► Ed25519 key that signs claims
//! ```
//!
//! Protected: blocks at rest. Who has the file and not the secret reads nothing but lengths, tenants, which blocks are zero, and the names
//! of regions; what he changes, swaps, or takes from another arena or generation of a block is noticed. He may put an older copy of the
//! whole file in its place: nothing in the file can tell.
//!
//! Not protected: a running process. The secret and what is derived here are overwritten when dropped; aws-lc holds copies of them and of
//! the key schedules as long as the keys live, moves of a value may leave copies, and so may swap, core dumps and hibernation. Who may
//! ptrace the process or read its memory has keys and blocks. Turn swap off or encrypt it, and limit core dumps, where that matters.
//!
//! A nonce is 96 random bits. With 2^32 writes under one key two of them collide with a probability of 2^-33 (NIST SP 800-38D, 8.3): an
//! arena has a key of its own for each tenant, so that is 256 TiB of 64 KiB blocks a tenant; seal anew before.

use crate::codec::{NONCE_BYTES, TAG_BYTES};
use crate::hex;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{constant_time, hkdf, hmac, rand};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of the owner's secret, and of each key.
pub const SECRET_BYTES: usize = 32;

/// The name of an arena, random.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArenaId(pub [u8; 16]);

impl ArenaId {
    /// A new one.
    pub fn random() -> Result<ArenaId, KeyError> {
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| KeyError::Random)?;
        Ok(ArenaId(id))
    }

    /// From 32 hex digits.
    pub fn from_hex(digits: &str) -> Option<ArenaId> {
        Some(ArenaId(hex::decode(digits.as_bytes())?.try_into().ok()?))
    }
}

impl std::fmt::Display for ArenaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl std::fmt::Debug for ArenaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ArenaId({self})")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file cannot be read or written.
    #[error("key file {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The key file holds something else.
    #[error("key file {}: neither 32 raw bytes nor 64 hex digits: make one with `head -c 32 /dev/urandom > FILE`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes: check that getrandom(2) works here")]
    Random,
}

/// The owner's secret: all else comes of it.
pub struct OwnerSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl OwnerSecret {
    /// A new one.
    pub fn random() -> Result<OwnerSecret, KeyError> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(&mut *secret).map_err(|_| KeyError::Random)?;
        Ok(OwnerSecret(secret))
    }

    /// From its bytes; the caller overwrites his own copy.
    pub fn from_bytes(bytes: &[u8; SECRET_BYTES]) -> OwnerSecret {
        OwnerSecret(Zeroizing::new(*bytes))
    }

    /// From a key file: 32 raw bytes, or 64 hex digits and white space round them.
    pub fn read(path: &Path) -> Result<OwnerSecret, KeyError> {
        let fail = |error| KeyError::File { path: path.into(), error };
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        std::fs::File::open(path).map_err(fail)?.take(128).read_to_end(&mut bytes).map_err(fail)?;
        let digits = || hex::decode(bytes.trim_ascii()).map(Zeroizing::new);
        let raw = if bytes.len() == SECRET_BYTES { Some(bytes.clone()) } else { digits() };
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        match raw {
            Some(raw) if raw.len() == SECRET_BYTES => secret.copy_from_slice(&raw),
            _ => return Err(KeyError::Form { path: path.into() }),
        }
        Ok(OwnerSecret(secret))
    }

    /// To a new key file that only its user may read; one that is there is not replaced.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(&*self.0).and_then(|()| file.sync_all()))
            .map_err(|error| KeyError::File { path: path.into(), error })
    }

    /// The keys of an arena.
    pub fn arena_keys(&self, arena: ArenaId) -> ArenaKeys {
        let derive = |purpose: &[u8], tenant: &[u8]| derive(&*self.0, &arena.0, purpose, tenant);
        let index = hmac::Key::new(hmac::HMAC_SHA256, &*derive(b"index", &[]));
        let mut check = [0; 16];
        check.copy_from_slice(&derive(b"check", &[])[..16]);
        ArenaKeys { secret: OwnerSecret(self.0.clone()), arena, index, check }
    }

    /// The key that signs the owner's claims.
    pub fn signing_key(&self) -> SigningKey {
        let seed = derive(&*self.0, &[], b"claims", &[]);
        SigningKey(Ed25519KeyPair::from_seed_unchecked(&*seed).expect("any 32 bytes are a seed of Ed25519"))
    }
}

/// RFC 5869. The label carries the format's version: another format has other keys.
fn derive(secret: &[u8], salt: &[u8], purpose: &[u8], tenant: &[u8]) -> Zeroizing<[u8; SECRET_BYTES]> {
    let mut key = Zeroizing::new([0; SECRET_BYTES]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[b"kvcpu tza 1 ", purpose, tenant], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *key))
        .expect("32 bytes are what one round of HKDF-SHA256 gives");
    key
}

/// The owner's key for signatures.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(public)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(message).as_ref());
        signature
    }
}

/// The owner's public key: Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// The keys of one arena.
pub struct ArenaKeys {
    secret: OwnerSecret,
    arena: ArenaId,
    index: hmac::Key,
    check: [u8; 16],
}

impl ArenaKeys {
    /// The arena.
    pub fn arena(&self) -> ArenaId {
        self.arena
    }

    /// The key of a tenant's blocks. Allocates.
    pub fn block_key(&self, tenant: u8) -> BlockKey {
        let key = derive(&*self.secret.0, &self.arena.0, b"block", &[tenant]);
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("32 bytes are a key of AES-256");
        BlockKey(LessSafeKey::new(key))
    }

    /// What tells a wrong key at once, and nothing else about it.
    pub fn check(&self) -> [u8; 16] {
        self.check
    }

    /// Whether these are the keys of what has this check value.
    pub fn matches(&self, check: &[u8; 16]) -> bool {
        constant_time::verify_slices_are_equal(&self.check, check).is_ok()
    }

    pub(crate) fn sign_index(&self, header: &[u8], index: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.index);
        context.update(header);
        context.update(index);
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    pub(crate) fn verify_index(&self, header: &[u8], index: &[u8], mac: &[u8; 32]) -> bool {
        constant_time::verify_slices_are_equal(&self.sign_index(header, index), mac).is_ok()
    }
}

/// The key of one tenant's blocks in one arena.
pub struct BlockKey(LessSafeKey);

impl BlockKey {
    /// Encrypts in place; the tag.
    pub(crate) fn seal(&self, nonce: [u8; NONCE_BYTES], bound: &[u8], bytes: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(bound), bytes).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts to `plain`, as long as `stored`; whether the tag is right.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        bound: &[u8],
        stored: &[u8],
        tag: &[u8; TAG_BYTES],
        plain: &mut [u8],
    ) -> bool {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_separate_gather(nonce, Aad::from(bound), stored, tag, plain).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = *b"a secret of thirty-two bytes, ok";

    #[test]
    fn arenas_tenants_and_purposes_have_keys_of_their_own() {
        let other = derive(&SECRET, &[1; 16], b"block", &[1]);
        assert_eq!(*other, *derive(&SECRET, &[1; 16], b"block", &[1]));
        assert_ne!(*other, *derive(&SECRET, &[2; 16], b"block", &[1]));
        assert_ne!(*other, *derive(&SECRET, &[1; 16], b"block", &[2]));
        assert_ne!(*other, *derive(&SECRET, &[1; 16], b"index", &[1]));
    }

    #[test]
    fn a_wrong_secret_is_told_by_the_check_value() {
        let keys = OwnerSecret::from_bytes(&SECRET).arena_keys(ArenaId([7; 16]));
        let wrong = OwnerSecret::from_bytes(&[0; 32]).arena_keys(ArenaId([7; 16]));
        assert!(keys.matches(&keys.check()));
        assert!(!wrong.matches(&keys.check()));
    }

    #[test]
    fn key_files_are_raw_bytes_or_hex_digits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            OwnerSecret::read(&path)
        };
        assert_eq!(*read(&SECRET).unwrap().0, SECRET);
        assert_eq!(*read(format!(" {}\n", hex::encode(&SECRET)).as_bytes()).unwrap().0, SECRET);
        for bad in [&b""[..], &SECRET[1..], &[b'0'; 63], &[b'x'; 64], &[0; 33], &[b'0'; 4096]] {
            assert!(matches!(read(bad), Err(KeyError::Form { .. })), "{} bytes", bad.len());
        }
        assert!(matches!(OwnerSecret::read(&directory.path().join("none")), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_key_file_is_private_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let secret = OwnerSecret::random().unwrap();
        secret.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(*OwnerSecret::read(&path).unwrap().0, *secret.0);
        assert!(secret.write(&path).is_err());
    }
}
