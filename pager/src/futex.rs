//! Waiting for a word of memory to change: what a signal handler may do where a mutex may not be.
#![allow(unsafe_code, reason = "futex(2) takes the address of the word")]

use std::sync::atomic::AtomicU32;
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

/// The number of this thread, which fits 22 bits (`PID_MAX_LIMIT` of the kernel).
pub(crate) fn thread_number() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::gettid() as u32 }
}
