//! A DMA channel: works on its descriptors one after another. `docs/control.md`, DMA.
//!
//! ```text
//!                  ┌─► Bursts ─► AR          ┌─► Bursts ─► AW
//!  Queue ─ start ──┴─────────────────────────┘
//!                             R ─┬─► FIFO, 512 words ─► W       copy
//!                                └─► CRC ─► kept ─┐
//!                             R ───► CRC ───── compare ─► done  read back
//! ```
//!
//! A burst is read when the FIFO has room for all of it that is promised to no other, and written when all of it is in
//! the FIFO: neither R nor W ever waits for the channel, so that neither holds up the other channel. 512 words are eight
//! bursts on their way. Up to 32 written bursts may wait for their answers.
//!
//! What is copied is read back only when all of it has been answered. The first fault halts the transfer: no burst is
//! begun after it, and when those on the bus have been answered it is done, with that result. `stop` halts it likewise.

use super::{BEATS_BITS, Bursts, Crc, Queue, Throttle};
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// A channel, and its sixteen descriptors.
#[derive(LogicBlock, Default)]
pub struct Channel {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; the buses must be reset with it.
    pub reset: Signal<In, Bit>,
    /// Forgets all descriptors, and begins no burst. Held until `idle`; what is `done` meanwhile counts for nothing.
    pub stop: Signal<In, Bit>,
    /// The host's memory may be used.
    pub bus_master: Signal<In, Bit>,
    /// How far it is held back: THROTTLE.DMA.
    pub level: Signal<In, Bits<4>>,
    /// Neither works nor has anything outstanding.
    pub idle: Signal<Out, Bit>,
    /// It is held back still, for the next burst.
    pub drains: Signal<Out, Bit>,

    /// A word of a descriptor is written.
    pub write: Signal<In, Bit>,
    /// Which, 0..6.
    pub select: Signal<In, Bits<3>>,
    /// The word.
    pub data: Signal<In, Bits<32>>,
    /// Descriptors that still fit.
    pub room: Signal<Out, Bits<5>>,

    /// A descriptor is done.
    pub done: Signal<Out, Bit>,
    /// It is noted in this clock.
    pub done_ready: Signal<In, Bit>,
    /// Its id.
    pub done_id: Signal<Out, Bits<16>>,
    /// Its result, 0..5 of docs/control.md.
    pub done_result: Signal<Out, Bits<3>>,
    /// CRC-32C of what was read.
    pub done_crc: Signal<Out, Bits<32>>,

    /// A burst is to be read from the host.
    pub read_host: Signal<Out, Bit>,
    /// A burst is to be read from the card.
    pub read_card: Signal<Out, Bit>,
    /// Its address.
    pub read_address: Signal<Out, Bits<64>>,
    /// Its beats.
    pub read_beats: Signal<Out, Bits<BEATS_BITS>>,
    /// It was taken in the clock before.
    pub read_taken: Signal<In, Bit>,
    /// A burst is to be written to the host.
    pub write_host: Signal<Out, Bit>,
    /// A burst is to be written to the card.
    pub write_card: Signal<Out, Bit>,
    /// Its address.
    pub write_address: Signal<Out, Bits<64>>,
    /// Its beats.
    pub write_beats: Signal<Out, Bits<BEATS_BITS>>,
    /// It was taken in the clock before.
    pub write_taken: Signal<In, Bit>,
    /// The next word to write.
    pub word: Signal<Out, Bits<64>>,
    /// It is taken in this clock.
    pub word_taken: Signal<In, Bit>,

    /// A word was read from the host.
    pub host_in_valid: Signal<In, Bit>,
    /// The word.
    pub host_in_data: Signal<In, Bits<64>>,
    /// It was answered with an error.
    pub host_in_error: Signal<In, Bit>,
    /// It ends its burst.
    pub host_in_last: Signal<In, Bit>,
    /// A burst was written to the host.
    pub host_written: Signal<In, Bit>,
    /// It was answered with an error.
    pub host_written_error: Signal<In, Bit>,
    /// A word was read from the card.
    pub card_in_valid: Signal<In, Bit>,
    /// The word.
    pub card_in_data: Signal<In, Bits<64>>,
    /// It was answered with an error.
    pub card_in_error: Signal<In, Bit>,
    /// It ends its burst.
    pub card_in_last: Signal<In, Bit>,
    /// A burst was written to the card.
    pub card_written: Signal<In, Bit>,
    /// It was answered with an error.
    pub card_written_error: Signal<In, Bit>,

