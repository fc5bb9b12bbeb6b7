//! The keys of the directory: which slot holds a key. A look-up and a write a clock. `docs/rtbd.md`, Find.
//!
//! ```text
//!           1          2                      3                     4
//!  key ─► H3 ─┬─ b0 ─► banks 0..3 ─► 4 Equal ─┐
//!             ├─ b1 ─► banks 4..7 ─► 4 Equal ─┼─► write wins ──► matches ──► first of them ─► index
//!             └─ key ────┬► stash ─► S Equal ─┤
//!  write ─► 1 ─┬► banks, └► word ──► 1 Equal ─┘
//!              └► stash
//! ```
//!
//! **Banks.** Both hashes choose among the same buckets, so both buckets of a key may be any two, and a way needs two read
//! ports beside the write port. It has them as two block RAMs with equal contents, one read at b0 and one at b1: 8 banks.
//! True dual-port RAM would need half as many, but gives each write the turn of a look-up; a hash of parity-split halves,
//! too, but the hash is fixed. Only keys are doubled; places are kept once, for the index that is found.
//!
//! **Order.** A write is seen by the look-ups offered in its clock and after, and by none before. It reaches RAM in the
//! clock in which a look-up offered beside it reads; what the RAM gives of that word then is not used: `Equal` looks at
//! the word written instead.
//!
//! **After reset** all slots are freed, a bucket a clock; `ready` is 0 meanwhile.

use super::{Equal, Hash, INDEX_BITS, KEPT_BITS, KEY_BITS};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Keys of 2^B buckets of 4 ways, and a stash of `S`; `A` = B + 2 (`B + 2` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Keys<const B: usize, const A: usize, const S: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all.
    pub reset: Signal<In, Bit>,
    /// Look-ups and writes are taken; without, they are not.
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

    /// A slot is written.
    pub write: Signal<In, Bit>,
    /// Index of the slot, of a bucket or of the stash.
    pub write_index: Signal<In, Bits<INDEX_BITS>>,
    /// Whether it is in use from now on.
    pub write_used: Signal<In, Bit>,
    /// Tag of its key.
    pub write_tag: Signal<In, Bits<64>>,
    /// Request of its key.
    pub write_request: Signal<In, Bits<16>>,
    /// Tenant of its key.
    pub write_tenant: Signal<In, Bits<8>>,

    /// A key was looked up four clocks before.
    pub out_valid: Signal<Out, Bit>,
    /// A slot holds it. Without, all that follows is 0.
    pub hit: Signal<Out, Bit>,
    /// Index of the slot, the first in find order.
    pub index: Signal<Out, Bits<INDEX_BITS>>,
    /// The slot is of the stash.
    pub in_stash: Signal<Out, Bit>,

    // Clearing.
    cleared: Register<Bit>,
    count: Register<Bits<B>>,

    // Stage 1: hash; the write, taken apart.
    h3: Hash,
    valid1: Register<Bit>,
    key1: Register<Bits<KEY_BITS>>,
    key: Signal<Local, Bits<KEY_BITS>>,
    writing1: Register<Bit>,
    index1: Register<Bits<INDEX_BITS>>,
    word1: Register<Bits<KEPT_BITS>>,
    word: Signal<Local, Bits<KEPT_BITS>>,

    // Stage 2: banks.
    banks: [Ram<Bits<KEPT_BITS>, B>; 8],
    /// Last slot first, so that the last that matches is the first in find order.
    stash: [Register<Bits<KEPT_BITS>>; S],
    b0: Signal<Local, Bits<B>>,
    b1: Signal<Local, Bits<B>>,
    h1: Signal<Local, Bits<B>>,
    above: Signal<Local, Bits<INDEX_BITS>>,
    of_stash: Signal<Local, Bit>,
    to_bank: Signal<Local, Bit>,
    to_stash: Signal<Local, Bit>,
    bucket: Signal<Local, Bits<B>>,
    ways: Signal<Local, Bits<4>>,
    slots: Signal<Local, Bits<16>>,
    fill_bucket: Signal<Local, Bits<B>>,
    fill_word: Signal<Local, Bits<KEPT_BITS>>,
    fill_ways: Signal<Local, Bits<4>>,
    valid2: Register<Bit>,
    key2: Register<Bits<KEY_BITS>>,
    b0_2: Register<Bits<B>>,
    b1_2: Register<Bits<B>>,
    word2: Register<Bits<KEPT_BITS>>,
    met0_2: Register<Bits<4>>,
    met1_2: Register<Bits<4>>,

    // Stage 3: comparison.
    bank_equal: [Equal; 8],
    stash_equal: [Equal; S],
    word_equal: Equal,
    valid3: Register<Bit>,
    b0_3: Register<Bits<B>>,
    b1_3: Register<Bits<B>>,
    met0_3: Register<Bits<4>>,
    met1_3: Register<Bits<4>>,

    // Stage 4: matches.
    idle: Signal<Local, Bit>,
    valid4: Register<Bit>,
    b0_4: Register<Bits<B>>,
    b1_4: Register<Bits<B>>,
    bank_match: [Register<Bit>; 8],
    stash_match: [Register<Bit>; S],

    // Behind it: the first of them.
    any0: Signal<Local, Bit>,
    any1: Signal<Local, Bit>,
    way0: Signal<Local, Bits<2>>,
    way1: Signal<Local, Bits<2>>,
    found_bucket: Signal<Local, Bits<B>>,
    found_way: Signal<Local, Bits<2>>,
    found_slot: Signal<Local, Bits<4>>,
    any_stash: Signal<Local, Bit>,

    entries_log2: Constant<Bits<5>>,
    entries: Constant<Bits<INDEX_BITS>>,
    last: Constant<Bits<B>>,
    first_way: Constant<Bits<4>>,
    first_slot: Constant<Bits<16>>,
    slot: [Constant<Bits<4>>; S],
    all_ways: Constant<Bits<4>>,
    unused: Constant<Bits<KEPT_BITS>>,
}

