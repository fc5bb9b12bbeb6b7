//! Card memory in an SDRAM chip behind an AXI4 slave.
//!
//! ```text
//!  s_card ─► Reader, Writer ─► Chooser ─ word ─┬─► Rows ─► Controller ─► sdram_*
//!               ▲                              └─► Data ◄────────┘ ◄───► sdram_dq_*
//!               └─ words that were read ───────────┘
//!
//!  byte address   24 ... 12   11 10   9 ... 1     of each 4 KiB, a row of each bank
//!                    row      bank    column
//! ```
//!
//! A word is 64 bits, four columns. Words reach the chip in the order in which they were chosen, so a word that is read behind the answer to a
//! write of it is the one that was written. All of the chip's pins are registers; whoever wraps this joins `sdram_dq_*` to pins with three
//! states, and gives the chip its clock.

use super::{Chip, Chooser, Clocks, Controller, Data, Rows};
use crate::card::{Reader, UNIT_BYTES, Writer};
use rust_hdl::prelude::*;

/// Bytes of a chip.
const BYTES: u64 = 32 << 20;

/// 32 MiB; beyond it, bursts are answered with DECERR. Bursts that come before the chip is ready wait.
#[derive(LogicBlock)]
pub struct Sdram {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: the power-up sequence begins anew, and what the chip holds may be lost.
    pub reset: Signal<In, Bit>,

    /// Id of the write burst.
    pub s_card_awid: Signal<In, Bits<2>>,
    /// Byte address of its first beat.
    pub s_card_awaddr: Signal<In, Bits<64>>,
    /// Its beats, less one.
    pub s_card_awlen: Signal<In, Bits<8>>,
    /// log2 of the bytes of a beat: 3.
    pub s_card_awsize: Signal<In, Bits<3>>,
    /// INCR: 1.
    pub s_card_awburst: Signal<In, Bits<2>>,
    /// The address stands.
    pub s_card_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub s_card_awready: Signal<Out, Bit>,
    /// Data.
    pub s_card_wdata: Signal<In, Bits<64>>,
    /// Bytes of it.
    pub s_card_wstrb: Signal<In, Bits<8>>,
    /// Last beat of the burst.
    pub s_card_wlast: Signal<In, Bit>,
    /// The data stands.
    pub s_card_wvalid: Signal<In, Bit>,
    /// The data is taken.
    pub s_card_wready: Signal<Out, Bit>,
    /// Id of the burst that is written.
    pub s_card_bid: Signal<Out, Bits<2>>,
    /// How it went: OKAY, SLVERR for what is not supported, DECERR beyond the memory.
    pub s_card_bresp: Signal<Out, Bits<2>>,
    /// The answer stands.
    pub s_card_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub s_card_bready: Signal<In, Bit>,
    /// Id of the read burst.
    pub s_card_arid: Signal<In, Bits<2>>,
    /// Byte address of its first beat.
    pub s_card_araddr: Signal<In, Bits<64>>,
    /// Its beats, less one.
    pub s_card_arlen: Signal<In, Bits<8>>,
    /// log2 of the bytes of a beat: 3.
    pub s_card_arsize: Signal<In, Bits<3>>,
    /// INCR: 1.
    pub s_card_arburst: Signal<In, Bits<2>>,
    /// The address stands.
    pub s_card_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub s_card_arready: Signal<Out, Bit>,
    /// Id of the burst that is read.
    pub s_card_rid: Signal<Out, Bits<2>>,
    /// Data.
    pub s_card_rdata: Signal<Out, Bits<64>>,
    /// How it went.
    pub s_card_rresp: Signal<Out, Bits<2>>,
    /// Last beat of the burst.
    pub s_card_rlast: Signal<Out, Bit>,
    /// The data stands.
    pub s_card_rvalid: Signal<Out, Bit>,
    /// The data is taken.
    pub s_card_rready: Signal<In, Bit>,

    /// Clock enable.
    pub sdram_cke: Signal<Out, Bit>,
    /// Chip select, active low.
    pub sdram_csn: Signal<Out, Bit>,
    /// RAS, active low.
    pub sdram_rasn: Signal<Out, Bit>,
    /// CAS, active low.
    pub sdram_casn: Signal<Out, Bit>,
    /// WE, active low.
    pub sdram_wen: Signal<Out, Bit>,
    /// Bank.
    pub sdram_ba: Signal<Out, Bits<2>>,
    /// Row or column.
    pub sdram_a: Signal<Out, Bits<13>>,
    /// Bytes that are not to be written.
    pub sdram_dqm: Signal<Out, Bits<2>>,
    /// Data to the chip.
    pub sdram_dq_out: Signal<Out, Bits<16>>,
    /// It is driven.
    pub sdram_dq_oe: Signal<Out, Bit>,
    /// Data from the chip.
    pub sdram_dq_in: Signal<In, Bits<16>>,

    reader: Reader,
    writer: Writer,
    chooser: Chooser,
    rows: Rows,
    controller: Controller,
    data: Data,
}

