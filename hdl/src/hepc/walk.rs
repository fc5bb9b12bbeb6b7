//! The rows that a job takes, in which order, and which of their lanes count.
//!
//! ```text
//!  sweep:        stride, 2 stride, 3 stride, ... 0           all lanes    (modulo the number of rows)
//!  MARK, COUNT:  the same, each row once a lane              one lane
//!  one entry:    its row                                     its lane
//!  PRESCORE:     0, the last of a sweep                      all lanes
//!
//!  next row ─► directory, 2 clocks ─► judges
//!     └──────► row, lanes, 2 clocks ─►
//! ```
//!
//! In strides, so that ranks that rise or fall with the index do not meet the lists in that order. A row asked for cannot be stopped
//! any more, so nothing is asked for while a sieve is crowded.

use super::INDEX_BITS;
use super::jobs::Job;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Rows of 2^A entries and a stash of `S`, in `L` lanes.
#[derive(LogicBlock)]
pub(super) struct Walk<const L: usize, const A: usize, const S: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// A command starts a job.
    pub starts: Signal<In, Job>,
    /// The entry that it is about, if it is about one.
    pub index: Signal<In, Bits<32>>,
    /// The job takes one row.
    pub one_row: Signal<In, Bit>,
    /// It takes each row once a lane.
    pub by_lane: Signal<In, Bit>,
    /// A sieve is crowded.
    pub crowded: Signal<In, Bit>,
    /// No row is to be read, by a job that takes many.
    pub rests: Signal<In, Bit>,

    /// A row is wanted.
    pub row_read: Signal<Out, Bit>,
    /// Which.
    pub row: Signal<Out, Bits<INDEX_BITS>>,
    /// The directory reads it.
    pub row_taken: Signal<In, Bit>,

    /// There are rows to ask for.
    pub asking: Signal<Out, Bit>,
    /// One is taken in this clock.
    pub taken: Signal<Out, Bit>,
    /// The row taken two clocks before: a bit for each lane that counts.
    pub lanes: Signal<Out, Bits<16>>,
    /// The index of its first entry.
    pub first_index: Signal<Out, Bits<INDEX_BITS>>,

    asks: Register<Bit>,
    next_row: Register<Bits<INDEX_BITS>>,
    next_lanes: Register<Bits<16>>,
    stall: Register<Bit>,
    row1: Register<Bits<INDEX_BITS>>,
    row2: Register<Bits<INDEX_BITS>>,
    lanes1: Register<Bits<16>>,
    lanes2: Register<Bits<16>>,
    takes: Signal<Local, Bit>,
    lane_last: Signal<Local, Bit>,
    row_last: Signal<Local, Bit>,
    of_one: Signal<Local, Bit>,
    starts_any: Signal<Local, Bit>,
    picked_row: Signal<Local, Bits<INDEX_BITS>>,
    picked_lane: Signal<Local, Bits<4>>,
    picked_lanes: Signal<Local, Bits<16>>,

    lane_bits: Constant<Bits<5>>,
    lane_mask: Constant<Bits<4>>,
    all_lanes: Constant<Bits<16>>,
    first_lane: Constant<Bits<16>>,
    last_lane: Constant<Bits<16>>,
    stride: Constant<Bits<INDEX_BITS>>,
    back: Constant<Bits<INDEX_BITS>>,
}

impl<const L: usize, const A: usize, const S: usize> Default for Walk<L, A, S> {
    fn default() -> Self {
        assert!(A <= 16 && S.is_multiple_of(L) && (1usize << A).is_multiple_of(L), "whole rows");
        let rows = ((1 << A) + S) as u64 / L as u64;
        let stride = stride(rows);
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    lane_bits: Constant::new(u64::from(L.ilog2()).into()),
                    lane_mask: Constant::new((L as u64 - 1).into()),
                    all_lanes: Constant::new(((1u64 << L) - 1).into()),
                    first_lane: Constant::new(1u64.into()),
                    last_lane: Constant::new((1u64 << (L - 1)).into()),
                    stride: Constant::new(stride.into()),
                    back: Constant::new((rows - stride).into()),
                }
            };
        }
        rest!(
            clock reset starts index one_row by_lane crowded rests row_read row row_taken asking taken lanes first_index asks next_row
            next_lanes stall row1 row2 lanes1 lanes2 takes lane_last row_last of_one starts_any picked_row picked_lane picked_lanes
        )
    }
}

