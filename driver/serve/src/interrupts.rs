//! MSI-X on its way: the device's eventfd of a vector to the one that the client has given for it.
//!
//! A vector for which the client has none is masked in the device's table, so its messages wait in the pending bits.
#![allow(unsafe_code, reason = "a backing names its eventfds by number")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::regs::msix;
use kvcpu_mmio::{Backing, BackingError, Bar};
use rustix::io::Errno;

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
            // One that is full wakes its reader all the same; one that is no eventfd is the client's own loss.
            let _ = rustix::io::write(wire.client.as_fd(), &1u64.to_ne_bytes());
        }
    }
}

fn mask(device: &dyn Backing, vector: u32, on: bool) -> Result<(), Errno> {
    let control = vector * msix::BLOCK.stride + msix::MSIX_CONTROL.offset;
    device.write32(Bar::Msix, control, u32::from(on)).map_err(failed)
}

fn failed(error: BackingError) -> Errno {
    tracing::warn!(%error, "the device failed an interrupt request");
    Errno::IO
}
