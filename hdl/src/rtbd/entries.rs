//! All entries of the directory: a word or an entry at a time for the bus, a row at a time for the sweep.
//!
//! ```text
//!               ┌──────── 1, 2 ────────┐          3
//!  index ─► row ┼─► Rows 0 .. Rows L-1 ┼─► lane ──► entry
//!  sweep ─► row ┘                      └─► entries
//!  row_write, clearing, store ─► 1: row, words ─► Rows
//! ```
//!
//! Of an entry all is here but its key, which `Keys` has: where it would be, 0 is read, and what is written does not count.
//!
//! Entry i is in row i / L, lane i % L; rows from 2^R on are the stash. All lanes read one row at a time, and write one.
//!
//! **Read port.** `load` goes first; `row_taken` tells the sweep. `entries` has its row two clocks after the clock of
//! `row_taken`, and in no other clock.
//!
//! **Write port.** `row_write` goes first, then clearing, then `store`, which stands until then.
//!
//! **Order.** What is written is in what is read from the second clock behind it on; a `load` that meets the write of `row_write` is
//! done once more. A `row_read` in the clock after a write of its row gives any mixture of old and new, and nothing is
//! forwarded from a sweep's reading to its writing: it reads each row, writes it back some clocks later, and nobody may store,
//! or clear, between the two. Row 0 may have been read long before (PRESCORE), and is written as the sweep begins; it is forgotten with the
//! next word written to HEPC, which has to be before an entry changes and another sweep begins.

use super::{ENTRY_BITS, ENTRY_WORDS, INDEX_BITS, Rows, SWEPT_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// `L` = 2^LG lanes of 2^R rows; `M` = L - 1 (`L - 1` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Entries<const L: usize, const LG: usize, const R: usize, const M: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: as `clear`.
    pub reset: Signal<In, Bit>,
    /// All words of all entries are to become 0.
    pub clear: Signal<In, Bit>,
    /// They are; 2^R clocks after `clear` without `row_write`.
    pub cleared: Signal<Out, Bit>,

    /// Entry that `load` or `store` means; stands until it is done.
    pub index: Signal<In, Bits<INDEX_BITS>>,
    /// Reads it, for a clock.
    pub load: Signal<In, Bit>,
    /// It is in `entry`: three clocks after `load`, or more.
    pub loaded: Signal<Out, Bit>,
    /// The entry, in the clock of `loaded`.
    pub entry: Signal<Out, Bits<ENTRY_BITS>>,
    /// Writes a word of it, in the first clock with `cleared` and without `row_write`.
    pub store: Signal<In, Bit>,
    /// Which.
    pub word: Signal<In, Bits<3>>,
    /// What is written there.
    pub data: Signal<In, Bits<32>>,

    /// A row is to be read.
    pub row_read: Signal<In, Bit>,
    /// Which.
    pub row: Signal<In, Bits<INDEX_BITS>>,
    /// It is being read.
    pub row_taken: Signal<Out, Bit>,
    /// Its entries, two clocks later.
    pub entries: [Signal<Out, Bits<ENTRY_BITS>>; L],
    /// A row is written, always at once.
    pub row_write: Signal<In, Bit>,
    /// Which.
    pub row_write_row: Signal<In, Bits<INDEX_BITS>>,
    /// In which lanes.
    pub row_write_lanes: Signal<In, Bits<16>>,
    /// Words ID, PLACE and STATE, from the lowest.
    pub row_write_data: [Signal<In, Bits<SWEPT_BITS>>; L],

    rows: [Rows<R>; L],
    index_row: Signal<Local, Bits<INDEX_BITS>>,
    lane: Signal<Local, Bits<LG>>,
    at: [Signal<Local, Bit>; L],

    // Reading: RAM, lanes, entry.
    again: Register<Bit>,
    reading: Signal<Local, Bit>,
    read_row: Signal<Local, Bits<INDEX_BITS>>,
    met: Signal<Local, Bit>,
    read1: Register<Bit>,
    read2: Register<Bit>,
    read3: Register<Bit>,
    gated: [Signal<Local, Bits<ENTRY_BITS>>; L],
    gathered: [Signal<Local, Bits<ENTRY_BITS>>; L],
    picked: Signal<Local, Bits<ENTRY_BITS>>,
    picked3: Register<Bits<ENTRY_BITS>>,

    // Writing.
    done: Register<Bit>,
    count: Register<Bits<R>>,
    write_row: Register<Bits<INDEX_BITS>>,
    words: [Register<Bits<ENTRY_WORDS>>; L],
    written: Register<Bits<32>>,
    swept: [Register<Bits<SWEPT_BITS>>; L],
    sweeps: Register<Bit>,
    fills: Register<Bit>,
    one_word: Signal<Local, Bits<ENTRY_WORDS>>,
    twice: Signal<Local, Bits<ENTRY_BITS>>,
    four_times: Signal<Local, Bits<ENTRY_BITS>>,
    spread: Signal<Local, Bits<ENTRY_BITS>>,

    lanes_log2: Constant<Bits<5>>,
    lane_number: [Constant<Bits<LG>>; L],
    last: Constant<Bits<R>>,
    all_words: Constant<Bits<ENTRY_WORDS>>,
    swept_words: Constant<Bits<ENTRY_WORDS>>,
    first_word: Constant<Bits<ENTRY_WORDS>>,
}

