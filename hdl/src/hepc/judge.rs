//! What a pass makes of an entry: its P, whether it is a victim or a prefetch candidate and of what rank, and what is written
//! back, all eight clocks later; and, after four, what its worths are made of. `docs/hepc.md`, Who may be a victim, and Sweep.
//!
//! ```text
//!           ┌► lane ──► facts, 4 ──────► P, 8 ─────────────────────┐
//!  entry ───┤                                                      ├─► 8 ranks, words to write
//!           └► 1 distances ─► 2 who it is ─► RAM, six clocks ──────┘
//! ```
//!
//! What is not a number to calculate with waits in a RAM of eight words instead of in six rows of registers.

use super::lane::Lane;
use super::worths::FACTS_BITS;
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
/// Bits of how an entry stands with the policies.
pub(super) const STANDING_BITS: usize = 9;

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

    /// An entry was judged, four clocks later: this is of it.
    pub facts_valid: Signal<Out, Bit>,
    /// What it is worth is made of this.
    pub facts: Signal<Out, Bits<FACTS_BITS>>,
    /// TIER of the entry of seven clocks before.
    pub tier_early: Signal<Out, Bits<2>>,
    /// An entry was judged, eight clocks later; so for all that follows.
    pub valid: Signal<Out, Bit>,
    /// Its index.
    pub judged: Signal<Out, Bits<INDEX_BITS>>,
    /// Its TIER.
    pub tier: Signal<Out, Bits<2>>,
    /// It is an eligible victim.
    pub victim: Signal<Out, Bit>,
    /// As an item of a victim list, inverted: {rank, index}.
    pub victim_item: Signal<Out, Bits<ITEM_BITS>>,
    /// It is a prefetch candidate.
    pub candidate: Signal<Out, Bit>,
    /// As an item of the prefetch list, likewise.
    pub candidate_item: Signal<Out, Bits<ITEM_BITS>>,
    /// {placed, dead, candidate, tier, eligible victim, prefetch rank, victim rank, P}.
    pub score: Signal<Out, Bits<SCORE_BITS>>,
    /// {in use, OUT}.
    pub standing: Signal<Out, Bits<STANDING_BITS>>,
    /// A sweep writes it back.
    pub write: Signal<Out, Bit>,
    /// A pass writes this, but for OUT: {ENTRY_STATE, ENTRY_PLACE, ENTRY_ID}.
    pub write_data: Signal<Out, Bits<WRITE_BITS>>,

    lane: Lane,

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
    state8: Signal<Local, Bits<32>>,
    place8: Signal<Local, Bits<32>>,
    used8: Signal<Local, Bit>,
    not_dead8: Signal<Local, Bit>,
    depth8: Signal<Local, Bits<12>>,
    height8: Signal<Local, Bits<12>>,
    alive_wide: Signal<Local, Bits<RANK_BITS>>,
    victim_rank: Signal<Local, Bits<RANK_BITS>>,
    near_rank: Signal<Local, Bits<RANK_BITS>>,
    index8: Signal<Local, Bits<INDEX_BITS>>,
    victim_upright: Signal<Local, Bits<ITEM_BITS>>,
    candidate_upright: Signal<Local, Bits<ITEM_BITS>>,
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
            clock reset parameters sweeping marking in_valid index entry facts_valid facts tier_early standing write
            write_data lane looked id history state mode now target long_ago dead_flags known id2 state2 distance2
            ends retained placed tiers turn waiting state8 place8 used8 not_dead8 depth8 height8 alive_wide
            victim_upright candidate_upright place_new valid judged tier victim victim_item candidate candidate_item
            score tier0 victim_rank near_rank index8
        )
    }
}

