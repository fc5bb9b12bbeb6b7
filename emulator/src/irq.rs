//! Interrupt status, enable and test, and the MSI-X table with its pending bits.
//!
//! `docs/queue.md`, Interrupts. A vector's message is a write to an eventfd, as VFIO would do it;
//! the fd exists once the system asked for it, which also unmasks the vector.

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::regs::{irq, msix};
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::OwnedFd;

const ENTRY_WORDS: usize = (msix::BLOCK.stride / 4) as usize;
const CONTROL_WORD: usize = ENTRY_WORDS - 1;
/// The only bit of the control word that exists.
const MASKED: u32 = msix::MSIX_CONTROL::MASKED.mask() as u32;

/// Sources of INT_STATUS other than the command queues, which are 0 to 3.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Service = irq::INT_STATUS::SERVICE.lsb as isize,
    Error = irq::INT_STATUS::ERROR.lsb as isize,
    Command = irq::INT_STATUS::COMMAND.lsb as isize,
    Invalidate = irq::INT_STATUS::INVALIDATE.lsb as isize,
}

pub(crate) struct Irq {
    pub(crate) status: u32,
    pub(crate) enable: u32,
    pub(crate) bus_master: bool,
    table: [u32; ENTRY_WORDS * VECTORS as usize],
    pending: u32,
    fds: Vec<Option<OwnedFd>>,
}

impl Default for Irq {
    fn default() -> Self {
        let mut table = [0; ENTRY_WORDS * VECTORS as usize];
        table.iter_mut().skip(CONTROL_WORD).step_by(ENTRY_WORDS).for_each(|w| *w = MASKED);
        let fds = (0..VECTORS).map(|_| None).collect();
        Irq { status: 0, enable: 0, bus_master: false, table, pending: 0, fds }
    }
}

impl Irq {
    /// Back to reset values. The MSI-X table belongs to the system and survives with its fds; what was to be told still is.
    pub(crate) fn reset(&mut self) {
        (self.status, self.enable) = (0, 0);
    }

    /// Messages that did not leave never will.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = 0;
    }

    pub(crate) fn raise(&mut self, source: Source) {
        self.set(self.status | 1 << source as u32, self.enable);
    }

    pub(crate) fn raise_queue(&mut self, qid: usize) {
        self.set(self.status | 1 << qid, self.enable);
    }

    /// Takes new values of INT_STATUS and INT_ENABLE and sends what rose.
    pub(crate) fn set(&mut self, status: u32, enable: u32) {
        let rose = status & enable & !(self.status & self.enable);
        (self.status, self.enable) = (status, enable);
        self.pending |= rose;
        self.send_pending();
    }

    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.bus_master = on;
        self.send_pending();
    }

    /// The eventfd of `vector`, made and unmasked on first use.
    pub(crate) fn eventfd(&mut self, vector: u16) -> rustix::io::Result<&OwnedFd> {
        let slot = usize::from(vector);
        if self.fds[slot].is_none() {
            self.fds[slot] = Some(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
            self.table[slot * ENTRY_WORDS + CONTROL_WORD] &= !MASKED;
            self.send_pending();
        }
        self.fds[slot].as_ref().ok_or(rustix::io::Errno::BADF)
    }

    fn send_pending(&mut self) {
        if self.pending == 0 || !self.bus_master {
            return;
        }
        for vector in 0..usize::from(VECTORS) {
            let masked = self.table[vector * ENTRY_WORDS + CONTROL_WORD] & MASKED != 0;
            if self.pending & (1 << vector) != 0 && !masked {
                self.pending &= !(1 << vector);
                if let Some(fd) = &self.fds[vector] {
                    // EAGAIN means the counter is full: the reader is woken all the same.
                    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
                }
            }
        }
    }

    /// Reads a word of BAR4; `None` in a hole.
    pub(crate) fn read_bar4(&self, offset: u32) -> Option<u32> {
        match offset {
            msix::PBA_OFFSET => Some(self.pending),
            o if o == msix::PBA_OFFSET + 4 => Some(0),
            o => self.table.get(o as usize / 4).copied(),
        }
    }

    /// Writes a word of BAR4; says whether it is writable.
    pub(crate) fn write_bar4(&mut self, offset: u32, value: u32) -> bool {
        let word = offset as usize / 4;
        let Some(slot) = self.table.get_mut(word) else { return false };
        *slot = if word % ENTRY_WORDS == CONTROL_WORD { value & MASKED } else { value };
        self.send_pending();
        true
    }
}
