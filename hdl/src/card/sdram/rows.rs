//! Which row is open in each bank, and what that means for the word that is next.
//!
//! ```text
//!  bank ─► row of that bank ─┐
//!  row ──────────────────────┴─ same? ─► hit ─┐
//!                               open? ─► open ─┴─► registers: known a clock later
//! ```

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Four banks.
#[derive(LogicBlock, Default)]
pub struct Rows {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: none is open.
    pub reset: Signal<In, Bit>,
    /// Bank of the word that is next.
    pub bank: Signal<In, Bits<2>>,
    /// Its row.
    pub row: Signal<In, Bits<13>>,
    /// That row is opened.
    pub opens: Signal<In, Bit>,
    /// Whatever is open in that bank is closed.
    pub closes: Signal<In, Bit>,
    /// Whatever is open is closed.
    pub closes_all: Signal<In, Bit>,
    /// As of the clock before: some row of that bank is open.
    pub open: Signal<Out, Bit>,
    /// As of the clock before: that row is.
    pub hit: Signal<Out, Bit>,
    opened: Register<Bits<4>>,
    rows: [Register<Bits<13>>; 4],
    was_open: Register<Bit>,
    was_hit: Register<Bit>,
    mask: Signal<Local, Bits<4>>,
    opened_row: Signal<Local, Bits<13>>,
    is_open: Signal<Local, Bit>,
}

impl Logic for Rows {
    #[hdl_gen]
    fn update(&mut self) {
        self.opened.clock.next = self.clock.val();
        self.was_open.clock.next = self.clock.val();
        self.was_hit.clock.next = self.clock.val();
        self.rows[0].clock.next = self.clock.val();
        self.rows[1].clock.next = self.clock.val();
        self.rows[2].clock.next = self.clock.val();
        self.rows[3].clock.next = self.clock.val();
        self.opened.reset.next = self.reset.val();
        self.was_open.reset.next = self.reset.val();
        self.was_hit.reset.next = self.reset.val();
        self.rows[0].reset.next = self.reset.val();
        self.rows[1].reset.next = self.reset.val();
        self.rows[2].reset.next = self.reset.val();
        self.rows[3].reset.next = self.reset.val();
        self.mask.next = 1.into();
        self.opened_row.next = self.rows[0].q.val();
        if self.bank.val() == 1 {
            self.mask.next = 2.into();
            self.opened_row.next = self.rows[1].q.val();
        } else if self.bank.val() == 2 {
            self.mask.next = 4.into();
            self.opened_row.next = self.rows[2].q.val();
        } else if self.bank.val() == 3 {
            self.mask.next = 8.into();
            self.opened_row.next = self.rows[3].q.val();
        }
        self.is_open.next = (self.opened.q.val() & self.mask.val()) != 0;
        self.was_open.d.next = self.is_open.val();
        self.was_hit.d.next = self.is_open.val() & (self.opened_row.val() == self.row.val());
        self.open.next = self.was_open.q.val();
        self.hit.next = self.was_hit.q.val();

        self.opened.d.next = self.opened.q.val();
        if self.closes_all.val() {
            self.opened.d.next = 0.into();
        } else if self.closes.val() {
            self.opened.d.next = self.opened.q.val() & !self.mask.val();
        } else if self.opens.val() {
            self.opened.d.next = self.opened.q.val() | self.mask.val();
        }
        for i in 0..4 {
            self.rows[i].d.next = self.rows[i].q.val();
            if self.opens.val() & self.mask.val().get_bit(i) {
                self.rows[i].d.next = self.row.val();
            }
        }
    }
}
