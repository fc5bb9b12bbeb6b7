//! MSI-X: the table and the pending bits of BAR4, and messages as memory writes. `docs/queue.md`, Interrupts.
//!
//! ```text
//!  irq[v] ─► pending[v] ─► not masked, MSI-X on, Bus Master Enable ─► lowest ─► entry of v ─► packet of 4 bytes
//!
//!  0 idle ─ table ──► 1 ─► 2 carried out ─► 0
//!         └ message ► 3 reads its entry ─► 4 keeps it ─► 0        then, by themselves: 1, 2, 3 beats
//! ```
//!
//! A table's access goes before a message, and none comes while an entry is read: none is sent half written by one access. A table's
//! access does not wait for a message to be sent, as the host's writes may not wait for the device's. A message that has not begun when
//! its vector is masked, or messages are turned off, is pending again. Only the mask bits are reset; addresses and data of an entry
//! are undefined until they are written, as PCI has it.

use super::swap::Swap;
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// The interrupt side of the endpoint.
#[derive(LogicBlock)]
pub struct Message {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: all vectors masked, none pending.
    pub reset: Signal<In, Bit>,
    /// Byte 0 of a payload's word is in bits 31:24.
    pub big: Signal<In, Bit>,
    /// All headers have 64-bit addresses.
    pub extended: Signal<In, Bit>,
    /// Requester id.
    pub id: Signal<In, Bits<16>>,
    /// Bus Master Enable.
    pub bus_master: Signal<In, Bit>,
    /// MSI-X Enable.
    pub enable: Signal<In, Bit>,
    /// Function Mask.
    pub mask: Signal<In, Bit>,
    /// A pulse of a clock for each vector.
    pub irq: Signal<In, Bits<16>>,

    /// An access of BAR4 stands: 4 or 8 bytes, aligned.
    pub table_asked: Signal<In, Bit>,
    /// It writes.
    pub write: Signal<In, Bit>,
    /// It is of 8 bytes.
    pub wide: Signal<In, Bit>,
    /// Where.
    pub address: Signal<In, Bits<12>>,
    /// What it writes, from bit 0 on.
    pub table_in: Signal<In, Bits<64>>,
    /// It is carried out.
    pub table_ready: Signal<Out, Bit>,
    /// What it reads.
    pub table_out: Signal<Out, Bits<64>>,

    /// To the sender.
    pub valid: Signal<Out, Bit>,
    /// Taken.
    pub ready: Signal<In, Bit>,
    /// Eight bytes.
    pub beat: Signal<Out, Bits<64>>,
    /// Only four of them.
    pub half: Signal<Out, Bit>,
    /// The last.
    pub last: Signal<Out, Bit>,

    swap: Swap,
    lows: Ram<Bits<32>, 4>,
    highs: Ram<Bits<32>, 4>,
    datas: Ram<Bits<32>, 4>,
    /// Vectors that are not masked.
    open: Register<Bits<16>>,
    pending: Register<Bits<16>>,
    state: Register<Bits<3>>,
    vector: Register<Bits<4>>,
    /// Beat of the message that stands, and its entry.
    sends: Register<Bits<2>>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    value: Register<Bits<32>>,
    on: Signal<Local, Bit>,
    vector_bit: Signal<Local, Bits<16>>,
    may: Signal<Local, Bit>,
    back: Signal<Local, Bits<16>>,
    sendable: Signal<Local, Bits<16>>,
    inverse: Signal<Local, Bits<16>>,
    negated: Signal<Local, Bits<16>>,
    lowest: Signal<Local, Bits<16>>,
    number: Signal<Local, Bits<4>>,
    sent: Signal<Local, Bits<16>>,
    entry: Signal<Local, Bits<4>>,
    entry_bit: Signal<Local, Bits<16>>,
    in_table: Signal<Local, Bit>,
    in_pending: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    place: Signal<Local, Bits<2>>,
    control: Signal<Local, Bits<32>>,
    new_mask: Signal<Local, Bit>,
    writes_mask: Signal<Local, Bit>,
    is_long: Signal<Local, Bit>,
    kind: Signal<Local, Bits<32>>,
    short_kind: Constant<Bits<32>>,
    long_kind: Constant<Bits<32>>,
    all_bytes: Constant<Bits<64>>,
    one: Constant<Bits<16>>,
}

impl Default for Message {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    short_kind: Constant::new(0x4000_0001u64.into()),
                    long_kind: Constant::new(0x6000_0001u64.into()),
                    all_bytes: Constant::new(0x0F_0000_0000u64.into()),
                    one: Constant::new(1u64.into()),
                }
            };
        }
        rest!(
            clock reset big extended id bus_master enable mask irq table_asked write wide address table_in table_ready table_out valid ready beat half
            last swap lows highs datas open pending state vector sends low high value on vector_bit may back sendable inverse negated lowest number sent entry entry_bit
            in_table in_pending writes place control new_mask writes_mask is_long kind
        )
    }
}

