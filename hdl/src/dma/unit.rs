//! The DMA unit: registers on the internal bus, two channels, the ring port, two AXI4 masters. `docs/control.md`, DMA.
//!
//! ```text
//!          ┌─► channel 0 ─┬──────────┐
//!  bus ────┼─► channel 1 ─┼─► Master ├─► host
//!          ├─► ring ──────┘   Master ├─► card
//!          └─◄ completions, 32 ◄─ channels   └◄─► tables: who else needs a word of card memory
//! ```
//!
//! An answer comes a clock after the request. A channel whose completion does not fit waits with it. Reset forgets what
//! is on the AXI buses, so they must be reset with it; ABORT is what ends transfers without.

use super::{BEATS_BITS, Channel, Master, Ring};
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// Bits of a completion: id, result, CRC-32C.
const COMPLETION_BITS: usize = 51;

/// All of DMA.
#[derive(LogicBlock, Default)]
pub struct Unit {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, of the AXI buses too.
    pub reset: Signal<In, Bit>,
    /// Bus Master Enable: without, no burst is begun on the host's bus.
    pub bus_master: Signal<In, Bit>,
    /// How far the channels are held back: THROTTLE.DMA.
    pub level: Signal<In, Bits<4>>,
    /// A request for this block stands.
    pub bus_select: Signal<In, Bit>,
    /// It is a write.
    pub bus_write: Signal<In, Bit>,
    /// Its word; the low 20 bits count.
    pub bus_address: Signal<In, Bits<24>>,
    /// What is written.
    pub bus_data: Signal<In, Bits<32>>,
    /// It is answered in this clock.
    pub bus_ready: Signal<Out, Bit>,
    /// What is read; 0 without `bus_ready`.
    pub bus_read: Signal<Out, Bits<32>>,
    /// It works, or answers. What the tables ask for does not count.
    pub awake: Signal<Out, Bit>,

    /// Tables: a burst is to be read from the card.
    pub tables_read: Signal<In, Bit>,
    /// It was taken in the clock before.
    pub tables_read_taken: Signal<Out, Bit>,
    /// Tables: a burst is to be written to the card; all its words are there.
    pub tables_write: Signal<In, Bit>,
    /// It was taken in the clock before.
    pub tables_write_taken: Signal<Out, Bit>,
    /// Address of either.
    pub tables_address: Signal<In, Bits<64>>,
    /// Beats of either.
    pub tables_beats: Signal<In, Bits<BEATS_BITS>>,
    /// The next word to write.
    pub tables_word: Signal<In, Bits<64>>,
    /// It is taken in this clock.
    pub tables_word_taken: Signal<Out, Bit>,
    /// A word was read.
    pub tables_in_valid: Signal<Out, Bit>,
    /// The word.
    pub tables_in_data: Signal<Out, Bits<64>>,
    /// It was answered with an error.
    pub tables_in_error: Signal<Out, Bit>,
    /// A burst was written.
    pub tables_written: Signal<Out, Bit>,
    /// It was answered with an error.
    pub tables_written_error: Signal<Out, Bit>,

