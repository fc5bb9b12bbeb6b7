//! The keys of the directory: which slot holds a key. A look-up a clock, or a slot's key written or read. `docs/rtbd.md`, Find.
//!
//! ```text
//!           1            2               3                4
//!  key ─► H3 ─┬─ b0 ─► port A ─┐
//!             ├─ b1 ─► port B ─┴ 8 ► Equal ─┬─► matches ──► first of them ─► index
//!             └─ key ────► stash ─ S ► Equal ┘
//!  slot ─► 1 ────────► port A ───► way ────► out_key
//! ```
//!
//! **Ports.** Both hashes choose among the same buckets, so both buckets of a key may be any two, and a way needs two read
//! ports: those of true dual-port RAM. There is none left beside a look-up, so a slot that is written or read takes its turn,
//! and port A. All three go down the same pipeline, and are done in the order in which they were offered.
//!
//! **Of a clock's offers one is taken**: a write, otherwise a read, otherwise a look-up. Who offers two offers the other again.
//!
//! **In use** is written with TAG_LO, as `key_ram.rs` says.
//!
//! **After reset** all slots are freed and their keys become 0, a bucket a clock; `ready` is 0 meanwhile.

use super::{Equal, Hash, INDEX_BITS, KEPT_BITS, KEY_BITS, KeyRam, StashKey};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Keys of 2^B buckets of 4 ways, and a stash of `S`; `A` = B + 2 (`B + 2` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Keys<const B: usize, const A: usize, const S: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all.
    pub reset: Signal<In, Bit>,
    /// What is offered is taken; without, it is not.
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

    /// Index of the slot that is written or read, of a bucket or of the stash.
    pub slot: Signal<In, Bits<INDEX_BITS>>,
    /// Which parts of its key are written: TAG_LO and in use, TAG_HI, request and tenant, from the lowest bit.
    pub write: Signal<In, Bits<3>>,
    /// What is written there, as the entry's word has it.
    pub write_data: Signal<In, Bits<32>>,
    /// Whether it is in use from now on, with TAG_LO.
    pub write_used: Signal<In, Bit>,
    /// Its key is read.
    pub read: Signal<In, Bit>,
    /// The key, from three clocks after `read` until the clock after the next read or write.
    pub out_key: Signal<Out, Bits<KEY_BITS>>,

    /// A key was looked up four clocks before.
    pub out_valid: Signal<Out, Bit>,
    /// A slot holds it. Without, all that follows is 0.
    pub hit: Signal<Out, Bit>,
    /// Index of the slot, the first in find order.
    pub index: Signal<Out, Bits<INDEX_BITS>>,
    /// The slot is of the stash.
    pub in_stash: Signal<Out, Bit>,
    /// `index`, if the slot is of a bucket, otherwise anything: a gate or two earlier.
    pub early_index: Signal<Out, Bits<A>>,
    /// Number of the slot in the stash, if it is of the stash, otherwise anything.
    pub early_slot: Signal<Out, Bits<4>>,

    // Clearing.
    cleared: Register<Bit>,
    count: Register<Bits<B>>,

    // Stage 1: hash; or the slot.
    h3: Hash<B>,
    writes: Signal<Local, Bit>,
    valid1: Register<Bit>,
    key1: Register<Bits<KEY_BITS>>,
    key: Signal<Local, Bits<KEY_BITS>>,
    turn1: Register<Bit>,
    reading1: Register<Bit>,
    bucket1_1: Register<Bits<B>>,
    index1: Register<Bits<INDEX_BITS>>,
    of_stash1: Register<Bit>,
    words1: Register<Bits<3>>,
    ways1: Register<Bits<4>>,
    slots1: Register<Bits<16>>,
    fill1: Register<Bit>,
    data1: Register<Bits<32>>,
    used1: Register<Bit>,
    above: Signal<Local, Bits<INDEX_BITS>>,
    of_stash: Signal<Local, Bit>,

    // Stage 2: RAM.
    ways: [KeyRam<B>; 4],
    /// Last slot first, so that the last that matches is the first in find order.
    stash: [StashKey; S],
    stash_lo: Ram<Bits<32>, 4>,
    stash_hi: Ram<Bits<32>, 4>,
    stash_id: Ram<Bits<24>, 4>,
    b0: Signal<Local, Bits<B>>,
    h1: Signal<Local, Bits<B>>,
    b1: Signal<Local, Bits<B>>,
    a_address: Signal<Local, Bits<B>>,
    way_words: [Signal<Local, Bits<3>>; 4],
    slot_words: [Signal<Local, Bits<3>>; S],
    stash_words: Signal<Local, Bits<3>>,
    data_id: Signal<Local, Bits<24>>,
    data: Signal<Local, Bits<KEPT_BITS>>,
    valid2: Register<Bit>,
    key2: Register<Bits<KEY_BITS>>,
    b0_2: Register<Bits<B>>,
    b1_2: Register<Bits<B>>,
    reading2: Register<Bit>,
    way2: Signal<Local, Bits<2>>,

    // Stage 3: comparison; or the slot's way.
    bank_equal: [Equal<2>; 8],
    stash_equal: [Equal<8>; S],
    valid3: Register<Bit>,
    b0_3: Register<Bits<B>>,
    b1_3: Register<Bits<B>>,
    of_way: Signal<Local, Bits<KEPT_BITS>>,
    read3: Register<Bits<KEY_BITS>>,
    of_stash3: Signal<Local, Bits<KEY_BITS>>,

    // Stage 4: matches.
    idle: Signal<Local, Bit>,
    valid4: Register<Bit>,
    b0_4: Register<Bits<B>>,
    b1_4: Register<Bits<B>>,
    bank_match: [Register<Bit>; 8],
    any0: Register<Bit>,
    any1: Register<Bit>,
    stash_match: [Register<Bit>; S],

    // Behind it: the first of them.
    way0: Signal<Local, Bits<2>>,
    way1: Signal<Local, Bits<2>>,
    found_bucket: Signal<Local, Bits<B>>,
    found_way: Signal<Local, Bits<2>>,
    found_slot: Signal<Local, Bits<4>>,
    any_stash: Signal<Local, Bit>,
    in_bucket: Signal<Local, Bits<INDEX_BITS>>,

    entries_log2: Constant<Bits<5>>,
    entries: Constant<Bits<INDEX_BITS>>,
    last: Constant<Bits<B>>,
    first_way: Constant<Bits<4>>,
    first_slot: Constant<Bits<16>>,
    slot_number: [Constant<Bits<4>>; S],
    all_ways: Constant<Bits<4>>,
    all_words: Constant<Bits<3>>,
}

