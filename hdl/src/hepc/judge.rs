//! What a pass makes of an entry: its P, whether it is a victim or a prefetch candidate and of what rank, what it is worth
//! to each policy, and what is written back, all eight clocks later. `docs/hepc.md`, Who may be a victim, and Sweep.
//!
//! ```text
//!           ┌► lane ──────────────► P, 7 ──────────────────────┐
//!  entry ───┼──► terms, 4 ──► worths ──────────────────────────┼─► 8 ranks, words to write
//!           └► 1 distances ─► 2 who it is ─► RAM, six clocks ──┘
//! ```
//!
//! What is not a number to calculate with waits in a RAM of eight words instead of in eight rows of registers.

use super::lane::Lane;
use super::worths::Worths;
use super::{INDEX_BITS, ITEM_BITS, RANK_BITS};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Bits of an entry.
pub const ENTRY_BITS: usize = 256;
/// Bits of all parameters: word n of the bus' 0x00.. in bits 32n+31:32n.
pub(super) const PARAMETER_BITS: usize = 512;
/// Bits of what a pass writes back: the words of ENTRY_STATE, ENTRY_PLACE and ENTRY_ID.
pub const WRITE_BITS: usize = 96;

/// Bits of an answer of SCORE.
pub(super) const SCORE_BITS: usize = 86;
/// Bits of an answer of WORTHS.
pub(super) const WORTHS_BITS: usize = 136;

/// Stage 1: the entry, and distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Looked {
    index: Bits<17>,
    id: Bits<32>,
    place: Bits<32>,
    state: Bits<32>,
    depth: Bits<12>,
    referenced: Bit,
    expired: Bit,
    ahead: Bit,
    distance: Bits<32>,
    lookahead: Bits<32>,
    lower: Bit,
}

/// Stages 2 to 8: what waits for the scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Known {
    index: Bits<17>,
    id: Bits<32>,
    place: Bits<32>,
    state: Bits<32>,
    depth: Bits<12>,
    near: Bits<20>,
    eligible: Bit,
    candidate: Bit,
    dead: Bit,
    placed: Bit,
}

/// A lane's worth of a pass.
#[derive(LogicBlock)]
pub(super) struct Judge {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// Parameters, as the bus numbers them.
    pub parameters: Signal<In, Bits<PARAMETER_BITS>>,
    /// GUARD_WF, THRESHOLD and TRIAL, as `Worths` takes them.
    pub wfs: Signal<In, Bits<72>>,
    /// THRESHOLD.
    pub thresholds: Signal<In, Bits<136>>,
    /// TRIAL.
    pub trials: Signal<In, Bits<136>>,
    /// The pass is a sweep: retention ends, P is written.
    pub sweeping: Signal<In, Bit>,
    /// The pass marks who is out.
    pub marking: Signal<In, Bit>,

    /// An entry is judged.
    pub in_valid: Signal<In, Bit>,
    /// Its index.
    pub index: Signal<In, Bits<INDEX_BITS>>,
    /// The entry.
    pub entry: Signal<In, Bits<ENTRY_BITS>>,

    /// TIER of the entry of seven clocks before.
    pub tier_early: Signal<Out, Bits<2>>,
    /// An entry was judged, eight clocks later.
    pub valid: Signal<Out, Bit>,
    /// Its index.
    pub judged: Signal<Out, Bits<INDEX_BITS>>,
    /// Its TIER.
    pub tier: Signal<Out, Bits<2>>,
    /// It is an eligible victim.
    pub victim: Signal<Out, Bit>,
    /// As an item of a victim list: {rank, index}.
    pub victim_item: Signal<Out, Bits<ITEM_BITS>>,
    /// It is a prefetch candidate.
    pub candidate: Signal<Out, Bit>,
    /// As an item of the prefetch list.
    pub candidate_item: Signal<Out, Bits<ITEM_BITS>>,
    /// {placed, dead, candidate, tier, eligible victim, prefetch rank, victim rank, P}.
    pub score: Signal<Out, Bits<SCORE_BITS>>,
    /// Who it is in, as to OUT and threshold, in bits 135:128, and what it is worth to policy k in bits 16k+15:16k.
    pub worths: Signal<Out, Bits<WORTHS_BITS>>,
    /// Who it is in, and whose trial it reaches; none without an entry.
    pub reached: Signal<Out, Bits<8>>,
    /// It is written back.
    pub write: Signal<Out, Bit>,
    /// As this: {ENTRY_STATE, ENTRY_PLACE, ENTRY_ID}.
    pub write_data: Signal<Out, Bits<WRITE_BITS>>,

    lane: Lane,
    worth: Worths,

