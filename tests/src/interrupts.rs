//! What a device tells the host by interrupt, compared: INT_STATUS, and the messages sent.
//!
//! Every vector stays masked in the MSI-X table, so that a message is pending, where it can be read, until it has been compared.

use kvcpu_mmio::regs::{irq, msix};
use kvcpu_mmio::{Backing, BackingError, Bar};

/// Forgets what was told, and lets every source signal.
pub(crate) fn begin(backing: &dyn Backing) -> Result<(), String> {
    let write = || -> Result<(), BackingError> {
        backing.write32(Bar::Regs, irq::INT_STATUS.offset, irq::INT_STATUS.writable() as u32)?;
        backing.write32(Bar::Regs, irq::INT_ENABLE.offset, irq::INT_ENABLE.writable() as u32)?;
        // What is pending leaves, to nobody.
        for masked in [0, msix::MSIX_CONTROL::MASKED.mask() as u32] {
            for vector in 0..msix::BLOCK.instances {
                backing.write32(Bar::Msix, msix::MSIX_CONTROL.at(vector), masked)?;
            }
        }
        Ok(())
    };
    write().map_err(|error| error.to_string())
}

/// What two devices at rest told since both began, and begins again.
pub(crate) fn compare(emulator: &dyn Backing, rtl: &dyn Backing) -> Result<(), String> {
    let places = [("INT_STATUS", Bar::Regs, irq::INT_STATUS.offset), ("messages", Bar::Msix, msix::PBA_OFFSET)];
    for (name, bar, offset) in places {
        let read = |backing: &dyn Backing| backing.read32(bar, offset).map_err(|error| error.to_string());
        let (expected, found) = (read(emulator)?, read(rtl)?);
        if expected != found {
            return Err(format!("{name}\n  emulator {expected:#x}\n  rtl      {found:#x}"));
        }
    }
    begin(emulator)?;
    begin(rtl)
}
