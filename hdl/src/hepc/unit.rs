//! HEPC on the bus: its blocks and what joins them. `docs/control.md`, HEPC; `docs/hepc.md`.
//!
//! ```text
//!         ┌► parameters ──────────────┐
//!  bus ◄──┼► jobs ◄─► walk ─► row ─► directory ─► entries ─► L judges ─┬► lists ─► showing ─► bus
//!         │                                                            ├► gathered answer of SCORE ─► bus
//!         │                                                            ├► weighing: WORTHS, COUNT ──► bus
//!         │                                                            │      │ OUT of MARK
//!         └────────────────────────────────── directory ◄─ row_write ──┴► writeback
//! ```
//!
//! A sweep takes a row a clock; MARK and COUNT take each row once a lane, as the worths are there once; OFFER, SCORE and WORTHS take
//! one row of which one lane counts.
//!
//! BUSY reads 0 when what was written stands in the directory for whoever asks after that. What else is asked for, and what is
//! written, waits at the bus for the end of the job.

use super::INDEX_BITS;
use super::bus::Bus;
use super::flags::Flags;
use super::gather::Gather;
use super::jobs::Jobs;
use super::judge::{ENTRY_BITS, Judge, SCORE_BITS, WRITE_BITS};
use super::lists::Lists;
use super::parameters::Parameters;
use super::showing::Showing;
use super::walk::Walk;
use super::weighing::{Place, Weighing};
use super::writeback::Writeback;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// The unit: `L` lanes, lists of `K` (`M` = K - 1), 2^A entries and a stash of `S`.
#[derive(LogicBlock)]
pub struct Hepc<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// A request for this block stands.
    pub bus_select: Signal<In, Bit>,
    /// It writes.
    pub bus_write: Signal<In, Bit>,
    /// Word address.
    pub bus_address: Signal<In, Bits<24>>,
    /// What it writes.
    pub bus_data: Signal<In, Bits<32>>,
    /// It is answered in this clock.
    pub bus_ready: Signal<Out, Bit>,
    /// With this; otherwise 0.
    pub bus_read: Signal<Out, Bits<32>>,
    /// It works, or answers.
    pub awake: Signal<Out, Bit>,

    /// Sweeps are not to read a row in this clock.
    pub rests: Signal<In, Bit>,

    /// A row is wanted.
    pub row_read: Signal<Out, Bit>,
    /// Which.
    pub row: Signal<Out, Bits<INDEX_BITS>>,
    /// The directory reads it.
    pub row_taken: Signal<In, Bit>,
    /// The entries of the row taken two clocks before.
    pub entries: [Signal<In, Bits<ENTRY_BITS>>; L],
    /// Entries are written.
    pub row_write: Signal<Out, Bit>,
    /// Their row.
    pub row_write_row: Signal<Out, Bits<INDEX_BITS>>,
    /// A bit for each lane that is written.
    pub row_write_lanes: Signal<Out, Bits<16>>,
    /// {ENTRY_STATE, ENTRY_PLACE, ENTRY_ID} of each lane.
    pub row_write_data: [Signal<Out, Bits<WRITE_BITS>>; L],

    /// The request, a clock later: the sequencer is far away.
    asks: Register<Bit>,
    asks_write: Register<Bit>,
    asked: Register<Bits<24>>,
    given: Register<Bits<32>>,
    bus: Bus,
    parameters: Parameters,
    jobs: Jobs,
    walk: Walk<L, A, S>,
    judges: [Judge; L],
    valid: Flags<L>,
    score: Gather<L, SCORE_BITS>,
    lists: Lists<L, K, M>,
    showing: Showing<K>,
    weighing: Weighing<L>,
    writeback: Writeback<L>,
    judged: Signal<Local, Place>,
    scoring_rows: Signal<Local, Bit>,
    lane_number: [Constant<Bits<INDEX_BITS>>; L],
    lane_bits: Constant<Bits<5>>,
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize> Default for Hepc<L, K, M, A, S> {
    fn default() -> Self {
        assert!(L.is_power_of_two() && (4..=16).contains(&L), "4, 8 or 16 lanes");
        macro_rules! rest {
            ($($name:ident)*; $($lanes:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    $($lanes: std::array::from_fn(|_| Default::default()),)*
                    lane_number: std::array::from_fn(|i| Constant::new((i as u64).into())),
                    lane_bits: Constant::new(u64::from(L.ilog2()).into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read awake rests row_read row row_taken row_write
            row_write_row row_write_lanes asks asks_write asked given bus parameters jobs walk valid score lists showing weighing writeback judged scoring_rows;
            entries row_write_data judges
        )
    }
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize> Logic for Hepc<L, K, M, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.asks.clock.next = self.clock.val();
        self.asks_write.clock.next = self.clock.val();
        self.asked.clock.next = self.clock.val();
        self.given.clock.next = self.clock.val();
        self.bus.clock.next = self.clock.val();
        self.parameters.clock.next = self.clock.val();
        self.jobs.clock.next = self.clock.val();
        self.walk.clock.next = self.clock.val();
        self.score.clock.next = self.clock.val();
        self.lists.clock.next = self.clock.val();
        self.showing.clock.next = self.clock.val();
        self.weighing.clock.next = self.clock.val();
        self.writeback.clock.next = self.clock.val();
        self.asks.reset.next = self.reset.val();
        self.asks_write.reset.next = self.reset.val();
        self.asked.reset.next = self.reset.val();
        self.given.reset.next = self.reset.val();
        self.bus.reset.next = self.reset.val();
        self.parameters.reset.next = self.reset.val();
        self.jobs.reset.next = self.reset.val();
        self.walk.reset.next = self.reset.val();
        self.lists.reset.next = self.reset.val();
        self.showing.reset.next = self.reset.val();
        self.weighing.reset.next = self.reset.val();
        self.writeback.reset.next = self.reset.val();

        // The bus.
        self.asks.d.next = self.bus_select.val() & !self.bus.bus_ready.val();
        self.asks_write.d.next = self.bus_write.val();
        self.asked.d.next = self.bus_address.val();
        self.given.d.next = self.bus_data.val();
        self.bus.bus_select.next = self.asks.q.val();
        self.bus.bus_write.next = self.asks_write.q.val();
        self.bus.bus_address.next = self.asked.q.val();
        self.bus.address_ahead.next = self.bus_address.val();
        self.bus.works.next = self.jobs.works.val();
        self.bus.one_row.next = self.jobs.one_row.val();
        self.bus.busy.next = self.jobs.busy.val();
        self.bus.asking.next = self.walk.asking.val();
        self.bus.settling.next = self.jobs.settling.val();
        self.bus.list_waits.next = self.showing.waits.val();
        self.bus.score.next = self.score.kept.val();
        self.bus.worth.next = self.weighing.worth_answer.val();
        self.bus.count.next = self.weighing.count_answer.val();
        self.bus.item_index.next = self.showing.index.val();
        self.bus.item_rank.next = self.showing.rank.val();
        self.bus.item_count.next = self.showing.count.val();
        self.bus_ready.next = self.bus.bus_ready.val();
        self.bus_read.next = self.bus.bus_read.val();
        self.parameters.write.next = self.bus.writes.val();
        self.parameters.address.next = self.asked.q.val();
        self.parameters.data.next = self.given.q.val();
        self.awake.next =
            self.asks.q.val() | self.jobs.busy.val() | self.bus.bus_ready.val() | self.lists.turning.val();

        // Jobs, and their rows.
        self.jobs.starts.next = self.bus.starts.val();
        self.jobs.asking.next = self.walk.asking.val();
        self.jobs.taken.next = self.walk.taken.val();
        self.jobs.holding.next = self.lists.holding.val();
        self.walk.starts.next = self.bus.starts.val();
        self.walk.index.next = self.given.q.val();
        self.walk.one_row.next = self.jobs.one_row.val();
        self.walk.by_lane.next = self.jobs.by_lane.val();
        self.walk.crowded.next = self.lists.crowded.val();
        self.walk.rests.next = self.rests.val();
        self.walk.row_taken.next = self.row_taken.val();
        self.row_read.next = self.walk.row_read.val();
        self.row.next = self.walk.row.val();

        // A lane each.
        self.scoring_rows.next = self.jobs.works.val().sweeping | self.jobs.works.val().prescoring;
        for i in 0..L {
            self.judges[i].clock.next = self.clock.val();
            self.judges[i].reset.next = self.reset.val();
            self.judges[i].parameters.next = self.parameters.all.val();
            self.judges[i].sweeping.next = self.scoring_rows.val();
            self.judges[i].marking.next = self.jobs.works.val().marking;
            self.judges[i].in_valid.next = self.walk.lanes.val().get_bit(i);
            self.judges[i].index.next = self.walk.first_index.val() | self.lane_number[i].val();
            self.judges[i].entry.next = self.entries[i].val();
            self.valid.lanes[i].next = self.judges[i].valid.val();
            self.score.valid[i].next = self.judges[i].valid.val();
            self.score.answers[i].next = self.judges[i].score.val();
            self.lists.victim[i].next = self.judges[i].victim.val();
            self.lists.victim_item[i].next = self.judges[i].victim_item.val();
            self.lists.tier[i].next = self.judges[i].tier.val();
            self.lists.tier_early[i].next = self.judges[i].tier_early.val();
            self.lists.candidate[i].next = self.judges[i].candidate.val();
            self.lists.candidate_item[i].next = self.judges[i].candidate_item.val();
            self.weighing.facts_valid[i].next = self.judges[i].facts_valid.val();
            self.weighing.facts[i].next = self.judges[i].facts.val();
            self.weighing.valid[i].next = self.judges[i].valid.val();
            self.weighing.standing[i].next = self.judges[i].standing.val();
            self.writeback.valid[i].next = self.judges[i].valid.val();
            self.writeback.write[i].next = self.judges[i].write.val();
            self.writeback.words[i].next = self.judges[i].write_data.val();
            self.row_write_data[i].next = self.writeback.row_write_data[i].val();
        }
        self.judged.next.lanes = self.valid.all.val();
        self.judged.next.row = self.judges[0].judged.val() >> self.lane_bits.val();
        self.score.enable.next = self.jobs.works.val().scoring;

        // Lists.
        self.lists.works.next = self.jobs.works.val();
        self.lists.clear.next = self.bus.starts.val().sweeping;
        self.lists.finish.next = self.jobs.works.val().sweeping & self.jobs.drained.val();
        self.lists.pop.next = self.bus.pops.val();
        self.lists.wish.next = self.showing.wish.val();
        self.showing.open.next = self.bus.open.val();
        self.showing.of_lists.next = self.bus.of_lists.val();
        self.showing.of_items.next = self.bus.of_items.val();
        self.showing.list.next = self.bus.list.val();
        self.showing.place.next = self.bus.place.val();
        self.showing.listing.next = self.jobs.works.val().sweeping | self.jobs.works.val().offering;
        self.showing.there.next = self.lists.there.val();
        self.showing.view.next = self.lists.view.val();

        // The guard.
        self.weighing.parameters.next = self.parameters.all.val();
        self.weighing.wfs.next = self.parameters.wfs.val();
        self.weighing.thresholds.next = self.parameters.thresholds.val();
        self.weighing.trials.next = self.parameters.trials.val();
        self.weighing.works.next = self.jobs.works.val();
        self.weighing.clear.next = self.bus.starts.val().counting;
        self.weighing.judged.next = self.judged.val();
        self.weighing.policy.next = self.bus.policy.val();

        // What is written.
        self.writeback.works.next = self.jobs.works.val();
        self.writeback.drained.next = self.jobs.drained.val();
        self.writeback.bus_write.next = self.bus.writes.val();
        self.writeback.sweep.next = self.bus.starts.val().sweeping;
        self.writeback.judged.next = self.judged.val();
        self.writeback.marked.next = self.weighing.marked.val();
        self.writeback.outside.next = self.weighing.outside.val();
        self.row_write.next = self.writeback.row_write.val();
        self.row_write_row.next = self.writeback.row_write_row.val();
        self.row_write_lanes.next = self.writeback.row_write_lanes.val();
    }
}