impl Logic for Judge {
    #[hdl_gen]
    fn update(&mut self) {
        self.lane.clock.next = self.clock.val();
        self.looked.clock.next = self.clock.val();
        self.dead_flags.clock.next = self.clock.val();
        self.tiers.clock.next = self.clock.val();
        self.turn.clock.next = self.clock.val();
        self.waiting.clock.next = self.clock.val();
        self.lane.reset.next = self.reset.val();
        self.looked.reset.next = self.reset.val();
        self.dead_flags.reset.next = self.reset.val();
        self.tiers.reset.next = self.reset.val();
        self.turn.reset.next = self.reset.val();

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
        self.dead_flags.d.next = self.dead_flags.q.val() << 1;
        if self.id.val().get_bit(27) {
            self.dead_flags.d.next = (self.dead_flags.q.val() << 1) | 1;
        }
        self.facts_valid.next = self.lane.facts.val().valid;
        self.facts.next = (bit_cast::<FACTS_BITS, 1>(self.dead_flags.q.val().get_bit(3).into()) << 42)
            | (bit_cast::<FACTS_BITS, 1>(self.lane.facts.val().serving.into()) << 41)
            | (bit_cast::<FACTS_BITS, 1>(self.lane.facts.val().targeted.into()) << 40)
            | (bit_cast::<FACTS_BITS, 1>(self.lane.facts.val().unproven.into()) << 39)
            | (bit_cast::<FACTS_BITS, 14>(self.lane.facts.val().r) << 25)
            | (bit_cast::<FACTS_BITS, 7>(self.lane.facts.val().f) << 18)
            | (bit_cast::<FACTS_BITS, 10>(self.lane.facts.val().s) << 8)
            | bit_cast::<FACTS_BITS, 8>(self.lane.facts.val().d);

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
            self.long_ago.val() | (self.now.val().get_bits::<20>(4) >= self.state.val().get_bits::<20>(0));
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
            & (self.looked.q.val().lookahead >= self.distance2.val());
        self.tiers.d.next = (self.tiers.q.val() << 2) | bit_cast::<12, 2>(self.state2.val().get_bits::<2>(28));
        self.tier_early.next = self.tiers.q.val().get_bits::<2>(10);

        // Written behind stage 1, read behind stage 7, there at stage 8.
        self.turn.d.next = self.turn.q.val() + 1;
        self.waiting.write_address.next = self.turn.q.val();
        self.waiting.write_data.next = self.known.val();
        self.waiting.write_enable.next = true;
        self.waiting.read_address.next = self.turn.q.val() + 2;

        // 8: ranks.
        self.depth8.next = self.waiting.read_data.val().depth;
        self.height8.next = !self.depth8.val();
        self.not_dead8.next = !self.waiting.read_data.val().dead;
        self.alive_wide.next = bit_cast::<RANK_BITS, 1>(self.not_dead8.val().into()) << 28;
        self.state8.next = self.waiting.read_data.val().state;
        self.place8.next = self.waiting.read_data.val().place;
        self.victim_rank.next = self.alive_wide.val()
            | (bit_cast::<RANK_BITS, 16>(self.lane.p.val()) << 12)
            | bit_cast::<RANK_BITS, 12>(self.height8.val());
        self.near_rank.next = (bit_cast::<RANK_BITS, 20>(self.waiting.read_data.val().near) << 12)
            | bit_cast::<RANK_BITS, 12>(self.depth8.val());
        self.index8.next = self.waiting.read_data.val().index;
        self.valid.next = self.lane.out_valid.val();
        self.judged.next = self.index8.val();
        self.tier.next = self.state8.val().get_bits::<2>(28);
        self.victim.next = self.lane.out_valid.val() & self.waiting.read_data.val().eligible;
        self.victim_upright.next = (bit_cast::<ITEM_BITS, RANK_BITS>(self.victim_rank.val()) << self.index_bits.val())
            | bit_cast::<ITEM_BITS, INDEX_BITS>(self.index8.val());
        self.victim_item.next = !self.victim_upright.val();
        self.candidate.next = self.lane.out_valid.val() & self.waiting.read_data.val().candidate;
        self.candidate_upright.next = (bit_cast::<ITEM_BITS, RANK_BITS>(self.near_rank.val()) << self.index_bits.val())
            | bit_cast::<ITEM_BITS, INDEX_BITS>(self.index8.val());
        self.candidate_item.next = !self.candidate_upright.val();
        self.score.next = (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().placed.into()) << 85)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().dead.into()) << 84)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().candidate.into()) << 83)
            | (bit_cast::<SCORE_BITS, 2>(self.state8.val().get_bits::<2>(28)) << 81)
            | (bit_cast::<SCORE_BITS, 1>(self.waiting.read_data.val().eligible.into()) << 80)
            | (bit_cast::<SCORE_BITS, RANK_BITS>(self.near_rank.val()) << 48)
            | (bit_cast::<SCORE_BITS, RANK_BITS>(self.victim_rank.val()) << 16)
            | bit_cast::<SCORE_BITS, 16>(self.lane.p.val());

        // How it stands with the policies.
        self.used8.next = self.state8.val().get_bits::<2>(30) != 0;
        self.standing.next = (bit_cast::<STANDING_BITS, 1>(self.used8.val().into()) << 8)
            | bit_cast::<STANDING_BITS, 8>(self.state8.val().get_bits::<8>(20));

        // What is written.
        self.write.next = self.lane.out_valid.val() & self.sweeping.val() & self.waiting.read_data.val().placed;
        self.place_new.next =
            (bit_cast::<32, 16>(self.lane.p.val()) << 16) | bit_cast::<32, 16>(self.place8.val().get_bits::<16>(0));
        if self.marking.val() {
            self.place_new.next = self.place8.val();
        }
        self.write_data.next = (bit_cast::<WRITE_BITS, 32>(self.state8.val()) << 64)
            | (bit_cast::<WRITE_BITS, 32>(self.place_new.val()) << 32)
            | bit_cast::<WRITE_BITS, 32>(self.waiting.read_data.val().id);
    }
}
