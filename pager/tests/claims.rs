//! Claims: presented, expired, revoked, and everything that makes one worthless.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::claim::{Claim, ClaimError, Claims, Requirement, SignedClaim};
use kvcpu_pager::keys::{ArenaId, OwnerSecret, SigningKey};
use proptest::prelude::*;

const ARENA: ArenaId = ArenaId([5; 16]);
const NOW: u64 = 1_800_000_000;

fn owner() -> SigningKey {
    OwnerSecret::from_bytes(&[1; 32]).signing_key()
}

fn claim() -> Claim {
    Claim {
        identity: "ana@example.org".into(),
        role: "reader".into(),
        department: "radiology".into(),
        clearance: 3,
        tenant: 7,
        arena: ARENA,
        not_after_unix_s: NOW + 60,
        serial: 12,
    }
}

fn signed() -> SignedClaim {
    SignedClaim::sign(claim(), &owner()).unwrap()
}

fn claims(clearance: u8, department: Option<&str>) -> Claims {
    let need = Requirement { clearance, department: department.map(String::from) };
    Claims::new(ARENA, Some(owner().public()), vec![(7, need)])
}

/// With its checksum made right again.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&crc);
    bytes
}

#[test]
fn a_claim_opens_its_tenant_until_it_expires() {
    let claims = claims(3, Some("radiology"));
    assert!(!claims.allowed(7, NOW));
    assert!(claims.allowed(8, NOW), "nothing is required of tenant 8");
    claims.present(signed(), NOW).unwrap();
    assert!(claims.allowed(7, NOW));
    assert!(claims.allowed(7, NOW + 60));
    assert!(!claims.allowed(7, NOW + 61));
    assert_eq!(
        claims.present(signed(), NOW + 61),
        Err(ClaimError::Expired { not_after_unix_s: NOW + 60, now_unix_s: NOW + 61 })
    );
}

#[test]
fn clearance_and_department_must_suffice() {
    for (clearance, department, opens) in
        [(4, None, false), (3, None, true), (0, Some("radiology"), true), (0, Some("accounting"), false)]
    {
        let claims = claims(clearance, department);
        claims.present(signed(), NOW).unwrap();
        assert_eq!(claims.allowed(7, NOW), opens, "{clearance} {department:?}");
    }
}

#[test]
fn a_revoked_claim_closes_at_once_and_does_not_come_back() {
    let claims = claims(3, None);
    claims.present(signed(), NOW).unwrap();
    let other = SignedClaim::sign(Claim { serial: 13, not_after_unix_s: NOW + 10, ..claim() }, &owner()).unwrap();
    claims.present(other, NOW).unwrap();
    claims.revoke(12);
    assert!(claims.allowed(7, NOW + 10), "the other claim is good");
    assert!(!claims.allowed(7, NOW + 11));
    claims.revoke(13);
    assert!(!claims.allowed(7, NOW));
    assert_eq!(claims.present(signed(), NOW), Err(ClaimError::Revoked { serial: 12 }));
}

#[test]
fn claims_of_another_key_or_arena_are_named() {
    let claims = claims(0, None);
    let stranger = OwnerSecret::from_bytes(&[2; 32]).signing_key();
    let wrong_key = SignedClaim::sign(claim(), &stranger).unwrap();
    assert_eq!(
        claims.present(wrong_key, NOW),
        Err(ClaimError::WrongKey { found: stranger.public(), owner: owner().public() })
    );
    let elsewhere = SignedClaim::sign(Claim { arena: ArenaId([6; 16]), ..claim() }, &owner()).unwrap();
    assert!(matches!(claims.present(elsewhere, NOW), Err(ClaimError::WrongArena { .. })));
    assert!(!claims.allowed(7, NOW));
    assert_eq!(Claims::new(ARENA, None, vec![]).present(signed(), NOW), Err(ClaimError::NoOwner));
}

#[test]
fn a_claim_survives_bytes_and_text() {
    let signed = signed();
    assert_eq!(SignedClaim::from_bytes(&signed.to_bytes().unwrap()).unwrap(), signed);
    assert_eq!(SignedClaim::from_text(&signed.to_text().unwrap()).unwrap(), signed);
    assert_eq!(signed.claim().to_json()["arena"], "05050505050505050505050505050505");
    let long = Claim { role: "x".repeat(256), ..claim() };
    assert_eq!(SignedClaim::sign(long, &owner()), Err(ClaimError::TooLong { field: "the role", bytes: 256 }));
}

#[test]
fn every_cut_is_named() {
    let bytes = signed().to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert_eq!(SignedClaim::from_bytes(&bytes[..end]), Err(ClaimError::Truncated), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(SignedClaim::from_bytes(&longer), Err(ClaimError::Damaged));
    let text = signed().to_text().unwrap();
    assert_eq!(SignedClaim::from_text(&text[..100]), Err(ClaimError::Truncated));
    assert_eq!(SignedClaim::from_text("claim"), Err(ClaimError::Form));
    assert_eq!(SignedClaim::from_text(&text.replace('a', "g")), Err(ClaimError::Form));
}

#[test]
fn another_version_is_named() {
    let mut bytes = signed().to_bytes().unwrap();
    bytes[7] = 2;
    assert_eq!(SignedClaim::from_bytes(&resealed(bytes)), Err(ClaimError::Version { found: 2 }));
}

#[test]
fn a_claim_that_was_changed_and_given_a_good_checksum_is_forged() {
    let good = signed().to_bytes().unwrap();
    // The tenant, after magic, version, signer and arena; the clearance; the serial's low byte.
    for at in [56, 57, 66] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert_eq!(SignedClaim::from_bytes(&resealed(bytes)), Err(ClaimError::Forged), "{at}");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_never_taken(bit in 0usize..1 << 16) {
        let mut bytes = signed().to_bytes().unwrap();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(SignedClaim::from_bytes(&bytes).is_err());
        prop_assert!(SignedClaim::from_bytes(&resealed(bytes)).is_err() || bit >= 8 * (signed().to_bytes().unwrap().len() - 4));
    }

    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(SignedClaim::from_bytes(&bytes).is_err());
        let _ = SignedClaim::from_text(&String::from_utf8_lossy(&bytes));
    }
}
