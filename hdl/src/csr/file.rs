//! Memories of the control unit on its bus: data RAM, register file, and the register map's description. `docs/control.md`.
//!
//! ```text
//!         ┌─ data RAM, 4,096 words: a power of two, so that no choice stands behind its block RAMs
//!  bus ───┼─ register file, 2,048 words
//!         └─ description of each of them ─► a register
//! ```
//!
//! Descriptions answer three clocks later than the rest: they are decoded from what a RAM holds, with a register on both sides of it.

use super::Table;
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Data RAM (below `0x10_0000`) and register file (from there to `0x1F_FFFF`), for `Q` queues and `G` agents.
#[derive(LogicBlock, Default)]
pub struct File<const Q: usize, const G: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; the memories keep what they hold.
    pub reset: Signal<In, Bit>,
    /// Where a request of the next clock may be.
    pub bus_ahead: Signal<In, Bits<24>>,
    /// A request for this block stands; it stood on `bus_ahead` in the clock before.
    pub bus_select: Signal<In, Bit>,
    /// It writes.
    pub bus_write: Signal<In, Bit>,
    /// Its address.
    pub bus_address: Signal<In, Bits<24>>,
    /// What it writes.
    pub bus_data: Signal<In, Bits<32>>,
    /// It is carried out.
    pub bus_ready: Signal<Out, Bit>,
    /// What it read.
    pub bus_read: Signal<Out, Bits<32>>,

    data: Ram<Bits<32>, 12>,
    file: Ram<Bits<32>, 11>,
    description: Table<Q, G>,
    /// The table has been asked for a description; it shows it; it stands in `described`.
    looked: Register<Bit>,
    shown: Register<Bit>,
    is_described: Register<Bit>,
    described: Register<Bits<32>>,
    of_description: Signal<Local, Bit>,
    of_data: Signal<Local, Bit>,
    part: Signal<Local, Bits<2>>,
    writes: Signal<Local, Bit>,
}

impl<const Q: usize, const G: usize> Logic for File<Q, G> {
    #[hdl_gen]
    fn update(&mut self) {
        self.data.clock.next = self.clock.val();
        self.file.clock.next = self.clock.val();
        self.description.clock.next = self.clock.val();
        self.looked.clock.next = self.clock.val();
        self.shown.clock.next = self.clock.val();
        self.described.clock.next = self.clock.val();
        self.is_described.clock.next = self.clock.val();
        self.looked.reset.next = self.reset.val();
        self.shown.reset.next = self.reset.val();
        self.described.reset.next = self.reset.val();
        self.is_described.reset.next = self.reset.val();

        // Of a request for this block no more is looked at than tells its parts apart: the block RAMs' data waits for it.
        self.of_data.next = !self.bus_address.val().get_bit(20);
        self.part.next = self.bus_address.val().get_bits::<2>(16);
        self.of_description.next = self.bus_address.val().get_bit(20) & (self.part.val() != 0);
        self.looked.d.next = self.bus_select.val()
            & self.of_description.val()
            & !self.looked.q.val()
            & !self.shown.q.val()
            & !self.is_described.q.val();
        self.shown.d.next = self.looked.q.val();
        self.is_described.d.next = self.shown.q.val();
        self.bus_ready.next = self.bus_select.val() & (!self.of_description.val() | self.is_described.q.val());
        self.writes.next = self.bus_select.val() & self.bus_write.val();

        self.data.read_address.next = self.bus_ahead.val().get_bits::<12>(0);
        self.data.write_address.next = self.bus_address.val().get_bits::<12>(0);
        self.data.write_data.next = self.bus_data.val();
        self.data.write_enable.next = self.writes.val() & self.of_data.val();
        self.file.read_address.next = self.bus_ahead.val().get_bits::<11>(0);
        self.file.write_address.next = self.bus_address.val().get_bits::<11>(0);
        self.file.write_data.next = self.bus_data.val();
        self.file.write_enable.next = self.writes.val() & !self.of_data.val() & (self.part.val() == 0);
        self.description.address.next = self.bus_address.val().get_bits::<11>(0);

        self.described.d.next = 0.into();
        if self.part.val() == 1 {
            self.described.d.next = bit_cast::<32, 8>(self.description.descriptor.val());
        } else if self.part.val() == 2 {
            self.described.d.next = self.description.writable.val();
        } else if self.part.val() == 3 {
            self.described.d.next = self.description.reset_value.val();
        }

        self.bus_read.next = 0.into();
        if self.bus_select.val() {
            if self.of_data.val() {
                self.bus_read.next = self.data.read_data.val();
            } else if self.part.val() == 0 {
                self.bus_read.next = self.file.read_data.val();
            } else if self.is_described.q.val() {
                self.bus_read.next = self.described.q.val();
            }
        }
    }
}