impl<const B: usize, const A: usize, const S: usize> Default for Keys<B, A, S> {
    fn default() -> Self {
        assert!(A == B + 2 && A < INDEX_BITS, "4 ways a bucket");
        assert!((1..=16).contains(&S) && B >= 4, "a stash of 1 to 16, cleared beside the buckets");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    stash: std::array::from_fn(|_| Default::default()),
                    slot_words: std::array::from_fn(|_| Default::default()),
                    stash_equal: std::array::from_fn(|_| Default::default()),
                    stash_match: std::array::from_fn(|_| Default::default()),
                    entries_log2: Constant::new((A as u64).into()),
                    entries: Constant::new((1u64 << A).into()),
                    last: Constant::new(((1u64 << B) - 1).into()),
                    first_way: Constant::new(1u64.into()),
                    first_slot: Constant::new((1u64 << (S - 1)).into()),
                    slot_number: std::array::from_fn(|i| Constant::new(((S - 1 - i) as u64).into())),
                    all_ways: Constant::new(15u64.into()),
                    all_words: Constant::new(7u64.into()),
                }
            };
        }
        rest!(
            clock reset ready in_valid tag request tenant hash bucket0 bucket1 slot write write_data write_used read out_key
            out_valid hit index in_stash cleared count h3 writes valid1 key1 key turn1 reading1 bucket1_1 index1 of_stash1 words1
            ways1 slots1 fill1 data1 used1 above of_stash ways stash_lo stash_hi stash_id b0 h1 b1 a_address way_words
            stash_words data_id data valid2 key2 b0_2 b1_2 reading2 way2 bank_equal valid3 b0_3 b1_3 of_way read3 of_stash3 idle
            valid4 b0_4 b1_4 bank_match any0 any1 way0 way1 found_bucket found_way found_slot any_stash early_index early_slot in_bucket
        )
    }
}

