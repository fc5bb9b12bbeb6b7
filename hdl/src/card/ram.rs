//! Card memory in block RAM behind an AXI4 slave.
//!
//! ```text
//!  s_card AR ─► Reader ─ word ─► Banks ─ clocks later ─► Reader ─► R
//!                  └──── tag ─► Delay ─────────────────────────┘
//!  s_card AW, W ─► Writer ─ word, data, strobes ─► Banks;  Writer ─► B
//! ```
//!
//! Reading and writing do not wait for each other, and each passes a beat a clock. What it holds outlives a reset.

use super::banks::READ_CLOCKS;
use super::{Banks, Delay, Reader, TAG_BITS, UNIT_BYTES, Writer};
use rust_hdl::prelude::*;

/// Bits of a tag and whether there is one.
const VALID_TAG_BITS: usize = TAG_BITS + 1;

/// Any multiple of 16 KiB up to 32 MiB; beyond it, bursts are answered with DECERR.
#[derive(LogicBlock)]
pub struct CardRam {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset of all but the memory.
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

    reader: Reader,
    writer: Writer,
    banks: Banks,
    tags: Delay<Bits<VALID_TAG_BITS>>,
}

impl CardRam {
    /// Of so many KiB.
    ///
    /// # Panics
    ///
    /// If they are no multiple of 16, none, or more than 32 MiB.
    pub fn new(kib: u64) -> Self {
        let units = (kib << 10) / UNIT_BYTES;
        assert_eq!(units * UNIT_BYTES, kib << 10, "card memory in block RAM has a multiple of 16 KiB, not {kib} KiB");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    reader: Reader::new(units),
                    writer: Writer::new(units),
                    banks: Banks::new(units),
                    tags: Delay::new(READ_CLOCKS),
                }
            };
        }
        rest!(clock reset s_card_awid s_card_awaddr s_card_awlen s_card_awsize s_card_awburst s_card_awvalid s_card_awready s_card_wdata s_card_wstrb s_card_wlast s_card_wvalid s_card_wready s_card_bid s_card_bresp s_card_bvalid s_card_bready s_card_arid s_card_araddr s_card_arlen s_card_arsize s_card_arburst s_card_arvalid s_card_arready s_card_rid s_card_rdata s_card_rresp s_card_rlast s_card_rvalid s_card_rready)
    }
}

impl Logic for CardRam {
    #[hdl_gen]
    fn update(&mut self) {
        self.reader.clock.next = self.clock.val();
        self.writer.clock.next = self.clock.val();
        self.tags.clock.next = self.clock.val();
        self.reader.reset.next = self.reset.val();
        self.writer.reset.next = self.reset.val();
        self.tags.reset.next = self.reset.val();
        self.banks.clock.next = self.clock.val();

        self.reader.taken.next = self.reader.valid.val();
        self.banks.read_word.next = self.reader.word.val();
        self.tags.d.next = (bit_cast::<VALID_TAG_BITS, 1>(self.reader.valid.val().into()) << 5)
            | bit_cast::<VALID_TAG_BITS, TAG_BITS>(self.reader.tag.val());
        self.reader.in_valid.next = self.tags.q.val().get_bit(5);
        self.reader.in_tag.next = bit_cast::<TAG_BITS, VALID_TAG_BITS>(self.tags.q.val());
        self.reader.in_data.next = self.banks.read_data.val();

        self.writer.taken.next = self.writer.valid.val();
        self.banks.write_word.next = self.writer.word.val();
        self.banks.write_data.next = self.writer.data.val();
        self.banks.write_strobes.next = 0.into();
        if self.writer.valid.val() {
            self.banks.write_strobes.next = self.writer.strobes.val();
        }

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
