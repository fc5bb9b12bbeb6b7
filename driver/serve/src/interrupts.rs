//! MSI-X on its way: the device's eventfd of a vector to the one that the client has given for it.
//!
//! A vector for which the client has none is masked in the device's table, so its messages wait in the pending bits.
//!
//! A write to a full eventfd waits for its reader, and the client, which may fill it, shares its description with this process: it
//! sets the mode of both. So nothing is written to one that is full, and each write is preceded by setting O_NONBLOCK. A client
//! that undoes both in the instant before the write is what is left; `docs/vfio-user.md`, bad clients.
#![allow(unsafe_code, reason = "a backing names its eventfds by number")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::regs::msix;
use kvcpu_mmio::{Backing, BackingError, Bar};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// What an eventfd's link in /proc says, and no file can be called (it would be a path).
const EVENTFD: &str = "anon_inode:[eventfd]";

/// A vector that the client waits for.
struct Wire<'a> {
    /// The device's eventfd.
    source: BorrowedFd<'a>,
    /// The client's.
    client: OwnedFd,
}

/// The vectors that the client waits for.
#[derive(Default)]
pub(super) struct Interrupts<'a> {
    wires: [Option<Wire<'a>>; VECTORS as usize],
}

impl<'a> Interrupts<'a> {
    /// The client's eventfds from vector `start` on, or none of `count` vectors.
    pub(super) fn set(&mut self, device: &'a dyn Backing, start: u32, fds: Vec<Option<OwnedFd>>) -> Result<(), Errno> {
        let first = start as usize;
        let slots = first
            .checked_add(fds.len())
            .and_then(|end| self.wires.get_mut(first..end))
            .ok_or(Errno::INVAL)?;
        // Before anything is changed.
        if !fds.iter().flatten().all(is_eventfd) {
            return Err(Errno::INVAL);
        }
        for ((vector, slot), fd) in (start..).zip(slots).zip(fds) {
            // While it changes, messages wait.
            mask(device, vector, true)?;
            *slot = None;
            if let Some(client) = fd {
                let number = device.irq_fd(vector as u16).map_err(failed)?;
                // SAFETY: `Backing::irq_fd` promises that the descriptor is open for as long as the backing lives.
                let source = unsafe { BorrowedFd::borrow_raw(number) };
                *slot = Some(Wire { source, client });
                mask(device, vector, false)?;
            }
        }
        Ok(())
    }

    /// No vector has an eventfd any more.
    pub(super) fn clear(&mut self, device: &'a dyn Backing) -> Result<(), Errno> {
        self.set(device, 0, (0..VECTORS).map(|_| None).collect())
    }

    /// Vectors that the client waits for, and the device's eventfds of them.
    pub(super) fn sources(&self) -> Vec<(u16, BorrowedFd<'a>)> {
        (0..)
            .zip(&self.wires)
            .filter_map(|(vector, wire)| Some((vector, wire.as_ref()?.source)))
            .collect()
    }

    /// Passes the signal of a vector on.
    pub(super) fn forward(&self, vector: u16, source: BorrowedFd<'_>) {
        let mut count = [0; 8];
        if rustix::io::read(source, &mut count).is_err() {
            // It was taken meanwhile, or never there.
            return;
        }
        if let Some(wire) = &self.wires[usize::from(vector)] {
            signal(wire.client.as_fd());
        }
    }
}

/// Signals an eventfd of the client. One that is full wakes its reader all the same.
fn signal(client: BorrowedFd<'_>) {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::new(&client, PollFlags::OUT)];
    let has_room = poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::OUT);
    if has_room && fcntl_setfl(client, OFlags::NONBLOCK).is_ok() {
        // It was filled meanwhile, if this fails.
        let _ = rustix::io::write(client, &1u64.to_ne_bytes());
    }
}

/// Others may block in ways that nobody can look for in advance.
fn is_eventfd(fd: &OwnedFd) -> bool {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let is_eventfd = matches!(&link, Ok(link) if link.as_os_str() == EVENTFD);
    if !is_eventfd {
        tracing::warn!(?link, "refused for an interrupt: it is no eventfd, or /proc is not mounted");
    }
    is_eventfd
}

fn mask(device: &dyn Backing, vector: u32, on: bool) -> Result<(), Errno> {
    let control = vector * msix::BLOCK.stride + msix::MSIX_CONTROL.offset;
    device.write32(Bar::Msix, control, u32::from(on)).map_err(failed)
}

fn failed(error: BackingError) -> Errno {
    tracing::warn!(%error, "the device failed an interrupt request");
    Errno::IO
}
