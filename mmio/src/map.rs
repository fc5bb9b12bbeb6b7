//! The whole map: windows, blocks, look-up by name and by address, and the checks that no two
//! registers meet.

use crate::bar::Bar;
use crate::geometry::{ENTRY_BYTES, MAX_ENTRIES};
use crate::regs;
use crate::{Block, Register};

/// PCI vendor id, as in the public KV-CPU driver.
pub const PCI_VENDOR: u16 = 0x1DE5;
/// PCI device id, as in the public KV-CPU driver.
pub const PCI_DEVICE: u16 = 0x0A10;
/// Size of BAR0.
pub const BAR0_BYTES: u32 = 0x1_0000;
/// Size of BAR2 with the largest directory.
pub const BAR2_BYTES: u32 = MAX_ENTRIES * ENTRY_BYTES;

/// A window of BAR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First byte.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// What it is for.
    pub purpose: &'static str,
}

/// The windows of BAR0. What has no registers yet reads 0.
pub const WINDOWS: [Window; 8] = [
    Window { base: 0x0000, size: 0x1000, purpose: "identity, control, HEPC life cycle" },
    Window { base: 0x1000, size: 0x1000, purpose: "DMA engine and queues" },
    Window { base: 0x2000, size: 0x1000, purpose: "reserved for the near-memory compute engine (NMCE)" },
    Window { base: 0x3000, size: 0x1000, purpose: "RTBD control" },
    Window { base: 0x4000, size: 0x1000, purpose: "translation and invalidation (LUF)" },
    Window { base: 0x5000, size: 0x1000, purpose: "interrupts" },
    Window { base: 0x6000, size: 0x1000, purpose: "counters" },
    Window { base: 0x7000, size: 0x1000, purpose: "management: thermal, firmware mailbox" },
];

/// Every register block in address order, BAR by BAR.
pub const BLOCKS: [Block; 14] = [
    regs::control::BLOCK,
    regs::hepc::BLOCK,
    regs::command::BLOCK,
    regs::tier::BLOCK,
    regs::queue::BLOCK,
    regs::service::BLOCK,
    regs::dma::BLOCK,
    regs::rtbd::BLOCK,
    regs::luf::BLOCK,
    regs::irq::BLOCK,
    regs::counter::BLOCK,
    regs::mgmt::BLOCK,
    regs::rtbd_entry::BLOCK,
    regs::msix::BLOCK,
];

const fn end(block: &Block) -> u64 {
    block.base as u64 + block.instances as u64 * block.stride as u64
}

const _: () = {
    let mut i = 0;
    while i < BLOCKS.len() {
        let block = &BLOCKS[i];
        let limit = match block.bar {
            Bar::Regs => BAR0_BYTES,
            Bar::Rtbd => BAR2_BYTES,
            Bar::Msix => regs::msix::PBA_OFFSET,
        };
        assert!(end(block) <= limit as u64, "a block leaves its BAR");
        if i > 0 && BLOCKS[i - 1].bar as u8 == block.bar as u8 {
            assert!(end(&BLOCKS[i - 1]) <= block.base as u64, "two blocks overlap");
        }
        i += 1;
    }
};

/// Every register that is not a gap, in address order.
pub fn registers() -> impl Iterator<Item = &'static Register> {
    BLOCKS
        .iter()
        .flat_map(|b| b.registers.iter())
        .filter(|r| r.access != crate::Access::Reserved)
}

/// The register called `name`, in any letter case.
pub fn by_name(name: &str) -> Option<&'static Register> {
    registers().find(|r| r.name.eq_ignore_ascii_case(name))
}

/// A place in the map: a register, the instance of its block and its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The register.
    pub register: &'static Register,
    /// Instance of its block.
    pub instance: u32,
    /// Element, for an array register.
    pub element: u32,
    /// Byte in the element: 0, or 4 for the high half of a 64-bit register.
    pub byte: u32,
}

/// The register that the aligned 4-byte word at `offset` of `bar` belongs to; `None` in a gap.
pub fn by_offset(bar: Bar, offset: u32) -> Option<Place> {
    let block = BLOCKS.iter().find(|b| b.bar == bar && offset >= b.base && u64::from(offset) < end(b))?;
    let instance = (offset - block.base) / block.stride;
    let inner = offset - instance * block.stride;
    let register = block
        .registers
        .iter()
        .find(|r| inner >= r.offset && inner < r.offset + r.elements * r.bytes())?;
    if register.access == crate::Access::Reserved {
        return None;
    }
    let at = inner - register.offset;
    let element = at / register.bytes();
    Some(Place { register, instance, element, byte: at % register.bytes() })
}
