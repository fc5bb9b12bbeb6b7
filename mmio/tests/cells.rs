//! The `Regs` structs laid over real memory: what goes in through a cell comes out at the map's
//! offset, and the other way round.
#![allow(unsafe_code)] // laying a struct over memory is what is tested

use kvcpu_mmio::map::BAR0_BYTES;
use kvcpu_mmio::regs::{command, control, counter, hepc, queue, rtbd, service, tier};
use kvcpu_mmio::{Block, Register};
use std::cell::UnsafeCell;

/// Zeroed memory of BAR0's size, aligned as a mapped BAR is for 64-bit registers.
struct Bar0(Box<[UnsafeCell<u64>]>);

impl Bar0 {
    fn new() -> Bar0 {
        Bar0((0..BAR0_BYTES / 8).map(|_| UnsafeCell::new(0)).collect())
    }

    /// The block at instance `instance` as its struct of cells.
    fn block<T>(&self, block: &Block, instance: u32) -> &T {
        let offset = (block.base + instance * block.stride) as usize;
        assert!(instance < block.instances && offset + size_of::<T>() <= BAR0_BYTES as usize);
        // SAFETY: The struct lies within the allocation (just asserted), is aligned (blocks start
        // at multiples of 0x40 of an 8-aligned base, cells are 4 bytes), and consists of cells of
        // `u32`, for which every bit pattern is valid. The memory is in `UnsafeCell`s, so writes
        // through shared references are allowed, and it lives as long as the borrow of `self`.
        unsafe { &*self.0.as_ptr().cast::<u8>().add(offset).cast::<T>() }
    }

    /// Reads the 32-bit word at a byte offset.
    fn word(&self, offset: u32) -> u32 {
        // SAFETY: Indexing checks the bounds, and no reference to the word's contents exists.
        let both = unsafe { self.0[offset as usize / 8].get().read_volatile() };
        (both >> (offset % 8 * 8)) as u32
    }

    /// Writes the 32-bit word at a byte offset.
    fn set_word(&self, offset: u32, value: u32) {
        let shift = offset % 8 * 8;
        let cell = self.0[offset as usize / 8].get();
        // SAFETY: As in `word`; the test has one thread.
        unsafe { cell.write_volatile(cell.read_volatile() & !(0xFFFF_FFFF << shift) | u64::from(value) << shift) }
    }
}

/// Writes a cell of a writable register and expects the value at the map's offset.
macro_rules! writes_land_at {
    ($bar:ident, $block:ident, $($register:ident[$word:literal] in $instance:literal),+ $(,)?) => {$({
        let regs: &$block::Regs = $bar.block(&$block::BLOCK, $instance);
        let offset = $block::$register.at($instance) + 4 * $word;
        let value = 0xC0DE_0000 | offset;
        // SAFETY: The memory is ordinary; writing it has no effect beyond the value.
        unsafe { regs.$register[$word].write(value) };
        assert_eq!($bar.word(offset), value, "{}", $block::$register.name);
    })+};
}

#[test]
fn what_is_written_through_a_cell_lies_at_the_maps_offset() {
    let bar = Bar0::new();
    writes_land_at!(bar, control, SCRATCH[0] in 0, CTRL[0] in 0, ERR_STATUS[0] in 0);
    writes_land_at!(bar, hepc, WEIGHTS[0] in 0, LIST_SELECT[0] in 0);
    writes_land_at!(bar, command, CMD_SQE[0] in 0, CMD_SQE[15] in 0, CMD_GO[0] in 0);
    writes_land_at!(bar, tier, TIER_FRAMES[0] in 0, TIER_BASE[0] in 1, TIER_BASE[1] in 2, TIER_LOOKAHEAD[0] in 3);
    writes_land_at!(bar, queue, SQ_BASE[0] in 0, SQ_BASE[1] in 3, SQ_DOORBELL[0] in 2, Q_ERR[0] in 3);
    writes_land_at!(bar, service, SVC_STAGE_BASE[1] in 0, SVC_ERR[0] in 0);
}

/// Puts a value at the map's offset and expects it from the cell of a readable register.
fn reads(bar: &Bar0, register: &Register, instance: u32, word: u32, read: impl Fn() -> u32) {
    let offset = register.at(instance) + 4 * word;
    bar.set_word(offset, 0xBEEF_0000 | offset);
    assert_eq!(read(), 0xBEEF_0000 | offset, "{}", register.name);
}

#[test]
fn what_lies_at_the_maps_offset_is_read_through_a_cell() {
    let bar = Bar0::new();
    let c: &control::Regs = bar.block(&control::BLOCK, 0);
    reads(&bar, &control::MAGIC, 0, 0, || c.MAGIC[0].read());
    reads(&bar, &control::BAD_ACCESS_COUNT, 0, 0, || c.BAD_ACCESS_COUNT[0].read());
    let q: &queue::Regs = bar.block(&queue::BLOCK, 3);
    reads(&bar, &queue::CQ_TAIL, 3, 0, || q.CQ_TAIL[0].read());
    let t: &tier::Regs = bar.block(&tier::BLOCK, 2);
    reads(&bar, &tier::TIER_QUARANTINED, 2, 0, || t.TIER_QUARANTINED[0].read());
    let r: &rtbd::Regs = bar.block(&rtbd::BLOCK, 0);
    reads(&bar, &rtbd::RTBD_STASH, 0, 127, || r.RTBD_STASH[127].read());
    let n: &counter::Regs = bar.block(&counter::BLOCK, 0);
    reads(&bar, &counter::CNT_DECISION_MAX, 0, 1, || n.CNT_DECISION_MAX[1].read());
}

#[test]
fn a_cell_of_one_instance_leaves_the_others_alone() {
    let bar = Bar0::new();
    let regs: &tier::Regs = bar.block(&tier::BLOCK, 1);
    // SAFETY: The memory is ordinary; writing it has no effect beyond the value.
    unsafe { regs.TIER_LIMIT[0].write(7) };
    let set: Vec<u32> = (0..BAR0_BYTES).step_by(4).filter(|&offset| bar.word(offset) != 0).collect();
    assert_eq!(set, [tier::TIER_LIMIT.at(1)]);
}
