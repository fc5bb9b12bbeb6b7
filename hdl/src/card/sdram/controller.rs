//! Which command is next: the power-up sequence, refreshes, and for each word what its row needs.
//!
//! ```text
//!  0 power ─ 200 us ─► 1 PRECHARGE ALL ─► 2 REFRESH, 8 times ─► 3 LOAD MODE ─► 4 works ─ refresh is due ─► 1'
//!                                                                              ▲ └─► row open: READ or WRITE
//!                                                                              │     another row: PRECHARGE
//!                                                                              │     none: ACTIVE
//!                                                                              └─ 5 REFRESH ◄─ PRECHARGE ALL ◄── 1'
//! ```
//!
//! One command at a time: each says after how many clocks the next may be decided. Three counters say what else has to pass: since ACTIVE and since
//! READ or WRITE before a PRECHARGE, and since READ before a WRITE. They do not tell banks apart, which at most costs some clocks. A
//! row stays open until another one of its bank is asked for, a refresh is due, or the closer says so because of a reset. Four columns make a word, so that a word passes in
//! four clocks as long as rows are open.

use super::{Clocks, Closer, Pin};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Commands as RAS, CAS, WE, active low.
const NOP: u64 = 7;
const ACTIVE: u64 = 3;
const READ: u64 = 5;
const WRITE: u64 = 4;
const PRECHARGE: u64 = 2;
const REFRESH: u64 = 1;
const LOAD_MODE: u64 = 0;
/// A10: all banks.
const ALL: u64 = 1 << 10;

/// Of one chip.
#[derive(LogicBlock)]
pub struct Controller {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: rows are closed, and the power-up sequence begins anew.
    pub reset: Signal<In, Bit>,
    /// There is a word to read or to write, and what `open` and `hit` say is about it.
    pub ripe: Signal<In, Bit>,
    /// It is to be written.
    pub word_writes: Signal<In, Bit>,
    /// Its row.
    pub row: Signal<In, Bits<13>>,
    /// Its bank.
    pub bank: Signal<In, Bits<2>>,
    /// Its first column, a multiple of 4.
    pub column: Signal<In, Bits<9>>,
    /// Some row of its bank is open.
    pub open: Signal<In, Bit>,
    /// Its row is.
    pub hit: Signal<In, Bit>,
    /// In this clock its row is opened,
    pub opens: Signal<Out, Bit>,
    /// or its bank's row is closed,
    pub closes: Signal<Out, Bit>,
    /// or all rows are,
    pub closes_all: Signal<Out, Bit>,
    /// or it is read,
    pub reads: Signal<Out, Bit>,
    /// or written.
    pub writes: Signal<Out, Bit>,
    /// The chip is not ready yet.
    pub starting: Signal<Out, Bit>,

    /// Clock enable.
    pub cke: Signal<Out, Bit>,
    /// Chip select, active low.
    pub csn: Signal<Out, Bit>,
    /// RAS, active low.
    pub rasn: Signal<Out, Bit>,
    /// CAS, active low.
    pub casn: Signal<Out, Bit>,
    /// WE, active low.
    pub wen: Signal<Out, Bit>,
    /// Bank.
    pub ba: Signal<Out, Bits<2>>,
    /// Row, column, or what else a command has.
    pub a: Signal<Out, Bits<13>>,

    closer: Closer,
    select: Pin<Bit>,
    command: Pin<Bits<3>>,
    address: Pin<Bits<13>>,
    bank_address: Pin<Bits<2>>,
    state: Register<Bits<3>>,
    /// Clocks until the first command; then, until the next refresh is due.
    timer: Register<Bits<16>>,
    timing: Register<Bit>,
    due: Register<Bit>,
    /// Refreshes of the power-up sequence that are left.
    refreshes: Register<Bits<4>>,
    /// Clocks until the next decision.
    pause: Register<Bits<4>>,
    since_active: Register<Bits<4>>,
    since_column: Register<Bits<4>>,
    since_read: Register<Bits<4>>,
    free: Signal<Local, Bit>,
    may_precharge: Signal<Local, Bit>,
    works: Signal<Local, Bit>,
    expired: Signal<Local, Bit>,
    gives_read: Signal<Local, Bit>,
    gives_write: Signal<Local, Bit>,
    gives_active: Signal<Local, Bit>,
    gives_precharge: Signal<Local, Bit>,
    gives_precharge_all: Signal<Local, Bit>,
    gives_refresh: Signal<Local, Bit>,
    gives_mode: Signal<Local, Bit>,
    nop: Constant<Bits<3>>,
    active: Constant<Bits<3>>,
    read: Constant<Bits<3>>,
    write: Constant<Bits<3>>,
    precharge: Constant<Bits<3>>,
    refresh: Constant<Bits<3>>,
    load_mode: Constant<Bits<3>>,
    all: Constant<Bits<13>>,
    mode: Constant<Bits<13>>,
    power_up: Constant<Bits<16>>,
    interval: Constant<Bits<16>>,
    first_refreshes: Constant<Bits<4>>,
    precharge_wait: Constant<Bits<4>>,
    refresh_wait: Constant<Bits<4>>,
    mode_wait: Constant<Bits<4>>,
    active_wait: Constant<Bits<4>>,
    active_hold: Constant<Bits<4>>,
    write_hold: Constant<Bits<4>>,
    read_turn: Constant<Bits<4>>,
}

