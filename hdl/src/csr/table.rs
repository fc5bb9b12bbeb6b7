//! What the register map says of each word of the register file, as a read-only memory. `docs/control.md`, The bus.

use crate::micro::{FILE_WORDS, file_word, initial};
use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::regs::{dma, luf, queue, service, tier};
use kvcpu_mmio::{Access, Bar, Register};
use rust_hdl::prelude::*;

/// Registers that are locked while CTRL.ENABLE is 1.
const LOCKED: [&Register; 13] = [
    &tier::TIER_FRAMES,
    &tier::TIER_LIMIT,
    &tier::TIER_BASE,
    &dma::BLOCK_SHIFT,
    &dma::DMA_CTRL,
    &luf::AGENT_MASK,
    &service::SVC_SQ_BASE,
    &service::SVC_CQ_BASE,
    &service::SVC_STAGE_BASE,
    &service::SVC_STAGE_SLOTS,
    &service::SVC_SIZE,
    &service::SVC_CTRL,
    &kvcpu_mmio::regs::rtbd::RTBD_CTRL,
];
/// Registers that are locked while their queue's Q_CTRL.ENABLE is 1.
const QUEUE_LOCKED: [&Register; 3] = [&queue::SQ_BASE, &queue::CQ_BASE, &queue::Q_SIZE];

/// A word's description.
#[derive(Clone, Copy, Default)]
pub(crate) struct Row {
    pub(crate) descriptor: u32,
    pub(crate) writable: u32,
    pub(crate) reset: u32,
}

/// Reads a word of the description a clock after its address: descriptors, writable bits, reset values, each 2,048 words. `Q` queues
/// and `G` agents exist.
#[derive(LogicBlock, Default)]
pub struct Table<const Q: usize, const G: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Word of the register file.
    pub address: Signal<In, Bits<11>>,
    /// Its descriptor.
    pub descriptor: Signal<Out, Bits<8>>,
    /// The bits that a write may set.
    pub writable: Signal<Out, Bits<32>>,
    /// Its reset value.
    pub reset_value: Signal<Out, Bits<32>>,
}

/// All of them, where so many queues and agents exist.
pub(crate) fn rows(queues: usize, agents: usize) -> Vec<Row> {
    let mut rows = vec![Row::default(); FILE_WORDS];
    for block in BLOCKS.iter().filter(|block| block.bar == Bar::Regs) {
        for register in block.registers.iter().filter(|register| register.access != Access::Reserved) {
            for instance in 0..block.instances {
                for element in 0..register.elements {
                    let is_missing = block.name == "queue" && instance as usize >= queues
                        || register.name == luf::AGENT_ACK.name && element as usize >= agents;
                    describe(&mut rows, register, instance * block.stride + element * register.bytes(), is_missing);
                }
            }
        }
    }
    rows
}

fn describe(rows: &mut [Row], register: &Register, further: u32, is_missing: bool) {
    let access = match register.access {
        Access::Reserved => 0,
        Access::RO => 1,
        Access::RW => 2,
        Access::WO => 3,
        Access::W1C => 4,
        Access::RC => 5,
    };
    let among = |list: &[&Register]| list.iter().any(|locked| locked.name == register.name);
    let lock = if among(&LOCKED) { 1 } else { 2 * u32::from(among(&QUEUE_LOCKED)) };
    for half in 0..register.bytes() / 4 {
        let Some(word) = file_word(register.offset + further + 4 * half) else { continue };
        let which = if register.width == 64 { half + 1 } else { 0 };
        rows[word] = Row {
            descriptor: access | which << 3 | lock << 5 | u32::from(is_missing) << 7,
            writable: (register.writable() >> (32 * half)) as u32,
            reset: (register.reset >> (32 * half)) as u32,
        };
    }
}

impl<const Q: usize, const G: usize> Logic for Table<Q, G> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let row = rows(Q, G)[self.address.val().index()];
            self.descriptor.next = u64::from(row.descriptor).into();
            self.writable.next = u64::from(row.writable).into();
            self.reset_value.next = u64::from(row.reset).into();
        }
    }

    fn connect(&mut self) {
        self.descriptor.connect();
        self.writable.connect();
        self.reset_value.connect();
    }

    fn hdl(&self) -> Verilog {
        let rows = rows(Q, G);
        let words = rows
            .iter()
            .map(|row| format!("72'h{:02x}{:08x}{:08x}", row.descriptor, row.writable, row.reset));
        Verilog::Custom(format!(
            "reg [71:0] mem [0:{}];\n{}always @(posedge clock) {{descriptor, writable, reset_value}} <= mem[address];\n",
            FILE_WORDS - 1,
            initial(words)
        ))
    }
}
