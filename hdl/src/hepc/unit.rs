//! HEPC on the bus: parameters, passes over the directory, five lists. `docs/control.md`, HEPC; `docs/hepc.md`.
//!
//! ```text
//!  row_read ─► directory ─► entries ─► L judges ─┬► L sieves ─► 4 rankings: victims of a tier
//!                 ▲                              ├► L sieves ─► ranking: prefetch
//!                 └──────── row_write ◄──────────┼► gathered answer of SCORE
//!                                 ▲              └► facts of one lane ─► worths ─┬► answer of WORTHS
//!                                 └─────────────────── OUT of MARK ◄─────────────┴► tally of COUNT
//! ```
//!
//! A sweep takes a row a clock; MARK and COUNT take each row once a lane, as the worths are there once; OFFER, SCORE and WORTHS take
//! one row of which one lane counts. Passes go through the rows in strides, so that ranks that rise or fall with the index do not meet
//! the lists in that order. A row asked for cannot be stopped any more, so a pass stops asking while a sieve is crowded. A job has
//! ended when all that it set off has arrived: `trail` has a bit for each clock since a row was taken.
//!
//! PRESCORE takes the last row of a sweep and keeps what it would write; a SWEEP that is the next to be written writes that at once, in
//! front of all others. Its row comes again at the end, for the lists, and is written again with the same.
//!
//! BUSY reads 0 when what was written stands in the directory for whoever asks after that. What else is asked for, and what is
//! written, waits at the bus for the end of the job.

use super::flags::Flags;
use super::gather::Gather;
use super::judge::{ENTRY_BITS, Judge, PARAMETER_BITS, SCORE_BITS, STANDING_BITS, WRITE_BITS};
use super::ranking::Ranking;
use super::sieve::Sieve;
use super::tally::Tally;
use super::worths::{FACTS_BITS, WORTHS_BITS, Worths};
use super::writing::Writing;
use super::{INDEX_BITS, ITEM_BITS};
use crate::prim::{Kept, Register, Shelf};
use rust_hdl::prelude::*;