impl Controller {
    /// Of a chip that asks for these clocks.
    pub fn new(clocks: &Clocks) -> Self {
        // A counter that is set in a clock counts from the next on.
        let wait = |clocks: u64| Constant::<Bits<4>>::new((clocks - 1).into());
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    select: Pin::new(true),
                    command: Pin::new(NOP.into()),
                    address: Pin::new(0u64.into()),
                    bank_address: Pin::new(0u64.into()),
                    nop: Constant::new(NOP.into()),
                    active: Constant::new(ACTIVE.into()),
                    read: Constant::new(READ.into()),
                    write: Constant::new(WRITE.into()),
                    precharge: Constant::new(PRECHARGE.into()),
                    refresh: Constant::new(REFRESH.into()),
                    load_mode: Constant::new(LOAD_MODE.into()),
                    all: Constant::new(ALL.into()),
                    // Bursts of 4 columns, one after the other, for reading and writing.
                    mode: Constant::new((clocks.cas << 4 | 2).into()),
                    power_up: Constant::new(clocks.power_up.into()),
                    interval: Constant::new((clocks.interval - 1).into()),
                    first_refreshes: Constant::new(clocks.power_up_refreshes.into()),
                    precharge_wait: wait(clocks.precharge),
                    refresh_wait: wait(clocks.refresh),
                    mode_wait: wait(clocks.mode),
                    active_wait: wait(clocks.column),
                    active_hold: wait(clocks.active),
                    write_hold: wait(clocks.written),
                    read_turn: wait(clocks.turn),
                }
            };
        }
        rest!(
            clock reset ripe word_writes row bank column open hit opens closes closes_all reads writes starting cke csn rasn casn wen
            ba a closer state timer timing due refreshes pause since_active since_column since_read free may_precharge works expired
            gives_read gives_write gives_active gives_precharge gives_precharge_all gives_refresh gives_mode
        )
    }
}