    // Stage 1.
    looked: Register<Looked>,
    id: Signal<Local, Bits<32>>,
    history: Signal<Local, Bits<32>>,
    state: Signal<Local, Bits<32>>,
    tier0: Signal<Local, Bits<2>>,
    mode: Signal<Local, Bits<4>>,
    now: Signal<Local, Bits<32>>,
    target: Signal<Local, Bits<32>>,
    long_ago: Signal<Local, Bit>,
    dead_flags: Register<Bits<4>>,

    // Stage 2.
    known: Signal<Local, Known>,
    id2: Signal<Local, Bits<32>>,
    state2: Signal<Local, Bits<32>>,
    distance2: Signal<Local, Bits<32>>,
    ends: Signal<Local, Bit>,
    retained: Signal<Local, Bit>,
    placed: Signal<Local, Bit>,
    tiers: Register<Bits<12>>,
    turn: Register<Bits<3>>,
    waiting: Ram<Known, 3>,

    // Stage 8.
    valid8: Register<Bit>,
    p8: Register<Bits<16>>,
    state8: Signal<Local, Bits<32>>,
    place8: Signal<Local, Bits<32>>,
    out8: Signal<Local, Bits<8>>,
    above8: Signal<Local, Bits<8>>,
    inside8: Signal<Local, Bits<8>>,
    outside8: Signal<Local, Bits<8>>,
    used8: Signal<Local, Bit>,
    not_dead8: Signal<Local, Bit>,
    depth8: Signal<Local, Bits<12>>,
    height8: Signal<Local, Bits<12>>,
    alive_wide: Signal<Local, Bits<RANK_BITS>>,
    victim_rank: Signal<Local, Bits<RANK_BITS>>,
    near_rank: Signal<Local, Bits<RANK_BITS>>,
    index8: Signal<Local, Bits<INDEX_BITS>>,
    state_new: Signal<Local, Bits<32>>,
    place_new: Signal<Local, Bits<32>>,

    index_bits: Constant<Bits<6>>,
    near_max: Constant<Bits<20>>,
    unretained: Constant<Bits<32>>,
    retain_none: Constant<Bits<32>>,
}

impl Default for Judge {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    index_bits: Constant::new((INDEX_BITS as u64).into()),
                    near_max: Constant::new(0xF_FFFFu64.into()),
                    unretained: Constant::new(0x7FFF_FFFFu64.into()),
                    retain_none: Constant::new(0xFFF0_0000u64.into()),
                }
            };
        }
        rest!(
            clock reset parameters wfs thresholds trials sweeping marking in_valid index entry tier_early reached
            write write_data lane worth looked id history state mode now target long_ago dead_flags known id2 state2
            distance2 ends retained placed tiers turn waiting valid8 p8 state8 place8 out8 above8 inside8 outside8
            used8 not_dead8 depth8 height8 alive_wide state_new place_new valid judged tier victim victim_item
            candidate candidate_item score worths tier0 victim_rank near_rank index8
        )
    }
}