impl<const B: usize, const A: usize, const S: usize> Logic for Keys<B, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.h3.clock.next = self.clock.val();
        self.stash_lo.clock.next = self.clock.val();
        self.stash_hi.clock.next = self.clock.val();
        self.stash_id.clock.next = self.clock.val();
        self.cleared.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.valid1.clock.next = self.clock.val();
        self.key1.clock.next = self.clock.val();
        self.turn1.clock.next = self.clock.val();
        self.reading1.clock.next = self.clock.val();
        self.bucket1_1.clock.next = self.clock.val();
        self.index1.clock.next = self.clock.val();
        self.of_stash1.clock.next = self.clock.val();
        self.words1.clock.next = self.clock.val();
        self.ways1.clock.next = self.clock.val();
        self.slots1.clock.next = self.clock.val();
        self.fill1.clock.next = self.clock.val();
        self.data1.clock.next = self.clock.val();
        self.used1.clock.next = self.clock.val();
        self.valid2.clock.next = self.clock.val();
        self.key2.clock.next = self.clock.val();
        self.b0_2.clock.next = self.clock.val();
        self.b1_2.clock.next = self.clock.val();
        self.reading2.clock.next = self.clock.val();
        self.valid3.clock.next = self.clock.val();
        self.b0_3.clock.next = self.clock.val();
        self.b1_3.clock.next = self.clock.val();
        self.read3.clock.next = self.clock.val();
        self.valid4.clock.next = self.clock.val();
        self.b0_4.clock.next = self.clock.val();
        self.b1_4.clock.next = self.clock.val();
        self.cleared.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.valid1.reset.next = self.reset.val();
        self.key1.reset.next = self.reset.val();
        self.turn1.reset.next = self.reset.val();
        self.reading1.reset.next = self.reset.val();
        self.bucket1_1.reset.next = self.reset.val();
        self.index1.reset.next = self.reset.val();
        self.of_stash1.reset.next = self.reset.val();
        self.words1.reset.next = self.reset.val();
        self.ways1.reset.next = self.reset.val();
        self.slots1.reset.next = self.reset.val();
        self.fill1.reset.next = self.reset.val();
        self.data1.reset.next = self.reset.val();
        self.used1.reset.next = self.reset.val();
        self.valid2.reset.next = self.reset.val();
        self.key2.reset.next = self.reset.val();
        self.b0_2.reset.next = self.reset.val();
        self.b1_2.reset.next = self.reset.val();
        self.reading2.reset.next = self.reset.val();
        self.valid3.reset.next = self.reset.val();
        self.b0_3.reset.next = self.reset.val();
        self.b1_3.reset.next = self.reset.val();
        self.read3.reset.next = self.reset.val();
        self.valid4.reset.next = self.reset.val();
        self.b0_4.reset.next = self.reset.val();
        self.b1_4.reset.next = self.reset.val();

        // Clearing: until every bucket was written.
        self.ready.next = self.cleared.q.val();
        self.count.d.next = self.count.q.val() + 1;
        self.cleared.d.next = self.cleared.q.val() | (self.count.q.val() == self.last.val());

        // 1: hash; or the slot, and what is written there.
        self.h3.tag.next = self.tag.val();
        self.h3.request.next = self.request.val();
        self.h3.tenant.next = self.tenant.val();
        self.key.next = (bit_cast::<KEY_BITS, 8>(self.tenant.val()) << 80)
            | (bit_cast::<KEY_BITS, 16>(self.request.val()) << 64)
            | bit_cast::<KEY_BITS, 64>(self.tag.val());
        self.key1.d.next = self.key.val();
        self.writes.next = self.write.val() != 0;
        self.valid1.d.next = self.in_valid.val() & self.cleared.q.val() & !self.writes.val() & !self.read.val();
        self.reading1.d.next = self.read.val() & self.cleared.q.val() & !self.writes.val();
        self.above.next = self.slot.val() >> self.entries_log2.val();
        self.of_stash.next = self.above.val() != 0;
        self.turn1.d.next = true;
        self.fill1.d.next = true;
        self.bucket1_1.d.next = self.count.q.val();
        self.words1.d.next = self.all_words.val();
        self.ways1.d.next = self.all_ways.val();
        self.slots1.d.next = 0.into();
        self.data1.d.next = 0.into();
        self.used1.d.next = false;
        self.index1.d.next = bit_cast::<INDEX_BITS, B>(self.count.q.val());
        self.of_stash1.d.next = false;
        if self.cleared.q.val() {
            self.turn1.d.next = self.writes.val() | self.read.val();
            self.fill1.d.next = false;
            self.bucket1_1.d.next = bit_cast::<B, INDEX_BITS>(self.slot.val() >> 2);
            self.words1.d.next = self.write.val();
            self.ways1.d.next = 0.into();
            if self.of_stash.val() {
                self.slots1.d.next = self.first_slot.val() >> bit_cast::<4, INDEX_BITS>(self.slot.val());
            } else {
                self.ways1.d.next = self.first_way.val() << bit_cast::<2, INDEX_BITS>(self.slot.val());
            }
            self.data1.d.next = self.write_data.val();
            self.used1.d.next = self.write_used.val();
            self.index1.d.next = self.index1.q.val();
            self.of_stash1.d.next = self.of_stash1.q.val();
            if self.writes.val() | self.read.val() {
                self.index1.d.next = self.slot.val();
                self.of_stash1.d.next = self.of_stash.val();
            }
        }

        // 2: two buckets, which differ; or the slot's. What differs from hash 1 is at most the lowest bit.
        self.b0.next = bit_cast::<B, 32>(self.h3.hash.val());
        self.h1.next = bit_cast::<B, 16>(self.h3.hash.val().get_bits::<16>(16));
        self.b1.next = self.h1.val() ^ bit_cast::<B, 1>(self.h3.same.val().into());
        self.hash.next = self.h3.hash.val();
        self.bucket0.next = self.b0.val();
        self.bucket1.next = self.b1.val();
        self.a_address.next = self.b0.val();
        if self.turn1.q.val() {
            self.a_address.next = self.bucket1_1.q.val();
        }
        self.data_id.next = bit_cast::<24, 32>(self.data1.q.val());
        self.data.next = (bit_cast::<KEPT_BITS, 1>(self.used1.q.val().into()) << 88)
            | (bit_cast::<KEPT_BITS, 24>(self.data_id.val()) << 64)
            | (bit_cast::<KEPT_BITS, 32>(self.data1.q.val()) << 32)
            | bit_cast::<KEPT_BITS, 32>(self.data1.q.val());
        for i in 0..4 {
            self.way_words[i].next = 0.into();
            if self.ways1.q.val().get_bit(i) {
                self.way_words[i].next = self.words1.q.val();
            }
            self.ways[i].clock.next = self.clock.val();
            self.ways[i].a_address.next = self.a_address.val();
            self.ways[i].b_address.next = self.b1.val();
            self.ways[i].write.next = self.way_words[i].val();
            self.ways[i].data.next = self.data.val();
        }
        for i in 0..S {
            self.slot_words[i].next = 0.into();
            if self.slots1.q.val().get_bit(i) {
                self.slot_words[i].next = self.words1.q.val();
            }
            self.stash[i].clock.next = self.clock.val();
            self.stash[i].reset.next = self.reset.val();
            self.stash[i].write.next = self.slot_words[i].val();
            self.stash[i].data.next = self.data.val();
        }
        self.stash_words.next = 0.into();
        if self.of_stash1.q.val() | self.fill1.q.val() {
            self.stash_words.next = self.words1.q.val();
        }
        self.stash_lo.read_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_hi.read_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_id.read_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_lo.write_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_hi.write_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_id.write_address.next = bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        self.stash_lo.write_data.next = self.data1.q.val();
        self.stash_hi.write_data.next = self.data1.q.val();
        self.stash_id.write_data.next = self.data_id.val();
        self.stash_lo.write_enable.next = self.stash_words.val().get_bit(0);
        self.stash_hi.write_enable.next = self.stash_words.val().get_bit(1);
        self.stash_id.write_enable.next = self.stash_words.val().get_bit(2);
        self.valid2.d.next = self.valid1.q.val();
        self.key2.d.next = self.key1.q.val();
        self.b0_2.d.next = self.b0.val();
        self.b1_2.d.next = self.b1.val();
        self.reading2.d.next = self.reading1.q.val();

        // 3: comparison. The stash has what was written by now.
        for i in 0..4 {
            self.bank_equal[i].clock.next = self.clock.val();
            self.bank_equal[i].kept.next = self.ways[i].a_kept.val();
            self.bank_equal[i].key.next = self.key2.q.val();
            self.bank_equal[i + 4].clock.next = self.clock.val();
            self.bank_equal[i + 4].kept.next = self.ways[i].b_kept.val();
            self.bank_equal[i + 4].key.next = self.key2.q.val();
        }
        for i in 0..S {
            self.stash_equal[i].clock.next = self.clock.val();
            self.stash_equal[i].kept.next = self.stash[i].kept.val();
            self.stash_equal[i].key.next = self.key2.q.val();
        }
        self.valid3.d.next = self.valid2.q.val();
        self.b0_3.d.next = self.b0_2.q.val();
        self.b1_3.d.next = self.b1_2.q.val();
        // The slot that is read: `index1` stands, and with it what the stash gives.
        self.way2.next = bit_cast::<2, INDEX_BITS>(self.index1.q.val());
        self.of_way.next = self.ways[3].a_kept.val();
        if self.way2.val() == 0 {
            self.of_way.next = self.ways[0].a_kept.val();
        } else if self.way2.val() == 1 {
            self.of_way.next = self.ways[1].a_kept.val();
        } else if self.way2.val() == 2 {
            self.of_way.next = self.ways[2].a_kept.val();
        }
        self.read3.d.next = self.read3.q.val();
        if self.reading2.q.val() {
            self.read3.d.next = bit_cast::<KEY_BITS, KEPT_BITS>(self.of_way.val());
        }
        self.of_stash3.next = (bit_cast::<KEY_BITS, 24>(self.stash_id.read_data.val()) << 64)
            | (bit_cast::<KEY_BITS, 32>(self.stash_hi.read_data.val()) << 32)
            | bit_cast::<KEY_BITS, 32>(self.stash_lo.read_data.val());
        self.out_key.next = self.read3.q.val();
        if self.of_stash1.q.val() {
            self.out_key.next = self.of_stash3.val();
        }

        // 4: matches; none without a look-up.
        self.idle.next = self.reset.val() | !self.valid3.q.val();
        for i in 0..8 {
            self.bank_match[i].clock.next = self.clock.val();
            self.bank_match[i].reset.next = self.idle.val();
            self.bank_match[i].d.next = self.bank_equal[i].same.val();
        }
        self.any0.clock.next = self.clock.val();
        self.any1.clock.next = self.clock.val();
        self.any0.reset.next = self.idle.val();
        self.any1.reset.next = self.idle.val();
        self.any0.d.next = self.bank_equal[0].same.val()
            | self.bank_equal[1].same.val()
            | self.bank_equal[2].same.val()
            | self.bank_equal[3].same.val();
        self.any1.d.next = self.bank_equal[4].same.val()
            | self.bank_equal[5].same.val()
            | self.bank_equal[6].same.val()
            | self.bank_equal[7].same.val();
        for i in 0..S {
            self.stash_match[i].clock.next = self.clock.val();
            self.stash_match[i].reset.next = self.idle.val();
            self.stash_match[i].d.next = self.stash_equal[i].same.val();
        }
        self.valid4.d.next = self.valid3.q.val();
        self.b0_4.d.next = self.b0_3.q.val();
        self.b1_4.d.next = self.b1_3.q.val();

        // The first in find order.
        self.way0.next = 3.into();
        if self.bank_match[0].q.val() {
            self.way0.next = 0.into();
        } else if self.bank_match[1].q.val() {
            self.way0.next = 1.into();
        } else if self.bank_match[2].q.val() {
            self.way0.next = 2.into();
        }
        self.way1.next = 3.into();
        if self.bank_match[4].q.val() {
            self.way1.next = 0.into();
        } else if self.bank_match[5].q.val() {
            self.way1.next = 1.into();
        } else if self.bank_match[6].q.val() {
            self.way1.next = 2.into();
        }
        self.any_stash.next = false;
        self.found_slot.next = 0.into();
        for i in 0..S {
            if self.stash_match[i].q.val() {
                self.any_stash.next = true;
                self.found_slot.next = self.slot_number[i].val();
            }
        }
        self.found_bucket.next = self.b1_4.q.val();
        self.found_way.next = self.way1.val();
        if self.any0.q.val() {
            self.found_bucket.next = self.b0_4.q.val();
            self.found_way.next = self.way0.val();
        }
        self.in_bucket.next =
            (bit_cast::<INDEX_BITS, B>(self.found_bucket.val()) << 2) | bit_cast::<INDEX_BITS, 2>(self.found_way.val());
        self.early_index.next = bit_cast::<A, INDEX_BITS>(self.in_bucket.val());
        self.early_slot.next = self.found_slot.val();
        self.index.next = 0.into();
        self.in_stash.next = false;
        if self.any0.q.val() | self.any1.q.val() {
            self.index.next = self.in_bucket.val();
        } else if self.any_stash.val() {
            self.index.next = self.entries.val() | bit_cast::<INDEX_BITS, 4>(self.found_slot.val());
            self.in_stash.next = true;
        }
        self.hit.next = self.any0.q.val() | self.any1.q.val() | self.any_stash.val();
        self.out_valid.next = self.valid4.q.val();
    }
}