    queue: Queue,
    throttle: Throttle,
    reader: Bursts,
    writer: Bursts,
    fifo: Fifo<Bits<64>, 9, 10>,
    crc: Crc,
    kept: Register<Bits<32>>,
    /// 0 idle, 1 copies, 2 reads back, 3 judges, 4 done.
    state: Register<Bits<3>>,
    error: Register<Bits<3>>,
    result: Register<Bits<3>>,
    reading_card: Register<Bit>,
    writing_card: Register<Bit>,
    /// A burst is ready to be read, or written: its words fit, or are there.
    read_ready: Register<Bit>,
    write_ready: Register<Bit>,
    /// Words for which the FIFO has room, less those to come.
    credit: Register<Bits<10>>,
    /// Words in the FIFO, less those of bursts that were taken.
    filled: Register<Bits<10>>,
    /// Bursts on the bus.
    reads: Register<Bits<6>>,
    writes: Register<Bits<6>>,
    r_valid: Register<Bit>,
    r_data: Register<Bits<64>>,
    r_error: Register<Bit>,
    r_last: Register<Bit>,
    /// A descriptor's first clock; the last one of its copying, if it is to be read back; its last one.
    start: Register<Bit>,
    turn_back: Register<Bit>,
    ends: Register<Bit>,
    copying: Signal<Local, Bit>,
    active: Signal<Local, Bit>,
    halted: Signal<Local, Bit>,
    quiet: Signal<Local, Bit>,
    finished: Signal<Local, Bit>,
    may_read: Signal<Local, Bit>,
    may_write: Signal<Local, Bit>,
    refused: Signal<Local, Bit>,
    give: Signal<Local, Bit>,
    store: Signal<Local, Bit>,
    answered: Signal<Local, Bit>,
    answered_error: Signal<Local, Bit>,
    read_beats_wide: Signal<Local, Bits<10>>,
    write_beats_wide: Signal<Local, Bits<10>>,
    credit_kept: Signal<Local, Bits<10>>,
    filled_kept: Signal<Local, Bits<10>>,
    reads_kept: Signal<Local, Bits<6>>,
    writes_kept: Signal<Local, Bits<6>>,
}

