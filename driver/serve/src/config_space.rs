//! PCI configuration space of the device, as the client sees it.
//!
//! Sources: PCI Local Bus 3.0, chapter 6 (header, BARs, MSI-X); PCI Express Base 3.0, 7.8 (PCI Express capability) and 7.6 (Power
//! Management, which every function must have).
//!
//! ```text
//!  0x00 header: ids, command, class, BAR0 64 KiB, BAR2 RTBD, BAR4 MSI-X, all of 64 bits
//!  0x40 PCI Express: endpoint, function-level reset        0x80 MSI-X: table and PBA in BAR4
//!  0x90 Power Management: D0 and D3hot
//! ```
//!
//! The power state is kept, as software wants to read back what it wrote, and has no effect: a simulated device draws no power, and
//! nothing is reset between D3hot and D0 (No_Soft_Reset).

use kvcpu_driver::pci::{self, COMMAND_BUS_MASTER, COMMAND_MEMORY};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES, PCI_DEVICE, PCI_VENDOR};
use kvcpu_mmio::regs::msix::{BAR4_BYTES, PBA_OFFSET};
use rustix::io::Errno;

/// Bytes of it: with the extended part, which is empty.
pub(super) const BYTES: usize = 4096;

const COMMAND: usize = pci::COMMAND as usize;
/// Writable bits of COMMAND: memory, bus master, parity, SERR, INTx disable.
const COMMAND_MASK: u16 = COMMAND_MEMORY | COMMAND_BUS_MASTER | 1 << 6 | 1 << 8 | 1 << 10;
const STATUS: usize = 0x06;
const STATUS_CAPABILITIES: u8 = 1 << 4;
const CLASS: usize = 0x08;
/// Revision 0, memory controller, other (PCI Code and ID Assignment 1.11, 1.6).
const CLASS_CODE: [u8; 4] = [0, 0, 0x80, 0x05];
const BARS: usize = 0x10;
/// A BAR of 64 bits of memory, not prefetchable.
const BAR_64: u8 = 0b100;
const SUBSYSTEM: usize = 0x2C;
const CAPABILITIES: usize = 0x34;

const EXPRESS: usize = 0x40;
const EXPRESS_ID: u8 = 0x10;
/// Version 2, endpoint.
const EXPRESS_FLAGS: [u8; 2] = [0x02, 0x00];
/// Device capabilities: role-based error reporting (bit 15), function-level reset (bit 28).
const DEVICE_CAPABILITIES: u32 = 1 << 15 | 1 << 28;
const DEVICE_CONTROL: usize = EXPRESS + 8;
/// Initiate FLR, bit 15 of device control: reads 0.
const INITIATE_RESET: u8 = 1 << 7;
/// Link capabilities and status: x1 at 2.5 GT/s, which says nothing of a socket.
const LINK: u32 = 0x11;
const MSIX: usize = 0x80;
const MSIX_ID: u8 = 0x11;
/// BAR that table and pending bits are in.
const MSIX_BAR: u32 = 4;
/// Enable and function mask, in the high byte of message control.
const MSIX_CONTROL_MASK: u8 = 0xC0;
const POWER: usize = 0x90;
const POWER_ID: u8 = 0x01;
/// Capabilities: version 3, neither D1 nor D2, no PME (PCI Bus Power Management 1.2, 3.2.3).
const POWER_CAPABILITIES: u16 = 3;
/// Control and status, of which only the state is writable.
const POWER_CONTROL: usize = POWER + 4;
const NO_SOFT_RESET: u8 = 1 << 3;
const POWER_STATE_MASK: u8 = 0b11;
/// D0 and D3hot.
const POWER_STATES: [u8; 2] = [0, 3];

/// What a write sets off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Bus Master Enable, if it may have changed.
    pub(super) bus_master: Option<bool>,
    /// A function-level reset.
    pub(super) reset: bool,
}

/// The space, and which of its bits are writable.
pub(super) struct ConfigSpace {
    bytes: Box<[u8; BYTES]>,
    mask: Box<[u8; BYTES]>,
}

