//! Which job works, and when all that it set off has arrived. `docs/rtl/hepc.md`, State machine.
//!
//! ```text
//!  a command starts it ─► works ───────────────────────────────────────────┬─► ends
//!  a row taken ─► trail: a bit for each clock since, 14 ─► none set? ──────┤
//!  the walk still asks for rows, an item on its way to a list ─► neither? ─┘
//! ```
//!
//! One job at a time, a bit each. A row's way through the judges takes as many clocks for every row, so `trail` says whether one is on
//! it; items wait in the sieves as long as the lists take, and say so themselves.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Clocks from a row taken until that of its write, but one.
const WRITTEN: usize = 10;
/// The same of MARK.
const MARKED: usize = 13;
/// Clocks from a row taken until the last trace of it, but for items in sieves: of a row that is weighed. The directory's memories have
/// it a clock after its write.
const TRAIL: usize = MARKED + 1;
/// The same of a row that is not, and until `held` says of its items that they are on their way.
const TRAIL_SHORT: usize = WRITTEN + 2;
/// Clocks from a look at BUSY, in which the bus accepts its read, until another request can stand. Who looks decides on what it reads
/// (`micro/sequencer.rs`): the answer stands in the next clock, the branch is carried out in the one behind it, and what follows the
/// branch in the one behind that; what it asks for is a register, `request`. A shorter way from a load to the next request needs a smaller
/// gap here.
const GAP: usize = 4;
/// Clocks from there until the directory looks at the request. A word is not stored in front of a row that is written, and a load that
/// meets the write of its row is done once more (`rtbd/entries.rs`).
const LOOKS: usize = 1;
/// Clocks from a row taken until a look at BUSY may find 0: who asks the directory in the next request finds the row written.
const SETTLED: usize = WRITTEN - GAP - LOOKS;
/// The same of MARK.
const SETTLED_MARKS: usize = MARKED - GAP - LOOKS;

/// A bit for each job.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub(super) struct Job {
    /// SWEEP.
    pub sweeping: Bit,
    /// OFFER.
    pub offering: Bit,
    /// SCORE.
    pub scoring: Bit,
    /// WORTHS.
    pub weighing: Bit,
    /// MARK.
    pub marking: Bit,
    /// COUNT.
    pub counting: Bit,
    /// PRESCORE.
    pub prescoring: Bit,
}

/// Jobs from start to end.
#[derive(LogicBlock, Default)]
pub(super) struct Jobs {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: none works.
    pub reset: Signal<In, Bit>,

    /// A command starts it.
    pub starts: Signal<In, Job>,
    /// The walk has rows to ask for.
    pub asking: Signal<In, Bit>,
    /// The directory takes a row.
    pub taken: Signal<In, Bit>,
    /// An item is on its way to a list.
    pub holding: Signal<In, Bit>,

    /// It works.
    pub works: Signal<Out, Job>,
    /// It takes one row.
    pub one_row: Signal<Out, Bit>,
    /// It takes all rows, each once a lane.
    pub by_lane: Signal<Out, Bit>,
    /// Some job works.
    pub busy: Signal<Out, Bit>,
    /// What it writes is not in the directory yet: BUSY.
    pub settling: Signal<Out, Bit>,
    /// Nothing is on its way any more: the job ends.
    pub drained: Signal<Out, Bit>,

    job: Register<Job>,
    trail: Register<Bits<TRAIL>>,
    /// `holding`, a clock late: it comes from all sieves and lists.
    held: Register<Bit>,
    one: Signal<Local, Bit>,
    each_lane: Signal<Local, Bit>,
    weighs: Signal<Local, Bit>,
    goes_on: Signal<Local, Bit>,
}

impl Logic for Jobs {
    #[hdl_gen]
    fn update(&mut self) {
        self.job.clock.next = self.clock.val();
        self.trail.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.job.reset.next = self.reset.val();
        self.trail.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();

        self.one.next = self.job.q.val().offering
            | self.job.q.val().scoring
            | self.job.q.val().weighing
            | self.job.q.val().prescoring;
        self.each_lane.next = self.job.q.val().marking | self.job.q.val().counting;
        self.weighs.next = self.job.q.val().weighing | self.each_lane.val();

        // What is on its way.
        self.trail.d.next = self.trail.q.val() << 1;
        if self.taken.val() {
            self.trail.d.next = (self.trail.q.val() << 1) | 1;
        }
        self.held.d.next = self.holding.val();
        self.goes_on.next = self.asking.val()
            | (self.trail.q.val().get_bits::<TRAIL_SHORT>(0) != 0)
            | (self.weighs.val() & (self.trail.q.val() != 0))
            | self.held.q.val();
        self.settling.next = self.asking.val()
            | self.job.q.val().prescoring
            | (self.trail.q.val().get_bits::<SETTLED>(0) != 0)
            | (self.job.q.val().marking & (self.trail.q.val().get_bits::<SETTLED_MARKS>(0) != 0));

        self.job.d.next.sweeping = self.starts.val().sweeping | (self.job.q.val().sweeping & self.goes_on.val());
        self.job.d.next.offering = self.starts.val().offering | (self.job.q.val().offering & self.goes_on.val());
        self.job.d.next.scoring = self.starts.val().scoring | (self.job.q.val().scoring & self.goes_on.val());
        self.job.d.next.weighing = self.starts.val().weighing | (self.job.q.val().weighing & self.goes_on.val());
        self.job.d.next.marking = self.starts.val().marking | (self.job.q.val().marking & self.goes_on.val());
        self.job.d.next.counting = self.starts.val().counting | (self.job.q.val().counting & self.goes_on.val());
        self.job.d.next.prescoring = self.starts.val().prescoring | (self.job.q.val().prescoring & self.goes_on.val());

        self.works.next = self.job.q.val();
        self.one_row.next = self.one.val();
        self.by_lane.next = self.each_lane.val();
        self.busy.next = self.one.val() | self.job.q.val().sweeping | self.each_lane.val();
        self.drained.next = !self.goes_on.val();
    }
}
