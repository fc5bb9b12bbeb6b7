//! Waiting for a word of memory to change: what a signal handler may do where a mutex may not be.
#![allow(unsafe_code, reason = "futex(2) takes the address of the word")]

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// Waits until the word is no longer `value`, or somebody wakes, or so much time has passed. May return early: look again.
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Duration) {
    let time = libc::timespec { tv_sec: limit.as_secs() as libc::time_t, tv_nsec: limit.subsec_nanos().into() };
    // SAFETY: the word lives as long as the reference, and the kernel only reads it and the time.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            &raw const time,
        );
    }
}

/// The half of a word that holds its low bits, to be waited for.
pub(crate) fn low_half(word: &AtomicU64) -> &AtomicU32 {
    let half = if cfg!(target_endian = "little") { 0 } else { 1 };
    // SAFETY: within the word, aligned for a half of it, and for as long. This half is given to the kernel alone, which reads it in one access;
    // processors order accesses of different sizes to one place.
    unsafe { &*std::ptr::from_ref(word).cast::<AtomicU32>().add(half) }
}

/// Wakes all that wait for the word.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: the kernel only uses the address.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX);
    }
}

/// What is left until then; `None` once it is over.
pub(crate) fn left(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// A number that no other thread of this process has now: the address of what the C library knows of it, which costs no call of the kernel.
/// Addresses of programs have 56 bits at the most.
pub(crate) fn thread_number() -> u64 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::pthread_self() as u64 & (u64::MAX >> 8) }
}