impl<const B: usize, const A: usize, const S: usize> Default for Keys<B, A, S> {
    fn default() -> Self {
        assert!(A == B + 2 && A < INDEX_BITS, "4 ways a bucket");
        assert!((1..=16).contains(&S), "a stash of 1 to 16");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    stash: std::array::from_fn(|_| Default::default()),
                    stash_equal: std::array::from_fn(|_| Default::default()),
                    stash_match: std::array::from_fn(|_| Default::default()),
                    entries_log2: Constant::new((A as u64).into()),
                    entries: Constant::new((1u64 << A).into()),
                    last: Constant::new(((1u64 << B) - 1).into()),
                    first_way: Constant::new(1u64.into()),
                    first_slot: Constant::new((1u64 << (S - 1)).into()),
                    slot: std::array::from_fn(|i| Constant::new(((S - 1 - i) as u64).into())),
                    all_ways: Constant::new(15u64.into()),
                    unused: Constant::new(0u64.into()),
                }
            };
        }
        rest!(
            clock reset ready in_valid tag request tenant hash bucket0 bucket1 write write_index write_used write_tag
            write_request write_tenant out_valid hit index in_stash cleared count h3 valid1 key1 key writing1 index1 word1 word banks
            b0 b1 h1 above of_stash to_bank to_stash bucket ways slots fill_bucket fill_word fill_ways valid2 key2 b0_2
            b1_2 word2 met0_2 met1_2 bank_equal word_equal valid3 b0_3 b1_3 met0_3 met1_3 idle valid4 b0_4 b1_4 bank_match any0
            any1 way0 way1 found_bucket found_way found_slot any_stash
        )
    }
}

