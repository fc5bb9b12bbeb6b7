//! BAR4: the MSI-X table and pending bits (PCI Local Bus 3.0, section 6.8.2).

use crate::register::block;

/// Byte offset of the pending bit array in BAR4.
pub const PBA_OFFSET: u32 = 0x800;
/// Size of BAR4.
pub const BAR4_BYTES: u32 = 0x1000;

block! {
    /// One MSI-X table entry.
    msix in Msix @ 0x0000, 16 x 0x10;

    /// Message address; written by the system.
    0x0 MSIX_ADDRESS: u64 RW = 0, "";
    /// Message data; written by the system.
    0x8 MSIX_DATA: u32 RW = 0, "";
    /// Vector control.
    0xC MSIX_CONTROL: u32 RW = 1, "" {
        /// Masked: messages wait in the pending bit array.
        MASKED[0 + 1] "";
    };
}
