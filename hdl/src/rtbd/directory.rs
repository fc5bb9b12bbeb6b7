//! The directory as a slave of the bus, with a wide port for the sweep. `docs/control.md`, The bus; `docs/rtbd.md`.
//!
//! ```text
//!  bus ─► request ─┬─► KEY ──► Lookup ─► FIND, HASH, BUCKETS ─┐
//!                  │           ▲ │ COMMIT ─► Touched ─────────┤
//!                  │           │ └─► key ─┐                   │
//!                  └─► index ──┴─► Entries ─► word ───────────┴─► answer ─► bus_read
//!  sweep ◄───── rows ─────────────┘
//! ```
//!
//! Clocks from a request to `bus_ready`: 2; 6 for reading an entry and COMMIT; 8 for FIND; more where it waits. What the
//! sweep does beside the bus, and what it must not, is said in `entries.rs`.
//!
//! **An entry's key** is in the look-up only, where its words are stored and read; all else of it is in `Entries`, where the key
//! is 0. Storing ENTRY_TAG_LO takes the slot out of use.
//!
//! **COMMIT** reads the entry and gives its state and place to the look-up, with the TAG_LO that it has, in the clock of
//! `bus_ready`, so that all later FINDs see it.
//!
//! **Clearing** starts with reset and with CLEAR, and takes a row a clock, and the look-up a bucket a clock. All accesses
//! but reading CLEAR wait until both are done.
//!
//! An index that does not exist reads 0, and is not written, committed or listed.

use super::{ENTRY_BITS, Entries, INDEX_BITS, Lookup, SWEPT_BITS, Touched};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// 2^B buckets, 2^A entries (A = B + 2), a stash of `S`, `L` = 2^LG lanes of 2^R rows (R = A - LG), and `M` = L - 1: sums
/// cannot be said of const parameters.
#[derive(LogicBlock)]
pub struct Directory<
    const B: usize,
    const A: usize,
    const S: usize,
    const L: usize,
    const LG: usize,
    const R: usize,
    const M: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: as CLEAR, and KEY becomes 0.
    pub reset: Signal<In, Bit>,

    /// A request for this block stands.
    pub bus_select: Signal<In, Bit>,
    /// It is a write.
    pub bus_write: Signal<In, Bit>,
    /// Its address: 0x4x_xxxx an entry's word, 0x5x_xxxx the rest; no other.
    pub bus_address: Signal<In, Bits<24>>,
    /// What is written.
    pub bus_data: Signal<In, Bits<32>>,
    /// The request ends in this clock.
    pub bus_ready: Signal<Out, Bit>,
    /// The answer; 0 in all other clocks.
    pub bus_read: Signal<Out, Bits<32>>,
    /// It works, answers, or is being cleared.
    pub awake: Signal<Out, Bit>,

    /// A row is to be read.
    pub row_read: Signal<In, Bit>,
    /// Which: entry i is in row i / L, lane i % L; rows from 2^R on are the stash.
    pub row: Signal<In, Bits<INDEX_BITS>>,
    /// It is being read, in this clock.
    pub row_taken: Signal<Out, Bit>,
    /// Its entries, two clocks later, with 0 for the key.
    pub entries: [Signal<Out, Bits<ENTRY_BITS>>; L],
    /// A row is written, always at once.
    pub row_write: Signal<In, Bit>,
    /// Which.
    pub row_write_row: Signal<In, Bits<INDEX_BITS>>,
    /// In which lanes.
    pub row_write_lanes: Signal<In, Bits<16>>,
    /// Words ID, of which the flags count, PLACE and STATE, from the lowest.
    pub row_write_data: [Signal<In, Bits<SWEPT_BITS>>; L],

    // The request, taken apart.
    taken: Signal<Local, Bit>,
    asked_index: Signal<Local, Bits<INDEX_BITS>>,
    of_registers: Signal<Local, Bit>,
    above: Signal<Local, Bits<16>>,
    named: Signal<Local, Bit>,
    asked: Signal<Local, Bits<4>>,
    /// It was taken, and is not answered.
    working: Register<Bit>,
    /// It was taken, and is not under way.
    fresh: Register<Bit>,
    index: Register<Bits<INDEX_BITS>>,
    exists: Register<Bit>,
    word: Register<Bits<3>>,
    number: Register<Bits<4>>,
    loads: Register<Bit>,
    stores: Register<Bit>,
    commits: Register<Bit>,
    finds: Register<Bit>,
    peeks: Register<Bit>,
    reads: Register<Bit>,
    writes: Register<Bit>,

    // Its execution.
    contents: Entries<L, LG, R, M>,
    lookup: Lookup<B, A, S>,
    touched: Touched,
    storing: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
    /// The entry is read in this clock.
    load: Register<Bit>,
    /// What the look-up is given of an entry, a clock later.
    key_slot: Register<Bits<INDEX_BITS>>,
    key_write: Register<Bits<3>>,
    key_data: Register<Bits<32>>,
    key_frame: Register<Bits<16>>,
    key_tier: Register<Bits<2>>,
    key_state: Register<Bits<2>>,
    setting: Signal<Local, Bit>,
    clear: Signal<Local, Bit>,
    commit: Signal<Local, Bit>,
    tag_low: Register<Bits<32>>,
    tag_high: Register<Bits<32>>,
    identity: Register<Bits<24>>,
    hash: Register<Bits<32>>,
    buckets: Register<Bits<32>>,
    place: Register<Bits<32>>,
    /// The look-up starts over.
    restart: Register<Bit>,
    /// Nothing is being cleared.
    open: Register<Bit>,
    clearing: Signal<Local, Bit>,

    // Its answer.
    simple: Signal<Local, Bit>,
    answered: Signal<Local, Bit>,
    entry: Signal<Local, Bits<ENTRY_BITS>>,
    offset: Signal<Local, Bits<8>>,
    ready: Register<Bit>,
    value: Register<Bits<32>>,

    slots: Constant<Bits<INDEX_BITS>>,
    first_word: Constant<Bits<8>>,
    tag_low_only: Constant<Bits<3>>,
    none: Constant<Bits<32>>,
}

