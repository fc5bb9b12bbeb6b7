//! Waiting on the eventfds of interrupt vectors.
//!
//! It has unsafe code because a backing names its eventfds by number, and a number has to be taken for
//! an open descriptor.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use kvcpu_mmio::{Backing, BackingError};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::DriverError;

/// Vectors that can be waited for together: own queue, service, invalidation.
const MOST: usize = 3;

/// An eventfd for a vector.
pub(crate) fn new() -> Result<OwnedFd, BackingError> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
        .map_err(|error| BackingError::Irq(format!("eventfd: {error}")))
}

/// Waits until one of `vectors` (at most three) was signalled, or `timeout`. Does not consume it.
pub(crate) fn wait<B: Backing + ?Sized>(backing: &B, vectors: &[u16], timeout: Duration) -> Result<bool, DriverError> {
    let mut fds = [0; MOST];
    for (fd, vector) in fds.iter_mut().zip(vectors) {
        *fd = backing.irq_fd(*vector)?;
    }
    // SAFETY: `Backing::irq_fd` promises that the descriptor is open for as long as the backing
    // lives, and `backing` is borrowed for longer than this borrow.
    let mut polls = fds.map(|fd| PollFd::from_borrowed_fd(unsafe { borrow(fd) }, PollFlags::IN));
    let used = vectors.len().min(MOST);
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    match poll(&mut polls[..used], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Takes the signal of `vector`, if there is one. Only one thread at a time may do so for a vector:
/// between the look and the read another could take it, and the read would block.
pub(crate) fn take<B: Backing + ?Sized>(backing: &B, vector: u16) -> Result<bool, DriverError> {
    if !wait(backing, &[vector], Duration::ZERO)? {
        return Ok(false);
    }
    // SAFETY: as above.
    let fd = unsafe { borrow(backing.irq_fd(vector)?) };
    let mut count = [0; 8];
    match rustix::io::read(fd, &mut count) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// # Safety
///
/// `fd` is 0 (and then not polled) or stays open for `'a`.
unsafe fn borrow<'a>(fd: i32) -> BorrowedFd<'a> {
    // SAFETY: the caller's promise; no backing hands out -1.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}

fn failed(error: rustix::io::Errno) -> DriverError {
    let error: io::Error = error.into();
    DriverError::Backing(BackingError::Irq(error.to_string()))
}
