//! A request on the bus: what it asks for, whether it waits, and its answer. `docs/control.md`, HEPC.
//!
//! ```text
//!  address ───────────► what is asked ─► must it wait? ─► accept ─┬─► a write, a clock later: job started, parameter, POP ─► ready
//!  address ahead ─► subject ─┬─────────────────┘                  └─► a read: ready, a clock later
//!                            └─► value ───────► answer ─────────────► read
//! ```
//!
//! What is asked for while a job works waits for its end, and so do all writes; except BUSY, and what the job has nothing to do with.

use super::jobs::Job;
use super::judge::SCORE_BITS;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// What an address is of: one at the most. Found out a clock ahead, as the choice among the answers is long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Subject {
    /// Whether a job has not written all.
    busy: Bit,
    /// Words 0 to 3 of SCORE.
    score0: Bit,
    score1: Bit,
    score2: Bit,
    score3: Bit,
    worth: Bit,
    count: Bit,
    /// Of an item of a list.
    index: Bit,
    rank: Bit,
    /// How many the list has.
    items: Bit,
}

/// Requests, one at a time.
#[derive(LogicBlock, Default)]
pub(super) struct Bus {
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
    /// What stands there in the next clock.
    pub address_ahead: Signal<In, Bits<24>>,
    /// It is answered in this clock.
    pub bus_ready: Signal<Out, Bit>,
    /// With this; otherwise 0.
    pub bus_read: Signal<Out, Bits<32>>,

    /// What works.
    pub works: Signal<In, Job>,
    /// It takes one row.
    pub one_row: Signal<In, Bit>,
    /// Something works.
    pub busy: Signal<In, Bit>,
    /// It has not asked for all its rows.
    pub asking: Signal<In, Bit>,
    /// It has not written all.
    pub settling: Signal<In, Bit>,
    /// The list asked for does not show it yet.
    pub list_waits: Signal<In, Bit>,

    /// A request stands that is not answered yet.
    pub open: Signal<Out, Bit>,
    /// It is about a list: head, POP, number of items.
    pub of_lists: Signal<Out, Bit>,
    /// It is about an item of one.
    pub of_items: Signal<Out, Bit>,
    /// The list.
    pub list: Signal<Out, Bits<4>>,
    /// The item's place.
    pub place: Signal<Out, Bits<8>>,
    /// The policy, if it is about one.
    pub policy: Signal<Out, Bits<3>>,

    /// A write takes effect.
    pub writes: Signal<Out, Bit>,
    /// It starts a job.
    pub starts: Signal<Out, Job>,
    /// It is a POP.
    pub pops: Signal<Out, Bit>,

    /// Of SCORE.
    pub score: Signal<In, Bits<SCORE_BITS>>,
    /// Of WORTHS.
    pub worth: Signal<In, Bits<32>>,
    /// Of COUNT.
    pub count: Signal<In, Bits<32>>,
    /// Of a list: the item's index.
    pub item_index: Signal<In, Bits<32>>,
    /// Its rank.
    pub item_rank: Signal<In, Bits<32>>,
    /// How many there are.
    pub item_count: Signal<In, Bits<8>>,

    /// A write was accepted: whether it waits is far from what it does.
    accepted: Register<Bit>,
    ready: Register<Bit>,
    answer: Register<Bits<32>>,
    page: Signal<Local, Bits<4>>,
    group: Signal<Local, Bits<12>>,
    low: Signal<Local, Bits<4>>,
    lists: Signal<Local, Bit>,
    items: Signal<Local, Bit>,
    is_command: Signal<Local, Bit>,
    is_offer: Signal<Local, Bit>,
    stands: Signal<Local, Bit>,
    waits: Signal<Local, Bit>,
    accept: Signal<Local, Bit>,
    commands: Signal<Local, Bit>,
    value: Signal<Local, Bits<32>>,
    subject: Register<Subject>,
    group_ahead: Signal<Local, Bits<12>>,
    low_ahead: Signal<Local, Bits<4>>,
    page_ahead: Signal<Local, Bits<4>>,
    lists_ahead: Signal<Local, Bit>,
    of_job: Signal<Local, Bits<32>>,
    of_score: Signal<Local, Bits<32>>,
    of_worth: Signal<Local, Bits<32>>,
    of_list: Signal<Local, Bits<32>>,
}

