//! The device: sequencer, register access, directory, HEPC, DMA, and the bus that joins them. `docs/control.md`.
//!
//! ```text
//!  s_axil ─► Front ─────────┐
//!                           │ bus   ┌─ File: data RAM, registers
//!              Sequencer ───┼───────┼─ Directory ◄─ rows ─► Hepc
//!                           │       ├─ Frames ◄─ words ─┐
//!                           └───────┴─ Unit (DMA) ◄─────┘ ─► m_host, m_card
//! ```

use crate::csr::{File, Front, Start};
use crate::dma::Unit;
use crate::hepc::Hepc;
use crate::micro::Sequencer;
use crate::prim::Gate;
use crate::rtbd::Directory;
use crate::tier::Frames;
use kvcpu_mmio::Geometry;
use rust_hdl::prelude::*;

/// A whole device. Sums cannot be said of const parameters, so each is given: 2^A entries in 2^B buckets (A = B + 2, `C` = A + 2 for four
/// tiers), a stash of `S`, `L` = 2^LG lanes (`M` = L - 1) of 2^R rows, lists of `K` (`J` = K - 1), `Q` queues, `G` agents.
#[derive(LogicBlock)]
pub struct Device<
    const A: usize,
    const B: usize,
    const C: usize,
    const S: usize,
    const L: usize,
    const LG: usize,
    const M: usize,
    const R: usize,
    const K: usize,
    const J: usize,
    const Q: usize,
    const G: usize,
