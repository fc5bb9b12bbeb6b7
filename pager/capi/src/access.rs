//! What is done with ranges of an arena.
#![allow(unsafe_code, reason = "pointers and names of C; each function's description is its caller's promise")]

use crate::arena::{KvpArena, Open};
use crate::pointers::{at, give, room, take};
use crate::status::{Failure, KvpStatus, call};
use kvcpu_pager::{Advice, Arena, Pin};
use std::ffi::{c_int, c_void};
use std::sync::Arc;

/// What is known of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum KvpAdvice {
    /// It is used all the time: never a victim, until it is advised otherwise.
    Hot = 104,
    /// It is not needed now: it goes, and is not hot any more.
    Evict = 105,
    /// It will be needed soon: it is filled in the background while there is room.
    Prefetch = 106,
}

/// Blocks that stay in memory.
pub struct KvpPin {
    /// Before what it borrows from, so that it is dropped first.
    _pin: Pin<'static>,
    _open: Arc<Open>,
}

/// Fills the blocks of a range. As many as the budget holds stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_prefault(arena: *const KvpArena, offset: u64, bytes: u64) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let open = &unsafe { at(arena, "arena")? }.0;
        Ok(open.arena.prefault(open.range(offset, bytes)?)?)
    })
}

/// Fills the blocks of a range and keeps them until the pin, written to `pin` on success, is given back: memory that the kernel may touch
/// too. An arena that is closed lives on as long as its pins.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_pin(arena: *const KvpArena, offset: u64, bytes: u64, pin: *mut *mut KvpPin) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (arena, handle) = unsafe { (at(arena, "arena")?, room(pin, "pin")?) };
        let open = arena.0.clone();
        let range = open.range(offset, bytes)?;
        // SAFETY: the arena is where `open` keeps it, which the pin's structure holds on to for longer than the pin.
        let kept: &'static Arena = unsafe { &*std::ptr::from_ref(&open.arena) };
        give(handle, KvpPin { _pin: kept.pin(range)?, _open: open });
        Ok(())
    })
}

/// Gives a pin back. It is not to be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_unpin(pin: *mut KvpPin) -> c_int {
    // SAFETY: as the caller promises.
    call(|| unsafe { take(pin, "pin") }.map(drop))
}

/// Says what is known of a range, a kvp_advice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_advise(arena: *const KvpArena, offset: u64, bytes: u64, advice: c_int) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let open = &unsafe { at(arena, "arena")? }.0;
        let known = Advice::from_number(advice);
        let advice = known.ok_or_else(|| Failure::new(KvpStatus::Argument, format!("there is no advice {advice}")))?;
        Ok(open.arena.advise(open.range(offset, bytes)?, advice)?)
    })
}

/// Says that a range is used: the processor does not tell of touches of what is in memory already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_touch(arena: *const KvpArena, offset: u64, bytes: u64) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let open = &unsafe { at(arena, "arena")? }.0;
        Ok(open.arena.touch(open.range(offset, bytes)?)?)
    })
}

/// Says that a step of the workload begins, as the next token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_step(arena: *const KvpArena) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        unsafe { at(arena, "arena")? }.0.arena.step();
        Ok(())
    })
}

/// Copies bytes out, without a fault: what cannot be filled or may not be read is an error, and then `to` has no meaning. `to` is not in an
/// arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_read(arena: *const KvpArena, offset: u64, to: *mut c_void, bytes: usize) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (open, to) = unsafe { (&at(arena, "arena")?.0, room(to.cast::<u8>(), "to")?) };
        let range = open.range(offset, bytes as u64)?;
        open.allowed(&range)?;
        let to = to.as_mut_ptr();
        // SAFETY: the caller's `bytes` bytes, no more than an arena has. Zeros make values of what may be none yet.
        let bytes = unsafe {
            to.write_bytes(0, bytes);
            std::slice::from_raw_parts_mut(to, bytes)
        };
        open.arena.read(offset, bytes)?;
        // A claim that ended meanwhile: zeros may be among them.
        open.allowed(&range)
    })
}
