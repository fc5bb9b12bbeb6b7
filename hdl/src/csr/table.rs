//! What the register map says of each word of the register file, as a read-only memory. `docs/control.md`, The bus.
//!
//! ```text
//!  word ─► 2,048 codes, a block RAM ─► code ─┬─► descriptor
//!                                            └─► writable bits, reset value
//! ```
//!
//! Most words are gaps, and the others are much alike: of both halves there are few kinds, so a word has only their numbers. They
//! are decoded from a register behind the block RAM, whose output alone is half a clock.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) descriptor: u32,
    pub(crate) writable: u32,
    pub(crate) reset: u32,
}

/// Reads a word of the description two clocks after its address: descriptors, writable bits, reset values, each 2,048 words. `Q` queues
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
    _looked_up: Row,
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

/// The kinds of something, each once, and which of them each word has.
fn kinds<T: PartialEq + Copy>(words: impl Iterator<Item = T>) -> (Vec<T>, Vec<usize>) {
    let mut kinds: Vec<T> = Vec::new();
    let codes = words.map(|word| {
        kinds.iter().position(|kind| *kind == word).unwrap_or_else(|| {
            kinds.push(word);
            kinds.len() - 1
        })
    });
    let codes = codes.collect();
    (kinds, codes)
}

/// Bits that tell so many kinds apart.
fn bits(kinds: usize) -> usize {
    (kinds.next_power_of_two().ilog2() as usize).max(1)
}

/// The arms of a case over numbers of `width` bits.
fn arms(width: usize, values: impl Iterator<Item = String>) -> String {
    values
        .enumerate()
        .map(|(number, value)| format!("        {width}'d{number}: {value};\n"))
        .collect()
}

impl<const Q: usize, const G: usize> Logic for Table<Q, G> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.descriptor.next = u64::from(self._looked_up.descriptor).into();
            self.writable.next = u64::from(self._looked_up.writable).into();
            self.reset_value.next = u64::from(self._looked_up.reset).into();
            self._looked_up = rows(Q, G)[self.address.val().index()];
        }
    }

    fn connect(&mut self) {
        self.descriptor.connect();
        self.writable.connect();
        self.reset_value.connect();
    }

    fn hdl(&self) -> Verilog {
        let rows = rows(Q, G);
        let (descriptors, descriptor_codes) = kinds(rows.iter().map(|row| row.descriptor));
        let (values, value_codes) = kinds(rows.iter().map(|row| (row.writable, row.reset)));
        let (high, low) = (bits(descriptors.len()), bits(values.len()));
        let (width, top) = (high + low, high + low - 1);
        let codes = descriptor_codes.iter().zip(&value_codes);
        let words = initial(codes.map(|(descriptor, value)| format!("{width}'h{:x}", descriptor << low | value)));
        let descriptors = arms(high, descriptors.iter().map(|kind| format!("descriptor = 8'h{kind:02x}")));
        let value = |writable, reset| format!("{{writable, reset_value}} = 64'h{writable:08x}{reset:08x}");
        let values = arms(low, values.iter().map(|&(writable, reset)| value(writable, reset)));
        let nothing = value(0, 0);
        Verilog::Custom(format!(
            "reg [{top}:0] mem [0:{last}];\n\
             {words}\
             reg [{top}:0] looked_up, code;\n\
             always @(posedge clock) begin\n    \
                 looked_up <= mem[address];\n    \
                 code <= looked_up;\n\
             end\n\
             always @(*) begin\n    \
                 case (code[{top}:{low}])\n\
             {descriptors}        default: descriptor = 8'h00;\n    \
                 endcase\n    \
                 case (code[{low_top}:0])\n\
             {values}        default: {nothing};\n    \
                 endcase\n\
             end\n",
            last = FILE_WORDS - 1,
            low_top = low - 1,
        ))
    }
}