> {
    /// Clock of everything.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset of everything.
    pub reset: Signal<In, Bit>,
    /// Bus Master Enable of the PCIe endpoint.
    pub bus_master: Signal<In, Bit>,
    /// A pulse of a clock for each message to be sent.
    pub irq: Signal<Out, Bits<16>>,
    /// A control word is carried out in this clock; for tracing.
    pub executing: Signal<Out, Bit>,
    /// The word behind it.
    pub behind: Signal<Out, Bits<13>>,
    /// HEPC writes what a pass made of a row of entries; for tracing.
    pub scores: Signal<Out, Bit>,

    /// A write's address stands.
    pub s_axil_awvalid: Signal<In, Bit>,
    /// It is taken.
    pub s_axil_awready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks (`docs/firmware.md`).
    pub s_axil_awaddr: Signal<In, Bits<24>>,
    /// log2 of the bytes of the access.
    pub s_axil_awsize: Signal<In, Bits<3>>,
    /// A write's data stands.
    pub s_axil_wvalid: Signal<In, Bit>,
    /// It is taken.
    pub s_axil_wready: Signal<Out, Bit>,
    /// Data, each byte on its lane.
    pub s_axil_wdata: Signal<In, Bits<64>>,
    /// Bytes of it.
    pub s_axil_wstrb: Signal<In, Bits<8>>,
    /// The write is done.
    pub s_axil_bvalid: Signal<Out, Bit>,
    /// That is taken.
    pub s_axil_bready: Signal<In, Bit>,
    /// Always OKAY.
    pub s_axil_bresp: Signal<Out, Bits<2>>,
    /// A read's address stands.
    pub s_axil_arvalid: Signal<In, Bit>,
    /// It is taken.
    pub s_axil_arready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks (`docs/firmware.md`).
    pub s_axil_araddr: Signal<In, Bits<24>>,
    /// log2 of the bytes of the access.
    pub s_axil_arsize: Signal<In, Bits<3>>,
    /// The data read stands.
    pub s_axil_rvalid: Signal<Out, Bit>,
    /// It is taken.
    pub s_axil_rready: Signal<In, Bit>,
    /// Data read.
    pub s_axil_rdata: Signal<Out, Bits<64>>,
    /// Always OKAY.
    pub s_axil_rresp: Signal<Out, Bits<2>>,
    /// Id of the write burst: 0 and 1 the channels, 2 the ring port.
    pub m_host_awid: Signal<Out, Bits<2>>,
    /// Byte address of its first beat.
    pub m_host_awaddr: Signal<Out, Bits<64>>,
    /// Its beats, less one.
    pub m_host_awlen: Signal<Out, Bits<8>>,
    /// log2 of the bytes of a beat.
    pub m_host_awsize: Signal<Out, Bits<3>>,
    /// INCR.
    pub m_host_awburst: Signal<Out, Bits<2>>,
    /// The address stands.
    pub m_host_awvalid: Signal<Out, Bit>,
    /// Data.
    pub m_host_wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub m_host_wstrb: Signal<Out, Bits<8>>,
    /// Last beat of the burst.
    pub m_host_wlast: Signal<Out, Bit>,
    /// The data stands.
    pub m_host_wvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub m_host_bready: Signal<Out, Bit>,
    /// Id of the read burst.
    pub m_host_arid: Signal<Out, Bits<2>>,
    /// Byte address of its first beat.
    pub m_host_araddr: Signal<Out, Bits<64>>,
    /// Its beats, less one.
    pub m_host_arlen: Signal<Out, Bits<8>>,
    /// log2 of the bytes of a beat.
    pub m_host_arsize: Signal<Out, Bits<3>>,
    /// INCR.
    pub m_host_arburst: Signal<Out, Bits<2>>,
    /// The address stands.
    pub m_host_arvalid: Signal<Out, Bit>,
    /// The data is taken.
    pub m_host_rready: Signal<Out, Bit>,
    /// The address is taken.
    pub m_host_awready: Signal<In, Bit>,
    /// The data is taken.
    pub m_host_wready: Signal<In, Bit>,
    /// Id of the burst that is written.
    pub m_host_bid: Signal<In, Bits<2>>,
    /// How it went.
    pub m_host_bresp: Signal<In, Bits<2>>,
    /// The answer stands.
    pub m_host_bvalid: Signal<In, Bit>,
    /// The address is taken.
    pub m_host_arready: Signal<In, Bit>,
    /// Id of the burst that is read.
    pub m_host_rid: Signal<In, Bits<2>>,
    /// Data.
    pub m_host_rdata: Signal<In, Bits<64>>,
    /// How it went.
    pub m_host_rresp: Signal<In, Bits<2>>,
    /// Last beat of the burst.
    pub m_host_rlast: Signal<In, Bit>,
    /// The data stands.
    pub m_host_rvalid: Signal<In, Bit>,
    /// Id of the write burst: 0 and 1 the channels, 2 the ring port.
    pub m_card_awid: Signal<Out, Bits<2>>,
    /// Byte address of its first beat.
    pub m_card_awaddr: Signal<Out, Bits<64>>,
    /// Its beats, less one.
    pub m_card_awlen: Signal<Out, Bits<8>>,
    /// log2 of the bytes of a beat.
    pub m_card_awsize: Signal<Out, Bits<3>>,
    /// INCR.
    pub m_card_awburst: Signal<Out, Bits<2>>,
    /// The address stands.
    pub m_card_awvalid: Signal<Out, Bit>,
    /// Data.
    pub m_card_wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub m_card_wstrb: Signal<Out, Bits<8>>,
    /// Last beat of the burst.
    pub m_card_wlast: Signal<Out, Bit>,
    /// The data stands.
    pub m_card_wvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub m_card_bready: Signal<Out, Bit>,
    /// Id of the read burst.
    pub m_card_arid: Signal<Out, Bits<2>>,
    /// Byte address of its first beat.
    pub m_card_araddr: Signal<Out, Bits<64>>,
    /// Its beats, less one.
    pub m_card_arlen: Signal<Out, Bits<8>>,
    /// log2 of the bytes of a beat.
    pub m_card_arsize: Signal<Out, Bits<3>>,
    /// INCR.
    pub m_card_arburst: Signal<Out, Bits<2>>,
    /// The address stands.
    pub m_card_arvalid: Signal<Out, Bit>,
    /// The data is taken.
    pub m_card_rready: Signal<Out, Bit>,
    /// The address is taken.
    pub m_card_awready: Signal<In, Bit>,
    /// The data is taken.
    pub m_card_wready: Signal<In, Bit>,
    /// Id of the burst that is written.
    pub m_card_bid: Signal<In, Bits<2>>,
    /// How it went.
    pub m_card_bresp: Signal<In, Bits<2>>,
    /// The answer stands.
    pub m_card_bvalid: Signal<In, Bit>,
    /// The address is taken.
    pub m_card_arready: Signal<In, Bit>,
    /// Id of the burst that is read.
    pub m_card_rid: Signal<In, Bits<2>>,
    /// Data.
    pub m_card_rdata: Signal<In, Bits<64>>,
    /// How it went.
    pub m_card_rresp: Signal<In, Bits<2>>,
    /// Last beat of the burst.
    pub m_card_rlast: Signal<In, Bit>,
    /// The data stands.
    pub m_card_rvalid: Signal<In, Bit>,

    front: Front,
    sequencer: Sequencer<0>,
    file: File<Q, G>,
    frames: Frames<A, C>,
    directory: Directory<B, A, S, L, LG, R, M>,
    hepc: Hepc<L, K, J, A, S>,
    dma: Unit,
    region: Signal<Local, Bits<4>>,
    start: Start,
    directory_clock: Gate,
    hepc_clock: Gate,
    dma_clock: Gate,
}