impl<const L: usize, const LG: usize, const R: usize, const M: usize> Default for Entries<L, LG, R, M> {
    fn default() -> Self {
        assert!(L == 1 << LG && M + 1 == L && (2..=16).contains(&L), "2^LG lanes, at most 16, and M one less");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    entries: std::array::from_fn(|_| Default::default()),
                    row_write_data: std::array::from_fn(|_| Default::default()),
                    rows: std::array::from_fn(|_| Default::default()),
                    at: std::array::from_fn(|_| Default::default()),
                    words: std::array::from_fn(|_| Default::default()),
                    swept: std::array::from_fn(|_| Default::default()),
                    gated: std::array::from_fn(|_| Default::default()),
                    gathered: std::array::from_fn(|_| Default::default()),
                    lanes_log2: Constant::new((LG as u64).into()),
                    lane_number: std::array::from_fn(|i| Constant::new((i as u64).into())),
                    last: Constant::new(((1u64 << R) - 1).into()),
                    all_words: Constant::new(0xFFu64.into()),
                    swept_words: Constant::new(0x8Cu64.into()),
                    first_word: Constant::new(1u64.into()),
                }
            };
        }
        rest!(
            clock reset clear cleared index load loaded entry store word data row_read row row_taken row_write
            row_write_row row_write_lanes index_row lane again reading read_row met read1 read2 read3 picked picked3 done
            count write_row written sweeps fills one_word twice four_times spread
        )
    }
}

