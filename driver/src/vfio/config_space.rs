//! The few fields of PCI configuration space that a driver needs: COMMAND, and a sign of life.
//!
//! Source: PCI Local Bus 3.0, 6.2. The kernel filters accesses (drivers/vfio/pci/vfio_pci_config.c): vendor and device id are copies
//! that it keeps, so they say nothing of whether the card is still there; class and revision come from the card.

use std::os::fd::BorrowedFd;

use kvcpu_mmio::BackingError;

use crate::pci::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY};

/// Revision and class code.
const CLASS: u64 = 0x08;

/// Configuration space: where it is in the device's file.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigSpace<'a> {
    pub(super) device: BorrowedFd<'a>,
    pub(super) offset: u64,
}

impl ConfigSpace<'_> {
    fn read<const N: usize>(&self, at: u64) -> Result<[u8; N], BackingError> {
        let mut bytes = [0; N];
        match rustix::io::pread(self.device, &mut bytes, self.offset + at) {
            Ok(count) if count == N => Ok(bytes),
            Ok(_) => Err(gone("ends early")),
            Err(error) => Err(gone(error)),
        }
    }

    /// Checks that the card is there.
    pub(super) fn check(&self) -> Result<(), BackingError> {
        match self.read(CLASS).map(u32::from_le_bytes)? {
            u32::MAX => Err(gone("reads all ones")),
            _ => Ok(()),
        }
    }

    /// COMMAND as it is.
    pub(super) fn command(&self) -> Result<u16, BackingError> {
        match self.read(COMMAND).map(u16::from_le_bytes)? {
            // Most of its bits are reserved and read 0.
            u16::MAX => Err(gone("reads all ones")),
            command => Ok(command),
        }
    }

    /// Sets COMMAND; memory decoding is always on.
    pub(super) fn set_command(&self, command: u16) -> Result<(), BackingError> {
        let bytes = (command | COMMAND_MEMORY).to_le_bytes();
        match rustix::io::pwrite(self.device, &bytes, self.offset + COMMAND) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) => Err(gone("takes no writes")),
            Err(error) => Err(gone(error)),
        }
    }

    /// Sets or clears Bus Master Enable.
    pub(super) fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        let command = self.command()?;
        self.set_command(if on { command | COMMAND_BUS_MASTER } else { command & !COMMAND_BUS_MASTER })
    }
}

fn gone(why: impl std::fmt::Display) -> BackingError {
    BackingError::Gone(format!("its configuration space: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bus_mastering_leaves_the_other_bits() {
        let file = tempfile::tempfile().unwrap();
        rustix::io::pwrite(&file, &[0; 16], 0x100).unwrap();
        let space = ConfigSpace { device: file.as_fd(), offset: 0x100 };
        space.set_command(0x0440).unwrap();
        space.bus_master(true).unwrap();
        assert_eq!(space.command(), Ok(0x0446));
        space.bus_master(false).unwrap();
        assert_eq!(space.command(), Ok(0x0442));
    }

    #[test]
    fn a_card_that_vanished_is_seen() {
        let file = tempfile::tempfile().unwrap();
        let space = ConfigSpace { device: file.as_fd(), offset: 0 };
        assert!(matches!(space.check(), Err(BackingError::Gone(why)) if why.contains("ends early")));
        rustix::io::pwrite(&file, &[0xFF; 16], 0).unwrap();
        assert!(matches!(space.check(), Err(BackingError::Gone(why)) if why.contains("all ones")));
        assert!(space.bus_master(true).is_err());
    }
}