impl Logic for Bus {
    #[hdl_gen]
    fn update(&mut self) {
        self.accepted.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.subject.clock.next = self.clock.val();
        self.accepted.reset.next = self.reset.val();
        self.ready.reset.next = self.reset.val();
        self.answer.reset.next = self.reset.val();
        self.subject.reset.next = self.reset.val();

        // What is asked.
        self.low.next = self.bus_address.val().get_bits::<4>(0);
        self.group.next = self.bus_address.val().get_bits::<12>(4);
        self.page.next = self.bus_address.val().get_bits::<4>(12);
        self.lists.next = self.bus_address.val().get_bits::<8>(8) == 1;
        self.items.next = (self.page.val() == 1) | (self.page.val() == 2);
        self.is_command.next =
            self.bus_write.val() & (self.group.val() == 2) & (self.low.val() >= 8) & (self.low.val() != 0xE);
        self.is_offer.next = self.is_command.val() & (self.low.val() == 9);
        self.of_lists.next = self.lists.val();
        self.of_items.next = self.items.val();
        self.list.next = self.bus_address.val().get_bits::<4>(8);
        if self.lists.val() {
            self.list.next = self.bus_address.val().get_bits::<4>(4);
        }
        self.place.next = self.bus_address.val().get_bits::<8>(0);
        self.policy.next = self.bus_address.val().get_bits::<3>(0);

        // Whether it waits: last is what goes first.
        self.waits.next = self.one_row.val() | self.works.val().sweeping;
        if self.bus_write.val() | (self.group.val() == 4) {
            self.waits.next = self.busy.val();
        }
        if self.is_offer.val() & self.works.val().offering {
            self.waits.next = self.asking.val();
        }
        if self.list_waits.val() {
            self.waits.next = true;
        }
        if self.subject.q.val().busy & !self.bus_write.val() {
            self.waits.next = false;
        }
        self.stands.next = self.bus_select.val() & !self.ready.q.val();
        self.open.next = self.stands.val();
        self.accept.next = self.stands.val() & !self.waits.val() & !self.accepted.q.val();
        self.accepted.d.next = self.accept.val() & self.bus_write.val();
        self.ready.d.next = self.accepted.q.val() | (self.accept.val() & !self.bus_write.val());

        // What it does.
        self.writes.next = self.accepted.q.val();
        self.pops.next = self.accepted.q.val() & self.lists.val() & (self.low.val() == 2);
        self.commands.next = self.accepted.q.val() & self.is_command.val();
        self.starts.next.sweeping = self.commands.val() & (self.low.val() == 8);
        self.starts.next.offering = self.commands.val() & (self.low.val() == 9);
        self.starts.next.scoring = self.commands.val() & (self.low.val() == 0xA);
        self.starts.next.weighing = self.commands.val() & (self.low.val() == 0xB);
        self.starts.next.marking = self.commands.val() & (self.low.val() == 0xC);
        self.starts.next.counting = self.commands.val() & (self.low.val() == 0xD);
        self.starts.next.prescoring = self.commands.val() & (self.low.val() == 0xF);

        // The answer.
        self.group_ahead.next = self.address_ahead.val().get_bits::<12>(4);
        self.low_ahead.next = self.address_ahead.val().get_bits::<4>(0);
        self.lists_ahead.next = self.address_ahead.val().get_bits::<8>(8) == 1;
        self.page_ahead.next = self.address_ahead.val().get_bits::<4>(12);
        self.subject.d.next.busy = (self.group_ahead.val() == 2) & (self.low_ahead.val() == 0xE);
        self.subject.d.next.score0 = (self.group_ahead.val() == 3) & (self.low_ahead.val() == 0);
        self.subject.d.next.score1 = (self.group_ahead.val() == 3) & (self.low_ahead.val() == 1);
        self.subject.d.next.score2 = (self.group_ahead.val() == 3) & (self.low_ahead.val() == 2);
        self.subject.d.next.score3 = (self.group_ahead.val() == 3) & (self.low_ahead.val() == 3);
        self.subject.d.next.worth = (self.group_ahead.val() == 3) & (self.low_ahead.val() >= 8);
        self.subject.d.next.count = (self.group_ahead.val() == 4) & (self.low_ahead.val() >= 8);
        self.subject.d.next.index =
            (self.lists_ahead.val() & (self.low_ahead.val() == 0)) | (self.page_ahead.val() == 1);
        self.subject.d.next.rank =
            (self.lists_ahead.val() & (self.low_ahead.val() == 1)) | (self.page_ahead.val() == 2);
        self.subject.d.next.items = self.lists_ahead.val() & (self.low_ahead.val() == 3);
        self.of_job.next = 0.into();
        if self.subject.q.val().busy {
            self.of_job.next = bit_cast::<32, 1>(self.settling.val().into());
        }
        if self.subject.q.val().count {
            self.of_job.next = self.count.val();
        }
        self.of_score.next = 0.into();
        if self.subject.q.val().score0 {
            self.of_score.next = bit_cast::<32, 16>(self.score.val().get_bits::<16>(0));
        }
        if self.subject.q.val().score1 {
            self.of_score.next = self.score.val().get_bits::<32>(16);
        }
        if self.subject.q.val().score2 {
            self.of_score.next = bit_cast::<32, 6>(self.score.val().get_bits::<6>(80));
        }
        if self.subject.q.val().score3 {
            self.of_score.next = self.score.val().get_bits::<32>(48);
        }
        self.of_worth.next = 0.into();
        if self.subject.q.val().worth {
            self.of_worth.next = self.worth.val();
        }
        self.of_list.next = 0.into();
        if self.subject.q.val().index {
            self.of_list.next = self.item_index.val();
        }
        if self.subject.q.val().rank {
            self.of_list.next = self.item_rank.val();
        }
        if self.subject.q.val().items {
            self.of_list.next = bit_cast::<32, 8>(self.item_count.val());
        }
        self.value.next = self.of_job.val() | self.of_score.val() | self.of_worth.val() | self.of_list.val();
        self.answer.d.next = 0.into();
        if self.accept.val() & !self.bus_write.val() {
            self.answer.d.next = self.value.val();
        }
        self.bus_ready.next = self.ready.q.val();
        self.bus_read.next = self.answer.q.val();
    }
}