impl Logic for Message {
    #[hdl_gen]
    fn update(&mut self) {
        self.open.clock.next = self.clock.val();
        self.pending.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.vector.clock.next = self.clock.val();
        self.sends.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.value.clock.next = self.clock.val();
        self.open.reset.next = self.reset.val();
        self.pending.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.vector.reset.next = self.reset.val();
        self.sends.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.value.reset.next = self.reset.val();
        self.lows.clock.next = self.clock.val();
        self.highs.clock.next = self.clock.val();
        self.datas.clock.next = self.clock.val();

        // The lowest vector that may be sent.
        self.on.next = self.bus_master.val() & self.enable.val() & !self.mask.val();
        self.sendable.next = 0.into();
        if self.on.val() {
            self.sendable.next = self.pending.q.val() & self.open.q.val();
        }
        self.inverse.next = !self.sendable.val();
        self.negated.next = self.inverse.val() + 1;
        self.lowest.next = self.sendable.val() & self.negated.val();
        self.number.next = 0.into();
        if self.lowest.val().get_bit(1) {
            self.number.next = 1.into();
        } else if self.lowest.val().get_bit(2) {
            self.number.next = 2.into();
        } else if self.lowest.val().get_bit(3) {
            self.number.next = 3.into();
        } else if self.lowest.val().get_bit(4) {
            self.number.next = 4.into();
        } else if self.lowest.val().get_bit(5) {
            self.number.next = 5.into();
        } else if self.lowest.val().get_bit(6) {
            self.number.next = 6.into();
        } else if self.lowest.val().get_bit(7) {
            self.number.next = 7.into();
        } else if self.lowest.val().get_bit(8) {
            self.number.next = 8.into();
        } else if self.lowest.val().get_bit(9) {
            self.number.next = 9.into();
        } else if self.lowest.val().get_bit(10) {
            self.number.next = 10.into();
        } else if self.lowest.val().get_bit(11) {
            self.number.next = 11.into();
        } else if self.lowest.val().get_bit(12) {
            self.number.next = 12.into();
        } else if self.lowest.val().get_bit(13) {
            self.number.next = 13.into();
        } else if self.lowest.val().get_bit(14) {
            self.number.next = 14.into();
        } else if self.lowest.val().get_bit(15) {
            self.number.next = 15.into();
        }

        // The entry that is looked at.
        self.entry.next = self.address.val().get_bits::<4>(4);
        self.entry_bit.next = self.one.val() << self.entry.val();
        self.lows.read_address.next = self.entry.val();
        self.highs.read_address.next = self.entry.val();
        self.datas.read_address.next = self.entry.val();
        if self.state.q.val() == 3 {
            self.lows.read_address.next = self.vector.q.val();
            self.highs.read_address.next = self.vector.q.val();
            self.datas.read_address.next = self.vector.q.val();
        }

        // The table, written as it is asked for and read a clock later.
        self.place.next = self.address.val().get_bits::<2>(2);
        self.in_table.next = self.address.val().get_bits::<4>(8) == 0;
        self.in_pending.next = self.address.val().get_bits::<9>(3) == 256;
        self.writes.next = (self.state.q.val() == 0) & self.table_asked.val() & self.write.val() & self.in_table.val();
        self.lows.write_address.next = self.entry.val();
        self.highs.write_address.next = self.entry.val();
        self.datas.write_address.next = self.entry.val();
        self.lows.write_data.next = self.table_in.val().get_bits::<32>(0);
        self.highs.write_data.next = self.table_in.val().get_bits::<32>(0);
        self.datas.write_data.next = self.table_in.val().get_bits::<32>(0);
        self.new_mask.next = self.table_in.val().get_bit(0);
        if self.wide.val() {
            self.highs.write_data.next = self.table_in.val().get_bits::<32>(32);
            self.new_mask.next = self.table_in.val().get_bit(32);
        }
        self.lows.write_enable.next = self.writes.val() & (self.place.val() == 0);
        self.highs.write_enable.next =
            self.writes.val() & ((self.place.val() == 1) | (self.wide.val() & (self.place.val() == 0)));
        self.datas.write_enable.next = self.writes.val() & (self.place.val() == 2);
        self.writes_mask.next =
            self.writes.val() & ((self.place.val() == 3) | (self.wide.val() & (self.place.val() == 2)));
        self.open.d.next = self.open.q.val();
        if self.writes_mask.val() & self.new_mask.val() {
            self.open.d.next = self.open.q.val() & !self.entry_bit.val();
        } else if self.writes_mask.val() {
            self.open.d.next = self.open.q.val() | self.entry_bit.val();
        }
        self.control.next = 1.into();
        if (self.open.q.val() & self.entry_bit.val()) != 0 {
            self.control.next = 0.into();
        }
        self.table_ready.next = self.state.q.val() == 2;
        self.table_out.next = 0.into();
        if self.in_pending.val() {
            if !self.address.val().get_bit(2) {
                self.table_out.next = bit_cast::<64, 16>(self.pending.q.val());
            }
        } else if self.in_table.val() {
            if self.place.val() == 0 {
                self.table_out.next = bit_cast::<64, 32>(self.lows.read_data.val());
                if self.wide.val() {
                    self.table_out.next = (bit_cast::<64, 32>(self.highs.read_data.val()) << 32)
                        | bit_cast::<64, 32>(self.lows.read_data.val());
                }
            } else if self.place.val() == 1 {
                self.table_out.next = bit_cast::<64, 32>(self.highs.read_data.val());
            } else if self.place.val() == 2 {
                self.table_out.next = bit_cast::<64, 32>(self.datas.read_data.val());
                if self.wide.val() {
                    self.table_out.next =
                        (bit_cast::<64, 32>(self.control.val()) << 32) | bit_cast::<64, 32>(self.datas.read_data.val());
                }
            } else {
                self.table_out.next = bit_cast::<64, 32>(self.control.val());
            }
        }

        // The message: the first beat only while it may be sent.
        self.swap.big.next = self.big.val();
        self.swap.data.next = bit_cast::<64, 32>(self.value.q.val());
        self.is_long.next = self.extended.val() | (self.high.q.val() != 0);
        self.kind.next = self.short_kind.val();
        if self.is_long.val() {
            self.kind.next = self.long_kind.val();
        }
        self.vector_bit.next = self.one.val() << self.vector.q.val();
        self.may.next = self.on.val() & ((self.open.q.val() & self.vector_bit.val()) != 0);
        self.valid.next = (self.sends.q.val() == 2) | (self.sends.q.val() == 3);
        self.beat.next =
            (bit_cast::<64, 16>(self.id.val()) << 48) | self.all_bytes.val() | bit_cast::<64, 32>(self.kind.val());
        self.half.next = false;
        self.last.next = false;
        if self.sends.q.val() == 1 {
            self.valid.next = self.may.val();
        } else if self.sends.q.val() == 2 {
            self.beat.next = (self.swap.swapped.val() << 32) | bit_cast::<64, 32>(self.low.q.val());
            self.last.next = !self.is_long.val();
            if self.is_long.val() {
                self.beat.next = (bit_cast::<64, 32>(self.low.q.val()) << 32) | bit_cast::<64, 32>(self.high.q.val());
            }
        } else if self.sends.q.val() == 3 {
            self.beat.next = self.swap.swapped.val();
            self.half.next = true;
            self.last.next = true;
        }

        self.state.d.next = self.state.q.val();
        self.vector.d.next = self.vector.q.val();
        self.sends.d.next = self.sends.q.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.value.d.next = self.value.q.val();
        self.sent.next = 0.into();
        self.back.next = 0.into();
        if (self.sends.q.val() == 1) & !self.may.val() {
            self.sends.d.next = 0.into();
            self.back.next = self.vector_bit.val();
        } else if self.valid.val() & self.ready.val() {
            self.sends.d.next = self.sends.q.val() + 1;
            if self.last.val() {
                self.sends.d.next = 0.into();
            }
        }
        if self.state.q.val() == 0 {
            if self.table_asked.val() {
                self.state.d.next = 1.into();
            } else if (self.lowest.val() != 0) & (self.sends.q.val() == 0) {
                self.vector.d.next = self.number.val();
                self.state.d.next = 3.into();
                self.sent.next = self.lowest.val();
            }
        } else if self.state.q.val() == 1 {
            self.state.d.next = 2.into();
        } else if self.state.q.val() == 2 {
            self.state.d.next = 0.into();
        } else if self.state.q.val() == 3 {
            self.state.d.next = 4.into();
        } else {
            self.low.d.next = self.lows.read_data.val();
            self.high.d.next = self.highs.read_data.val();
            self.value.d.next = self.datas.read_data.val();
            self.sends.d.next = 1.into();
            self.state.d.next = 0.into();
        }
        self.pending.d.next = (self.pending.q.val() & !self.sent.val()) | self.back.val() | self.irq.val();
    }
}