impl<const L: usize, const A: usize, const S: usize> Logic for Walk<L, A, S> {
    #[hdl_gen]
    fn update(&mut self) {
        self.asks.clock.next = self.clock.val();
        self.next_row.clock.next = self.clock.val();
        self.next_lanes.clock.next = self.clock.val();
        self.stall.clock.next = self.clock.val();
        self.row1.clock.next = self.clock.val();
        self.row2.clock.next = self.clock.val();
        self.lanes1.clock.next = self.clock.val();
        self.lanes2.clock.next = self.clock.val();
        self.asks.reset.next = self.reset.val();
        self.next_row.reset.next = self.reset.val();
        self.next_lanes.reset.next = self.reset.val();
        self.stall.reset.next = self.reset.val();
        self.row1.reset.next = self.reset.val();
        self.row2.reset.next = self.reset.val();
        self.lanes1.reset.next = self.reset.val();
        self.lanes2.reset.next = self.reset.val();

        self.stall.d.next = self.crowded.val() | (self.rests.val() & !self.one_row.val());
        self.row_read.next = self.asks.q.val() & !self.stall.q.val();
        self.row.next = self.next_row.q.val();
        self.takes.next = self.asks.q.val() & !self.stall.q.val() & self.row_taken.val();

        // From a row, or one of its lanes, to the next; row 0 is the last.
        self.asks.d.next = self.asks.q.val();
        self.next_row.d.next = self.next_row.q.val();
        self.next_lanes.d.next = self.next_lanes.q.val();
        self.lane_last.next = (self.next_lanes.q.val() & self.last_lane.val()) != 0;
        self.row_last.next = self.next_row.q.val() == 0;
        if self.takes.val() {
            if self.lane_last.val() {
                self.next_row.d.next = self.next_row.q.val() + self.stride.val();
                if self.next_row.q.val() >= self.back.val() {
                    self.next_row.d.next = self.next_row.q.val() - self.back.val();
                }
            }
            if self.by_lane.val() {
                self.next_lanes.d.next = self.next_lanes.q.val() << 1;
                if self.lane_last.val() {
                    self.next_lanes.d.next = self.first_lane.val();
                }
            }
            if self.one_row.val() | (self.lane_last.val() & self.row_last.val()) {
                self.asks.d.next = false;
            }
        }

        // The first row of a job.
        self.picked_row.next = bit_cast::<INDEX_BITS, 32>(self.index.val()) >> self.lane_bits.val();
        self.picked_lane.next = bit_cast::<4, 32>(self.index.val()) & self.lane_mask.val();
        self.picked_lanes.next = self.first_lane.val() << self.picked_lane.val();
        self.of_one.next = self.starts.val().offering | self.starts.val().scoring | self.starts.val().weighing;
        self.starts_any.next = self.of_one.val()
            | self.starts.val().sweeping
            | self.starts.val().prescoring
            | self.starts.val().marking
            | self.starts.val().counting;
        if self.starts_any.val() {
            self.asks.d.next = true;
            self.next_row.d.next = self.stride.val();
            self.next_lanes.d.next = self.first_lane.val();
            if self.starts.val().sweeping | self.starts.val().prescoring {
                self.next_lanes.d.next = self.all_lanes.val();
            }
            if self.starts.val().prescoring {
                self.next_row.d.next = 0.into();
            }
            if self.of_one.val() {
                self.next_row.d.next = self.picked_row.val();
                self.next_lanes.d.next = self.picked_lanes.val();
            }
        }

        // On their way to the judges.
        self.row1.d.next = self.next_row.q.val();
        self.row2.d.next = self.row1.q.val();
        self.lanes1.d.next = 0.into();
        if self.takes.val() {
            self.lanes1.d.next = self.next_lanes.q.val();
        }
        self.lanes2.d.next = self.lanes1.q.val();
        self.lanes.next = self.lanes2.q.val();
        self.first_index.next = self.row2.q.val() << self.lane_bits.val();
        self.asking.next = self.asks.q.val();
        self.taken.next = self.takes.val();
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