impl Logic for Judge {
    #[hdl_gen]
    fn update(&mut self) {
        self.lane.clock.next = self.clock.val();
        self.worth.clock.next = self.clock.val();
        self.looked.clock.next = self.clock.val();
        self.dead_flags.clock.next = self.clock.val();
        self.tiers.clock.next = self.clock.val();
        self.turn.clock.next = self.clock.val();
        self.waiting.clock.next = self.clock.val();
        self.valid8.clock.next = self.clock.val();
        self.p8.clock.next = self.clock.val();
        self.lane.reset.next = self.reset.val();
        self.worth.reset.next = self.reset.val();
        self.looked.reset.next = self.reset.val();
        self.dead_flags.reset.next = self.reset.val();
        self.tiers.reset.next = self.reset.val();
        self.turn.reset.next = self.reset.val();
        self.valid8.reset.next = self.reset.val();
        self.p8.reset.next = self.reset.val();

        // Parameters 0 to 0xA.
        self.now.next = self.parameters.val().get_bits::<32>(320);
        self.mode.next = self.parameters.val().get_bits::<4>(128);
        self.lane.wr.next = self.parameters.val().get_bits::<8>(0);
        self.lane.wf.next = self.parameters.val().get_bits::<9>(32);
        self.lane.ws.next = self.parameters.val().get_bits::<8>(64);
        self.lane.wd.next = self.parameters.val().get_bits::<8>(96);
        self.lane.probation.next = self.mode.val().get_bit(0);
        self.lane.hinting.next = self.mode.val().get_bit(1);
        self.lane.shift.next = self.parameters.val().get_bits::<4>(160);
        self.lane.scale.next = self.parameters.val().get_bits::<4>(192);
        self.lane.base.next = self.parameters.val().get_bits::<32>(224);
        self.lane.stamp.next = self.parameters.val().get_bits::<32>(256);
        self.lane.r_epoch.next = self.parameters.val().get_bits::<14>(288);
        self.lane.now.next = self.now.val();
        self.worth.wr.next = self.parameters.val().get_bits::<8>(0);
        self.worth.ws.next = self.parameters.val().get_bits::<8>(64);
        self.worth.wd.next = self.parameters.val().get_bits::<8>(96);
        self.worth.targets.next = self.mode.val().get_bit(3);
        self.worth.scale.next = self.parameters.val().get_bits::<4>(192);
        self.worth.r_epoch.next = self.parameters.val().get_bits::<14>(288);
        self.worth.wfs.next = self.wfs.val();
        self.worth.thresholds.next = self.thresholds.val();
        self.worth.trials.next = self.trials.val();

        // The entry's words.
        self.id.next = self.entry.val().get_bits::<32>(64);
        self.target.next = self.entry.val().get_bits::<32>(160);
        self.history.next = self.entry.val().get_bits::<32>(192);
        self.state.next = self.entry.val().get_bits::<32>(224);
        self.lane.in_valid.next = self.in_valid.val();
        self.lane.access.next = self.entry.val().get_bits::<32>(128);
        self.lane.target.next = self.target.val();
        self.lane.frequency.next = self.history.val().get_bits::<4>(12);
        self.lane.child.next = self.history.val().get_bits::<8>(24) != 0;
        self.lane.prefix.next = self.id.val().get_bit(24);
        self.lane.branch.next = self.id.val().get_bit(29);
        self.lane.target_valid.next = self.id.val().get_bit(30);
        self.worth.facts.next = self.lane.facts.val();
        self.dead_flags.d.next = self.dead_flags.q.val() << 1;
        if self.id.val().get_bit(27) {
            self.dead_flags.d.next = (self.dead_flags.q.val() << 1) | 1;
        }
        self.worth.dead.next = self.dead_flags.q.val().get_bit(3);

        // 1: RETAIN is in units of 16 steps; parameters 0xB to 0xF say how far ahead is near, and from where.
        self.tier0.next = self.state.val().get_bits::<2>(28);
        self.looked.d.next.index = self.index.val();
        self.looked.d.next.id = self.id.val();
        self.looked.d.next.place = self.entry.val().get_bits::<32>(96);
        self.looked.d.next.state = self.state.val();
        self.looked.d.next.depth = self.history.val().get_bits::<12>(0);
        self.looked.d.next.referenced = self.history.val().get_bits::<8>(16) != 0;
        self.long_ago.next = self.now.val().get_bits::<8>(24) != 0;
        self.looked.d.next.expired =
            self.long_ago.val() | (self.state.val().get_bits::<20>(0) <= self.now.val().get_bits::<20>(4));
        self.looked.d.next.ahead = self.target.val() >= self.now.val();
        self.looked.d.next.distance = self.target.val() - self.now.val();
        self.looked.d.next.lower = self.tier0.val() > self.parameters.val().get_bits::<2>(352);
        self.looked.d.next.lookahead = self.parameters.val().get_bits::<32>(384);
        if self.tier0.val() == 1 {
            self.looked.d.next.lookahead = self.parameters.val().get_bits::<32>(416);
        }
        if self.tier0.val() == 2 {
            self.looked.d.next.lookahead = self.parameters.val().get_bits::<32>(448);
        }
        if self.tier0.val() == 3 {
            self.looked.d.next.lookahead = self.parameters.val().get_bits::<32>(480);
        }

        // 2: who it is. `target <= now + lookahead` without a sum that could overflow.
        self.id2.next = self.looked.q.val().id;
        self.state2.next = self.looked.q.val().state;
        self.distance2.next = self.looked.q.val().distance;
        self.placed.next = self.state2.val().get_bit(31) ^ self.state2.val().get_bit(30);
        self.ends.next = self.sweeping.val() & self.looked.q.val().expired;
        self.retained.next = self.id2.val().get_bit(31) & !self.ends.val();
        self.known.next.index = self.looked.q.val().index;
        self.known.next.id = self.id2.val();
        self.known.next.place = self.looked.q.val().place;
        self.known.next.state = self.state2.val();
        if self.ends.val() {
            self.known.next.id = self.id2.val() & self.unretained.val();
            self.known.next.state = self.state2.val() & self.retain_none.val();
        }
        self.known.next.depth = self.looked.q.val().depth;
        self.known.next.near = bit_cast::<20, 32>(self.distance2.val());
        if self.distance2.val().get_bits::<12>(20) != 0 {
            self.known.next.near = self.near_max.val();
        }
        self.known.next.placed = self.placed.val();
        self.known.next.dead = self.id2.val().get_bit(27) & self.mode.val().get_bit(2);
        self.known.next.eligible =
            self.placed.val() & !self.id2.val().get_bit(26) & !self.looked.q.val().referenced & !self.retained.val();
        self.known.next.candidate = self.placed.val()
            & self.id2.val().get_bit(30)
            & self.looked.q.val().lower
            & self.looked.q.val().ahead
            & (self.distance2.val() <= self.looked.q.val().lookahead);
        self.tiers.d.next = (self.tiers.q.val() << 2) | bit_cast::<12, 2>(self.state2.val().get_bits::<2>(28));
        self.tier_early.next = self.tiers.q.val().get_bits::<2>(10);

        // Written behind stage 1, read behind stage 7, there at stage 8.
        self.turn.d.next = self.turn.q.val() + 1;
        self.waiting.write_address.next = self.turn.q.val();
        self.waiting.write_data.next = self.known.val();
        self.waiting.write_enable.next = true;
        self.waiting.read_address.next = self.turn.q.val() + 2;

        // 8: ranks.
        self.valid8.d.next = self.lane.out_valid.val();
        self.p8.d.next = self.lane.p.val();
        self.depth8.next = self.waiting.read_data.val().depth;
        self.height8.next = !self.depth8.val();
        self.not_dead8.next = !self.waiting.read_data.val().dead;
        self.alive_wide.next = bit_cast::<RANK_BITS, 1>(self.not_dead8.val().into()) << 28;
        self.state8.next = self.waiting.read_data.val().state;
        self.place8.next = self.waiting.read_data.val().place;
        self.victim_rank.next = self.alive_wide.val()
            | (bit_cast::<RANK_BITS, 16>(self.p8.q.val()) << 12)
            | bit_cast::<RANK_BITS, 12>(self.height8.val());
        self.near_rank.next = (bit_cast::<RANK_BITS, 20>(self.waiting.read_data.val().near) << 12)
            | bit_cast::<RANK_BITS, 12>(self.depth8.val());
        self.index8.next = self.waiting.read_data.val().index;
        self.valid.next = self.valid8.q.val();
        self.judged.next = self.index8.val();
        self.tier.next = self.state8.val().get_bits::<2>(28);
        self.victim.next = self.valid8.q.val() & self.waiting.read_data.val().eligible;
        self.victim_item.next = (bit_cast::<ITEM_BITS, RANK_BITS>(self.victim_rank.val()) << self.index_bits.val())
            | bit_cast::<ITEM_BITS, INDEX_BITS>(self.index8.val());
        self.candidate.next = self.valid8.q.val() & self.waiting.read_data.val().candidate;
        self.candidate_item.next = (bit_cast::<ITEM_BITS, RANK_BITS>(self.near_rank.val()) << self.index_bits.val())
            | bit_cast::<ITEM_BITS, INDEX_BITS>(self.index8.val());
        self.score.next = (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().placed.into()) << 85)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().dead.into()) << 84)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().candidate.into()) << 83)
            | (bit_cast::<SCORE_BITS, 2>(self.state8.val().get_bits::<2>(28)) << 81)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().eligible.into()) << 80)
            | (bit_cast::<SCORE_BITS, RANK_BITS>(self.near_rank.val()) << 48)
            | (bit_cast::<SCORE_BITS, RANK_BITS>(self.victim_rank.val()) << 16)
            | bit_cast::<SCORE_BITS, 16>(self.p8.q.val());

        // Who it is in.
        self.used8.next = self.state8.val().get_bits::<2>(30) != 0;
        self.out8.next = self.state8.val().get_bits::<8>(20);
        self.above8.next = self.worth.above.val();
        self.inside8.next = 0.into();
        self.outside8.next = self.out8.val();
        if self.used8.val() {
            self.inside8.next = self.above8.val() & !self.out8.val();
            self.outside8.next = self.out8.val() | !self.above8.val();
        }
        self.worths.next = (bit_cast::<WORTHS_BITS, 8>(self.inside8.val()) << 128)
            | bit_cast::<WORTHS_BITS, 128>(self.worth.worths.val());
        self.reached.next = 0.into();
        if self.valid8.q.val() {
            self.reached.next = self.inside8.val() & self.worth.reaching.val();
        }

        // What is written.
        self.write.next = self.valid8.q.val()
            & ((self.sweeping.val() & self.waiting.read_data.val().placed) | (self.marking.val() & self.used8.val()));
        self.state_new.next = self.state8.val();
        self.place_new.next = self.place8.val();
        if self.marking.val() {
            self.state_new.next = self.state8.val() | (bit_cast::<32, 8>(self.outside8.val()) << 20);
        } else {
            self.place_new.next =
                (bit_cast::<32, 16>(self.p8.q.val()) << 16) | bit_cast::<32, 16>(self.place8.val().get_bits::<16>(0));
        }
        self.write_data.next = (bit_cast::<WRITE_BITS, 32>(self.state_new.val()) << 64)
            | (bit_cast::<WRITE_BITS, 32>(self.place_new.val()) << 32)
            | bit_cast::<WRITE_BITS, 32>(self.waiting.read_data.val().id);
    }
}
