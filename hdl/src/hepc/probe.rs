//! The unit beside a plain RAM of entries, for tests: the wide port of the directory, and nothing else of it.
//!
//! ```text
//!  bus ─► HEPC ─┬─ row ──► RAM ─► register ─► entries
//!               └─ row_write ─► RAM
//! ```

use super::{ENTRY_BITS, Hepc, INDEX_BITS, WRITE_BITS};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Bits of an entry that a pass never writes: the tag, and ENTRY_ACCESS to ENTRY_HISTORY.
const KEPT_BITS: usize = 160;

/// A lane's entries.
#[derive(LogicBlock, Default)]
struct Bank<const R: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Row to read.
    pub row: Signal<In, Bits<R>>,
    /// Its entry, two clocks later.
    pub entry: Signal<Out, Bits<ENTRY_BITS>>,
    /// An entry is written.
    pub load: Signal<In, Bit>,
    /// Its row.
    pub load_row: Signal<In, Bits<R>>,
    /// The entry.
    pub load_entry: Signal<In, Bits<ENTRY_BITS>>,
    /// Three words of one are.
    pub write: Signal<In, Bit>,
    /// Its row.
    pub write_row: Signal<In, Bits<R>>,
    /// ENTRY_STATE, ENTRY_PLACE, ENTRY_ID.
    pub write_data: Signal<In, Bits<WRITE_BITS>>,
    kept: Ram<Bits<KEPT_BITS>, R>,
    changed: Ram<Bits<WRITE_BITS>, R>,
    fetched: Register<Bits<ENTRY_BITS>>,
}

impl<const R: usize> Logic for Bank<R> {
    #[hdl_gen]
    fn update(&mut self) {
        self.kept.clock.next = self.clock.val();
        self.changed.clock.next = self.clock.val();
        self.fetched.clock.next = self.clock.val();
        self.fetched.reset.next = self.reset.val();

        self.kept.read_address.next = self.row.val();
        self.kept.write_address.next = self.load_row.val();
        self.kept.write_data.next = (bit_cast::<KEPT_BITS, 96>(self.load_entry.val().get_bits::<96>(128)) << 64)
            | bit_cast::<KEPT_BITS, 64>(self.load_entry.val().get_bits::<64>(0));
        self.kept.write_enable.next = self.load.val();
        self.changed.read_address.next = self.row.val();
        self.changed.write_address.next = self.load_row.val();
        self.changed.write_data.next = (bit_cast::<WRITE_BITS, 32>(self.load_entry.val().get_bits::<32>(224)) << 64)
            | bit_cast::<WRITE_BITS, 64>(self.load_entry.val().get_bits::<64>(64));
        self.changed.write_enable.next = self.load.val();
        if self.write.val() {
            self.changed.write_address.next = self.write_row.val();
            self.changed.write_data.next = self.write_data.val();
            self.changed.write_enable.next = true;
        }

        // The words of BAR2: 7, 6 to 4, 3 and 2, 1 and 0. {PLACE, ID} are words 3 and 2.
        self.fetched.d.next = (bit_cast::<ENTRY_BITS, 32>(self.changed.read_data.val().get_bits::<32>(64)) << 224)
            | (bit_cast::<ENTRY_BITS, 96>(self.kept.read_data.val().get_bits::<96>(64)) << 128)
            | (bit_cast::<ENTRY_BITS, 64>(self.changed.read_data.val().get_bits::<64>(0)) << 64)
            | bit_cast::<ENTRY_BITS, 64>(self.kept.read_data.val().get_bits::<64>(0));
        self.entry.next = self.fetched.q.val();
    }
}

