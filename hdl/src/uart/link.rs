//! The serial line with all that is behind it, up to AXI4-Lite.
//!
//! ```text
//!  rx ─► Receiver ─► Guard ─► FIFO, 2,048 bytes ─► Bridge ─► m_axil
//!  tx ◄───────────── Transmitter ◄───────────────────┘
//! ```
//!
//! A byte that comes while the FIFO is full is lost, as is one whose frame is bad; what then becomes of those behind it is the guard's affair. The FIFO is a block RAM, the
//! smallest there is, and its words have a ninth bit anyway: the first byte behind a loss. What may be sent ahead: `docs/uart.md`, Driver.

use super::{Bridge, Guard, Receiver, Timing, Transmitter};
use crate::prim::Fifo;
use rust_hdl::prelude::*;

/// A serial line as a master of AXI4-Lite.
#[derive(LogicBlock)]
pub struct Link {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, of the slave too.
    pub reset: Signal<In, Bit>,
    /// The line in.
    pub rx: Signal<In, Bit>,
    /// The line out.
    pub tx: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_awvalid: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_awready: Signal<In, Bit>,
    /// As of [`Bridge`].
    pub m_axil_awaddr: Signal<Out, Bits<24>>,
    /// As of [`Bridge`].
    pub m_axil_awsize: Signal<Out, Bits<3>>,
    /// As of [`Bridge`].
    pub m_axil_wvalid: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_wready: Signal<In, Bit>,
    /// As of [`Bridge`].
    pub m_axil_wdata: Signal<Out, Bits<64>>,
    /// As of [`Bridge`].
    pub m_axil_wstrb: Signal<Out, Bits<8>>,
    /// As of [`Bridge`].
    pub m_axil_bvalid: Signal<In, Bit>,
    /// As of [`Bridge`].
    pub m_axil_bready: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_arvalid: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_arready: Signal<In, Bit>,
    /// As of [`Bridge`].
    pub m_axil_araddr: Signal<Out, Bits<24>>,
    /// As of [`Bridge`].
    pub m_axil_arsize: Signal<Out, Bits<3>>,
    /// As of [`Bridge`].
    pub m_axil_rvalid: Signal<In, Bit>,
    /// As of [`Bridge`].
    pub m_axil_rready: Signal<Out, Bit>,
    /// As of [`Bridge`].
    pub m_axil_rdata: Signal<In, Bits<64>>,

    receiver: Receiver,
    guard: Guard,
    fifo: Fifo<Bits<9>, 11, 12>,
    bridge: Bridge,
    transmitter: Transmitter,
}

impl Link {
    /// A line of these times.
    pub fn new(timing: Timing) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    receiver: Receiver::new(timing.bit_clocks),
                    guard: Guard::new(timing.idle_clocks),
                    bridge: Bridge::new(timing.idle_clocks),
                    transmitter: Transmitter::new(timing.bit_clocks),
                }
            };
        }
        rest!(
            clock reset rx tx m_axil_awvalid m_axil_awready m_axil_awaddr m_axil_awsize m_axil_wvalid m_axil_wready m_axil_wdata m_axil_wstrb
            m_axil_bvalid m_axil_bready m_axil_arvalid m_axil_arready m_axil_araddr m_axil_arsize m_axil_rvalid m_axil_rready m_axil_rdata fifo
        )
    }
}

impl Logic for Link {
    #[hdl_gen]
    fn update(&mut self) {
        self.receiver.clock.next = self.clock.val();
        self.receiver.reset.next = self.reset.val();
        self.guard.clock.next = self.clock.val();
        self.guard.reset.next = self.reset.val();
        self.fifo.clock.next = self.clock.val();
        self.fifo.reset.next = self.reset.val();
        self.bridge.clock.next = self.clock.val();
        self.bridge.reset.next = self.reset.val();
        self.transmitter.clock.next = self.clock.val();
        self.transmitter.reset.next = self.reset.val();

        self.receiver.rx.next = self.rx.val();
        self.guard.is_low.next = self.receiver.is_low.val();
        self.guard.in_valid.next = self.receiver.out_valid.val();
        self.guard.bad_frame.next = self.receiver.bad_frame.val();
        self.guard.out_ready.next = self.fifo.in_ready.val();
        self.fifo.in_valid.next = self.guard.out_valid.val();
        self.fifo.in_data.next =
            (bit_cast::<9, 1>(self.guard.out_first.val().into()) << 8) | bit_cast::<9, 8>(self.receiver.out_data.val());
        self.bridge.in_valid.next = self.fifo.out_valid.val();
        self.bridge.in_data.next = bit_cast::<8, 9>(self.fifo.out_data.val());
        self.bridge.in_first.next = self.fifo.out_data.val().get_bit(8);
        self.fifo.out_ready.next = self.bridge.in_ready.val();
        self.transmitter.in_valid.next = self.bridge.out_valid.val();
        self.transmitter.in_data.next = self.bridge.out_data.val();
        self.bridge.out_ready.next = self.transmitter.in_ready.val();
        self.tx.next = self.transmitter.tx.val();

        self.m_axil_awvalid.next = self.bridge.m_axil_awvalid.val();
        self.bridge.m_axil_awready.next = self.m_axil_awready.val();
        self.m_axil_awaddr.next = self.bridge.m_axil_awaddr.val();
        self.m_axil_awsize.next = self.bridge.m_axil_awsize.val();
        self.m_axil_wvalid.next = self.bridge.m_axil_wvalid.val();
        self.bridge.m_axil_wready.next = self.m_axil_wready.val();
        self.m_axil_wdata.next = self.bridge.m_axil_wdata.val();
        self.m_axil_wstrb.next = self.bridge.m_axil_wstrb.val();
        self.bridge.m_axil_bvalid.next = self.m_axil_bvalid.val();
        self.m_axil_bready.next = self.bridge.m_axil_bready.val();
        self.m_axil_arvalid.next = self.bridge.m_axil_arvalid.val();
        self.bridge.m_axil_arready.next = self.m_axil_arready.val();
        self.m_axil_araddr.next = self.bridge.m_axil_araddr.val();
        self.m_axil_arsize.next = self.bridge.m_axil_arsize.val();
        self.bridge.m_axil_rvalid.next = self.m_axil_rvalid.val();
        self.m_axil_rready.next = self.bridge.m_axil_rready.val();
        self.bridge.m_axil_rdata.next = self.m_axil_rdata.val();
    }
}
