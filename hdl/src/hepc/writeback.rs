//! What a job writes into the directory: a row at a time, in the lanes that have something to write.
//!
//! ```text
//!  judges: write, words ─► L writings ─► words ────────────┐
//!                 │             ▲                          ├─► row_write
//!  SWEEP ─────────┴─► lanes ────┼─► lanes and row, a clock ┘
//!  MARK: where, OUT ────────────┘        ▲
//!  PRESCORE: lanes kept ── a SWEEP ──────┘
//! ```
//!
//! PRESCORE leaves what a sweep would write of row 0 in the writings, and which lanes in `ahead_lanes`. A SWEEP that is the next to be
//! written on the bus writes that at once, in front of all others. The row comes again at the end, for the lists, and is written again
//! with the same.

use super::flags::Flags;
use super::jobs::Job;
use super::weighing::Place;
use super::writing::Writing;
use super::{INDEX_BITS, WRITE_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// `L` lanes' words.
#[derive(LogicBlock)]
pub(super) struct Writeback<const L: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// What works.
    pub works: Signal<In, Job>,
    /// All that it set off has arrived.
    pub drained: Signal<In, Bit>,
    /// The bus writes something.
    pub bus_write: Signal<In, Bit>,
    /// A sweep begins.
    pub sweep: Signal<In, Bit>,

    /// What was judged.
    pub judged: Signal<In, Place>,
    /// A lane has judged.
    pub valid: [Signal<In, Bit>; L],
    /// A sweep writes it back.
    pub write: [Signal<In, Bit>; L],
    /// The words.
    pub words: [Signal<In, Bits<WRITE_BITS>>; L],
    /// What MARK writes.
    pub marked: Signal<In, Place>,
    /// Its OUT.
    pub outside: Signal<In, Bits<8>>,

    /// Entries are written.
    pub row_write: Signal<Out, Bit>,
    /// Their row.
    pub row_write_row: Signal<Out, Bits<INDEX_BITS>>,
    /// A bit for each lane that is written.
    pub row_write_lanes: Signal<Out, Bits<16>>,
    /// {ENTRY_STATE, ENTRY_PLACE, ENTRY_ID} of each lane.
    pub row_write_data: [Signal<Out, Bits<WRITE_BITS>>; L],

    swept: Flags<L>,
    writings: [Writing; L],
    lanes: Register<Bits<16>>,
    row: Register<Bits<INDEX_BITS>>,
    /// Row 0 is ahead of its sweep.
    ahead: Register<Bit>,
    ahead_lanes: Register<Bits<16>>,
}

impl<const L: usize> Default for Writeback<L> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*; $($lanes:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    $($lanes: std::array::from_fn(|_| Default::default()),)*
                }
            };
        }
        rest!(
            clock reset works drained bus_write sweep judged marked outside row_write row_write_row row_write_lanes swept lanes row
            ahead ahead_lanes;
            valid write words row_write_data writings
        )
    }
}

impl<const L: usize> Logic for Writeback<L> {
    #[hdl_gen]
    fn update(&mut self) {
        self.lanes.clock.next = self.clock.val();
        self.row.clock.next = self.clock.val();
        self.ahead.clock.next = self.clock.val();
        self.ahead_lanes.clock.next = self.clock.val();
        self.lanes.reset.next = self.reset.val();
        self.row.reset.next = self.reset.val();
        self.ahead.reset.next = self.reset.val();
        self.ahead_lanes.reset.next = self.reset.val();

        for i in 0..L {
            self.swept.lanes[i].next = self.write[i].val();
            self.writings[i].clock.next = self.clock.val();
            self.writings[i].reset.next = self.reset.val();
            self.writings[i].valid.next = self.valid[i].val();
            self.writings[i].words.next = self.words[i].val();
            self.writings[i].marking.next = self.works.val().marking;
            self.writings[i].out.next = self.outside.val();
            self.row_write_data[i].next = self.writings[i].data.val();
        }

        // Row 0 ahead of its sweep: forgotten when anything is written on the bus.
        self.ahead.d.next = self.ahead.q.val();
        self.ahead_lanes.d.next = self.ahead_lanes.q.val();
        if self.works.val().prescoring {
            self.ahead.d.next = self.drained.val();
            if self.judged.val().lanes != 0 {
                self.ahead_lanes.d.next = self.swept.all.val();
            }
        }
        if self.bus_write.val() {
            self.ahead.d.next = false;
        }

        // Where the words go.
        self.row.d.next = self.judged.val().row;
        self.lanes.d.next = self.swept.all.val();
        if self.works.val().prescoring {
            self.lanes.d.next = 0.into();
        }
        if self.sweep.val() & self.ahead.q.val() {
            self.row.d.next = 0.into();
            self.lanes.d.next = self.ahead_lanes.q.val();
        }
        if self.works.val().marking {
            self.row.d.next = self.marked.val().row;
            self.lanes.d.next = self.marked.val().lanes;
        }
        self.row_write.next = self.lanes.q.val() != 0;
        self.row_write_row.next = self.row.q.val();
        self.row_write_lanes.next = self.lanes.q.val();
    }
}