    /// Host memory: AWID, whose burst: 0, 1 a channel's, 2 the ring port's.
    pub m_host_awid: Signal<Out, Bits<2>>,
    /// Host memory: AWADDR, address.
    pub m_host_awaddr: Signal<Out, Bits<64>>,
    /// Host memory: AWLEN, beats less one.
    pub m_host_awlen: Signal<Out, Bits<8>>,
    /// Host memory: AWSIZE, always 8 bytes.
    pub m_host_awsize: Signal<Out, Bits<3>>,
    /// Host memory: AWBURST, always INCR.
    pub m_host_awburst: Signal<Out, Bits<2>>,
    /// Host memory: AWVALID.
    pub m_host_awvalid: Signal<Out, Bit>,
    /// Host memory: AWREADY.
    pub m_host_awready: Signal<In, Bit>,
    /// Host memory: WDATA.
    pub m_host_wdata: Signal<Out, Bits<64>>,
    /// Host memory: WSTRB, always all.
    pub m_host_wstrb: Signal<Out, Bits<8>>,
    /// Host memory: WLAST.
    pub m_host_wlast: Signal<Out, Bit>,
    /// Host memory: WVALID.
    pub m_host_wvalid: Signal<Out, Bit>,
    /// Host memory: WREADY.
    pub m_host_wready: Signal<In, Bit>,
    /// Host memory: BID.
    pub m_host_bid: Signal<In, Bits<2>>,
    /// Host memory: BRESP, 0 is good, all else a fault.
    pub m_host_bresp: Signal<In, Bits<2>>,
    /// Host memory: BVALID.
    pub m_host_bvalid: Signal<In, Bit>,
    /// Host memory: BREADY, always 1.
    pub m_host_bready: Signal<Out, Bit>,
    /// Host memory: ARID, as AWID.
    pub m_host_arid: Signal<Out, Bits<2>>,
    /// Host memory: ARADDR, address.
    pub m_host_araddr: Signal<Out, Bits<64>>,
    /// Host memory: ARLEN, beats less one.
    pub m_host_arlen: Signal<Out, Bits<8>>,
    /// Host memory: ARSIZE, always 8 bytes.
    pub m_host_arsize: Signal<Out, Bits<3>>,
    /// Host memory: ARBURST, always INCR.
    pub m_host_arburst: Signal<Out, Bits<2>>,
    /// Host memory: ARVALID.
    pub m_host_arvalid: Signal<Out, Bit>,
    /// Host memory: ARREADY.
    pub m_host_arready: Signal<In, Bit>,
    /// Host memory: RID.
    pub m_host_rid: Signal<In, Bits<2>>,
    /// Host memory: RDATA.
    pub m_host_rdata: Signal<In, Bits<64>>,
    /// Host memory: RRESP, 0 is good, all else a fault.
    pub m_host_rresp: Signal<In, Bits<2>>,
    /// Host memory: RLAST.
    pub m_host_rlast: Signal<In, Bit>,
    /// Host memory: RVALID.
    pub m_host_rvalid: Signal<In, Bit>,
    /// Host memory: RREADY, always 1.
    pub m_host_rready: Signal<Out, Bit>,
    /// Card memory: AWID, whose burst: 0, 1 a channel's, 2 the tables'.
    pub m_card_awid: Signal<Out, Bits<2>>,
    /// Card memory: AWADDR, address.
    pub m_card_awaddr: Signal<Out, Bits<64>>,
    /// Card memory: AWLEN, beats less one.
    pub m_card_awlen: Signal<Out, Bits<8>>,
    /// Card memory: AWSIZE, always 8 bytes.
    pub m_card_awsize: Signal<Out, Bits<3>>,
    /// Card memory: AWBURST, always INCR.
    pub m_card_awburst: Signal<Out, Bits<2>>,
    /// Card memory: AWVALID.
    pub m_card_awvalid: Signal<Out, Bit>,
    /// Card memory: AWREADY.
    pub m_card_awready: Signal<In, Bit>,
    /// Card memory: WDATA.
    pub m_card_wdata: Signal<Out, Bits<64>>,
    /// Card memory: WSTRB, always all.
    pub m_card_wstrb: Signal<Out, Bits<8>>,
    /// Card memory: WLAST.
    pub m_card_wlast: Signal<Out, Bit>,
    /// Card memory: WVALID.
    pub m_card_wvalid: Signal<Out, Bit>,
    /// Card memory: WREADY.
    pub m_card_wready: Signal<In, Bit>,
    /// Card memory: BID.
    pub m_card_bid: Signal<In, Bits<2>>,
    /// Card memory: BRESP, 0 is good, all else a fault.
    pub m_card_bresp: Signal<In, Bits<2>>,
    /// Card memory: BVALID.
    pub m_card_bvalid: Signal<In, Bit>,
    /// Card memory: BREADY, always 1.
    pub m_card_bready: Signal<Out, Bit>,
    /// Card memory: ARID, as AWID.
    pub m_card_arid: Signal<Out, Bits<2>>,
    /// Card memory: ARADDR, address.
    pub m_card_araddr: Signal<Out, Bits<64>>,
    /// Card memory: ARLEN, beats less one.
    pub m_card_arlen: Signal<Out, Bits<8>>,
    /// Card memory: ARSIZE, always 8 bytes.
    pub m_card_arsize: Signal<Out, Bits<3>>,
    /// Card memory: ARBURST, always INCR.
    pub m_card_arburst: Signal<Out, Bits<2>>,
    /// Card memory: ARVALID.
    pub m_card_arvalid: Signal<Out, Bit>,
    /// Card memory: ARREADY.
    pub m_card_arready: Signal<In, Bit>,
    /// Card memory: RID.
    pub m_card_rid: Signal<In, Bits<2>>,
    /// Card memory: RDATA.
    pub m_card_rdata: Signal<In, Bits<64>>,
    /// Card memory: RRESP, 0 is good, all else a fault.
    pub m_card_rresp: Signal<In, Bits<2>>,
    /// Card memory: RLAST.
    pub m_card_rlast: Signal<In, Bit>,
    /// Card memory: RVALID.
    pub m_card_rvalid: Signal<In, Bit>,
    /// Card memory: RREADY, always 1.
    pub m_card_rready: Signal<Out, Bit>,
    channels: [Channel; 2],
    ring: Ring,
    host: Master,
    card: Master,
    completions: Fifo<Bits<COMPLETION_BITS>, 5, 6>,
    completion: Signal<Local, Bits<COMPLETION_BITS>>,
    aborting: Register<Bit>,
    answered: Register<Bit>,
    answer: Register<Bits<32>>,
    popping: Register<Bit>,
    from_buffer: Register<Bit>,
    /// What is written to a channel or the ring port, a clock later: the sequencer is far away.
    writing: Register<Bit>,
    written_to: Register<Bits<8>>,
    written: Register<Bits<32>>,
    to_row: Signal<Local, Bits<4>>,
    to_column: Signal<Local, Bits<4>>,
    word: Signal<Local, Bits<8>>,
    known: Signal<Local, Bit>,
    access: Signal<Local, Bit>,
    write: Signal<Local, Bit>,
    row: Signal<Local, Bits<4>>,
    column: Signal<Local, Bits<4>>,
    nothing: Signal<Local, Bits<32>>,
}

