//! Which word is next: one of a burst that is read, or one of a burst that is written.
//!
//! ```text
//!  Reader ─ word, tag ───────────┐
//!                                ├─ turn ─► the next word ─► Controller, Rows, Data
//!  Writer ─ word, data, strobes ─┘
//! ```
//!
//! It goes on in the direction that it has as long as there are words, but for no more than 32 if the other has some too: turning the bus
//! round costs some clocks, and another row often more. Words are taken one by one, so neither direction waits for the other's
//! master.

use crate::card::{TAG_BITS, WORD_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Keeps each direction's order.
#[derive(LogicBlock, Default)]
pub struct Chooser {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// A word is to be read.
    pub read: Signal<In, Bit>,
    /// Its number.
    pub read_word: Signal<In, Bits<WORD_BITS>>,
    /// Its tag.
    pub read_tag: Signal<In, Bits<TAG_BITS>>,
    /// It is taken in this clock.
    pub read_taken: Signal<Out, Bit>,
    /// A word is to be written.
    pub write: Signal<In, Bit>,
    /// Its number.
    pub write_word: Signal<In, Bits<WORD_BITS>>,
    /// It.
    pub write_data: Signal<In, Bits<64>>,
    /// Its bytes.
    pub write_strobes: Signal<In, Bits<8>>,
    /// It is taken in this clock.
    pub write_taken: Signal<Out, Bit>,

    /// There is a next word, since the clock before at the latest.
    pub ripe: Signal<Out, Bit>,
    /// It is done with in this clock.
    pub done: Signal<In, Bit>,
    /// It is to be written.
    pub writes: Signal<Out, Bit>,
    /// Its number.
    pub word: Signal<Out, Bits<WORD_BITS>>,
    /// It, if it is to be written.
    pub data: Signal<Out, Bits<64>>,
    /// Its bytes.
    pub strobes: Signal<Out, Bits<8>>,
    /// Its tag, if it is to be read.
    pub tag: Signal<Out, Bits<TAG_BITS>>,

    full: Register<Bit>,
    aged: Register<Bit>,
    /// Direction of the word: 1 is writing.
    turn: Register<Bit>,
    /// Words since it turned, up to 31.
    run: Register<Bits<5>>,
    number: Register<Bits<WORD_BITS>>,
    contents: Register<Bits<64>>,
    bytes: Register<Bits<8>>,
    name: Register<Bits<TAG_BITS>>,
    long: Signal<Local, Bit>,
    picks_write: Signal<Local, Bit>,
    picks: Signal<Local, Bit>,
}

impl Logic for Chooser {
    #[hdl_gen]
    fn update(&mut self) {
        self.full.clock.next = self.clock.val();
        self.aged.clock.next = self.clock.val();
        self.turn.clock.next = self.clock.val();
        self.run.clock.next = self.clock.val();
        self.number.clock.next = self.clock.val();
        self.contents.clock.next = self.clock.val();
        self.bytes.clock.next = self.clock.val();
        self.name.clock.next = self.clock.val();
        self.full.reset.next = self.reset.val();
        self.aged.reset.next = self.reset.val();
        self.turn.reset.next = self.reset.val();
        self.run.reset.next = self.reset.val();
        self.number.reset.next = self.reset.val();
        self.contents.reset.next = self.reset.val();
        self.bytes.reset.next = self.reset.val();
        self.name.reset.next = self.reset.val();
        self.long.next = self.run.q.val() == 31;
        self.picks_write.next = self.write.val();
        if self.read.val() & self.write.val() {
            self.picks_write.next = self.turn.q.val() ^ self.long.val();
        }
        self.picks.next = !self.full.q.val() & (self.read.val() | self.write.val());
        self.read_taken.next = self.picks.val() & !self.picks_write.val();
        self.write_taken.next = self.picks.val() & self.picks_write.val();

        self.full.d.next = self.full.q.val() & !self.done.val();
        self.aged.d.next = self.full.q.val() & !self.done.val();
        self.turn.d.next = self.turn.q.val();
        self.run.d.next = self.run.q.val();
        self.number.d.next = self.number.q.val();
        self.name.d.next = self.name.q.val();
        self.contents.d.next = self.contents.q.val();
        self.bytes.d.next = self.bytes.q.val();
        if self.picks.val() {
            self.full.d.next = true;
            self.turn.d.next = self.picks_write.val();
            self.name.d.next = self.read_tag.val();
            self.contents.d.next = self.write_data.val();
            self.bytes.d.next = self.write_strobes.val();
            self.number.d.next = self.read_word.val();
            if self.picks_write.val() {
                self.number.d.next = self.write_word.val();
            }
            if self.picks_write.val() != self.turn.q.val() {
                self.run.d.next = 0.into();
            } else if !self.long.val() {
                self.run.d.next = self.run.q.val() + 1;
            }
        }
        self.ripe.next = self.aged.q.val();
        self.writes.next = self.turn.q.val();
        self.word.next = self.number.q.val();
        self.data.next = self.contents.q.val();
        self.strobes.next = self.bytes.q.val();
        self.tag.next = self.name.q.val();
    }
}
