//! MSI-X: the table and the pending bits of BAR4, and a message as a write to an eventfd.
//!
//! `docs/queue.md`, Interrupts. The table belongs to the PCIe endpoint, so it stands here and not in the RTL, whose part
//! ends with a pulse a vector:
//!
//! ```text
//!   irq[v] ──► pending[v] ──► not masked, and Bus Master Enable ──► eventfd of v
//! ```
//!
//! Bad accesses to BAR4 read 0 and are ignored (`docs/csr.md`), but they are not counted: the endpoint answers them, and
//! BAD_ACCESS_COUNT is behind it. For the same reason CTRL.RESET, of which the endpoint hears nothing, leaves the pending
//! bits alone; a function-level reset clears them.

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::regs::msix;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsRawFd, OwnedFd};

/// 4-byte words of a table entry; the last is MSIX_CONTROL.
const ENTRY_WORDS: usize = (msix::BLOCK.stride / 4) as usize;
const CONTROL: usize = (msix::MSIX_CONTROL.offset / 4) as usize;
const MASKED: u32 = msix::MSIX_CONTROL::MASKED.mask() as u32;
/// Words of the pending bit array, which has 64 bits.
const PBA: std::ops::Range<u32> = msix::PBA_OFFSET / 4..msix::PBA_OFFSET / 4 + 2;

/// The endpoint's interrupt side.
#[derive(Debug)]
pub(crate) struct MsiX {
    table: [[u32; ENTRY_WORDS]; VECTORS as usize],
    pending: u32,
    bus_master: bool,
    fds: [Option<OwnedFd>; VECTORS as usize],
}

impl Default for MsiX {
    fn default() -> MsiX {
        let mut entry = [0; ENTRY_WORDS];
        entry[CONTROL] = msix::MSIX_CONTROL.reset as u32;
        MsiX { table: [entry; VECTORS as usize], pending: 0, bus_master: false, fds: Default::default() }
    }
}

impl MsiX {
    /// Pulses on the interrupt lines.
    pub(crate) fn raise(&mut self, lines: u32) {
        self.pending |= lines;
        self.send();
    }

    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.bus_master = on;
        self.send();
    }

    /// The table belongs to the system and stays.
    pub(crate) fn reset(&mut self) {
        self.pending = 0;
    }

    /// The eventfd of a vector; making it unmasks the vector. `None` beyond the last.
    pub(crate) fn eventfd(&mut self, vector: u16) -> Option<rustix::io::Result<i32>> {
        let slot = self.fds.get_mut(usize::from(vector))?;
        if let Some(fd) = slot {
            return Some(Ok(fd.as_raw_fd()));
        }
        let made = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).map(|fd| {
            let number = fd.as_raw_fd();
            *slot = Some(fd);
            number
        });
        if made.is_ok() {
            self.table[usize::from(vector)][CONTROL] &= !MASKED;
            self.send();
        }
        Some(made)
    }

    fn send(&mut self) {
        if self.pending == 0 || !self.bus_master {
            return;
        }
        for (vector, entry) in self.table.iter().enumerate() {
            if self.pending >> vector & 1 == 0 || entry[CONTROL] & MASKED != 0 {
                continue;
            }
            self.pending &= !(1 << vector);
            if let Some(fd) = &self.fds[vector] {
                // EAGAIN means the counter is full: the reader is woken all the same.
                let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
            }
        }
    }

    /// A read of 4 or 8 bytes.
    pub(crate) fn read(&self, offset: u32, bytes: u32) -> u64 {
        if !offset.is_multiple_of(bytes) {
            return 0;
        }
        let word = |at: u32| {
            let at = offset / 4 + at;
            if PBA.contains(&at) {
                return if at == PBA.start { self.pending.into() } else { 0 };
            }
            self.table.as_flattened().get(at as usize).copied().map_or(0, u64::from)
        };
        if bytes == 8 { word(0) | word(1) << 32 } else { word(0) }
    }

    /// A write of 4 or 8 bytes.
    pub(crate) fn write(&mut self, offset: u32, bytes: u32, value: u64) {
        if !offset.is_multiple_of(bytes) {
            return;
        }
        for half in 0..bytes / 4 {
            let at = (offset / 4 + half) as usize;
            let Some(word) = self.table.as_flattened_mut().get_mut(at) else { return };
            let value = (value >> (32 * half)) as u32;
            *word = if at % ENTRY_WORDS == CONTROL { value & MASKED } else { value };
        }
        self.send();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    /// Messages that the vector's eventfd got since the last look.
    fn messages(msix: &MsiX, vector: usize) -> u64 {
        let mut count = [0; 8];
        match rustix::io::read(msix.fds[vector].as_ref().unwrap(), &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    #[test]
    fn a_message_waits_for_bus_master_and_mask() {
        let mut msix = MsiX::default();
        msix.raise(1 << 5);
        assert_eq!(msix.read(msix::PBA_OFFSET, 4), 1 << 5);
        msix.set_bus_master(true);
        assert_eq!(msix.read(msix::PBA_OFFSET, 8), 1 << 5, "all vectors begin masked");
        msix.eventfd(5).unwrap().unwrap();
        assert_eq!((messages(&msix, 5), msix.read(msix::PBA_OFFSET, 4)), (1, 0));
        msix.write(5 * 16 + 12, 4, u64::from(u32::MAX));
        assert_eq!(msix.read(5 * 16 + 12, 4), 1, "only the mask exists");
        msix.raise(1 << 5);
        msix.raise(1 << 5);
        assert_eq!(messages(&msix, 5), 0);
        msix.write(5 * 16 + 8, 8, 0xABCD);
        assert_eq!((messages(&msix, 5), msix.read(5 * 16 + 8, 8)), (1, 0xABCD));
        msix.set_bus_master(false);
        msix.raise(1 << 5 | 1 << 6);
        assert_eq!((messages(&msix, 5), msix.read(msix::PBA_OFFSET, 4)), (0, 3 << 5));
        msix.reset();
        assert_eq!((msix.read(msix::PBA_OFFSET, 4), msix.read(5 * 16 + 8, 4)), (0, 0xABCD));
        assert!(msix.eventfd(16).is_none());
    }

    #[test]
    fn bad_accesses_read_0_and_change_nothing() {
        let mut msix = MsiX::default();
        msix.write(0, 8, 0x1122_3344_5566_7788);
        assert_eq!((msix.read(0, 4), msix.read(4, 4)), (0x5566_7788, 0x1122_3344));
        for (offset, bytes) in [(2, 4), (4, 8), (0x100, 4), (0x7F8, 8), (0x800, 4), (0x808, 8), (0x1000, 4)] {
            msix.write(offset, bytes, u64::MAX);
            assert_eq!(msix.read(offset, bytes), 0, "{bytes} bytes at {offset:#x}");
        }
        assert_eq!(msix.read(0, 8), 0x1122_3344_5566_7788);
        assert_eq!(msix.read(8, 8), 1 << 32);
    }
}