impl Logic for Unit {
    #[hdl_gen]
    fn update(&mut self) {
        self.channels[0].clock.next = self.clock.val();
        self.channels[1].clock.next = self.clock.val();
        self.ring.clock.next = self.clock.val();
        self.host.clock.next = self.clock.val();
        self.card.clock.next = self.clock.val();
        self.aborting.clock.next = self.clock.val();
        self.answered.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.popping.clock.next = self.clock.val();
        self.writing.clock.next = self.clock.val();
        self.written_to.clock.next = self.clock.val();
        self.written.clock.next = self.clock.val();
        self.from_buffer.clock.next = self.clock.val();
        self.channels[0].reset.next = self.reset.val();
        self.channels[1].reset.next = self.reset.val();
        self.ring.reset.next = self.reset.val();
        self.host.reset.next = self.reset.val();
        self.card.reset.next = self.reset.val();
        self.aborting.reset.next = self.reset.val();
        self.answered.reset.next = self.reset.val();
        self.answer.reset.next = self.reset.val();
        self.popping.reset.next = self.reset.val();
        self.writing.reset.next = self.reset.val();
        self.written_to.reset.next = self.reset.val();
        self.written.reset.next = self.reset.val();
        self.from_buffer.reset.next = self.reset.val();
        self.completions.clock.next = self.clock.val();

        // The bus.
        self.completion.next = self.completions.out_data.val();
        self.nothing.next = 0.into();
        self.word.next = bit_cast::<8, 24>(self.bus_address.val());
        self.row.next = self.word.val().get_bits::<4>(4);
        self.column.next = bit_cast::<4, 8>(self.word.val());
        self.known.next = self.bus_address.val().get_bits::<12>(8) == 0;
        self.access.next = self.bus_select.val() & !self.answered.q.val();
        self.write.next = self.access.val() & self.bus_write.val() & self.known.val();
        self.writing.d.next = self.write.val();
        self.written_to.d.next = self.word.val();
        self.written.d.next = self.bus_data.val();
        self.to_row.next = self.written_to.q.val().get_bits::<4>(4);
        self.to_column.next = bit_cast::<4, 8>(self.written_to.q.val());
        self.answered.d.next = self.access.val();
        self.from_buffer.d.next = self.access.val() & !self.bus_write.val() & self.known.val() & (self.row.val() == 9);
        self.answer.d.next = 0.into();
        if self.access.val() & !self.bus_write.val() & self.known.val() {
            if self.word.val() == 0x06 {
                self.answer.d.next = bit_cast::<32, 5>(self.channels[0].room.val());
            } else if self.word.val() == 0x16 {
                self.answer.d.next = bit_cast::<32, 5>(self.channels[1].room.val());
            } else if self.word.val() == 0x40 {
                self.answer.d.next = !self.nothing.val();
                if self.completions.out_valid.val() & !self.aborting.q.val() {
                    self.answer.d.next = bit_cast::<32, 16>(self.completion.val().get_bits::<16>(35));
                }
            } else if self.word.val() == 0x41 {
                self.answer.d.next = bit_cast::<32, 3>(self.completion.val().get_bits::<3>(32));
            } else if self.word.val() == 0x42 {
                self.answer.d.next = bit_cast::<32, COMPLETION_BITS>(self.completion.val());
            } else if self.word.val() == 0x84 {
                self.answer.d.next = bit_cast::<32, 2>(self.ring.status.val());
            } else if self.word.val() == 0xA0 {
                self.answer.d.next = bit_cast::<32, 1>(self.aborting.q.val().into());
            }
        }
        self.awake.next = self.answered.q.val()
            | self.writing.q.val()
            | self.aborting.q.val()
            | !self.channels[0].idle.val()
            | !self.channels[1].idle.val()
            | self.channels[0].drains.val()
            | self.channels[1].drains.val()
            | !self.ring.idle.val();
        self.bus_ready.next = self.answered.q.val();
        self.bus_read.next = self.answer.q.val();
        if self.from_buffer.q.val() {
            self.bus_read.next = self.ring.read.val();
        }

        // ABORT stands until nothing is outstanding.
        self.aborting.d.next = self.aborting.q.val();
        if self.write.val() & (self.word.val() == 0xA0) {
            self.aborting.d.next = true;
        } else if self.channels[0].idle.val() & self.channels[1].idle.val() & self.ring.idle.val() {
            self.aborting.d.next = false;
        }

        // Channels.
        for i in 0..2 {
            self.channels[i].stop.next = self.aborting.q.val();
            self.channels[i].bus_master.next = self.bus_master.val();
            self.channels[i].level.next = self.level.val();
            self.channels[i].select.next = bit_cast::<3, 4>(self.to_column.val());
            self.channels[i].data.next = self.written.q.val();
            self.channels[i].host_in_valid.next = self.host.in_valid[i].val();
            self.channels[i].card_in_valid.next = self.card.in_valid[i].val();
            self.channels[i].host_in_data.next = self.host.in_data.val();
            self.channels[i].card_in_data.next = self.card.in_data.val();
            self.channels[i].host_in_error.next = self.host.in_error.val();
            self.channels[i].card_in_error.next = self.card.in_error.val();
            self.channels[i].host_in_last.next = self.host.in_last.val();
            self.channels[i].card_in_last.next = self.card.in_last.val();
            self.channels[i].host_written.next = self.host.done[i].val();
            self.channels[i].card_written.next = self.card.done[i].val();
            self.channels[i].host_written_error.next = self.host.done_error.val();
            self.channels[i].card_written_error.next = self.card.done_error.val();
            self.host.read[i].next = self.channels[i].read_host.val();
            self.card.read[i].next = self.channels[i].read_card.val();
            self.host.read_address[i].next = self.channels[i].read_address.val();
            self.card.read_address[i].next = self.channels[i].read_address.val();
            self.host.read_beats[i].next = self.channels[i].read_beats.val();
            self.card.read_beats[i].next = self.channels[i].read_beats.val();
            self.channels[i].read_taken.next = self.host.read_taken[i].val() | self.card.read_taken[i].val();
            self.host.write[i].next = self.channels[i].write_host.val();
            self.card.write[i].next = self.channels[i].write_card.val();
            self.host.write_address[i].next = self.channels[i].write_address.val();
            self.card.write_address[i].next = self.channels[i].write_address.val();
            self.host.write_beats[i].next = self.channels[i].write_beats.val();
            self.card.write_beats[i].next = self.channels[i].write_beats.val();
            self.channels[i].write_taken.next = self.host.write_taken[i].val() | self.card.write_taken[i].val();
            self.host.word[i].next = self.channels[i].word.val();
            self.card.word[i].next = self.channels[i].word.val();
            self.channels[i].word_taken.next = self.host.word_taken[i].val() | self.card.word_taken[i].val();
        }
        self.channels[0].write.next =
            self.writing.q.val() & (self.to_row.val() == 0) & !self.to_column.val().get_bit(3);
        self.channels[1].write.next =
            self.writing.q.val() & (self.to_row.val() == 1) & !self.to_column.val().get_bit(3);

        // Completions; channel 0 first.
        self.completions.reset.next = self.reset.val() | self.aborting.q.val();
        self.completions.in_valid.next = self.channels[0].done.val() | self.channels[1].done.val();
        self.channels[0].done_ready.next = self.completions.in_ready.val();
        self.channels[1].done_ready.next = self.completions.in_ready.val() & !self.channels[0].done.val();
        self.completions.in_data.next = (bit_cast::<COMPLETION_BITS, 16>(self.channels[1].done_id.val()) << 35)
            | (bit_cast::<COMPLETION_BITS, 3>(self.channels[1].done_result.val()) << 32)
            | bit_cast::<COMPLETION_BITS, 32>(self.channels[1].done_crc.val());
        if self.channels[0].done.val() {
            self.completions.in_data.next = (bit_cast::<COMPLETION_BITS, 16>(self.channels[0].done_id.val()) << 35)
                | (bit_cast::<COMPLETION_BITS, 3>(self.channels[0].done_result.val()) << 32)
                | bit_cast::<COMPLETION_BITS, 32>(self.channels[0].done_crc.val());
        }
        self.popping.d.next = self.write.val() & (self.word.val() == 0x43);
        self.completions.out_ready.next = self.popping.q.val();

        // The ring port, on the host's bus only.
        self.ring.stop.next = self.aborting.q.val();
        self.ring.bus_master.next = self.bus_master.val();
        self.ring.command.next =
            self.writing.q.val() & (self.to_row.val() == 8) & (self.to_column.val().get_bits::<2>(2) == 0);
        self.ring.select.next = bit_cast::<2, 4>(self.to_column.val());
        self.ring.write.next = self.writing.q.val() & (self.to_row.val() == 9);
        self.ring.write_slot.next = self.to_column.val();
        self.ring.read_slot.next = self.column.val();
        self.ring.data.next = self.written.q.val();
        self.host.read[2].next = self.ring.read_burst.val();
        self.host.read_address[2].next = self.ring.address.val();
        self.host.read_beats[2].next = self.ring.beats.val();
        self.ring.read_taken.next = self.host.read_taken[2].val();
        self.host.write[2].next = self.ring.write_burst.val();
        self.host.write_address[2].next = self.ring.address.val();
        self.host.write_beats[2].next = self.ring.beats.val();
        self.ring.write_taken.next = self.host.write_taken[2].val();
        self.host.word[2].next = self.ring.word.val();
        self.ring.word_taken.next = self.host.word_taken[2].val();
        self.ring.in_valid.next = self.host.in_valid[2].val();
        self.ring.in_data.next = self.host.in_data.val();
        self.ring.in_error.next = self.host.in_error.val();
        self.ring.in_last.next = self.host.in_last.val();
        self.ring.written.next = self.host.done[2].val();
        self.ring.written_error.next = self.host.done_error.val();

        // The tables, on the card's bus only.
        self.card.read[2].next = self.tables_read.val();
        self.card.read_address[2].next = self.tables_address.val();
        self.card.read_beats[2].next = self.tables_beats.val();
        self.tables_read_taken.next = self.card.read_taken[2].val();
        self.card.write[2].next = self.tables_write.val();
        self.card.write_address[2].next = self.tables_address.val();
        self.card.write_beats[2].next = self.tables_beats.val();
        self.tables_write_taken.next = self.card.write_taken[2].val();
        self.card.word[2].next = self.tables_word.val();
        self.tables_word_taken.next = self.card.word_taken[2].val();
        self.tables_in_valid.next = self.card.in_valid[2].val();
        self.tables_in_data.next = self.card.in_data.val();
        self.tables_in_error.next = self.card.in_error.val();
        self.tables_written.next = self.card.done[2].val();
        self.tables_written_error.next = self.card.done_error.val();

        // The two buses.
        self.m_host_awid.next = self.host.awid.val();
        self.m_host_awaddr.next = self.host.awaddr.val();
        self.m_host_awlen.next = self.host.awlen.val();
        self.m_host_awsize.next = 3.into();
        self.m_host_awburst.next = 1.into();
        self.m_host_awvalid.next = self.host.awvalid.val();
        self.host.awready.next = self.m_host_awready.val();
        self.m_host_wdata.next = self.host.wdata.val();
        self.m_host_wstrb.next = 255.into();
        self.m_host_wlast.next = self.host.wlast.val();
        self.m_host_wvalid.next = self.host.wvalid.val();
        self.host.wready.next = self.m_host_wready.val();
        self.host.bid.next = self.m_host_bid.val();
        self.host.bresp.next = self.m_host_bresp.val();
        self.host.bvalid.next = self.m_host_bvalid.val();
        self.m_host_bready.next = true;
        self.m_host_arid.next = self.host.arid.val();
        self.m_host_araddr.next = self.host.araddr.val();
        self.m_host_arlen.next = self.host.arlen.val();
        self.m_host_arsize.next = 3.into();
        self.m_host_arburst.next = 1.into();
        self.m_host_arvalid.next = self.host.arvalid.val();
        self.host.arready.next = self.m_host_arready.val();
        self.host.rid.next = self.m_host_rid.val();
        self.host.rdata.next = self.m_host_rdata.val();
        self.host.rresp.next = self.m_host_rresp.val();
        self.host.rlast.next = self.m_host_rlast.val();
        self.host.rvalid.next = self.m_host_rvalid.val();
        self.m_host_rready.next = true;
        self.m_card_awid.next = self.card.awid.val();
        self.m_card_awaddr.next = self.card.awaddr.val();
        self.m_card_awlen.next = self.card.awlen.val();
        self.m_card_awsize.next = 3.into();
        self.m_card_awburst.next = 1.into();
        self.m_card_awvalid.next = self.card.awvalid.val();
        self.card.awready.next = self.m_card_awready.val();
        self.m_card_wdata.next = self.card.wdata.val();
        self.m_card_wstrb.next = 255.into();
        self.m_card_wlast.next = self.card.wlast.val();
        self.m_card_wvalid.next = self.card.wvalid.val();
        self.card.wready.next = self.m_card_wready.val();
        self.card.bid.next = self.m_card_bid.val();
        self.card.bresp.next = self.m_card_bresp.val();
        self.card.bvalid.next = self.m_card_bvalid.val();
        self.m_card_bready.next = true;
        self.m_card_arid.next = self.card.arid.val();
        self.m_card_araddr.next = self.card.araddr.val();
        self.m_card_arlen.next = self.card.arlen.val();
        self.m_card_arsize.next = 3.into();
        self.m_card_arburst.next = 1.into();
        self.m_card_arvalid.next = self.card.arvalid.val();
        self.card.arready.next = self.m_card_arready.val();
        self.card.rid.next = self.m_card_rid.val();
        self.card.rdata.next = self.m_card_rdata.val();
        self.card.rresp.next = self.m_card_rresp.val();
        self.card.rlast.next = self.m_card_rlast.val();
        self.card.rvalid.next = self.m_card_rvalid.val();
        self.m_card_rready.next = true;
    }
}