impl ConfigSpace {
    /// Out of reset.
    pub(super) fn new() -> ConfigSpace {
        let mut space = ConfigSpace { bytes: Box::new([0; BYTES]), mask: Box::new([0; BYTES]) };
        for (at, id) in [(0, PCI_VENDOR), (2, PCI_DEVICE), (SUBSYSTEM, PCI_VENDOR), (SUBSYSTEM + 2, PCI_DEVICE)] {
            space.put(at, &id.to_le_bytes());
        }
        space.bytes[STATUS] = STATUS_CAPABILITIES;
        space.put(CLASS, &CLASS_CODE);
        space.mask[COMMAND..COMMAND + 2].copy_from_slice(&COMMAND_MASK.to_le_bytes());
        for (bar, size) in [(0, BAR0_BYTES), (2, BAR2_BYTES), (4, BAR4_BYTES)] {
            let at = BARS + 4 * bar;
            space.bytes[at] = BAR_64;
            space.mask[at..at + 8].copy_from_slice(&(!u64::from(size - 1)).to_le_bytes());
        }
        space.bytes[CAPABILITIES] = EXPRESS as u8;
        space.put(EXPRESS, &[EXPRESS_ID, MSIX as u8, EXPRESS_FLAGS[0], EXPRESS_FLAGS[1]]);
        space.put(EXPRESS + 4, &DEVICE_CAPABILITIES.to_le_bytes());
        // Error reporting, relaxed ordering, payload and read sizes: kept, and mean nothing here.
        space.mask[DEVICE_CONTROL..DEVICE_CONTROL + 2].copy_from_slice(&[0xFF, 0x7F]);
        space.put(EXPRESS + 0xC, &LINK.to_le_bytes());
        space.put(EXPRESS + 0x12, &(LINK as u16).to_le_bytes());
        space.put(MSIX, &[MSIX_ID, POWER as u8]);
        space.put(MSIX + 2, &(VECTORS - 1).to_le_bytes());
        space.mask[MSIX + 3] = MSIX_CONTROL_MASK;
        space.put(MSIX + 4, &MSIX_BAR.to_le_bytes());
        space.put(MSIX + 8, &(PBA_OFFSET | MSIX_BAR).to_le_bytes());
        space.put(POWER, &[POWER_ID, 0]);
        space.put(POWER + 2, &POWER_CAPABILITIES.to_le_bytes());
        space.bytes[POWER_CONTROL] = NO_SOFT_RESET;
        space.mask[POWER_CONTROL] = POWER_STATE_MASK;
        space
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn command(&self) -> u16 {
        u16::from_le_bytes([self.bytes[COMMAND], self.bytes[COMMAND + 1]])
    }

    /// The device's memory answers.
    pub(super) fn memory_enabled(&self) -> bool {
        self.command() & COMMAND_MEMORY != 0
    }

    /// Reads bytes.
    pub(super) fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let range = range(offset, count)?;
        Ok(self.bytes[range].to_vec())
    }

    /// Writes bytes; what is not writable stays.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<Effects, Errno> {
        let range = range(offset, data.len())?;
        let mut effects = Effects::default();
        for (at, new) in range.zip(data) {
            // A state that the device has not is no change (PCI Bus Power Management 1.2, 3.2.4).
            if at == POWER_CONTROL && !POWER_STATES.contains(&(new & POWER_STATE_MASK)) {
                continue;
            }
            self.bytes[at] = self.bytes[at] & !self.mask[at] | new & self.mask[at];
            if at == COMMAND {
                effects.bus_master = Some(self.command() & COMMAND_BUS_MASTER != 0);
            }
            if at == DEVICE_CONTROL + 1 && new & INITIATE_RESET != 0 {
                effects.reset = true;
            }
        }
        Ok(effects)
    }
}

fn range(offset: u64, count: usize) -> Result<std::ops::Range<usize>, Errno> {
    let start = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
    let end = start.checked_add(count).filter(|end| *end <= BYTES).ok_or(Errno::INVAL)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    fn word(space: &ConfigSpace, at: u64) -> u32 {
        u32::from_le_bytes(space.read(at, 4).unwrap().try_into().unwrap())
    }

    #[test]
    fn bars_tell_their_size_and_ids_stay() {
        let mut space = ConfigSpace::new();
        for (bar, size) in [(0, BAR0_BYTES), (2, BAR2_BYTES), (4, BAR4_BYTES)] {
            let at = 0x10 + 4 * bar;
            space.write(at, &[0xFF; 8]).unwrap();
            assert_eq!(word(&space, at), !(size - 1) | 4, "BAR{bar}");
            assert_eq!(word(&space, at + 4), u32::MAX);
        }
        space.write(0, &[0; 4]).unwrap();
        assert_eq!(word(&space, 0), u32::from(PCI_DEVICE) << 16 | u32::from(PCI_VENDOR));
    }

    #[test]
    fn capabilities_are_a_chain_of_express_msix_and_power_management() {
        let space = ConfigSpace::new();
        let mut at = space.read(0x34, 1).unwrap()[0];
        let mut found = Vec::new();
        while at != 0 {
            let bytes = space.read(at.into(), 2).unwrap();
            found.push(bytes[0]);
            at = bytes[1];
        }
        assert_eq!(found, [0x10, 0x11, 0x01]);
        assert_eq!(word(&space, 0x80) >> 16 & 0x7FF, 15);
    }

    #[test]
    fn power_states_are_d0_and_d3hot() {
        let mut space = ConfigSpace::new();
        assert_eq!(word(&space, 0x90) >> 16, 3, "version 3, nothing else");
        for (written, state) in [(3, 3), (1, 3), (2, 3), (0, 0), (1, 0), (0xFF, 3)] {
            assert_eq!(space.write(0x94, &[written, 0xFF, 0xFF, 0xFF]).unwrap(), Effects::default());
            assert_eq!(word(&space, 0x94), 8 | state, "{written}");
        }
    }

    #[test]
    fn command_and_reset_are_told() {
        let mut space = ConfigSpace::new();
        assert!(!space.memory_enabled());
        assert_eq!(space.write(4, &[6, 0]).unwrap(), Effects { bus_master: Some(true), reset: false });
        assert!(space.memory_enabled());
        assert_eq!(space.write(4, &[2, 0]).unwrap().bus_master, Some(false));
        assert!(space.write(0x48, &[0, 0x80]).unwrap().reset);
        assert_eq!(word(&space, 0x48) & 0x8000, 0, "it reads 0");
        assert_eq!(space.write(4095, &[0; 2]), Err(Errno::INVAL));
        assert_eq!(space.read(u64::MAX, 4), Err(Errno::INVAL));
    }
}