/// The unit's parameters, and `R`: 2^R rows hold all entries and the stash.
#[derive(LogicBlock)]
pub struct Probe<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize, const R: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// The unit's.
    pub bus_select: Signal<In, Bit>,
    /// The unit's.
    pub bus_write: Signal<In, Bit>,
    /// The unit's.
    pub bus_address: Signal<In, Bits<24>>,
    /// The unit's.
    pub bus_data: Signal<In, Bits<32>>,
    /// The unit's.
    pub bus_ready: Signal<Out, Bit>,
    /// The unit's.
    pub bus_read: Signal<Out, Bits<32>>,

    /// Sweeps are not to read a row in this clock.
    pub rests: Signal<In, Bit>,
    /// The directory's port is taken by others.
    pub held: Signal<In, Bit>,
    /// An entry is written, all of it; not while the unit works.
    pub load: Signal<In, Bit>,
    /// The entry written, or shown.
    pub load_index: Signal<In, Bits<INDEX_BITS>>,
    /// Bits 63:0.
    pub load0: Signal<In, Bits<64>>,
    /// Bits 127:64.
    pub load1: Signal<In, Bits<64>>,
    /// Bits 191:128.
    pub load2: Signal<In, Bits<64>>,
    /// Bits 255:192.
    pub load3: Signal<In, Bits<64>>,
    /// Shows an entry, two clocks later; not while the unit works.
    pub show: Signal<In, Bit>,
    /// Bits 63:0.
    pub shown0: Signal<Out, Bits<64>>,
    /// Bits 127:64.
    pub shown1: Signal<Out, Bits<64>>,
    /// Bits 191:128.
    pub shown2: Signal<Out, Bits<64>>,
    /// Bits 255:192.
    pub shown3: Signal<Out, Bits<64>>,

    unit: Hepc<L, K, M, A, S>,
    banks: [Bank<R>; L],
    row: Signal<Local, Bits<INDEX_BITS>>,
    row_loaded: Signal<Local, Bits<INDEX_BITS>>,
    lane_loaded: Signal<Local, Bits<INDEX_BITS>>,
    shown: Signal<Local, Bits<ENTRY_BITS>>,
    load_entry: Signal<Local, Bits<ENTRY_BITS>>,
    bank_row: Signal<Local, Bits<R>>,
    bank_load_row: Signal<Local, Bits<R>>,
    bank_write_row: Signal<Local, Bits<R>>,
    lane_number: [Constant<Bits<INDEX_BITS>>; L],
    lane_bits: Constant<Bits<5>>,
    lane_mask: Constant<Bits<INDEX_BITS>>,
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize, const R: usize> Default
    for Probe<L, K, M, A, S, R>
{
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    banks: std::array::from_fn(|_| Default::default()),
                    lane_number: std::array::from_fn(|i| Constant::new((i as u64).into())),
                    lane_bits: Constant::new(u64::from(L.ilog2()).into()),
                    lane_mask: Constant::new((L as u64 - 1).into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read rests held load load_index load0
            load1 load2 load3 show shown0 shown1 shown2 shown3 unit row row_loaded lane_loaded shown load_entry
            bank_row bank_load_row bank_write_row
        )
    }
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize, const R: usize> Logic
    for Probe<L, K, M, A, S, R>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.unit.clock.next = self.clock.val();
        self.unit.reset.next = self.reset.val();
        self.unit.bus_select.next = self.bus_select.val();
        self.unit.bus_write.next = self.bus_write.val();
        self.unit.bus_address.next = self.bus_address.val();
        self.unit.bus_data.next = self.bus_data.val();
        self.bus_ready.next = self.unit.bus_ready.val();
        self.bus_read.next = self.unit.bus_read.val();

        self.unit.rests.next = self.rests.val();
        self.unit.row_taken.next = self.unit.row_read.val() & !self.held.val();
        self.row_loaded.next = self.load_index.val() >> self.lane_bits.val();
        self.lane_loaded.next = self.load_index.val() & self.lane_mask.val();
        self.row.next = self.unit.row.val();
        if self.show.val() | self.held.val() {
            self.row.next = self.row_loaded.val();
        }
        self.load_entry.next = (bit_cast::<ENTRY_BITS, 64>(self.load3.val()) << 192)
            | (bit_cast::<ENTRY_BITS, 64>(self.load2.val()) << 128)
            | (bit_cast::<ENTRY_BITS, 64>(self.load1.val()) << 64)
            | bit_cast::<ENTRY_BITS, 64>(self.load0.val());
        self.bank_row.next = bit_cast::<R, INDEX_BITS>(self.row.val());
        self.bank_load_row.next = bit_cast::<R, INDEX_BITS>(self.row_loaded.val());
        self.bank_write_row.next = bit_cast::<R, INDEX_BITS>(self.unit.row_write_row.val());
        self.shown.next = self.banks[0].entry.val();
        for i in 0..L {
            self.banks[i].clock.next = self.clock.val();
            self.banks[i].reset.next = self.reset.val();
            self.banks[i].row.next = self.bank_row.val();
            self.banks[i].load.next = self.load.val() & (self.lane_loaded.val() == self.lane_number[i].val());
            self.banks[i].load_row.next = self.bank_load_row.val();
            self.banks[i].load_entry.next = self.load_entry.val();
            self.banks[i].write.next = self.unit.row_write.val() & self.unit.row_write_lanes.val().get_bit(i);
            self.banks[i].write_row.next = self.bank_write_row.val();
            self.banks[i].write_data.next = self.unit.row_write_data[i].val();
            self.unit.entries[i].next = self.banks[i].entry.val();
            if self.lane_loaded.val() == self.lane_number[i].val() {
                self.shown.next = self.banks[i].entry.val();
            }
        }
        self.shown0.next = self.shown.val().get_bits::<64>(0);
        self.shown1.next = self.shown.val().get_bits::<64>(64);
        self.shown2.next = self.shown.val().get_bits::<64>(128);
        self.shown3.next = self.shown.val().get_bits::<64>(192);
    }
}
