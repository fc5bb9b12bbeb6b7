//! The device as it stands on a board without PCIe: registers over a serial line, card memory beside it. `docs/uart.md`.
//!
//! ```text
//!  rx ─► Link ─► s_axil ┌────────┐ m_card ─► memory, of the board's own
//!  tx ◄──┘              │ Device │ m_host ─► nothing: Bus Master Enable is off
//!                 irq ◄─└────────┘
//! ```
//!
//! A board's top joins this to its clock, its pins and its memory. Without Bus Master Enable the device begins no burst on the host's bus and ends what would need
//! one with DMA_ERR.BUS_MASTER_OFF at once (`docs/moves.md`), so that bus is left open, with its inputs 0. `irq` pulses as ever, and INT_STATUS
//! is there to be polled.

use crate::top::Device;
use crate::uart::{Link, Timing};
use kvcpu_mmio::Geometry;
use rust_hdl::prelude::*;

/// Device and serial line, with the parameters of [`Device`].
#[derive(LogicBlock)]
pub struct Board<
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
    /// Synchronous reset of everything, the memory too.
    pub reset: Signal<In, Bit>,
    /// The line in; high at rest.
    pub rx: Signal<In, Bit>,
    /// The line out.
    pub tx: Signal<Out, Bit>,
    /// A pulse of a clock for each message that would be sent.
    pub irq: Signal<Out, Bits<16>>,
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

    device: Device<A, B, C, S, L, LG, M, R, K, J, Q, G>,
    link: Link,
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
> Board<A, B, C, S, L, LG, M, R, K, J, Q, G>
{
    /// A device of this geometry, clocked at `clock_hz`, at a line of these times.
    ///
    /// # Panics
    ///
    /// If the geometry is not that of the parameters.
    pub fn new(geometry: Geometry, build_id: u32, clock_hz: u32, timing: Timing) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    device: Device::new(geometry, build_id, clock_hz),
                    link: Link::new(timing),
                }
            };
        }
        rest!(
            clock reset rx tx irq m_card_awid m_card_awaddr m_card_awlen m_card_awsize m_card_awburst m_card_awvalid m_card_wdata m_card_wstrb m_card_wlast m_card_wvalid m_card_bready m_card_arid m_card_araddr m_card_arlen m_card_arsize m_card_arburst m_card_arvalid m_card_rready m_card_awready m_card_wready m_card_bid m_card_bresp m_card_bvalid m_card_arready m_card_rid m_card_rdata m_card_rresp m_card_rlast m_card_rvalid
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
> Logic for Board<A, B, C, S, L, LG, M, R, K, J, Q, G>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.device.clock.next = self.clock.val();
        self.device.reset.next = self.reset.val();
        self.link.clock.next = self.clock.val();
        self.link.reset.next = self.reset.val();
        self.link.rx.next = self.rx.val();
        self.tx.next = self.link.tx.val();
        self.irq.next = self.device.irq.val();

        // Registers.
        self.device.s_axil_awvalid.next = self.link.m_axil_awvalid.val();
        self.link.m_axil_awready.next = self.device.s_axil_awready.val();
        self.device.s_axil_awaddr.next = self.link.m_axil_awaddr.val();
        self.device.s_axil_awsize.next = self.link.m_axil_awsize.val();
        self.device.s_axil_wvalid.next = self.link.m_axil_wvalid.val();
        self.link.m_axil_wready.next = self.device.s_axil_wready.val();
        self.device.s_axil_wdata.next = self.link.m_axil_wdata.val();
        self.device.s_axil_wstrb.next = self.link.m_axil_wstrb.val();
        self.link.m_axil_bvalid.next = self.device.s_axil_bvalid.val();
        self.device.s_axil_bready.next = self.link.m_axil_bready.val();
        self.device.s_axil_arvalid.next = self.link.m_axil_arvalid.val();
        self.link.m_axil_arready.next = self.device.s_axil_arready.val();
        self.device.s_axil_araddr.next = self.link.m_axil_araddr.val();
        self.device.s_axil_arsize.next = self.link.m_axil_arsize.val();
        self.link.m_axil_rvalid.next = self.device.s_axil_rvalid.val();
        self.device.s_axil_rready.next = self.link.m_axil_rready.val();
        self.link.m_axil_rdata.next = self.device.s_axil_rdata.val();

        // The host's memory: none.
        self.device.bus_master.next = false;
        self.device.m_host_awready.next = false;
        self.device.m_host_wready.next = false;
        self.device.m_host_bid.next = 0.into();
        self.device.m_host_bresp.next = 0.into();
        self.device.m_host_bvalid.next = false;
        self.device.m_host_arready.next = false;
        self.device.m_host_rid.next = 0.into();
        self.device.m_host_rdata.next = 0.into();
        self.device.m_host_rresp.next = 0.into();
        self.device.m_host_rlast.next = false;
        self.device.m_host_rvalid.next = false;

        // The card's.
        self.m_card_awid.next = self.device.m_card_awid.val();
        self.m_card_awaddr.next = self.device.m_card_awaddr.val();
        self.m_card_awlen.next = self.device.m_card_awlen.val();
        self.m_card_awsize.next = self.device.m_card_awsize.val();
        self.m_card_awburst.next = self.device.m_card_awburst.val();
        self.m_card_awvalid.next = self.device.m_card_awvalid.val();
        self.m_card_wdata.next = self.device.m_card_wdata.val();
        self.m_card_wstrb.next = self.device.m_card_wstrb.val();
        self.m_card_wlast.next = self.device.m_card_wlast.val();
        self.m_card_wvalid.next = self.device.m_card_wvalid.val();
        self.m_card_bready.next = self.device.m_card_bready.val();
        self.m_card_arid.next = self.device.m_card_arid.val();
        self.m_card_araddr.next = self.device.m_card_araddr.val();
        self.m_card_arlen.next = self.device.m_card_arlen.val();
        self.m_card_arsize.next = self.device.m_card_arsize.val();
        self.m_card_arburst.next = self.device.m_card_arburst.val();
        self.m_card_arvalid.next = self.device.m_card_arvalid.val();
        self.m_card_rready.next = self.device.m_card_rready.val();
        self.device.m_card_awready.next = self.m_card_awready.val();
        self.device.m_card_wready.next = self.m_card_wready.val();
        self.device.m_card_bid.next = self.m_card_bid.val();
        self.device.m_card_bresp.next = self.m_card_bresp.val();
        self.device.m_card_bvalid.next = self.m_card_bvalid.val();
        self.device.m_card_arready.next = self.m_card_arready.val();
        self.device.m_card_rid.next = self.m_card_rid.val();
        self.device.m_card_rdata.next = self.m_card_rdata.val();
        self.device.m_card_rresp.next = self.m_card_rresp.val();
        self.device.m_card_rlast.next = self.m_card_rlast.val();
        self.device.m_card_rvalid.next = self.m_card_rvalid.val();
    }
}