impl<
    const A: usize,
    const B: usize,
    const C: usize,
    const S: usize,
    const L: usize,
    const LG: usize,
    const M: usize,
    const R: usize,
    const K: usize,
    const J: usize,
    const Q: usize,
    const G: usize,
> Device<A, B, C, S, L, LG, M, R, K, J, Q, G>
{
    /// A device of this geometry, clocked at `clock_hz`.
    ///
    /// # Panics
    ///
    /// If the geometry is not that of the parameters.
    pub fn new(geometry: Geometry, build_id: u32, clock_hz: u32) -> Self {
        let sizes =
            (geometry.entries() as usize, geometry.stash as usize, geometry.lanes as usize, geometry.victim_k as usize);
        assert_eq!(sizes, (1 << A, S, L, K), "the geometry is that of the parameters");
        assert_eq!(
            (geometry.queues as usize, geometry.agents as usize),
            (Q, G),
            "the geometry is that of the parameters"
        );
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    front: Front::new(geometry, build_id, clock_hz),
                    frames: Frames::new(geometry),
                }
            };
        }
        rest!(
            clock reset bus_master irq executing behind scores s_axil_awvalid s_axil_awready s_axil_awaddr s_axil_awsize s_axil_wvalid s_axil_wready s_axil_wdata s_axil_wstrb s_axil_bvalid s_axil_bready s_axil_bresp s_axil_arvalid s_axil_arready s_axil_araddr s_axil_arsize s_axil_rvalid s_axil_rready s_axil_rdata s_axil_rresp m_host_awid m_host_awaddr m_host_awlen m_host_awsize m_host_awburst m_host_awvalid m_host_wdata m_host_wstrb m_host_wlast m_host_wvalid m_host_bready m_host_arid m_host_araddr m_host_arlen m_host_arsize m_host_arburst m_host_arvalid m_host_rready m_host_awready m_host_wready m_host_bid m_host_bresp m_host_bvalid m_host_arready m_host_rid m_host_rdata m_host_rresp m_host_rlast m_host_rvalid m_card_awid m_card_awaddr m_card_awlen m_card_awsize m_card_awburst m_card_awvalid m_card_wdata m_card_wstrb m_card_wlast m_card_wvalid m_card_bready m_card_arid m_card_araddr m_card_arlen m_card_arsize m_card_arburst m_card_arvalid m_card_rready m_card_awready m_card_wready m_card_bid m_card_bresp m_card_bvalid m_card_arready m_card_rid m_card_rdata m_card_rresp m_card_rlast m_card_rvalid sequencer file directory hepc dma start region directory_clock hepc_clock dma_clock
        )
    }
}

impl<
    const A: usize,
    const B: usize,
    const C: usize,
    const S: usize,
    const L: usize,
    const LG: usize,
    const M: usize,
    const R: usize,
    const K: usize,
    const J: usize,
    const Q: usize,
    const G: usize,
