//! The look-up: from a key to its slot, and to the state and place of its block, six clocks later. `docs/rtbd.md`, Find.
//!
//! ```text
//!         1..4                5                6
//!  key ─► Keys ─► index ─┬─► places  ─┐
//!   ▲                    └─► of stash ┴────────► result
//!  slot ─► 1..4 ────────────┘
//! ```
//!
//! A look-up a clock; or, in its place, parts of a slot's key written or read. What is written goes down the same pipeline as
//! the look-ups, so each of those finds key and place of the same moment: those of all writes offered before it, and of no
//! later one. A block that moves is written to its new slot first and its old slot is freed afterwards; a look-up between
//! the two finds it in either.
//!
//! **TAG_LO goes with state and place.** As soon as it is written with state 0, the slot is not found, whatever the
//! rest of its key; once that is complete, TAG_LO is written again with the state and the place. TAG_HI, request and tenant
//! of a slot that is in use are what look-ups compare, from the next one on.
//!
//! A ghost has a slot, and is a hit like any other: `state` tells. What else an entry holds is not kept here.

use super::{INDEX_BITS, Keys, PLACE_BITS};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// 2^B buckets of 4 ways, `A` = B + 2 (which cannot be said of a const parameter), and a stash of `S`.
#[derive(LogicBlock)]
pub struct Lookup<const B: usize, const A: usize, const S: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all.
    pub reset: Signal<In, Bit>,
    /// What is offered is taken: from 2^B clocks after a reset on. What was offered before is passed over.
    pub ready: Signal<Out, Bit>,

    /// A key is looked up.
    pub in_valid: Signal<In, Bit>,
    /// Its tag.
    pub tag: Signal<In, Bits<64>>,
    /// Its request.
    pub request: Signal<In, Bits<16>>,
    /// Its tenant.
    pub tenant: Signal<In, Bits<8>>,

    /// Hash of the key a clock before, whether it is looked up or not.
    pub hash: Signal<Out, Bits<32>>,
    /// Its buckets, which differ: the first.
    pub bucket0: Signal<Out, Bits<B>>,
    /// The second.
    pub bucket1: Signal<Out, Bits<B>>,

    /// Slot that is written or read: 4 * bucket + way, or 2^A + slot of the stash; no other.
    pub slot: Signal<In, Bits<INDEX_BITS>>,
    /// Which parts are written: ENTRY_TAG_LO with all that follows, ENTRY_TAG_HI, the key's bits of ENTRY_ID, from the lowest bit.
    /// A read or a look-up offered beside it is not taken.
    pub write: Signal<In, Bits<3>>,
    /// What is written in each of them.
    pub write_data: Signal<In, Bits<32>>,
    /// With ENTRY_TAG_LO: ENTRY_STATE.STATE; 0 if no look-up is to find the slot.
    pub write_state: Signal<In, Bits<2>>,
    /// With ENTRY_TAG_LO: ENTRY_STATE.TIER.
    pub write_tier: Signal<In, Bits<2>>,
    /// With ENTRY_TAG_LO: ENTRY_PLACE.FRAME.
    pub write_frame: Signal<In, Bits<16>>,
    /// The slot's key is read. A look-up offered beside it is not taken.
    pub read: Signal<In, Bit>,
    /// Its ENTRY_TAG, from three clocks after `read` until the clock after the next read or write.
    pub out_tag: Signal<Out, Bits<64>>,
    /// The key's bits of its ENTRY_ID: request, tenant.
    pub out_id: Signal<Out, Bits<24>>,

    /// A key was looked up six clocks before.
    pub out_valid: Signal<Out, Bit>,
    /// A slot holds it. Without, all that follows is 0.
    pub hit: Signal<Out, Bit>,
    /// Index of the slot; of several, the first in find order.
    pub index: Signal<Out, Bits<INDEX_BITS>>,
    /// ENTRY_STATE.STATE.
    pub state: Signal<Out, Bits<2>>,
    /// ENTRY_STATE.TIER.
    pub tier: Signal<Out, Bits<2>>,
    /// ENTRY_PLACE.FRAME.
    pub frame: Signal<Out, Bits<16>>,

    // Stages 1 to 4; the write beside them.
    keys: Keys<B, A, S>,
    joined: Signal<Local, Bits<PLACE_BITS>>,
    writing1: Register<Bit>,
    writing2: Register<Bit>,
    writing3: Register<Bit>,
    writing4: Register<Bit>,
    index1: Register<Bits<INDEX_BITS>>,
    index2: Register<Bits<INDEX_BITS>>,
    index3: Register<Bits<INDEX_BITS>>,
    index4: Register<Bits<INDEX_BITS>>,
    place1: Register<Bits<PLACE_BITS>>,
    place2: Register<Bits<PLACE_BITS>>,
    place3: Register<Bits<PLACE_BITS>>,
    place4: Register<Bits<PLACE_BITS>>,

    // Stage 5.
    places: Ram<Bits<PLACE_BITS>, A>,
    stash_places: Ram<Bits<PLACE_BITS>, 4>,
    above: Signal<Local, Bits<INDEX_BITS>>,
    to_stash: Signal<Local, Bit>,
    valid5: Register<Bit>,
    hit5: Register<Bit>,
    found5: Register<Bits<INDEX_BITS>>,
    in_stash5: Register<Bit>,

    // Stage 6.
    valid6: Register<Bit>,
    hit6: Register<Bit>,
    found6: Register<Bits<INDEX_BITS>>,
    place6: Register<Bits<PLACE_BITS>>,

    entries_log2: Constant<Bits<5>>,
}