/// Clocks from a row taken until the last trace of it, but for items in sieves: of MARK, the row written.
const TRAIL: usize = 13;
/// The same of all that needs no worths.
const TRAIL_SHORT: usize = 10;
/// Clocks from a row taken until a read of BUSY after which whoever asks the directory finds the row written: four clocks less.
const SETTLED: usize = 7;
/// The same of MARK.
const SETTLED_MARKS: usize = 10;

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

    // Parameters.
    parameters: Shelf<32, 4, PARAMETER_BITS>,
    wfs: Shelf<9, 3, 72>,
    thresholds: Shelf<17, 3, 136>,
    trials: Shelf<17, 3, 136>,

    storing: Register<Bit>,
    store_group: Register<Bits<12>>,
    store_low: Register<Bits<4>>,
    store_data: Register<Bits<32>>,
    store_low3: Signal<Local, Bits<3>>,

    // What works.
    sweeping: Register<Bit>,
    offering: Register<Bit>,
    scoring: Register<Bit>,
    weighing: Register<Bit>,
    marking: Register<Bit>,
    counting: Register<Bit>,
    prescoring: Register<Bit>,
    prescored: Register<Bit>,
    prescored_lanes: Register<Bits<16>>,
    asking: Register<Bit>,
    next_row: Register<Bits<INDEX_BITS>>,
    lanes: Register<Bits<16>>,
    stall: Register<Bit>,
    trail: Register<Bits<TRAIL>>,
    taken: Signal<Local, Bit>,
    busy: Signal<Local, Bit>,
    settling: Signal<Local, Bit>,
    brief: Signal<Local, Bit>,
    walking: Signal<Local, Bit>,
    weighs: Signal<Local, Bit>,
    rescores: Signal<Local, Bit>,
    lane_last: Signal<Local, Bit>,
    row_last: Signal<Local, Bit>,
    drained: Signal<Local, Bit>,
    on_the_way: Signal<Local, Bit>,
    finish: Signal<Local, Bit>,
    clear: Signal<Local, Bit>,
    clear_counts: Signal<Local, Bit>,

    // Rows on their way to the judges.
    row1: Register<Bits<INDEX_BITS>>,
    row2: Register<Bits<INDEX_BITS>>,
    lanes1: Register<Bits<16>>,
    lanes2: Register<Bits<16>>,
    listing: Signal<Local, Bit>,
    first_index: Signal<Local, Bits<INDEX_BITS>>,
    judges: [Judge; L],
    judged_row: Signal<Local, Bits<INDEX_BITS>>,

    // The guard's worths, of the one lane that has an entry.
    valid: Flags<L>,
    facts: Gather<L, FACTS_BITS>,
    standing: Gather<L, STANDING_BITS>,
    worth: Worths,
    lanes9: Register<Bits<16>>,
    lanes10: Register<Bits<16>>,
    lanes11: Register<Bits<16>>,
    row9: Register<Bits<INDEX_BITS>>,
    row10: Register<Bits<INDEX_BITS>>,
    row11: Register<Bits<INDEX_BITS>>,
    standing10: Register<Bits<STANDING_BITS>>,
    standing11: Register<Bits<STANDING_BITS>>,
    weighed: Kept<Bits<WORTHS_BITS>>,
    used: Signal<Local, Bit>,
    out: Signal<Local, Bits<8>>,
    insiders: Signal<Local, Bits<8>>,
    outside: Signal<Local, Bits<8>>,

    // Written back.
    written: Flags<L>,
    write_lanes: Register<Bits<16>>,
    write_row: Register<Bits<INDEX_BITS>>,
    writings: [Writing; L],

    // Lists.
    victims: [Sieve; L],
    prefetches: [Sieve; L],
    victims0: Ranking<L, K, M>,
    victims1: Ranking<L, K, M>,
    victims2: Ranking<L, K, M>,
    victims3: Ranking<L, K, M>,
    prefetch: Ranking<L, K, M>,
    favoured: Register<Bits<4>>,
    crowded: Flags<L>,
    crowded_prefetch: Flags<L>,
    holding: Flags<L>,
    holding_prefetch: Flags<L>,

    // Answers.
    score: Gather<L, SCORE_BITS>,
    tally: Tally,

    // Bus.
    ready: Register<Bit>,
    answer: Register<Bits<32>>,
    wanted: Register<Bits<8>>,
    wanted_list: Register<Bits<4>>,
    looked: Register<Bit>,
    shows: Register<Bit>,
    shown: Register<Bits<ITEM_BITS>>,
    shown_count: Register<Bits<8>>,
    exists: Register<Bit>,
    there: Signal<Local, Bit>,
    beyond: Signal<Local, Bit>,
    turns: Signal<Local, Bit>,
    waits: Signal<Local, Bit>,
    accept: Signal<Local, Bit>,
    write: Signal<Local, Bit>,
    page: Signal<Local, Bits<4>>,
    group: Signal<Local, Bits<12>>,
    low: Signal<Local, Bits<8>>,
    low3: Signal<Local, Bits<3>>,
    low4: Signal<Local, Bits<4>>,
    of_lists: Signal<Local, Bit>,
    of_items: Signal<Local, Bit>,
    list: Signal<Local, Bits<4>>,
    is_busy: Signal<Local, Bit>,
    is_offer: Signal<Local, Bit>,
    is_command: Signal<Local, Bit>,
    is_pop: Signal<Local, Bit>,
    is_prescore: Signal<Local, Bit>,
    is_sweep: Signal<Local, Bit>,
    clearing: Register<Bit>,
    clearing_counts: Register<Bit>,
    finishing: Register<Bit>,
    popping: Register<Bit>,
    popped_list: Register<Bits<4>>,
    picked_row: Signal<Local, Bits<INDEX_BITS>>,
    picked_lane: Signal<Local, Bits<4>>,
    picked_lanes: Signal<Local, Bits<16>>,
    upright: Signal<Local, Bits<ITEM_BITS>>,
    item_index: Signal<Local, Bits<32>>,
    item_rank: Signal<Local, Bits<32>>,
    value: Signal<Local, Bits<32>>,
    worth_at: Signal<Local, Bits<7>>,
    worth_shifted: Signal<Local, Bits<128>>,
    is_in: Signal<Local, Bits<8>>,
    worth_value: Signal<Local, Bits<32>>,
    count_value: Signal<Local, Bits<32>>,

    lane_number: [Constant<Bits<INDEX_BITS>>; L],
    in_policy: Constant<Bits<32>>,
    lane_bits: Constant<Bits<5>>,
    lane_mask: Constant<Bits<4>>,
    all_lanes: Constant<Bits<16>>,
    first_lane: Constant<Bits<16>>,
    last_lane: Constant<Bits<16>>,
    stride: Constant<Bits<INDEX_BITS>>,
    back: Constant<Bits<INDEX_BITS>>,
    list_size: Constant<Bits<8>>,
    none: Constant<Bits<32>>,
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize> Default for Hepc<L, K, M, A, S> {
    fn default() -> Self {
        assert!(L.is_power_of_two() && (4..=16).contains(&L), "4, 8 or 16 lanes");
        assert!(A <= 16 && S.is_multiple_of(L) && (1usize << A).is_multiple_of(L), "whole rows");
        let rows = ((1 << A) + S) / L;
        let stride = stride(rows as u64);
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    entries: std::array::from_fn(|_| Default::default()),
                    row_write_data: std::array::from_fn(|_| Default::default()),
                    judges: std::array::from_fn(|_| Default::default()),
                    writings: std::array::from_fn(|_| Default::default()),
                    victims: std::array::from_fn(|_| Default::default()),
                    prefetches: std::array::from_fn(|_| Default::default()),
                    lane_number: std::array::from_fn(|i| Constant::new((i as u64).into())),
                    in_policy: Constant::new((1u64 << 31).into()),
                    lane_bits: Constant::new(u64::from(L.ilog2()).into()),
                    lane_mask: Constant::new((L as u64 - 1).into()),
                    all_lanes: Constant::new(((1u64 << L) - 1).into()),
                    first_lane: Constant::new(1u64.into()),
                    last_lane: Constant::new((1u64 << (L - 1)).into()),
                    stride: Constant::new(stride.into()),
                    back: Constant::new((rows as u64 - stride).into()),
                    list_size: Constant::new((K as u64).into()),
                    none: Constant::new(0xFFFF_FFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read awake row_read row row_taken
            row_write row_write_row row_write_lanes parameters wfs thresholds trials storing store_group store_low store_data store_low3 sweeping offering scoring
            weighing marking counting prescoring prescored prescored_lanes asking next_row lanes stall trail taken busy settling brief walking weighs rescores
            lane_last row_last drained on_the_way finish clear clear_counts row1 row2 lanes1 lanes2 listing first_index
            judged_row valid facts standing worth lanes9 lanes10 lanes11 row9 row10 row11 standing10 standing11 weighed
            used out insiders outside written write_lanes write_row victims0 victims1 victims2 victims3 prefetch favoured
            crowded crowded_prefetch holding holding_prefetch score tally ready answer wanted wanted_list looked shows shown shown_count exists there
            beyond turns waits accept write page group low low3 low4 of_lists of_items list is_busy is_offer is_command is_pop is_prescore is_sweep
            clearing clearing_counts finishing popping popped_list picked_row picked_lane picked_lanes upright item_index item_rank value worth_at
            worth_shifted is_in worth_value count_value
        )
    }
}