impl Sdram {
    /// For a chip and a clock. `wires` are the clocks from the edge at which the chip's data would be captured if wires and pins took no time, to
    /// the one at which it is: 0 to 3, where registers of the wrapper count too.
    ///
    /// # Panics
    ///
    /// If the chip does not work at this clock, or `wires` is more than 3.
    pub fn new(chip: &Chip, clock_hz: u32, wires: u64) -> Self {
        assert!(wires <= 3, "data of the chip comes 0 to 3 clocks later, not {wires}");
        let (units, clocks) = (BYTES / UNIT_BYTES, Clocks::of(chip, clock_hz));
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    reader: Reader::new(units),
                    writer: Writer::new(units),
                    controller: Controller::new(&clocks),
                    data: Data::new(clocks.cas, wires),
                }
            };
        }
        rest!(
            clock reset s_card_awid s_card_awaddr s_card_awlen s_card_awsize s_card_awburst s_card_awvalid s_card_awready s_card_wdata s_card_wstrb s_card_wlast s_card_wvalid s_card_wready s_card_bid s_card_bresp s_card_bvalid s_card_bready s_card_arid s_card_araddr s_card_arlen s_card_arsize s_card_arburst s_card_arvalid s_card_arready s_card_rid s_card_rdata s_card_rresp s_card_rlast s_card_rvalid s_card_rready sdram_cke sdram_csn sdram_rasn sdram_casn sdram_wen sdram_ba sdram_a
            sdram_dqm sdram_dq_out sdram_dq_oe sdram_dq_in chooser rows
        )
    }
}

impl Logic for Sdram {
    #[hdl_gen]
    fn update(&mut self) {
        self.reader.clock.next = self.clock.val();
        self.writer.clock.next = self.clock.val();
        self.chooser.clock.next = self.clock.val();
        self.rows.clock.next = self.clock.val();
        self.controller.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.reader.reset.next = self.reset.val();
        self.writer.reset.next = self.reset.val();
        self.chooser.reset.next = self.reset.val();
        self.rows.reset.next = self.reset.val();
        self.controller.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();

        self.chooser.read.next = self.reader.valid.val();
        self.chooser.read_word.next = self.reader.word.val();
        self.chooser.read_tag.next = self.reader.tag.val();
        self.reader.taken.next = self.chooser.read_taken.val();
        self.chooser.write.next = self.writer.valid.val();
        self.chooser.write_word.next = self.writer.word.val();
        self.chooser.write_data.next = self.writer.data.val();
        self.chooser.write_strobes.next = self.writer.strobes.val();
        self.writer.taken.next = self.chooser.write_taken.val();
        self.chooser.done.next = self.controller.reads.val() | self.controller.writes.val();

        self.controller.ripe.next = self.chooser.ripe.val();
        self.controller.word_writes.next = self.chooser.writes.val();
        self.controller.column.next = bit_cast::<9, 7>(self.chooser.word.val().get_bits::<7>(0)) << 2;
        self.controller.bank.next = self.chooser.word.val().get_bits::<2>(7);
        self.controller.row.next = self.chooser.word.val().get_bits::<13>(9);
        self.controller.open.next = self.rows.open.val();
        self.controller.hit.next = self.rows.hit.val();
        self.rows.bank.next = self.chooser.word.val().get_bits::<2>(7);
        self.rows.row.next = self.chooser.word.val().get_bits::<13>(9);
        self.rows.opens.next = self.controller.opens.val();
        self.rows.closes.next = self.controller.closes.val();
        self.rows.closes_all.next = self.controller.closes_all.val();

        self.data.writes.next = self.controller.writes.val();
        self.data.word.next = self.chooser.data.val();
        self.data.strobes.next = self.chooser.strobes.val();
        self.data.reads.next = self.controller.reads.val();
        self.data.tag.next = self.chooser.tag.val();
        self.data.masked.next = self.controller.starting.val();
        self.reader.in_valid.next = self.data.out_valid.val();
        self.reader.in_data.next = self.data.out_data.val();
        self.reader.in_tag.next = self.data.out_tag.val();

        self.sdram_cke.next = self.controller.cke.val();
        self.sdram_csn.next = self.controller.csn.val();
        self.sdram_rasn.next = self.controller.rasn.val();
        self.sdram_casn.next = self.controller.casn.val();
        self.sdram_wen.next = self.controller.wen.val();
        self.sdram_ba.next = self.controller.ba.val();
        self.sdram_a.next = self.controller.a.val();
        self.sdram_dqm.next = self.data.dqm.val();
        self.sdram_dq_out.next = self.data.dq_out.val();
        self.sdram_dq_oe.next = self.data.dq_oe.val();
        self.data.dq_in.next = self.sdram_dq_in.val();

        self.writer.awid.next = self.s_card_awid.val();
        self.writer.awaddr.next = self.s_card_awaddr.val();
        self.writer.awlen.next = self.s_card_awlen.val();
        self.writer.awsize.next = self.s_card_awsize.val();
        self.writer.awburst.next = self.s_card_awburst.val();
        self.writer.awvalid.next = self.s_card_awvalid.val();
        self.s_card_awready.next = self.writer.awready.val();
        self.writer.wdata.next = self.s_card_wdata.val();
        self.writer.wstrb.next = self.s_card_wstrb.val();
        self.writer.wlast.next = self.s_card_wlast.val();
        self.writer.wvalid.next = self.s_card_wvalid.val();
        self.s_card_wready.next = self.writer.wready.val();
        self.s_card_bid.next = self.writer.bid.val();
        self.s_card_bresp.next = self.writer.bresp.val();
        self.s_card_bvalid.next = self.writer.bvalid.val();
        self.writer.bready.next = self.s_card_bready.val();
        self.reader.arid.next = self.s_card_arid.val();
        self.reader.araddr.next = self.s_card_araddr.val();
        self.reader.arlen.next = self.s_card_arlen.val();
        self.reader.arsize.next = self.s_card_arsize.val();
        self.reader.arburst.next = self.s_card_arburst.val();
        self.reader.arvalid.next = self.s_card_arvalid.val();
        self.s_card_arready.next = self.reader.arready.val();
        self.s_card_rid.next = self.reader.rid.val();
        self.s_card_rdata.next = self.reader.rdata.val();
        self.s_card_rresp.next = self.reader.rresp.val();
        self.s_card_rlast.next = self.reader.rlast.val();
        self.s_card_rvalid.next = self.reader.rvalid.val();
        self.reader.rready.next = self.s_card_rready.val();
    }
}
