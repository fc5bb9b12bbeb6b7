//! Any bytes are an error or a claim that encodes to the same bytes.

#![no_main]

use kvcpu_pager::claim::SignedClaim;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(claim) = SignedClaim::from_bytes(bytes) {
        assert_eq!(claim.to_bytes().expect("it was encoded before"), bytes);
    }
});