> Logic for Device<A, B, C, S, L, LG, M, R, K, J, Q, G>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.front.clock.next = self.clock.val();
        self.front.reset.next = self.reset.val();
        self.sequencer.clock.next = self.clock.val();
        self.sequencer.reset.next = self.reset.val();
        self.file.clock.next = self.clock.val();
        self.file.reset.next = self.reset.val();
        self.frames.clock.next = self.clock.val();
        self.frames.reset.next = self.reset.val();
        self.directory.clock.next = self.directory_clock.gated.val();
        self.directory.reset.next = self.reset.val();
        self.hepc.clock.next = self.hepc_clock.gated.val();
        self.hepc.reset.next = self.reset.val();
        self.dma.clock.next = self.dma_clock.gated.val();
        self.dma.reset.next = self.reset.val();

        // The bus: the region says who is meant; who is not answers 0.
        self.sequencer.host_pending.next = self.front.pending.val();
        self.executing.next = self.sequencer.executing.val();
        self.behind.next = self.sequencer.behind.val();
        self.scores.next = self.hepc.row_write.val();
        self.region.next = self.sequencer.bus_address.val().get_bits::<4>(20);
        self.file.bus_select.next =
            self.sequencer.bus_valid.val() & ((self.region.val() == 0) | (self.region.val() == 1));
        self.file.bus_ahead.next = self.sequencer.bus_ahead.val();
        self.file.bus_write.next = self.sequencer.bus_write.val();
        self.file.bus_address.next = self.sequencer.bus_address.val();
        self.file.bus_data.next = self.sequencer.bus_data.val();
        self.frames.bus_select.next =
            self.sequencer.bus_valid.val() & ((self.region.val() == 2) | (self.region.val() == 3));
        self.frames.bus_write.next = self.sequencer.bus_write.val();
        self.frames.bus_address.next = self.sequencer.bus_address.val();
        self.frames.bus_data.next = self.sequencer.bus_data.val();
        self.directory.bus_select.next =
            self.sequencer.bus_valid.val() & ((self.region.val() == 4) | (self.region.val() == 5));
        self.directory.bus_write.next = self.sequencer.bus_write.val();
        self.directory.bus_address.next = self.sequencer.bus_address.val();
        self.directory.bus_data.next = self.sequencer.bus_data.val();
        // A sweep that the front starts comes when the sequencer has no request there.
        self.start.sweeps.next = self.front.sweeps.val();
        self.start.from_select.next = self.sequencer.bus_valid.val() & (self.region.val() == 6);
        self.start.from_write.next = self.sequencer.bus_write.val();
        self.start.from_address.next = self.sequencer.bus_address.val();
        self.start.from_data.next = self.sequencer.bus_data.val();
        self.hepc.bus_select.next = self.start.select.val();
        self.hepc.bus_write.next = self.start.write.val();
        self.hepc.bus_address.next = self.start.address.val();
        self.hepc.bus_data.next = self.start.data.val();
        self.front.sweep_started.next = self.hepc.bus_ready.val();
        self.dma.bus_select.next = self.sequencer.bus_valid.val() & (self.region.val() == 7);
        self.dma.bus_write.next = self.sequencer.bus_write.val();
        self.dma.bus_address.next = self.sequencer.bus_address.val();
        self.dma.bus_data.next = self.sequencer.bus_data.val();
        self.front.bus_select.next = self.sequencer.bus_valid.val() & (self.region.val() == 8);
        self.front.bus_write.next = self.sequencer.bus_write.val();
        self.front.bus_address.next = self.sequencer.bus_address.val();
        self.front.bus_data.next = self.sequencer.bus_data.val();
        self.sequencer.bus_ready.next = self.file.bus_ready.val()
            | self.frames.bus_ready.val()
            | self.directory.bus_ready.val()
            | (self.hepc.bus_ready.val() & !self.front.sweeps.val())
            | self.dma.bus_ready.val()
            | self.front.bus_ready.val();
        self.sequencer.bus_read.next = self.file.bus_read.val()
            | self.frames.bus_read.val()
            | self.directory.bus_read.val()
            | self.hepc.bus_read.val()
            | self.dma.bus_read.val()
            | self.front.bus_read.val();

        // Blocks that rest are not clocked. Behind the bus: a signal is read below where it is driven.
        self.directory_clock.clock.next = self.clock.val();
        self.directory_clock.enable.next = self.reset.val() | self.directory.bus_select.val();
        self.directory_clock.awake.next = self.directory.awake.val() | self.hepc.awake.val();
        self.hepc_clock.clock.next = self.clock.val();
        self.hepc_clock.enable.next = self.reset.val() | self.start.select.val();
        self.hepc_clock.awake.next = self.hepc.awake.val();
        self.dma_clock.clock.next = self.clock.val();
        self.dma_clock.enable.next = self.reset.val() | self.dma.bus_select.val();
        self.dma_clock.awake.next = self.dma.awake.val() | self.frames.awake.val();

        // Rows of the directory.
        self.directory.row_read.next = self.hepc.row_read.val();
        self.directory.row.next = self.hepc.row.val();
        self.hepc.row_taken.next = self.directory.row_taken.val();
        self.directory.row_write.next = self.hepc.row_write.val();
        self.directory.row_write_row.next = self.hepc.row_write_row.val();
        self.directory.row_write_lanes.next = self.hepc.row_write_lanes.val();
        for i in 0..L {
            self.hepc.entries[i].next = self.directory.entries[i].val();
            self.directory.row_write_data[i].next = self.hepc.row_write_data[i].val();
        }

        // Words of card memory.
        self.dma.tables_read.next = self.frames.read_burst.val();
        self.frames.read_taken.next = self.dma.tables_read_taken.val();
        self.dma.tables_write.next = self.frames.write_burst.val();
        self.frames.write_taken.next = self.dma.tables_write_taken.val();
        self.dma.tables_address.next = self.frames.address.val();
        self.dma.tables_beats.next = self.frames.beats.val();
        self.dma.tables_word.next = self.frames.word.val();
        self.frames.word_taken.next = self.dma.tables_word_taken.val();
        self.frames.in_valid.next = self.dma.tables_in_valid.val();
        self.frames.in_data.next = self.dma.tables_in_data.val();
        self.frames.in_error.next = self.dma.tables_in_error.val();
        self.frames.written.next = self.dma.tables_written.val();
        self.frames.written_error.next = self.dma.tables_written_error.val();

        // The outside.
        self.dma.bus_master.next = self.bus_master.val();
        self.dma.level.next = self.front.dma_level.val();
        self.hepc.rests.next = self.front.sweep_rests.val();
        self.irq.next = self.front.irq.val();
        self.front.awvalid.next = self.s_axil_awvalid.val();
        self.s_axil_awready.next = self.front.awready.val();
        self.front.awaddr.next = self.s_axil_awaddr.val();
        self.front.awsize.next = self.s_axil_awsize.val();
        self.front.wvalid.next = self.s_axil_wvalid.val();
        self.s_axil_wready.next = self.front.wready.val();
        self.front.wdata.next = self.s_axil_wdata.val();
        self.front.wstrb.next = self.s_axil_wstrb.val();
        self.s_axil_bvalid.next = self.front.bvalid.val();
        self.front.bready.next = self.s_axil_bready.val();
        self.s_axil_bresp.next = self.front.bresp.val();
        self.front.arvalid.next = self.s_axil_arvalid.val();
        self.s_axil_arready.next = self.front.arready.val();
        self.front.araddr.next = self.s_axil_araddr.val();
        self.front.arsize.next = self.s_axil_arsize.val();
        self.s_axil_rvalid.next = self.front.rvalid.val();
        self.front.rready.next = self.s_axil_rready.val();
        self.s_axil_rdata.next = self.front.rdata.val();
        self.s_axil_rresp.next = self.front.rresp.val();
        self.m_host_awid.next = self.dma.m_host_awid.val();
        self.m_host_awaddr.next = self.dma.m_host_awaddr.val();
        self.m_host_awlen.next = self.dma.m_host_awlen.val();
        self.m_host_awsize.next = self.dma.m_host_awsize.val();
        self.m_host_awburst.next = self.dma.m_host_awburst.val();
        self.m_host_awvalid.next = self.dma.m_host_awvalid.val();
        self.m_host_wdata.next = self.dma.m_host_wdata.val();
        self.m_host_wstrb.next = self.dma.m_host_wstrb.val();
        self.m_host_wlast.next = self.dma.m_host_wlast.val();
        self.m_host_wvalid.next = self.dma.m_host_wvalid.val();
        self.m_host_bready.next = self.dma.m_host_bready.val();
        self.m_host_arid.next = self.dma.m_host_arid.val();
        self.m_host_araddr.next = self.dma.m_host_araddr.val();
        self.m_host_arlen.next = self.dma.m_host_arlen.val();
        self.m_host_arsize.next = self.dma.m_host_arsize.val();
        self.m_host_arburst.next = self.dma.m_host_arburst.val();
        self.m_host_arvalid.next = self.dma.m_host_arvalid.val();
        self.m_host_rready.next = self.dma.m_host_rready.val();
        self.dma.m_host_awready.next = self.m_host_awready.val();
        self.dma.m_host_wready.next = self.m_host_wready.val();
        self.dma.m_host_bid.next = self.m_host_bid.val();
        self.dma.m_host_bresp.next = self.m_host_bresp.val();
        self.dma.m_host_bvalid.next = self.m_host_bvalid.val();
        self.dma.m_host_arready.next = self.m_host_arready.val();
        self.dma.m_host_rid.next = self.m_host_rid.val();
        self.dma.m_host_rdata.next = self.m_host_rdata.val();
        self.dma.m_host_rresp.next = self.m_host_rresp.val();
        self.dma.m_host_rlast.next = self.m_host_rlast.val();
        self.dma.m_host_rvalid.next = self.m_host_rvalid.val();
        self.m_card_awid.next = self.dma.m_card_awid.val();
        self.m_card_awaddr.next = self.dma.m_card_awaddr.val();
        self.m_card_awlen.next = self.dma.m_card_awlen.val();
        self.m_card_awsize.next = self.dma.m_card_awsize.val();
        self.m_card_awburst.next = self.dma.m_card_awburst.val();
        self.m_card_awvalid.next = self.dma.m_card_awvalid.val();
        self.m_card_wdata.next = self.dma.m_card_wdata.val();
        self.m_card_wstrb.next = self.dma.m_card_wstrb.val();
        self.m_card_wlast.next = self.dma.m_card_wlast.val();
        self.m_card_wvalid.next = self.dma.m_card_wvalid.val();
        self.m_card_bready.next = self.dma.m_card_bready.val();
        self.m_card_arid.next = self.dma.m_card_arid.val();
        self.m_card_araddr.next = self.dma.m_card_araddr.val();
        self.m_card_arlen.next = self.dma.m_card_arlen.val();
        self.m_card_arsize.next = self.dma.m_card_arsize.val();
        self.m_card_arburst.next = self.dma.m_card_arburst.val();
        self.m_card_arvalid.next = self.dma.m_card_arvalid.val();
        self.m_card_rready.next = self.dma.m_card_rready.val();
        self.dma.m_card_awready.next = self.m_card_awready.val();
        self.dma.m_card_wready.next = self.m_card_wready.val();
        self.dma.m_card_bid.next = self.m_card_bid.val();
        self.dma.m_card_bresp.next = self.m_card_bresp.val();
        self.dma.m_card_bvalid.next = self.m_card_bvalid.val();
        self.dma.m_card_arready.next = self.m_card_arready.val();
        self.dma.m_card_rid.next = self.m_card_rid.val();
        self.dma.m_card_rdata.next = self.m_card_rdata.val();
        self.dma.m_card_rresp.next = self.m_card_rresp.val();
        self.dma.m_card_rlast.next = self.m_card_rlast.val();
        self.dma.m_card_rvalid.next = self.m_card_rvalid.val();
    }
}