impl<const L: usize, const LG: usize, const R: usize, const M: usize> Logic for Entries<L, LG, R, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.again.clock.next = self.clock.val();
        self.read1.clock.next = self.clock.val();
        self.read2.clock.next = self.clock.val();
        self.read3.clock.next = self.clock.val();
        self.picked3.clock.next = self.clock.val();
        self.done.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.again.reset.next = self.reset.val();
        self.read1.reset.next = self.reset.val();
        self.read2.reset.next = self.reset.val();
        self.read3.reset.next = self.reset.val();
        self.picked3.reset.next = self.reset.val();
        self.done.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.write_row.clock.next = self.clock.val();
        self.write_row.reset.next = self.reset.val();
        self.written.clock.next = self.clock.val();
        self.written.reset.next = self.reset.val();
        self.sweeps.clock.next = self.clock.val();
        self.sweeps.reset.next = self.reset.val();
        self.fills.clock.next = self.clock.val();
        self.fills.reset.next = self.reset.val();

        // Where the entry is.
        self.index_row.next = self.index.val() >> self.lanes_log2.val();
        self.lane.next = bit_cast::<LG, INDEX_BITS>(self.index.val());
        for i in 0..L {
            self.at[i].next = self.lane.val() == self.lane_number[i].val();
        }

        // Reading.
        self.reading.next = self.load.val() | self.again.q.val();
        self.row_taken.next = self.row_read.val() & !self.reading.val();
        self.read_row.next = self.row.val();
        if self.reading.val() {
            self.read_row.next = self.index_row.val();
        }
        self.met.next = self.sweeps.q.val() & (self.write_row.q.val() == self.index_row.val());
        self.again.d.next = self.reading.val() & self.met.val();
        self.read1.d.next = self.reading.val() & !self.met.val();
        self.read2.d.next = self.read1.q.val();
        self.read3.d.next = self.read2.q.val();
        for i in 0..L {
            self.entries[i].next = self.rows[i].entry.val();
            self.gated[i].next = 0.into();
            if self.at[i].val() {
                self.gated[i].next = self.rows[i].entry.val();
            }
        }
        self.gathered[0].next = self.gated[0].val();
        for i in 0..M {
            self.gathered[i + 1].next = self.gathered[i].val() | self.gated[i + 1].val();
        }
        for i in 0..L {
            self.picked.next = self.gathered[i].val();
        }
        self.picked3.d.next = self.picked.val();
        self.loaded.next = self.read3.q.val();
        self.entry.next = self.picked3.q.val();

        // Clearing.
        self.cleared.next = self.done.q.val();
        self.done.d.next = self.done.q.val();
        self.count.d.next = self.count.q.val();
        if self.clear.val() {
            self.done.d.next = false;
            self.count.d.next = 0.into();
        } else if !self.done.q.val() & !self.row_write.val() {
            self.done.d.next = self.count.q.val() == self.last.val();
            self.count.d.next = self.count.q.val() + 1;
        }

        // Writing: what is chosen in one clock is written in the next.
        self.write_row.d.next = bit_cast::<INDEX_BITS, R>(self.count.q.val());
        if self.row_write.val() {
            self.write_row.d.next = self.row_write_row.val();
        } else if self.done.q.val() {
            self.write_row.d.next = self.index_row.val();
        }
        self.sweeps.d.next = self.row_write.val();
        self.fills.d.next = !self.row_write.val() & !self.done.q.val();
        self.one_word.next = self.first_word.val() << self.word.val();
        self.written.d.next = 0.into();
        if self.done.q.val() {
            self.written.d.next = self.data.val();
        }
        self.twice.next =
            (bit_cast::<ENTRY_BITS, 32>(self.written.q.val()) << 32) | bit_cast::<ENTRY_BITS, 32>(self.written.q.val());
        self.four_times.next = (self.twice.val() << 64) | self.twice.val();
        self.spread.next = (self.four_times.val() << 128) | self.four_times.val();
        for i in 0..L {
            self.words[i].clock.next = self.clock.val();
            self.words[i].reset.next = self.reset.val();
            self.swept[i].clock.next = self.clock.val();
            self.swept[i].reset.next = self.reset.val();
            self.words[i].d.next = 0.into();
            if self.row_write.val() {
                if self.row_write_lanes.val().get_bit(i) {
                    self.words[i].d.next = self.swept_words.val();
                }
            } else if !self.done.q.val() {
                self.words[i].d.next = self.all_words.val();
            } else if self.store.val() & self.at[i].val() {
                self.words[i].d.next = self.one_word.val();
            }
            self.swept[i].d.next = self.row_write_data[i].val();
            self.rows[i].clock.next = self.clock.val();
            self.rows[i].reset.next = self.reset.val();
            self.rows[i].row.next = self.read_row.val();
            self.rows[i].write_row.next = self.write_row.q.val();
            self.rows[i].data.next = self.spread.val();
            self.rows[i].swept.next = self.swept[i].q.val();
            self.rows[i].sweep.next = self.sweeps.q.val();
            self.rows[i].fill.next = self.fills.q.val();
            self.rows[i].words.next = self.words[i].q.val();
        }
    }
}