impl<const B: usize, const A: usize, const S: usize, const L: usize, const LG: usize, const R: usize, const M: usize>
    Default for Directory<B, A, S, L, LG, R, M>
{
    fn default() -> Self {
        assert!(R + LG == A && S.is_multiple_of(L), "2^R rows of 2^LG lanes, and whole rows of the stash");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    entries: std::array::from_fn(|_| Default::default()),
                    row_write_data: std::array::from_fn(|_| Default::default()),
                    slots: Constant::new(((1u64 << A) + S as u64).into()),
                    first_word: Constant::new(1u64.into()),
                    tag_low_only: Constant::new(1u64.into()),
                    none: Constant::new(u64::from(u32::MAX).into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read awake row_read row row_taken row_write
            row_write_row row_write_lanes taken asked_index of_registers above named asked working fresh index exists word
            number loads stores commits finds peeks reads writes contents lookup touched storing go load key_slot key_write key_data key_frame key_tier key_state setting clear commit
            tag_low tag_high identity hash buckets place restart open clearing simple answered entry offset ready value
        )
    }
}

impl<const B: usize, const A: usize, const S: usize, const L: usize, const LG: usize, const R: usize, const M: usize>
    Logic for Directory<B, A, S, L, LG, R, M>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.working.clock.next = self.clock.val();
        self.fresh.clock.next = self.clock.val();
        self.index.clock.next = self.clock.val();
        self.exists.clock.next = self.clock.val();
        self.word.clock.next = self.clock.val();
        self.number.clock.next = self.clock.val();
        self.load.clock.next = self.clock.val();
        self.key_slot.clock.next = self.clock.val();
        self.key_write.clock.next = self.clock.val();
        self.key_data.clock.next = self.clock.val();
        self.key_frame.clock.next = self.clock.val();
        self.key_tier.clock.next = self.clock.val();
        self.key_state.clock.next = self.clock.val();
        self.loads.clock.next = self.clock.val();
        self.stores.clock.next = self.clock.val();
        self.commits.clock.next = self.clock.val();
        self.finds.clock.next = self.clock.val();
        self.peeks.clock.next = self.clock.val();
        self.reads.clock.next = self.clock.val();
        self.writes.clock.next = self.clock.val();
        self.contents.clock.next = self.clock.val();
        self.lookup.clock.next = self.clock.val();
        self.touched.clock.next = self.clock.val();
        self.tag_low.clock.next = self.clock.val();
        self.tag_high.clock.next = self.clock.val();
        self.identity.clock.next = self.clock.val();
        self.hash.clock.next = self.clock.val();
        self.buckets.clock.next = self.clock.val();
        self.place.clock.next = self.clock.val();
        self.restart.clock.next = self.clock.val();
        self.open.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.value.clock.next = self.clock.val();
        self.working.reset.next = self.reset.val();
        self.fresh.reset.next = self.reset.val();
        self.index.reset.next = self.reset.val();
        self.exists.reset.next = self.reset.val();
        self.word.reset.next = self.reset.val();
        self.number.reset.next = self.reset.val();
        self.load.reset.next = self.reset.val();
        self.key_slot.reset.next = self.reset.val();
        self.key_write.reset.next = self.reset.val();
        self.key_data.reset.next = self.reset.val();
        self.key_frame.reset.next = self.reset.val();
        self.key_tier.reset.next = self.reset.val();
        self.key_state.reset.next = self.reset.val();
        self.loads.reset.next = self.reset.val();
        self.stores.reset.next = self.reset.val();
        self.commits.reset.next = self.reset.val();
        self.finds.reset.next = self.reset.val();
        self.peeks.reset.next = self.reset.val();
        self.reads.reset.next = self.reset.val();
        self.writes.reset.next = self.reset.val();
        self.contents.reset.next = self.reset.val();
        self.tag_low.reset.next = self.reset.val();
        self.tag_high.reset.next = self.reset.val();
        self.identity.reset.next = self.reset.val();
        self.hash.reset.next = self.reset.val();
        self.buckets.reset.next = self.reset.val();
        self.place.reset.next = self.reset.val();
        self.restart.reset.next = self.reset.val();
        self.open.reset.next = self.reset.val();
        self.ready.reset.next = self.reset.val();
        self.value.reset.next = self.reset.val();

        // A request is taken, and taken apart.
        self.taken.next = self.bus_select.val() & !self.working.q.val() & !self.ready.q.val();
        self.of_registers.next = self.bus_address.val().get_bit(20);
        self.above.next = self.bus_address.val().get_bits::<16>(4);
        self.named.next = self.of_registers.val() & (self.above.val() == 0);
        self.asked.next = self.bus_address.val().get_bits::<4>(0);
        self.asked_index.next = self.bus_address.val().get_bits::<INDEX_BITS>(3);
        if self.of_registers.val() {
            self.asked_index.next = self.bus_data.val().get_bits::<INDEX_BITS>(0);
        }
        self.index.d.next = self.index.q.val();
        self.exists.d.next = self.exists.q.val();
        self.word.d.next = self.word.q.val();
        self.number.d.next = self.number.q.val();
        self.loads.d.next = self.loads.q.val();
        self.stores.d.next = self.stores.q.val();
        self.commits.d.next = self.commits.q.val();
        self.finds.d.next = self.finds.q.val();
        self.peeks.d.next = self.peeks.q.val();
        self.reads.d.next = self.reads.q.val();
        self.writes.d.next = self.writes.q.val();
        if self.taken.val() {
            self.index.d.next = self.asked_index.val();
            self.exists.d.next = self.asked_index.val() < self.slots.val();
            self.word.d.next = self.bus_address.val().get_bits::<3>(0);
            self.number.d.next = self.asked.val();
            self.loads.d.next = !self.of_registers.val() & !self.bus_write.val();
            self.stores.d.next = !self.of_registers.val() & self.bus_write.val();
            self.commits.d.next = self.named.val() & self.bus_write.val() & (self.asked.val() == 5);
            self.finds.d.next = self.named.val() & !self.bus_write.val() & (self.asked.val() == 3);
            self.peeks.d.next = self.named.val() & !self.bus_write.val() & (self.asked.val() == 8);
            self.reads.d.next = self.named.val() & !self.bus_write.val();
            self.writes.d.next = self.named.val() & self.bus_write.val();
        }

        // It starts.
        self.storing.next = self.fresh.q.val() & self.open.q.val() & self.stores.q.val();
        self.contents.index.next = self.index.q.val();
        self.contents.word.next = self.word.q.val();
        self.contents.data.next = self.bus_data.val();
        self.contents.store.next = self.storing.val() & self.exists.q.val();
        self.go.next = self.fresh.q.val() & (self.open.q.val() | self.peeks.q.val());
        if self.storing.val() & self.exists.q.val() {
            self.go.next = !self.row_write.val();
        }
        self.load.d.next = self.fresh.q.val() & self.open.q.val() & (self.loads.q.val() | self.commits.q.val());
        self.contents.load.next = self.load.q.val();
        self.lookup.read.next = self.load.q.val();
        self.lookup.in_valid.next = self.go.val() & self.finds.q.val();
        self.fresh.d.next = self.taken.val();
        if self.fresh.q.val() & !self.go.val() {
            self.fresh.d.next = true;
        }

        // KEY, and what follows from it.
        self.setting.next = self.go.val() & self.writes.q.val();
        self.tag_low.d.next = self.tag_low.q.val();
        self.tag_high.d.next = self.tag_high.q.val();
        self.identity.d.next = self.identity.q.val();
        if self.setting.val() {
            if self.number.q.val() == 0 {
                self.tag_low.d.next = self.bus_data.val();
            } else if self.number.q.val() == 1 {
                self.tag_high.d.next = self.bus_data.val();
            } else if self.number.q.val() == 2 {
                self.identity.d.next = self.bus_data.val().get_bits::<24>(0);
            }
        }
        self.lookup.tag.next =
            (bit_cast::<64, 32>(self.tag_high.q.val()) << 32) | bit_cast::<64, 32>(self.tag_low.q.val());
        self.lookup.request.next = self.identity.q.val().get_bits::<16>(0);
        self.lookup.tenant.next = self.identity.q.val().get_bits::<8>(16);
        self.hash.d.next = self.lookup.hash.val();
        self.buckets.d.next =
            (bit_cast::<32, B>(self.lookup.bucket1.val()) << 16) | bit_cast::<32, B>(self.lookup.bucket0.val());
        self.place.d.next = self.place.q.val();
        if self.lookup.out_valid.val() {
            self.place.d.next = (bit_cast::<32, 2>(self.lookup.state.val()) << 30)
                | (bit_cast::<32, 2>(self.lookup.tier.val()) << 28)
                | bit_cast::<32, 16>(self.lookup.frame.val());
        }

        // What the look-up has of an entry: the key as it is stored, and with COMMIT the place, and that it is in use.
        self.commit.next = self.contents.loaded.val() & self.commits.q.val() & self.exists.q.val();
        self.key_slot.d.next = self.index.q.val();
        self.key_write.d.next = 0.into();
        self.key_data.d.next = self.bus_data.val();
        self.key_frame.d.next = self.contents.entry.val().get_bits::<16>(96);
        self.key_tier.d.next = self.contents.entry.val().get_bits::<2>(252);
        self.key_state.d.next = 0.into();
        if self.commit.val() {
            self.key_write.d.next = self.tag_low_only.val();
            self.key_data.d.next = bit_cast::<32, 64>(self.lookup.out_tag.val());
            self.key_state.d.next = self.contents.entry.val().get_bits::<2>(254);
        } else if self.storing.val() & self.exists.q.val() & !self.row_write.val() {
            self.key_write.d.next = bit_cast::<3, 8>(self.first_word.val() << self.word.q.val());
        }
        self.lookup.slot.next = self.key_slot.q.val();
        self.lookup.write.next = self.key_write.q.val();
        self.lookup.write_data.next = self.key_data.q.val();
        self.lookup.write_frame.next = self.key_frame.q.val();
        self.lookup.write_tier.next = self.key_tier.q.val();
        self.lookup.write_state.next = self.key_state.q.val();
        self.touched.push.next = self.commit.val();
        self.touched.index.next = self.index.q.val();
        self.touched.pop.next = self.go.val() & self.reads.q.val() & (self.number.q.val() == 10);

        // CLEAR.
        self.clear.next = self.setting.val() & (self.number.q.val() == 8);
        self.contents.clear.next = self.clear.val();
        self.restart.d.next = self.clear.val();
        self.lookup.reset.next = self.reset.val() | self.restart.q.val();
        self.open.d.next =
            self.contents.cleared.val() & self.lookup.ready.val() & !self.restart.q.val() & !self.clear.val();
        self.touched.reset.next =
            self.reset.val() | self.clear.val() | (self.setting.val() & (self.number.q.val() == 11));
        self.clearing.next = !self.open.q.val();

        // The answer.
        self.simple.next = self.go.val() & !(self.loads.q.val() | self.commits.q.val() | self.finds.q.val());
        self.answered.next = self.simple.val() | self.contents.loaded.val() | self.lookup.out_valid.val();
        self.working.d.next = (self.working.q.val() | self.taken.val()) & !self.answered.val();
        self.ready.d.next = self.answered.val();
        self.offset.next = bit_cast::<8, 3>(self.word.q.val()) << 5;
        self.entry.next = self.contents.entry.val()
            | (bit_cast::<ENTRY_BITS, 24>(self.lookup.out_id.val()) << 64)
            | bit_cast::<ENTRY_BITS, 64>(self.lookup.out_tag.val());
        self.value.d.next = 0.into();
        if self.contents.loaded.val() {
            if self.loads.q.val() & self.exists.q.val() {
                self.value.d.next = self.entry.val().get_bits::<32>(self.offset.val().index());
            }
        } else if self.lookup.out_valid.val() {
            self.value.d.next = self.none.val();
            if self.lookup.hit.val() {
                self.value.d.next = bit_cast::<32, INDEX_BITS>(self.lookup.index.val());
            }
        } else if self.simple.val() & self.reads.q.val() {
            if self.number.q.val() == 4 {
                self.value.d.next = self.place.q.val();
            } else if self.number.q.val() == 6 {
                self.value.d.next = self.hash.q.val();
            } else if self.number.q.val() == 7 {
                self.value.d.next = self.buckets.q.val();
            } else if self.number.q.val() == 8 {
                self.value.d.next = bit_cast::<32, 1>(self.clearing.val().into());
            } else if self.number.q.val() == 9 {
                self.value.d.next = self.touched.count.val();
            } else if self.number.q.val() == 10 {
                self.value.d.next = self.touched.top.val();
            }
        }
        self.awake.next = self.working.q.val() | self.ready.q.val() | !self.open.q.val();
        self.bus_ready.next = self.ready.q.val();
        self.bus_read.next = self.value.q.val();

        // The sweep.
        self.contents.row_read.next = self.row_read.val();
        self.contents.row.next = self.row.val();
        self.row_taken.next = self.contents.row_taken.val();
        self.contents.row_write.next = self.row_write.val();
        self.contents.row_write_row.next = self.row_write_row.val();
        self.contents.row_write_lanes.next = self.row_write_lanes.val();
        for i in 0..L {
            self.entries[i].next = self.contents.entries[i].val();
            self.contents.row_write_data[i].next = self.row_write_data[i].val();
        }
    }
}
