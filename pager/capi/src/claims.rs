//! Claims, as C presents and revokes them.
#![allow(unsafe_code, reason = "pointers and names of C; each function's description is its caller's promise")]

use crate::arena::KvpArena;
use crate::pointers::{at, path};
use crate::status::{Failure, KvpStatus, call};
use kvcpu_pager::{SignedClaim, Source};
use std::ffi::{c_char, c_int};
use std::fs::File;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest file that is read: a claim takes some 2 KiB as text at the most.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Presents the claim in a file, a line of text. What was zeros for want of it is filled at its next touch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_present_claim(arena: *const KvpArena, file: *const c_char) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (open, file) = unsafe { (&at(arena, "arena")?.0, path(file, "file")?) };
        let failed = |error| Failure::new(KvpStatus::File, format!("claim file {}: {error}", file.display()));
        let mut text = String::new();
        File::open(file)
            .map_err(failed)?
            .take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(failed)?;
        let claim = SignedClaim::from_text(&text)?;
        let tenant = claim.claim().tenant;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        open.container.claims().present(claim, now)?;
        for range in open.blocks_of(|of| of == tenant) {
            open.arena.forget_failures(range)?;
        }
        Ok(())
    })
}

/// Takes claims of this number back, also later ones. What may not be read any more is zeros at its next touch, pinned or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_revoke_claim(arena: *const KvpArena, serial: u64) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let open = &unsafe { at(arena, "arena")? }.0;
        open.container.claims().revoke(serial);
        for range in open.blocks_of(|tenant| !open.container.is_allowed(tenant)) {
            open.arena.invalidate(range)?;
        }
        Ok(())
    })
}