impl<const L: usize, const K: usize, const M: usize, const A: usize, const S: usize> Logic for Hepc<L, K, M, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.parameters.clock.next = self.clock.val();
        self.wfs.clock.next = self.clock.val();
        self.thresholds.clock.next = self.clock.val();
        self.trials.clock.next = self.clock.val();
        self.storing.clock.next = self.clock.val();
        self.store_group.clock.next = self.clock.val();
        self.store_low.clock.next = self.clock.val();
        self.store_data.clock.next = self.clock.val();
        self.sweeping.clock.next = self.clock.val();
        self.offering.clock.next = self.clock.val();
        self.scoring.clock.next = self.clock.val();
        self.weighing.clock.next = self.clock.val();
        self.marking.clock.next = self.clock.val();
        self.counting.clock.next = self.clock.val();
        self.prescoring.clock.next = self.clock.val();
        self.prescored.clock.next = self.clock.val();
        self.prescored_lanes.clock.next = self.clock.val();
        self.asking.clock.next = self.clock.val();
        self.next_row.clock.next = self.clock.val();
        self.lanes.clock.next = self.clock.val();
        self.stall.clock.next = self.clock.val();
        self.trail.clock.next = self.clock.val();
        self.row1.clock.next = self.clock.val();
        self.row2.clock.next = self.clock.val();
        self.lanes1.clock.next = self.clock.val();
        self.lanes2.clock.next = self.clock.val();
        self.write_lanes.clock.next = self.clock.val();
        self.write_row.clock.next = self.clock.val();
        self.victims0.clock.next = self.clock.val();
        self.victims1.clock.next = self.clock.val();
        self.victims2.clock.next = self.clock.val();
        self.victims3.clock.next = self.clock.val();
        self.prefetch.clock.next = self.clock.val();
        self.favoured.clock.next = self.clock.val();
        self.score.clock.next = self.clock.val();
        self.tally.clock.next = self.clock.val();
        self.facts.clock.next = self.clock.val();
        self.standing.clock.next = self.clock.val();
        self.lanes9.clock.next = self.clock.val();
        self.lanes10.clock.next = self.clock.val();
        self.lanes11.clock.next = self.clock.val();
        self.row9.clock.next = self.clock.val();
        self.row10.clock.next = self.clock.val();
        self.row11.clock.next = self.clock.val();
        self.standing10.clock.next = self.clock.val();
        self.standing11.clock.next = self.clock.val();
        self.weighed.clock.next = self.clock.val();
        self.wanted.clock.next = self.clock.val();
        self.wanted_list.clock.next = self.clock.val();
        self.looked.clock.next = self.clock.val();
        self.clearing.clock.next = self.clock.val();
        self.clearing_counts.clock.next = self.clock.val();
        self.finishing.clock.next = self.clock.val();
        self.popping.clock.next = self.clock.val();
        self.popped_list.clock.next = self.clock.val();
        self.shows.clock.next = self.clock.val();
        self.shown.clock.next = self.clock.val();
        self.shown_count.clock.next = self.clock.val();
        self.exists.clock.next = self.clock.val();
        self.worth.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.parameters.reset.next = self.reset.val();
        self.wfs.reset.next = self.reset.val();
        self.thresholds.reset.next = self.reset.val();
        self.trials.reset.next = self.reset.val();
        self.storing.reset.next = self.reset.val();
        self.store_group.reset.next = self.reset.val();
        self.store_low.reset.next = self.reset.val();
        self.store_data.reset.next = self.reset.val();
        self.sweeping.reset.next = self.reset.val();
        self.offering.reset.next = self.reset.val();
        self.scoring.reset.next = self.reset.val();
        self.weighing.reset.next = self.reset.val();
        self.marking.reset.next = self.reset.val();
        self.counting.reset.next = self.reset.val();
        self.prescoring.reset.next = self.reset.val();
        self.prescored.reset.next = self.reset.val();
        self.prescored_lanes.reset.next = self.reset.val();
        self.asking.reset.next = self.reset.val();
        self.next_row.reset.next = self.reset.val();
        self.lanes.reset.next = self.reset.val();
        self.stall.reset.next = self.reset.val();
        self.trail.reset.next = self.reset.val();
        self.row1.reset.next = self.reset.val();
        self.row2.reset.next = self.reset.val();
        self.lanes1.reset.next = self.reset.val();
        self.lanes2.reset.next = self.reset.val();
        self.write_lanes.reset.next = self.reset.val();
        self.write_row.reset.next = self.reset.val();
        self.victims0.reset.next = self.reset.val();
        self.victims1.reset.next = self.reset.val();
        self.victims2.reset.next = self.reset.val();
        self.victims3.reset.next = self.reset.val();
        self.prefetch.reset.next = self.reset.val();
        self.favoured.reset.next = self.reset.val();
        self.ready.reset.next = self.reset.val();
        self.answer.reset.next = self.reset.val();
        self.lanes9.reset.next = self.reset.val();
        self.lanes10.reset.next = self.reset.val();
        self.lanes11.reset.next = self.reset.val();
        self.row9.reset.next = self.reset.val();
        self.row10.reset.next = self.reset.val();
        self.row11.reset.next = self.reset.val();
        self.standing10.reset.next = self.reset.val();
        self.standing11.reset.next = self.reset.val();
        self.weighed.reset.next = self.reset.val();
        self.wanted.reset.next = self.reset.val();
        self.wanted_list.reset.next = self.reset.val();
        self.looked.reset.next = self.reset.val();
        self.clearing.reset.next = self.reset.val();
        self.clearing_counts.reset.next = self.reset.val();
        self.finishing.reset.next = self.reset.val();
        self.popping.reset.next = self.reset.val();
        self.popped_list.reset.next = self.reset.val();
        self.shows.reset.next = self.reset.val();
        self.shown.reset.next = self.reset.val();
        self.shown_count.reset.next = self.reset.val();
        self.exists.reset.next = self.reset.val();
        self.worth.reset.next = self.reset.val();

        // What works, and whether everything of it has arrived.
        self.brief.next =
            self.offering.q.val() | self.scoring.q.val() | self.weighing.q.val() | self.prescoring.q.val();
        self.walking.next = self.marking.q.val() | self.counting.q.val();
        self.weighs.next = self.weighing.q.val() | self.walking.val();
        self.busy.next = self.brief.val() | self.sweeping.q.val() | self.walking.val();
        self.settling.next = self.asking.q.val()
            | self.prescoring.q.val()
            | (self.trail.q.val().get_bits::<SETTLED>(0) != 0)
            | (self.marking.q.val() & (self.trail.q.val().get_bits::<SETTLED_MARKS>(0) != 0));
        self.on_the_way.next = (self.holding.all.val() != 0)
            | (self.holding_prefetch.all.val() != 0)
            | self.victims0.holding.val()
            | self.victims1.holding.val()
            | self.victims2.holding.val()
            | self.victims3.holding.val()
            | self.prefetch.holding.val();
        self.drained.next = !self.asking.q.val()
            & (self.trail.q.val().get_bits::<TRAIL_SHORT>(0) == 0)
            & !(self.weighs.val() & (self.trail.q.val() != 0))
            & !self.on_the_way.val();
        self.finish.next = self.sweeping.q.val() & self.drained.val();

        // The request.
        self.low.next = self.bus_address.val().get_bits::<8>(0);
        self.low3.next = self.bus_address.val().get_bits::<3>(0);
        self.low4.next = self.bus_address.val().get_bits::<4>(0);
        self.group.next = self.bus_address.val().get_bits::<12>(4);
        self.page.next = self.bus_address.val().get_bits::<4>(12);
        self.of_lists.next = self.bus_address.val().get_bits::<8>(8) == 1;
        self.of_items.next = (self.page.val() == 1) | (self.page.val() == 2);
        self.list.next = self.bus_address.val().get_bits::<4>(8);
        if self.of_lists.val() {
            self.list.next = self.bus_address.val().get_bits::<4>(4);
        }
        self.is_command.next =
            self.bus_write.val() & (self.group.val() == 2) & (self.low4.val() >= 8) & (self.low4.val() != 0xE);
        self.is_sweep.next = self.is_command.val() & (self.low4.val() == 8);
        self.is_prescore.next = self.is_command.val() & (self.low4.val() == 0xF);
        self.is_offer.next = self.is_command.val() & (self.low4.val() == 9);
        self.is_pop.next = self.bus_write.val() & self.of_lists.val() & (self.low4.val() == 2);
        self.is_busy.next = !self.bus_write.val() & (self.group.val() == 2) & (self.low4.val() == 0xE);
        // What a list shows stands in registers: the choice among lists is a clock of its own.
        self.there.next = true;
        self.shown.d.next = 0.into();
        self.shown_count.d.next = 0.into();
        self.exists.d.next = false;
        if self.list.val() == 0 {
            self.there.next = self.victims0.there.val();
            self.shown.d.next = self.victims0.front.val();
            self.shown_count.d.next = self.victims0.count.val();
            self.exists.d.next = self.victims0.exists.val();
        }
        if self.list.val() == 1 {
            self.there.next = self.victims1.there.val();
            self.shown.d.next = self.victims1.front.val();
            self.shown_count.d.next = self.victims1.count.val();
            self.exists.d.next = self.victims1.exists.val();
        }
        if self.list.val() == 2 {
            self.there.next = self.victims2.there.val();
            self.shown.d.next = self.victims2.front.val();
            self.shown_count.d.next = self.victims2.count.val();
            self.exists.d.next = self.victims2.exists.val();
        }
        if self.list.val() == 3 {
            self.there.next = self.victims3.there.val();
            self.shown.d.next = self.victims3.front.val();
            self.shown_count.d.next = self.victims3.count.val();
            self.exists.d.next = self.victims3.exists.val();
        }
        if self.list.val() == 4 {
            self.there.next = self.prefetch.there.val();
            self.shown.d.next = self.prefetch.front.val();
            self.shown_count.d.next = self.prefetch.count.val();
            self.exists.d.next = self.prefetch.exists.val();
        }
        // An item is turned to the front of its list, from the request's second clock on; not while items go in, which are compared with the last.
        self.beyond.next = self.of_items.val() & (self.low.val() >= self.list_size.val());
        self.wanted.d.next = 0.into();
        self.wanted_list.d.next = self.list.val();
        self.listing.next = self.sweeping.q.val() | self.offering.q.val();
        self.turns.next = self.bus_select.val()
            & !self.ready.q.val()
            & self.of_items.val()
            & !self.beyond.val()
            & !self.listing.val();
        self.looked.d.next = self.turns.val();
        self.shows.d.next = self.bus_select.val()
            & !self.ready.q.val()
            & !self.listing.val()
            & self.there.val()
            & (self.of_lists.val() | self.looked.q.val());
        if self.turns.val() {
            self.wanted.d.next = self.low.val();
        }
        self.waits.next = self.brief.val() | self.sweeping.q.val();
        if self.bus_write.val() {
            self.waits.next = self.busy.val();
        }
        if self.is_offer.val() & self.offering.q.val() {
            self.waits.next = self.asking.q.val();
        }
        if self.group.val() == 4 {
            self.waits.next = self.busy.val();
        }
        if (self.of_lists.val() | self.of_items.val()) & !self.beyond.val() & !self.shows.q.val() {
            self.waits.next = true;
        }
        if self.is_busy.val() {
            self.waits.next = false;
        }
        self.accept.next = self.bus_select.val() & !self.ready.q.val() & !self.waits.val();
        self.ready.d.next = self.accept.val();
        self.awake.next = self.busy.val()
            | self.ready.q.val()
            | !self.victims0.there.val()
            | !self.victims1.there.val()
            | !self.victims2.there.val()
            | !self.victims3.there.val()
            | !self.prefetch.there.val();
        self.bus_ready.next = self.ready.q.val();
        self.bus_read.next = self.answer.q.val();
        self.write.next = self.accept.val() & self.bus_write.val();

        // Parameters.
        // Parameters are written a clock later: no job can begin before.
        self.storing.d.next = self.write.val();
        self.store_group.d.next = self.group.val();
        self.store_low.d.next = self.low4.val();
        self.store_data.d.next = self.bus_data.val();
        self.store_low3.next = bit_cast::<3, 4>(self.store_low.q.val());
        self.parameters.address.next = self.store_low.q.val();
        self.parameters.data.next = self.store_data.q.val();
        self.parameters.write.next = self.storing.q.val() & (self.store_group.q.val() == 0);
        self.wfs.address.next = self.store_low3.val();
        self.wfs.data.next = bit_cast::<9, 32>(self.store_data.q.val());
        self.wfs.write.next = self.storing.q.val() & (self.store_group.q.val() == 1) & (self.store_low.q.val() < 8);
        self.thresholds.address.next = self.store_low3.val();
        self.thresholds.data.next = bit_cast::<17, 32>(self.store_data.q.val());
        self.thresholds.write.next =
            self.storing.q.val() & (self.store_group.q.val() == 1) & (self.store_low.q.val() >= 8);
        self.trials.address.next = self.store_low3.val();
        self.trials.data.next = bit_cast::<17, 32>(self.store_data.q.val());
        self.trials.write.next = self.storing.q.val() & (self.store_group.q.val() == 2) & (self.store_low.q.val() < 8);

        // Jobs, and the rows that they ask for.
        self.sweeping.d.next = self.sweeping.q.val() & !self.drained.val();
        self.offering.d.next = self.offering.q.val() & !self.drained.val();
        self.scoring.d.next = self.scoring.q.val() & !self.drained.val();
        self.weighing.d.next = self.weighing.q.val() & !self.drained.val();
        self.marking.d.next = self.marking.q.val() & !self.drained.val();
        self.counting.d.next = self.counting.q.val() & !self.drained.val();
        self.prescoring.d.next = self.prescoring.q.val() & !self.drained.val();
        self.row_read.next = self.asking.q.val() & !self.stall.q.val();
        self.row.next = self.next_row.q.val();
        self.taken.next = self.asking.q.val() & !self.stall.q.val() & self.row_taken.val();
        self.asking.d.next = self.asking.q.val();
        self.next_row.d.next = self.next_row.q.val();
        self.lanes.d.next = self.lanes.q.val();
        self.lane_last.next = (self.lanes.q.val() & self.last_lane.val()) != 0;
        self.row_last.next = self.next_row.q.val() == 0;
        if self.taken.val() {
            if self.lane_last.val() {
                self.next_row.d.next = self.next_row.q.val() + self.stride.val();
                if self.next_row.q.val() >= self.back.val() {
                    self.next_row.d.next = self.next_row.q.val() - self.back.val();
                }
            }
            if self.walking.val() {
                self.lanes.d.next = self.lanes.q.val() << 1;
                if self.lane_last.val() {
                    self.lanes.d.next = self.first_lane.val();
                }
            }
            if self.brief.val() | (self.lane_last.val() & self.row_last.val()) {
                self.asking.d.next = false;
            }
        }
        self.picked_row.next = bit_cast::<INDEX_BITS, 32>(self.bus_data.val()) >> self.lane_bits.val();
        self.picked_lane.next = bit_cast::<4, 32>(self.bus_data.val()) & self.lane_mask.val();
        self.picked_lanes.next = self.first_lane.val() << self.picked_lane.val();
        self.clear.next = false;
        self.clear_counts.next = false;
        if self.accept.val() & self.is_command.val() {
            self.asking.d.next = true;
            self.next_row.d.next = self.stride.val();
            self.lanes.d.next = self.first_lane.val();
            if self.is_sweep.val() {
                self.sweeping.d.next = true;
                self.lanes.d.next = self.all_lanes.val();
                self.clear.next = true;
            }
            if self.is_prescore.val() {
                self.prescoring.d.next = true;
                self.next_row.d.next = 0.into();
                self.lanes.d.next = self.all_lanes.val();
            }
            if self.low4.val() == 0xC {
                self.marking.d.next = true;
            }
            if self.low4.val() == 0xD {
                self.counting.d.next = true;
                self.clear_counts.next = true;
            }
            if (self.low4.val() == 9) | (self.low4.val() == 0xA) | (self.low4.val() == 0xB) {
                self.next_row.d.next = self.picked_row.val();
                self.lanes.d.next = self.picked_lanes.val();
            }
            if self.low4.val() == 9 {
                self.offering.d.next = true;
            }
            if self.low4.val() == 0xA {
                self.scoring.d.next = true;
            }
            if self.low4.val() == 0xB {
                self.weighing.d.next = true;
            }
        }

        // Rows on their way.
        self.stall.d.next = (self.crowded.all.val() != 0) | (self.crowded_prefetch.all.val() != 0);
        self.row1.d.next = self.next_row.q.val();
        self.row2.d.next = self.row1.q.val();
        self.lanes1.d.next = 0.into();
        self.trail.d.next = self.trail.q.val() << 1;
        if self.taken.val() {
            self.lanes1.d.next = self.lanes.q.val();
            self.trail.d.next = (self.trail.q.val() << 1) | 1;
        }
        self.lanes2.d.next = self.lanes1.q.val();
        self.first_index.next = self.row2.q.val() << self.lane_bits.val();
        self.favoured.d.next = (self.favoured.q.val() + 1) & self.lane_mask.val();

        self.judged_row.next = self.judges[0].judged.val() >> self.lane_bits.val();
        self.write_row.d.next = self.judged_row.val();
        self.write_lanes.d.next = self.written.all.val();

        // Row 0 ahead of its sweep: what would be written waits for a SWEEP, if nothing else is written before it.
        self.rescores.next = self.accept.val() & self.is_sweep.val() & self.prescored.q.val();
        self.prescored.d.next = self.prescored.q.val();
        self.prescored_lanes.d.next = self.prescored_lanes.q.val();
        if self.prescoring.q.val() {
            self.write_lanes.d.next = 0.into();
            self.prescored.d.next = self.drained.val();
            if self.valid.all.val() != 0 {
                self.prescored_lanes.d.next = self.written.all.val();
            }
        }
        if self.write.val() {
            self.prescored.d.next = false;
        }
        if self.rescores.val() {
            self.write_row.d.next = 0.into();
            self.write_lanes.d.next = self.prescored_lanes.q.val();
        }

        // The guard's worths: of the entry that was judged three clocks before.
        self.facts.enable.next = self.weighs.val();
        self.standing.enable.next = self.weighs.val();
        self.worth.facts.next = self.facts.kept.val();
        self.worth.wr.next = self.parameters.all.val().get_bits::<8>(0);
        self.worth.ws.next = self.parameters.all.val().get_bits::<8>(64);
        self.worth.wd.next = self.parameters.all.val().get_bits::<8>(96);
        self.worth.targets.next = self.parameters.all.val().get_bit(131);
        self.worth.scale.next = self.parameters.all.val().get_bits::<4>(192);
        self.worth.r_epoch.next = self.parameters.all.val().get_bits::<14>(288);
        self.worth.wfs.next = self.wfs.all.val();
        self.worth.thresholds.next = self.thresholds.all.val();
        self.worth.trials.next = self.trials.all.val();
        self.lanes9.d.next = self.valid.all.val();
        self.lanes10.d.next = self.lanes9.q.val();
        self.lanes11.d.next = self.lanes10.q.val();
        self.row9.d.next = self.judged_row.val();
        self.row10.d.next = self.row9.q.val();
        self.row11.d.next = self.row10.q.val();
        self.standing10.d.next = self.standing.kept.val();
        self.standing11.d.next = self.standing10.q.val();
        self.used.next = self.standing11.q.val().get_bit(8);
        self.out.next = self.standing11.q.val().get_bits::<8>(0);
        self.insiders.next = 0.into();
        if self.used.val() {
            self.insiders.next = self.worth.above.val() & !self.out.val();
        }
        self.outside.next = self.out.val() | !self.worth.above.val();
        self.weighed.enable.next = self.weighing.q.val() & (self.lanes11.q.val() != 0);
        self.weighed.d.next = (bit_cast::<WORTHS_BITS, 8>(self.insiders.val()) << 128)
            | bit_cast::<WORTHS_BITS, 128>(self.worth.worths.val());
        self.tally.reached.next = 0.into();
        if self.counting.q.val() & (self.lanes11.q.val() != 0) {
            self.tally.reached.next = self.insiders.val() & self.worth.reaching.val();
        }
        if self.marking.q.val() {
            self.write_row.d.next = self.row11.q.val();
            self.write_lanes.d.next = 0.into();
            if self.used.val() {
                self.write_lanes.d.next = self.lanes11.q.val();
            }
        }
        self.tally.clear.next = self.clearing_counts.q.val();
        self.clearing_counts.d.next = self.clear_counts.val();

        // A lane each.
        for i in 0..L {
            self.judges[i].clock.next = self.clock.val();
            self.judges[i].reset.next = self.reset.val();
            self.judges[i].parameters.next = self.parameters.all.val();
            self.judges[i].sweeping.next = self.sweeping.q.val() | self.prescoring.q.val();
            self.judges[i].marking.next = self.marking.q.val();
            self.judges[i].in_valid.next = self.lanes2.q.val().get_bit(i);
            self.judges[i].index.next = self.first_index.val() | self.lane_number[i].val();
            self.judges[i].entry.next = self.entries[i].val();

            // Written back, a clock later, or when OUT is there.
            self.written.lanes[i].next = self.judges[i].write.val();
            self.writings[i].clock.next = self.clock.val();
            self.writings[i].reset.next = self.reset.val();
            self.writings[i].valid.next = self.judges[i].valid.val();
            self.writings[i].words.next = self.judges[i].write_data.val();
            self.writings[i].marking.next = self.marking.q.val();
            self.writings[i].out.next = self.outside.val();
            self.row_write_data[i].next = self.writings[i].data.val();

            // Answers, and what they are made of.
            self.score.valid[i].next = self.judges[i].valid.val();
            self.score.answers[i].next = self.judges[i].score.val();
            self.valid.lanes[i].next = self.judges[i].valid.val();
            self.facts.valid[i].next = self.judges[i].facts_valid.val();
            self.facts.answers[i].next = self.judges[i].facts.val();
            self.standing.valid[i].next = self.judges[i].valid.val();
            self.standing.answers[i].next = self.judges[i].standing.val();

            // Victims, of all tiers, and candidates.
            self.victims[i].clock.next = self.clock.val();
            self.victims[i].reset.next = self.reset.val();
            self.victims[i].in_valid.next = self.judges[i].victim.val() & self.listing.val();
            self.victims[i].item.next = self.judges[i].victim_item.val();
            self.victims[i].list.next = self.judges[i].tier.val();
            self.victims[i].open.next = self.offering.q.val();
            self.victims[i].last.next = self.victims0.last_item.val();
            if self.judges[i].tier_early.val() == 1 {
                self.victims[i].last.next = self.victims1.last_item.val();
            }
            if self.judges[i].tier_early.val() == 2 {
                self.victims[i].last.next = self.victims2.last_item.val();
            }
            if self.judges[i].tier_early.val() == 3 {
                self.victims[i].last.next = self.victims3.last_item.val();
            }
            self.prefetches[i].clock.next = self.clock.val();
            self.prefetches[i].reset.next = self.reset.val();
            self.prefetches[i].in_valid.next = self.judges[i].candidate.val() & self.sweeping.q.val();
            self.prefetches[i].item.next = self.judges[i].candidate_item.val();
            self.prefetches[i].list.next = 0.into();
            self.prefetches[i].open.next = false;
            self.prefetches[i].last.next = self.prefetch.last_item.val();
            self.crowded.lanes[i].next = self.victims[i].crowded.val();
            self.crowded_prefetch.lanes[i].next = self.prefetches[i].crowded.val();
            self.holding.lanes[i].next = self.victims[i].holding.val();
            self.holding_prefetch.lanes[i].next = self.prefetches[i].holding.val();

            // Turns at the lists.
            self.victims0.wants[i].next = self.victims[i].wanted.val().get_bit(0);
            self.victims0.items[i].next = self.victims[i].head.val();
            self.victims1.wants[i].next = self.victims[i].wanted.val().get_bit(1);
            self.victims1.items[i].next = self.victims[i].head.val();
            self.victims2.wants[i].next = self.victims[i].wanted.val().get_bit(2);
            self.victims2.items[i].next = self.victims[i].head.val();
            self.victims3.wants[i].next = self.victims[i].wanted.val().get_bit(3);
            self.victims3.items[i].next = self.victims[i].head.val();
            self.victims[i].taken.next = self.victims0.taken[i].val()
                | self.victims1.taken[i].val()
                | self.victims2.taken[i].val()
                | self.victims3.taken[i].val();
            self.prefetch.wants[i].next = self.prefetches[i].wanted.val().get_bit(0);
            self.prefetch.items[i].next = self.prefetches[i].head.val();
            self.prefetches[i].taken.next = self.prefetch.taken[i].val();
        }
        self.score.enable.next = self.scoring.q.val();
        self.row_write.next = self.write_lanes.q.val() != 0;
        self.row_write_row.next = self.write_row.q.val();
        self.row_write_lanes.next = self.write_lanes.q.val();

        // Lists: what begins and ends reaches many registers, and has a clock for it.
        self.clearing.d.next = self.clear.val();
        self.finishing.d.next = self.finish.val();
        self.popping.d.next = self.accept.val() & self.is_pop.val();
        self.popped_list.d.next = self.list.val();
        self.victims0.clear.next = self.clearing.q.val();
        self.victims0.finish.next = self.finishing.q.val();
        self.victims0.pop.next = self.popping.q.val() & (self.popped_list.q.val() == 0);
        self.victims0.favoured.next = self.favoured.q.val();
        self.victims0.fresh.next = self.sweeping.q.val();
        self.victims0.position.next = 0.into();
        if self.wanted_list.q.val() == 0 {
            self.victims0.position.next = self.wanted.q.val();
        }
        self.victims1.clear.next = self.clearing.q.val();
        self.victims1.finish.next = self.finishing.q.val();
        self.victims1.pop.next = self.popping.q.val() & (self.popped_list.q.val() == 1);
        self.victims1.favoured.next = self.favoured.q.val();
        self.victims1.fresh.next = self.sweeping.q.val();
        self.victims1.position.next = 0.into();
        if self.wanted_list.q.val() == 1 {
            self.victims1.position.next = self.wanted.q.val();
        }
        self.victims2.clear.next = self.clearing.q.val();
        self.victims2.finish.next = self.finishing.q.val();
        self.victims2.pop.next = self.popping.q.val() & (self.popped_list.q.val() == 2);
        self.victims2.favoured.next = self.favoured.q.val();
        self.victims2.fresh.next = self.sweeping.q.val();
        self.victims2.position.next = 0.into();
        if self.wanted_list.q.val() == 2 {
            self.victims2.position.next = self.wanted.q.val();
        }
        self.victims3.clear.next = self.clearing.q.val();
        self.victims3.finish.next = self.finishing.q.val();
        self.victims3.pop.next = self.popping.q.val() & (self.popped_list.q.val() == 3);
        self.victims3.favoured.next = self.favoured.q.val();
        self.victims3.fresh.next = self.sweeping.q.val();
        self.victims3.position.next = 0.into();
        if self.wanted_list.q.val() == 3 {
            self.victims3.position.next = self.wanted.q.val();
        }
        self.prefetch.clear.next = self.clearing.q.val();
        self.prefetch.finish.next = self.finishing.q.val();
        self.prefetch.pop.next = self.popping.q.val() & (self.popped_list.q.val() == 4);
        self.prefetch.favoured.next = self.favoured.q.val();
        self.prefetch.fresh.next = self.sweeping.q.val();
        self.prefetch.position.next = 0.into();
        if self.wanted_list.q.val() == 4 {
            self.prefetch.position.next = self.wanted.q.val();
        }
        // The answer.
        self.upright.next = !self.shown.q.val();
        self.item_index.next = self.none.val();
        self.item_rank.next = self.none.val();
        if self.exists.q.val() & !self.beyond.val() {
            self.item_index.next = bit_cast::<32, 17>(self.upright.val().get_bits::<17>(0));
            self.item_rank.next = self.upright.val().get_bits::<32>(17);
        }
        self.worth_at.next = bit_cast::<7, 3>(self.low3.val()) << 4;
        self.worth_shifted.next = bit_cast::<128, WORTHS_BITS>(self.weighed.q.val()) >> self.worth_at.val();
        self.is_in.next = self.weighed.q.val().get_bits::<8>(128) >> self.low3.val();
        self.worth_value.next = bit_cast::<32, 16>(self.worth_shifted.val().get_bits::<16>(0));
        if self.is_in.val().get_bit(0) {
            self.worth_value.next =
                bit_cast::<32, 16>(self.worth_shifted.val().get_bits::<16>(0)) | self.in_policy.val();
        }
        self.count_value.next = 0.into();
        if self.low3.val() == 0 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(0));
        }
        if self.low3.val() == 1 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(17));
        }
        if self.low3.val() == 2 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(34));
        }
        if self.low3.val() == 3 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(51));
        }
        if self.low3.val() == 4 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(68));
        }
        if self.low3.val() == 5 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(85));
        }
        if self.low3.val() == 6 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(102));
        }
        if self.low3.val() == 7 {
            self.count_value.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(119));
        }
        self.value.next = 0.into();
        if self.is_busy.val() {
            self.value.next = bit_cast::<32, 1>(self.settling.val().into());
        }
        if self.group.val() == 3 {
            if self.low4.val() == 0 {
                self.value.next = bit_cast::<32, 16>(self.score.kept.val().get_bits::<16>(0));
            }
            if self.low4.val() == 1 {
                self.value.next = self.score.kept.val().get_bits::<32>(16);
            }
            if self.low4.val() == 2 {
                self.value.next = bit_cast::<32, 6>(self.score.kept.val().get_bits::<6>(80));
            }
            if self.low4.val() == 3 {
                self.value.next = self.score.kept.val().get_bits::<32>(48);
            }
            if self.low4.val() >= 8 {
                self.value.next = self.worth_value.val();
            }
        }
        if (self.group.val() == 4) & (self.low4.val() >= 8) {
            self.value.next = self.count_value.val();
        }
        if (self.of_lists.val() & (self.low4.val() == 0)) | (self.page.val() == 1) {
            self.value.next = self.item_index.val();
        }
        if (self.of_lists.val() & (self.low4.val() == 1)) | (self.page.val() == 2) {
            self.value.next = self.item_rank.val();
        }
        if self.of_lists.val() & (self.low4.val() == 3) {
            self.value.next = bit_cast::<32, 8>(self.shown_count.q.val());
        }
        self.answer.d.next = 0.into();
        if self.accept.val() & !self.bus_write.val() {
            self.answer.d.next = self.value.val();
        }
    }
}

/// Of so many rows, how many a pass goes on from one to the next: near the golden ratio of them, which scatters best whatever part of
/// them was taken, and without a common divisor, so that it meets them all.
fn stride(rows: u64) -> u64 {
    let common = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = rows * 618 / 1000;
    (golden..rows).find(|stride| common(rows, *stride) == 1).unwrap_or(1)
}