impl<const B: usize, const A: usize, const S: usize> Default for Lookup<B, A, S> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    entries_log2: Constant::new((A as u64).into()),
                }
            };
        }
        rest!(
            clock reset ready in_valid tag request tenant hash bucket0 bucket1 slot write write_data write_state write_tier
            write_frame read out_tag out_id out_valid hit index state tier frame keys joined writing1 writing2 writing3 writing4
            index1 index2 index3 index4 place1 place2 place3 place4 places stash_places above to_stash valid5 hit5 found5
            in_stash5 valid6 hit6 found6 place6
        )
    }
}

impl<const B: usize, const A: usize, const S: usize> Logic for Lookup<B, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.keys.clock.next = self.clock.val();
        self.writing1.clock.next = self.clock.val();
        self.writing2.clock.next = self.clock.val();
        self.writing3.clock.next = self.clock.val();
        self.writing4.clock.next = self.clock.val();
        self.index1.clock.next = self.clock.val();
        self.index2.clock.next = self.clock.val();
        self.index3.clock.next = self.clock.val();
        self.index4.clock.next = self.clock.val();
        self.place1.clock.next = self.clock.val();
        self.place2.clock.next = self.clock.val();
        self.place3.clock.next = self.clock.val();
        self.place4.clock.next = self.clock.val();
        self.places.clock.next = self.clock.val();
        self.stash_places.clock.next = self.clock.val();
        self.valid5.clock.next = self.clock.val();
        self.hit5.clock.next = self.clock.val();
        self.found5.clock.next = self.clock.val();
        self.in_stash5.clock.next = self.clock.val();
        self.valid6.clock.next = self.clock.val();
        self.hit6.clock.next = self.clock.val();
        self.found6.clock.next = self.clock.val();
        self.place6.clock.next = self.clock.val();
        self.keys.reset.next = self.reset.val();
        self.writing1.reset.next = self.reset.val();
        self.writing2.reset.next = self.reset.val();
        self.writing3.reset.next = self.reset.val();
        self.writing4.reset.next = self.reset.val();
        self.index1.reset.next = self.reset.val();
        self.index2.reset.next = self.reset.val();
        self.index3.reset.next = self.reset.val();
        self.index4.reset.next = self.reset.val();
        self.place1.reset.next = self.reset.val();
        self.place2.reset.next = self.reset.val();
        self.place3.reset.next = self.reset.val();
        self.place4.reset.next = self.reset.val();
        self.valid5.reset.next = self.reset.val();
        self.hit5.reset.next = self.reset.val();
        self.found5.reset.next = self.reset.val();
        self.in_stash5.reset.next = self.reset.val();
        self.valid6.reset.next = self.reset.val();
        self.hit6.reset.next = self.reset.val();
        self.found6.reset.next = self.reset.val();
        self.place6.reset.next = self.reset.val();

        // 1 to 4: the slot. What is written arrives when what is looked up does.
        self.ready.next = self.keys.ready.val();
        self.keys.in_valid.next = self.in_valid.val();
        self.keys.tag.next = self.tag.val();
        self.keys.request.next = self.request.val();
        self.keys.tenant.next = self.tenant.val();
        self.hash.next = self.keys.hash.val();
        self.bucket0.next = self.keys.bucket0.val();
        self.bucket1.next = self.keys.bucket1.val();
        self.keys.slot.next = self.slot.val();
        self.keys.write.next = self.write.val();
        self.keys.write_data.next = self.write_data.val();
        self.keys.write_used.next = self.write_state.val() != 0;
        self.keys.read.next = self.read.val();
        self.out_tag.next = self.keys.out_key.val().get_bits::<64>(0);
        self.out_id.next = self.keys.out_key.val().get_bits::<24>(64);
        self.joined.next = (bit_cast::<PLACE_BITS, 2>(self.write_state.val()) << 18)
            | (bit_cast::<PLACE_BITS, 2>(self.write_tier.val()) << 16)
            | bit_cast::<PLACE_BITS, 16>(self.write_frame.val());
        self.writing1.d.next = self.write.val().get_bit(0) & self.keys.ready.val();
        self.writing2.d.next = self.writing1.q.val();
        self.writing3.d.next = self.writing2.q.val();
        self.writing4.d.next = self.writing3.q.val();
        self.index1.d.next = self.slot.val();
        self.index2.d.next = self.index1.q.val();
        self.index3.d.next = self.index2.q.val();
        self.index4.d.next = self.index3.q.val();
        self.place1.d.next = self.joined.val();
        self.place2.d.next = self.place1.q.val();
        self.place3.d.next = self.place2.q.val();
        self.place4.d.next = self.place3.q.val();

        // 5: its place.
        self.places.read_address.next = self.keys.early_index.val();
        self.stash_places.read_address.next = self.keys.early_slot.val();
        self.above.next = self.index4.q.val() >> self.entries_log2.val();
        self.to_stash.next = self.above.val() != 0;
        self.places.write_address.next = bit_cast::<A, INDEX_BITS>(self.index4.q.val());
        self.places.write_data.next = self.place4.q.val();
        self.places.write_enable.next = self.writing4.q.val() & !self.to_stash.val();
        self.stash_places.write_address.next = bit_cast::<4, INDEX_BITS>(self.index4.q.val());
        self.stash_places.write_data.next = self.place4.q.val();
        self.stash_places.write_enable.next = self.writing4.q.val() & self.to_stash.val();
        self.valid5.d.next = self.keys.out_valid.val();
        self.hit5.d.next = self.keys.hit.val();
        self.found5.d.next = self.keys.index.val();
        self.in_stash5.d.next = self.keys.in_stash.val();

        // 6: the result.
        self.place6.d.next = 0.into();
        if self.hit5.q.val() {
            self.place6.d.next = self.places.read_data.val();
            if self.in_stash5.q.val() {
                self.place6.d.next = self.stash_places.read_data.val();
            }
        }
        self.valid6.d.next = self.valid5.q.val();
        self.hit6.d.next = self.hit5.q.val();
        self.found6.d.next = self.found5.q.val();

        self.out_valid.next = self.valid6.q.val();
        self.hit.next = self.hit6.q.val();
        self.index.next = self.found6.q.val();
        self.state.next = self.place6.q.val().get_bits::<2>(18);
        self.tier.next = self.place6.q.val().get_bits::<2>(16);
        self.frame.next = bit_cast::<16, PLACE_BITS>(self.place6.q.val());
    }
}
