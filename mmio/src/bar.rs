//! Where on the card an access goes.

/// A base address register of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bar {
    /// BAR0: 64 KiB of registers.
    Regs,
    /// BAR2: the RTBD window, 32 bytes an entry.
    Rtbd,
    /// BAR4: MSI-X table and pending bits.
    Msix,
}

impl Bar {
    /// The PCI BAR index.
    pub const fn index(self) -> u8 {
        match self {
            Bar::Regs => 0,
            Bar::Rtbd => 2,
            Bar::Msix => 4,
        }
    }
}