impl Logic for Channel {
    #[hdl_gen]
    fn update(&mut self) {
        self.queue.clock.next = self.clock.val();
        self.throttle.clock.next = self.clock.val();
        self.reader.clock.next = self.clock.val();
        self.writer.clock.next = self.clock.val();
        self.kept.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.error.clock.next = self.clock.val();
        self.result.clock.next = self.clock.val();
        self.reading_card.clock.next = self.clock.val();
        self.writing_card.clock.next = self.clock.val();
        self.read_ready.clock.next = self.clock.val();
        self.write_ready.clock.next = self.clock.val();
        self.credit.clock.next = self.clock.val();
        self.filled.clock.next = self.clock.val();
        self.reads.clock.next = self.clock.val();
        self.writes.clock.next = self.clock.val();
        self.start.clock.next = self.clock.val();
        self.turn_back.clock.next = self.clock.val();
        self.ends.clock.next = self.clock.val();
        self.r_valid.clock.next = self.clock.val();
        self.r_data.clock.next = self.clock.val();
        self.r_error.clock.next = self.clock.val();
        self.r_last.clock.next = self.clock.val();
        self.queue.reset.next = self.reset.val();
        self.throttle.reset.next = self.reset.val();
        self.reader.reset.next = self.reset.val();
        self.writer.reset.next = self.reset.val();
        self.kept.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.error.reset.next = self.reset.val();
        self.result.reset.next = self.reset.val();
        self.reading_card.reset.next = self.reset.val();
        self.writing_card.reset.next = self.reset.val();
        self.read_ready.reset.next = self.reset.val();
        self.write_ready.reset.next = self.reset.val();
        self.credit.reset.next = self.reset.val();
        self.filled.reset.next = self.reset.val();
        self.reads.reset.next = self.reset.val();
        self.writes.reset.next = self.reset.val();
        self.start.reset.next = self.reset.val();
        self.turn_back.reset.next = self.reset.val();
        self.ends.reset.next = self.reset.val();
        self.r_valid.reset.next = self.reset.val();
        self.r_data.reset.next = self.reset.val();
        self.r_error.reset.next = self.reset.val();
        self.r_last.reset.next = self.reset.val();
        self.fifo.clock.next = self.clock.val();
        self.crc.clock.next = self.clock.val();
        self.kept.d.next = self.kept.q.val();
        self.state.d.next = self.state.q.val();
        self.error.d.next = self.error.q.val();
        self.result.d.next = self.result.q.val();
        self.reading_card.d.next = self.reading_card.q.val();
        self.writing_card.d.next = self.writing_card.q.val();

        // The descriptor at work stays the queue's first until it is done.
        self.queue.forget.next = self.stop.val();
        self.queue.write.next = self.write.val();
        self.queue.select.next = self.select.val();
        self.queue.data.next = self.data.val();
        self.room.next = self.queue.room.val();
        self.queue.pop.next = (self.state.q.val() == 4) & self.done_ready.val();
        self.start.d.next = (self.state.q.val() == 0) & self.queue.valid.val() & !self.stop.val() & !self.start.q.val();
        self.copying.next = self.state.q.val() == 1;
        self.active.next = (self.state.q.val() == 1) | (self.state.q.val() == 2);
        self.halted.next = self.stop.val() | (self.error.q.val() != 0) | !self.active.val();
        self.quiet.next =
            (self.reads.q.val() == 0) & (self.writes.q.val() == 0) & !self.read_taken.val() & !self.write_taken.val();
        self.finished.next = self.active.val()
            & self.quiet.val()
            & (self.halted.val() | (!self.reader.more.val() & !self.writer.more.val()))
            & !self.turn_back.q.val()
            & !self.ends.q.val();
        self.turn_back.d.next = self.finished.val() & self.copying.val() & !self.halted.val();
        self.ends.d.next = self.finished.val() & (self.halted.val() | !self.copying.val());

        // What is read, whichever bus it comes from.
        self.r_valid.d.next = self.host_in_valid.val();
        self.r_data.d.next = self.host_in_data.val();
        self.r_error.d.next = self.host_in_error.val();
        self.r_last.d.next = self.host_in_last.val();
        if self.reading_card.q.val() {
            self.r_valid.d.next = self.card_in_valid.val();
            self.r_data.d.next = self.card_in_data.val();
            self.r_error.d.next = self.card_in_error.val();
            self.r_last.d.next = self.card_in_last.val();
        }
        self.store.next = self.r_valid.q.val() & self.copying.val();
        self.fifo.reset.next = self.reset.val() | self.start.q.val();
        self.fifo.in_valid.next = self.store.val();
        self.fifo.in_data.next = self.r_data.q.val();
        self.fifo.out_ready.next = self.word_taken.val();
        self.word.next = self.fifo.out_data.val();
        self.crc.start.next = self.start.q.val() | self.turn_back.q.val();
        self.crc.valid.next = self.r_valid.q.val();
        self.crc.data.next = self.r_data.q.val();
        self.answered.next = self.host_written.val();
        self.answered_error.next = self.host_written_error.val();
        if self.writing_card.q.val() {
            self.answered.next = self.card_written.val();
            self.answered_error.next = self.card_written_error.val();
        }

        // Bursts. What is ready stays so until it is taken.
        self.reader.load.next = self.start.q.val() | self.turn_back.q.val();
        self.reader.load_address.next = self.queue.source.val();
        self.reader.load_words.next = self.queue.words.val();
        if self.turn_back.q.val() {
            self.reader.load_address.next = self.queue.destination.val();
        }
        self.writer.load.next = self.start.q.val();
        self.writer.load_address.next = self.queue.destination.val();
        self.writer.load_words.next = self.queue.words.val();
        self.read_beats_wide.next = bit_cast::<10, BEATS_BITS>(self.reader.beats.val());
        self.write_beats_wide.next = bit_cast::<10, BEATS_BITS>(self.writer.beats.val());
        self.drains.next = self.throttle.drains.val();
        self.throttle.level.next = self.level.val();
        self.throttle.taken.next = self.read_taken.val();
        self.throttle.beats.next = self.reader.beats.val();
        self.read_ready.d.next = self.reader.valid.val()
            & !self.throttle.rests.val()
            & !self.read_taken.val()
            & !self.reader.load.val()
            & (self.credit.q.val() >= self.read_beats_wide.val());
        self.write_ready.d.next = self.writer.valid.val()
            & !self.write_taken.val()
            & !self.start.q.val()
            & !self.writes.q.val().get_bit(5)
            & (self.filled.q.val() >= self.write_beats_wide.val());
        self.may_read.next = self.read_ready.q.val() & !self.halted.val();
        self.may_write.next = self.write_ready.q.val() & !self.halted.val();
        self.read_card.next = self.may_read.val() & self.reading_card.q.val();
        self.read_host.next = self.may_read.val() & !self.reading_card.q.val() & self.bus_master.val();
        self.write_card.next = self.may_write.val() & self.writing_card.q.val();
        self.write_host.next = self.may_write.val() & !self.writing_card.q.val() & self.bus_master.val();
        self.refused.next = ((self.may_read.val() & !self.reading_card.q.val())
            | (self.may_write.val() & !self.writing_card.q.val()))
            & !self.bus_master.val();
        self.reader.taken.next = self.read_taken.val();
        self.writer.taken.next = self.write_taken.val();
        self.read_address.next = self.reader.address.val();
        self.read_beats.next = self.reader.beats.val();
        self.write_address.next = self.writer.address.val();
        self.write_beats.next = self.writer.beats.val();

        // Words. Those that are read back need no room, but are given it all the same.
        self.give.next = self.word_taken.val() | (self.r_valid.q.val() & !self.copying.val());
        self.credit_kept.next = self.credit.q.val();
        if self.read_taken.val() {
            self.credit_kept.next = self.credit.q.val() - self.read_beats_wide.val();
        }
        self.credit.d.next = self.credit_kept.val();
        if self.give.val() {
            self.credit.d.next = self.credit_kept.val() + 1;
        }
        self.filled_kept.next = self.filled.q.val();
        if self.write_taken.val() {
            self.filled_kept.next = self.filled.q.val() - self.write_beats_wide.val();
        }
        self.filled.d.next = self.filled_kept.val();
        if self.store.val() {
            self.filled.d.next = self.filled_kept.val() + 1;
        }
        if self.start.q.val() {
            self.credit.d.next = 512.into();
            self.filled.d.next = 0.into();
        }

        // Bursts on the bus.
        self.reads_kept.next = self.reads.q.val();
        if self.read_taken.val() {
            self.reads_kept.next = self.reads.q.val() + 1;
        }
        self.reads.d.next = self.reads_kept.val();
        if self.r_valid.q.val() & self.r_last.q.val() {
            self.reads.d.next = self.reads_kept.val() - 1;
        }
        self.writes_kept.next = self.writes.q.val();
        if self.write_taken.val() {
            self.writes_kept.next = self.writes.q.val() + 1;
        }
        self.writes.d.next = self.writes_kept.val();
        if self.answered.val() {
            self.writes.d.next = self.writes_kept.val() - 1;
        }

        // The first fault counts.
        if self.error.q.val() == 0 {
            if self.refused.val() {
                self.error.d.next = 5.into();
            }
            if self.answered.val() & self.answered_error.val() {
                self.error.d.next = 2.into();
            }
            if self.r_valid.q.val() & self.r_error.q.val() {
                self.error.d.next = 3.into();
                if self.copying.val() {
                    self.error.d.next = 1.into();
                }
            }
        }

        if self.start.q.val() {
            self.state.d.next = 1.into();
            self.error.d.next = 0.into();
            self.reading_card.d.next = self.queue.from_card.val();
            self.writing_card.d.next = self.queue.to_card.val();
        } else if self.turn_back.q.val() {
            self.kept.d.next = self.crc.state.val();
            self.reading_card.d.next = self.writing_card.q.val();
            self.state.d.next = 2.into();
        } else if self.ends.q.val() {
            if self.copying.val() {
                self.kept.d.next = self.crc.state.val();
            }
            self.state.d.next = 3.into();
        } else if self.state.q.val() == 3 {
            self.result.d.next = self.error.q.val();
            if (self.error.q.val() == 0) & (self.crc.state.val() != self.kept.q.val()) {
                self.result.d.next = 4.into();
            }
            self.state.d.next = 4.into();
        } else if (self.state.q.val() == 4) & self.done_ready.val() {
            self.state.d.next = 0.into();
        }
        self.idle.next = (self.state.q.val() == 0) & !self.start.q.val();
        self.done.next = self.state.q.val() == 4;
        self.done_id.next = self.queue.id.val();
        self.done_result.next = self.result.q.val();
        self.done_crc.next = !self.kept.q.val();
    }
}