impl Logic for Controller {
    #[hdl_gen]
    fn update(&mut self) {
        self.closer.clock.next = self.clock.val();
        self.select.clock.next = self.clock.val();
        self.command.clock.next = self.clock.val();
        self.address.clock.next = self.clock.val();
        self.bank_address.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.timer.clock.next = self.clock.val();
        self.timing.clock.next = self.clock.val();
        self.due.clock.next = self.clock.val();
        self.refreshes.clock.next = self.clock.val();
        self.pause.clock.next = self.clock.val();
        self.since_active.clock.next = self.clock.val();
        self.since_column.clock.next = self.clock.val();
        self.since_read.clock.next = self.clock.val();
        self.select.reset.next = self.reset.val() & !self.closer.closes.val();
        self.command.reset.next = self.reset.val() & !self.closer.closes.val();
        self.address.reset.next = self.reset.val() & !self.closer.closes.val();
        self.bank_address.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.timer.reset.next = self.reset.val();
        self.timing.reset.next = self.reset.val();
        self.due.reset.next = self.reset.val();
        self.refreshes.reset.next = self.reset.val();
        self.pause.reset.next = self.reset.val();
        self.since_active.reset.next = self.reset.val();
        self.since_column.reset.next = self.reset.val();
        self.since_read.reset.next = self.reset.val();

        self.closer.reset.next = self.reset.val();
        self.closer.waits.next = self.state.q.val() == 0;

        // What may be decided.
        self.free.next = self.pause.q.val() == 0;
        self.may_precharge.next = (self.since_active.q.val() == 0) & (self.since_column.q.val() == 0);
        self.works.next = self.free.val() & (self.state.q.val() == 4);
        self.expired.next = self.timer.q.val() == 0;
        self.gives_read.next =
            self.works.val() & !self.due.q.val() & self.ripe.val() & self.hit.val() & !self.word_writes.val();
        self.gives_write.next = self.works.val()
            & !self.due.q.val()
            & self.ripe.val()
            & self.hit.val()
            & self.word_writes.val()
            & (self.since_read.q.val() == 0);
        self.gives_active.next = self.works.val() & !self.due.q.val() & self.ripe.val() & !self.open.val();
        self.gives_precharge.next = self.works.val()
            & !self.due.q.val()
            & self.ripe.val()
            & self.open.val()
            & !self.hit.val()
            & self.may_precharge.val();
        self.gives_precharge_all.next = (self.works.val() & self.due.q.val() & self.may_precharge.val())
            | (self.free.val() & (self.state.q.val() == 1));
        self.gives_refresh.next = self.free.val() & ((self.state.q.val() == 2) | (self.state.q.val() == 5));
        self.gives_mode.next = self.free.val() & (self.state.q.val() == 3);
        self.opens.next = self.gives_active.val();
        self.closes.next = self.gives_precharge.val();
        self.closes_all.next = self.gives_precharge_all.val();
        self.reads.next = self.gives_read.val();
        self.writes.next = self.gives_write.val();
        self.starting.next = !self.state.q.val().get_bit(2);

        // The sequence.
        self.state.d.next = self.state.q.val();
        self.refreshes.d.next = self.refreshes.q.val();
        if self.state.q.val() == 0 {
            self.refreshes.d.next = self.first_refreshes.val();
            if self.timing.q.val() & self.expired.val() {
                self.state.d.next = 1.into();
            }
        } else if self.gives_precharge_all.val() {
            if self.state.q.val() == 1 {
                self.state.d.next = 2.into();
            } else {
                self.state.d.next = 5.into();
            }
        } else if self.gives_refresh.val() {
            self.refreshes.d.next = self.refreshes.q.val() - 1;
            if self.state.q.val() == 5 {
                self.state.d.next = 4.into();
            } else if self.refreshes.q.val() == 1 {
                self.state.d.next = 3.into();
            }
        } else if self.gives_mode.val() {
            self.state.d.next = 4.into();
        }

        // Time. The timer runs on whatever happens, so that refreshes keep pace however late one is.
        self.timing.d.next = true;
        self.timer.d.next = self.timer.q.val() - 1;
        self.due.d.next = self.due.q.val() & !self.gives_refresh.val();
        if !self.timing.q.val() {
            self.timer.d.next = self.power_up.val();
        } else if self.expired.val() {
            self.timer.d.next = self.interval.val();
            self.due.d.next = self.state.q.val() != 0;
        }
        self.pause.d.next = 0.into();
        if !self.free.val() {
            self.pause.d.next = self.pause.q.val() - 1;
        } else if self.gives_read.val() | self.gives_write.val() {
            self.pause.d.next = 3.into();
        } else if self.gives_active.val() {
            self.pause.d.next = self.active_wait.val();
        } else if self.gives_precharge.val() | self.gives_precharge_all.val() {
            self.pause.d.next = self.precharge_wait.val();
        } else if self.gives_refresh.val() {
            self.pause.d.next = self.refresh_wait.val();
        } else if self.gives_mode.val() {
            self.pause.d.next = self.mode_wait.val();
        }
        self.since_active.d.next = 0.into();
        if self.gives_active.val() {
            self.since_active.d.next = self.active_hold.val();
        } else if self.since_active.q.val() != 0 {
            self.since_active.d.next = self.since_active.q.val() - 1;
        }
        self.since_column.d.next = 0.into();
        if self.gives_write.val() {
            self.since_column.d.next = self.write_hold.val();
        } else if self.gives_read.val() {
            self.since_column.d.next = 3.into();
        } else if self.since_column.q.val() != 0 {
            self.since_column.d.next = self.since_column.q.val() - 1;
        }
        self.since_read.d.next = 0.into();
        if self.gives_read.val() {
            self.since_read.d.next = self.read_turn.val();
        } else if self.since_read.q.val() != 0 {
            self.since_read.d.next = self.since_read.q.val() - 1;
        }

        // The pins.
        self.select.d.next = false;
        self.command.d.next = self.nop.val();
        self.bank_address.d.next = self.bank.val();
        self.address.d.next = bit_cast::<13, 9>(self.column.val());
        if self.closer.closes.val() {
            self.command.d.next = self.precharge.val();
            self.address.d.next = self.all.val();
        } else if self.gives_read.val() {
            self.command.d.next = self.read.val();
        } else if self.gives_write.val() {
            self.command.d.next = self.write.val();
        } else if self.gives_active.val() {
            self.command.d.next = self.active.val();
            self.address.d.next = self.row.val();
        } else if self.gives_precharge.val() {
            self.command.d.next = self.precharge.val();
            self.address.d.next = 0.into();
        } else if self.gives_precharge_all.val() {
            self.command.d.next = self.precharge.val();
            self.address.d.next = self.all.val();
        } else if self.gives_refresh.val() {
            self.command.d.next = self.refresh.val();
        } else if self.gives_mode.val() {
            self.command.d.next = self.load_mode.val();
            self.address.d.next = self.mode.val();
            self.bank_address.d.next = 0.into();
        }
        self.cke.next = self.closer.cke.val();
        self.csn.next = self.select.q.val();
        self.rasn.next = self.command.q.val().get_bit(2);
        self.casn.next = self.command.q.val().get_bit(1);
        self.wen.next = self.command.q.val().get_bit(0);
        self.ba.next = self.bank_address.q.val();
        self.a.next = self.address.q.val();
    }
}
