//! COMMAND of PCI configuration space, which driver and server both look at (PCI Local Bus 3.0, 6.2.2).

/// Its offset.
pub const COMMAND: u64 = 0x04;
/// Memory Space Enable: BARs answer.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// Bus Master Enable: the device may access memory and send messages.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