impl<const B: usize, const A: usize, const S: usize> Logic for Keys<B, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.cleared.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.h3.clock.next = self.clock.val();
        self.valid1.clock.next = self.clock.val();
        self.key1.clock.next = self.clock.val();
        self.writing1.clock.next = self.clock.val();
        self.index1.clock.next = self.clock.val();
        self.word1.clock.next = self.clock.val();
        self.valid2.clock.next = self.clock.val();
        self.key2.clock.next = self.clock.val();
        self.b0_2.clock.next = self.clock.val();
        self.b1_2.clock.next = self.clock.val();
        self.word2.clock.next = self.clock.val();
        self.met0_2.clock.next = self.clock.val();
        self.met1_2.clock.next = self.clock.val();
        self.word_equal.clock.next = self.clock.val();
        self.valid3.clock.next = self.clock.val();
        self.b0_3.clock.next = self.clock.val();
        self.b1_3.clock.next = self.clock.val();
        self.met0_3.clock.next = self.clock.val();
        self.met1_3.clock.next = self.clock.val();
        self.valid4.clock.next = self.clock.val();
        self.b0_4.clock.next = self.clock.val();
        self.b1_4.clock.next = self.clock.val();
        self.cleared.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.valid1.reset.next = self.reset.val();
        self.key1.reset.next = self.reset.val();
        self.writing1.reset.next = self.reset.val();
        self.index1.reset.next = self.reset.val();
        self.word1.reset.next = self.reset.val();
        self.valid2.reset.next = self.reset.val();
        self.key2.reset.next = self.reset.val();
        self.b0_2.reset.next = self.reset.val();
        self.b1_2.reset.next = self.reset.val();
        self.word2.reset.next = self.reset.val();
        self.met0_2.reset.next = self.reset.val();
        self.met1_2.reset.next = self.reset.val();
        self.valid3.reset.next = self.reset.val();
        self.b0_3.reset.next = self.reset.val();
        self.b1_3.reset.next = self.reset.val();
        self.met0_3.reset.next = self.reset.val();
        self.met1_3.reset.next = self.reset.val();
        self.valid4.reset.next = self.reset.val();
        self.b0_4.reset.next = self.reset.val();
        self.b1_4.reset.next = self.reset.val();

        // Clearing: until every bucket was written.
        self.ready.next = self.cleared.q.val();
        self.count.d.next = self.count.q.val() + 1;
        self.cleared.d.next = self.cleared.q.val() | (self.count.q.val() == self.last.val());

        // 1: hash, and the word to write.
        self.h3.tag.next = self.tag.val();
        self.h3.request.next = self.request.val();
        self.h3.tenant.next = self.tenant.val();
        self.key.next = (bit_cast::<KEY_BITS, 8>(self.tenant.val()) << 80)
            | (bit_cast::<KEY_BITS, 16>(self.request.val()) << 64)
            | bit_cast::<KEY_BITS, 64>(self.tag.val());
        self.key1.d.next = self.key.val();
        self.valid1.d.next = self.in_valid.val() & self.cleared.q.val();
        self.word.next = (bit_cast::<KEPT_BITS, 1>(self.write_used.val().into()) << 88)
            | (bit_cast::<KEPT_BITS, 8>(self.write_tenant.val()) << 80)
            | (bit_cast::<KEPT_BITS, 16>(self.write_request.val()) << 64)
            | bit_cast::<KEPT_BITS, 64>(self.write_tag.val());
        self.word1.d.next = self.word.val();
        self.index1.d.next = self.write_index.val();
        self.writing1.d.next = self.write.val() & self.cleared.q.val();

        // 2: two buckets, which differ; where the write goes, and whether the look-up beside it reads there.
        self.b0.next = bit_cast::<B, 32>(self.h3.hash.val());
        self.h1.next = bit_cast::<B, 16>(self.h3.hash.val().get_bits::<16>(16));
        self.b1.next = self.h1.val();
        if self.h1.val() == self.b0.val() {
            self.b1.next = self.b0.val() ^ 1;
        }
        self.hash.next = self.h3.hash.val();
        self.bucket0.next = self.b0.val();
        self.bucket1.next = self.b1.val();
        self.above.next = self.index1.q.val() >> self.entries_log2.val();
        self.of_stash.next = self.above.val() != 0;
        self.to_bank.next = self.writing1.q.val() & !self.of_stash.val();
        self.to_stash.next = self.writing1.q.val() & self.of_stash.val();
        self.bucket.next = bit_cast::<B, INDEX_BITS>(self.index1.q.val() >> 2);
        self.ways.next = 0.into();
        if self.to_bank.val() {
            self.ways.next = self.first_way.val() << bit_cast::<2, INDEX_BITS>(self.index1.q.val());
        }
        self.slots.next = 0.into();
        if self.to_stash.val() {
            self.slots.next = self.first_slot.val() >> bit_cast::<4, INDEX_BITS>(self.index1.q.val());
        }
        self.fill_bucket.next = self.count.q.val();
        self.fill_word.next = self.unused.val();
        self.fill_ways.next = self.all_ways.val();
        if self.cleared.q.val() {
            self.fill_bucket.next = self.bucket.val();
            self.fill_word.next = self.word1.q.val();
            self.fill_ways.next = self.ways.val();
        }
        for i in 0..4 {
            self.banks[i].read_address.next = self.b0.val();
            self.banks[i + 4].read_address.next = self.b1.val();
            self.banks[i].write_enable.next = self.fill_ways.val().get_bit(i);
            self.banks[i + 4].write_enable.next = self.fill_ways.val().get_bit(i);
        }
        for i in 0..8 {
            self.banks[i].clock.next = self.clock.val();
            self.banks[i].write_address.next = self.fill_bucket.val();
            self.banks[i].write_data.next = self.fill_word.val();
        }
        for i in 0..S {
            self.stash[i].clock.next = self.clock.val();
            self.stash[i].reset.next = self.reset.val();
            self.stash[i].d.next = self.stash[i].q.val();
            if self.slots.val().get_bit(i) {
                self.stash[i].d.next = self.word1.q.val();
            }
        }
        self.valid2.d.next = self.valid1.q.val();
        self.key2.d.next = self.key1.q.val();
        self.b0_2.d.next = self.b0.val();
        self.b1_2.d.next = self.b1.val();
        self.word2.d.next = self.word1.q.val();
        self.met0_2.d.next = 0.into();
        if self.bucket.val() == self.b0.val() {
            self.met0_2.d.next = self.ways.val();
        }
        self.met1_2.d.next = 0.into();
        if self.bucket.val() == self.b1.val() {
            self.met1_2.d.next = self.ways.val();
        }

        // 3: comparison. The stash has the write by now.
        for i in 0..8 {
            self.bank_equal[i].clock.next = self.clock.val();
            self.bank_equal[i].kept.next = self.banks[i].read_data.val();
            self.bank_equal[i].key.next = self.key2.q.val();
        }
        for i in 0..S {
            self.stash_equal[i].clock.next = self.clock.val();
            self.stash_equal[i].kept.next = self.stash[i].q.val();
            self.stash_equal[i].key.next = self.key2.q.val();
        }
        self.word_equal.kept.next = self.word2.q.val();
        self.word_equal.key.next = self.key2.q.val();
        self.valid3.d.next = self.valid2.q.val();
        self.b0_3.d.next = self.b0_2.q.val();
        self.b1_3.d.next = self.b1_2.q.val();
        self.met0_3.d.next = self.met0_2.q.val();
        self.met1_3.d.next = self.met1_2.q.val();

        // 4: matches, the write's instead of what RAM gave in its place; none without a look-up.
        self.idle.next = self.reset.val() | !self.valid3.q.val();
        for i in 0..8 {
            self.bank_match[i].clock.next = self.clock.val();
            self.bank_match[i].reset.next = self.idle.val();
            self.bank_match[i].d.next = self.bank_equal[i].same.val();
        }
        for i in 0..4 {
            if self.met0_3.q.val().get_bit(i) {
                self.bank_match[i].d.next = self.word_equal.same.val();
            }
            if self.met1_3.q.val().get_bit(i) {
                self.bank_match[i + 4].d.next = self.word_equal.same.val();
            }
        }
        for i in 0..S {
            self.stash_match[i].clock.next = self.clock.val();
            self.stash_match[i].reset.next = self.idle.val();
            self.stash_match[i].d.next = self.stash_equal[i].same.val();
        }
        self.valid4.d.next = self.valid3.q.val();
        self.b0_4.d.next = self.b0_3.q.val();
        self.b1_4.d.next = self.b1_3.q.val();

        // The first in find order.
        self.any0.next = self.bank_match[0].q.val()
            | self.bank_match[1].q.val()
            | self.bank_match[2].q.val()
            | self.bank_match[3].q.val();
        self.any1.next = self.bank_match[4].q.val()
            | self.bank_match[5].q.val()
            | self.bank_match[6].q.val()
            | self.bank_match[7].q.val();
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
                self.found_slot.next = self.slot[i].val();
            }
        }
        self.found_bucket.next = self.b1_4.q.val();
        self.found_way.next = self.way1.val();
        if self.any0.val() {
            self.found_bucket.next = self.b0_4.q.val();
            self.found_way.next = self.way0.val();
        }
        self.index.next = 0.into();
        self.in_stash.next = false;
        if self.any0.val() | self.any1.val() {
            self.index.next = (bit_cast::<INDEX_BITS, B>(self.found_bucket.val()) << 2)
                | bit_cast::<INDEX_BITS, 2>(self.found_way.val());
        } else if self.any_stash.val() {
            self.index.next = self.entries.val() | bit_cast::<INDEX_BITS, 4>(self.found_slot.val());
            self.in_stash.next = true;
        }
        self.hit.next = self.any0.val() | self.any1.val() | self.any_stash.val();
        self.out_valid.next = self.valid4.q.val();
    }
}
