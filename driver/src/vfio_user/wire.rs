//! Messages of the vfio-user protocol, version 0.1. What carries them is in `stream`.
//!
//! Source: QEMU's docs/interop/vfio-user.rst; structures that it takes over are those of `linux/vfio.h`. Numbers are in the
//! host's order, as the peers share a host.
//!
//! ```text
//!  header: id 2, command 2, size 4 (with the header), flags 4, error 4 │ body │ + descriptors (SCM_RIGHTS)
//! ```

use std::mem::size_of;

/// The version spoken.
pub const VERSION: Version = Version { major: 0, minor: 1 };
/// Descriptors that come with a message at most: a vector's eventfd each.
pub const MAX_FDS: usize = 16;
/// Data of one region access at most.
pub const MAX_DATA: usize = 1 << 20;
/// Body of a message at most: an access with its data.
pub const MAX_BODY: usize = MAX_DATA + RegionAccess::BYTES;

/// Header flag: the message is a reply.
pub const REPLY: u32 = 1;
/// Header flags: its type is in these.
pub const TYPE: u32 = 0xF;
/// Header flag: no reply is wanted.
pub const NO_REPLY: u32 = 1 << 4;
/// Header flag: the reply is an error, an errno.
pub const ERROR: u32 = 1 << 5;

/// Regions of a PCI device (`VFIO_PCI_*_REGION_INDEX`): BARs are 0 to 5.
pub const CONFIG_REGION: u32 = 7;
/// Regions that there are: BARs, ROM, configuration space, VGA.
pub const REGIONS: u32 = 9;
/// Interrupts of a PCI device (`VFIO_PCI_*_IRQ_INDEX`): INTx, MSI, MSI-X, error, request.
pub const IRQS: u32 = 5;
/// MSI-X.
pub const MSIX_IRQ: u32 = 2;

/// `VFIO_DEVICE_FLAGS_RESET`, `VFIO_DEVICE_FLAGS_PCI`.
pub const DEVICE_RESETS: u32 = 1;
/// It is a PCI device.
pub const DEVICE_IS_PCI: u32 = 2;
/// `VFIO_REGION_INFO_FLAG_READ`.
pub const REGION_READS: u32 = 1;
/// `VFIO_REGION_INFO_FLAG_WRITE`.
pub const REGION_WRITES: u32 = 2;
/// `VFIO_IRQ_INFO_EVENTFD`.
pub const IRQ_EVENTFD: u32 = 1;
/// `VFIO_IRQ_SET_DATA_NONE`: with [`SET_TRIGGER`] and no vectors, all are let go.
pub const SET_NONE: u32 = 1;
/// `VFIO_IRQ_SET_DATA_BOOL`.
pub const SET_BOOL: u32 = 2;
/// `VFIO_IRQ_SET_DATA_EVENTFD`.
pub const SET_EVENTFD: u32 = 4;
/// `VFIO_IRQ_SET_ACTION_TRIGGER`.
pub const SET_TRIGGER: u32 = 0x20;
/// DMA_MAP flag: the device may read.
pub const MAP_READ: u32 = 1;
/// DMA_MAP flag: the device may write.
pub const MAP_WRITE: u32 = 2;
/// DMA_UNMAP flag: whatever is mapped.
pub const UNMAP_ALL: u32 = 4;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "the protocol's own names")]
pub enum Command {
    Version = 1,
    DmaMap = 2,
    DmaUnmap = 3,
    DeviceGetInfo = 4,
    DeviceGetRegionInfo = 5,
    DeviceGetIrqInfo = 7,
    DeviceSetIrqs = 8,
    RegionRead = 9,
    RegionWrite = 10,
    DeviceReset = 13,
}

impl Command {
    const ALL: [Command; 10] = [
        Command::Version,
        Command::DmaMap,
        Command::DmaUnmap,
        Command::DeviceGetInfo,
        Command::DeviceGetRegionInfo,
        Command::DeviceGetIrqInfo,
        Command::DeviceSetIrqs,
        Command::RegionRead,
        Command::RegionWrite,
        Command::DeviceReset,
    ];

    /// The command with this number, if it is one of those here.
    pub fn of(number: u16) -> Option<Command> {
        Command::ALL.into_iter().find(|command| *command as u16 == number)
    }
}

/// What reads a structure from the front of some bytes: it, and what follows it.
pub type Parse<T> = fn(&[u8]) -> Option<(T, &[u8])>;

/// A number in a message.
trait Number: Sized {
    fn take(bytes: &mut &[u8]) -> Option<Self>;
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_ne_bytes(*first))
            }
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
numbers!(u16 u32 u64);

/// Declares what a body begins with.
macro_rules! structures {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $number:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the protocol's own names")]
        pub struct $name {
            $(pub $field: $number,)*
        }

        impl $name {
            /// Its bytes.
            pub const BYTES: usize = 0 $(+ size_of::<$number>())*;

            /// Reads it from the front of these bytes; what follows it too. `None` if they are too few.
            pub fn split(mut bytes: &[u8]) -> Option<($name, &[u8])> {
                let bytes = &mut bytes;
                Some(($name { $($field: <$number>::take(bytes)?,)* }, *bytes))
            }

            /// As bytes.
            pub fn bytes(&self) -> Vec<u8> {
                let mut out = Vec::with_capacity(Self::BYTES);
                $(self.$field.put(&mut out);)*
                out
            }
        }
    )*};
}

structures! {
    /// What each message begins with; `size` counts it too.
    Header { id: u16, command: u16, size: u32, flags: u32, error: u32, }
    /// VERSION: followed by capabilities in JSON, ended by a 0.
    Version { major: u16, minor: u16, }
    /// DMA_MAP: `size` bytes from `offset` of the descriptor that comes along, at `address`.
    DmaMap { argsz: u32, flags: u32, offset: u64, address: u64, size: u64, }
    /// DMA_UNMAP.
    DmaUnmap { argsz: u32, flags: u32, address: u64, size: u64, }
    /// DEVICE_GET_INFO.
    DeviceInfo { argsz: u32, flags: u32, regions: u32, irqs: u32, }
    /// DEVICE_GET_REGION_INFO.
    RegionInfo { argsz: u32, flags: u32, index: u32, cap_offset: u32, size: u64, offset: u64, }
    /// DEVICE_GET_IRQ_INFO.
    IrqInfo { argsz: u32, flags: u32, index: u32, count: u32, }
    /// DEVICE_SET_IRQS: eventfds come along.
    IrqSet { argsz: u32, flags: u32, index: u32, start: u32, count: u32, }
    /// REGION_READ and REGION_WRITE: followed by `count` bytes, where they are told.
    RegionAccess { offset: u64, region: u32, count: u32, }
}

impl Header {
    /// From its bytes.
    pub fn of(bytes: [u8; Header::BYTES]) -> Header {
        let [i0, i1, c0, c1, s0, s1, s2, s3, f0, f1, f2, f3, e0, e1, e2, e3] = bytes;
        Header {
            id: u16::from_ne_bytes([i0, i1]),
            command: u16::from_ne_bytes([c0, c1]),
            size: u32::from_ne_bytes([s0, s1, s2, s3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            error: u32::from_ne_bytes([e0, e1, e2, e3]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let header = Header { id: 0x0102, command: 0x0304, size: 0x0506_0708, flags: 0x090A_0B0C, error: 0x0D0E_0F10 };
        assert_eq!(Header::of(header.bytes().try_into().unwrap()), header);
        assert_eq!(Header::split(&header.bytes()), Some((header, &[][..])));
    }
}
