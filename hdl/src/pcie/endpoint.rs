//! The endpoint: receiver, sender, and what stands between them and the device.
//!
//! Its ports towards the hard block are a stream of packets in each direction, 8 bytes a clock, header words as PCI Express numbers
//! their bits (word 0 in bits 31:0 of the first beat), and what the configuration space says.

use super::access::Access;
use super::message::Message;
use super::reader::Reader;
use super::receiver::Receiver;
use super::sender::Sender;
use super::swap::Swap;
use super::writer::Writer;
use rust_hdl::prelude::*;

/// Between the hard block's packets and the device's AXI ports.
#[derive(LogicBlock, Default)]
pub struct Endpoint {
    /// Clock of everything.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset of everything, the device's too.
    pub reset: Signal<In, Bit>,

    /// Byte 0 of a payload's word is in bits 31:24 (7 series), not 7:0. Constant.
    pub big: Signal<In, Bit>,
    /// Headers of all that is sent have 64-bit addresses, even those below 4 GiB: what LitePCIe's adapter to UltraScale+ takes. Constant.
    pub extended: Signal<In, Bit>,
    /// Beats that make one beat of the hard block, less one: 0, 1 or 3; packets are filled up to whole ones. Constant.
    pub fill: Signal<In, Bits<2>>,
    /// A read that is not answered is given up after one to two times so many clocks. Constant.
    pub patience: Signal<In, Bits<24>>,

    /// Bus, device and function number.
    pub id: Signal<In, Bits<16>>,
    /// Bus Master Enable.
    pub bus_master: Signal<In, Bit>,
    /// MSI-X Enable.
    pub msix_enable: Signal<In, Bit>,
    /// MSI-X Function Mask.
    pub msix_mask: Signal<In, Bit>,
    /// Bytes of a payload that the link takes: 128, 256 or 512.
    pub max_payload: Signal<In, Bits<10>>,
    /// Bytes that a read may ask for: 128, 256 or 512.
    pub max_request: Signal<In, Bits<10>>,

    /// Eight bytes came.
    pub rx_valid: Signal<In, Bit>,
    /// They are taken.
    pub rx_ready: Signal<Out, Bit>,
    /// They are the last of their packet; beats beyond what its header says do not count.
    pub rx_last: Signal<In, Bit>,
    /// They.
    pub rx_data: Signal<In, Bits<64>>,
    /// Eight bytes go.
    pub tx_valid: Signal<Out, Bit>,
    /// They are taken.
    pub tx_ready: Signal<In, Bit>,
    /// They are the last of their packet.
    pub tx_last: Signal<Out, Bit>,
    /// They.
    pub tx_data: Signal<Out, Bits<64>>,
    /// Which of them count: all, the lower four, or none.
    pub tx_keep: Signal<Out, Bits<8>>,

    /// The device's interrupt lines.
    pub irq: Signal<In, Bits<16>>,
    /// A write's address stands.
    pub m_axil_awvalid: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2.
    pub m_axil_awaddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access.
    pub m_axil_awsize: Signal<Out, Bits<3>>,
    /// A write's data stands.
    pub m_axil_wvalid: Signal<Out, Bit>,
    /// Data, each byte on its lane.
    pub m_axil_wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub m_axil_wstrb: Signal<Out, Bits<8>>,
    /// That the write is done is taken.
    pub m_axil_bready: Signal<Out, Bit>,
    /// A read's address stands.
    pub m_axil_arvalid: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2.
    pub m_axil_araddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access.
    pub m_axil_arsize: Signal<Out, Bits<3>>,
    /// The data read is taken.
    pub m_axil_rready: Signal<Out, Bit>,
    /// The write's address is taken.
    pub m_axil_awready: Signal<In, Bit>,
    /// Its data is taken.
    pub m_axil_wready: Signal<In, Bit>,
    /// It is done.
    pub m_axil_bvalid: Signal<In, Bit>,
    /// The read's address is taken.
    pub m_axil_arready: Signal<In, Bit>,
    /// The data read stands.
    pub m_axil_rvalid: Signal<In, Bit>,
    /// Data read.
    pub m_axil_rdata: Signal<In, Bits<64>>,
    /// Id of the write burst.
    pub s_host_awid: Signal<In, Bits<2>>,
    /// Byte address of its first beat, a multiple of 8.
    pub s_host_awaddr: Signal<In, Bits<64>>,
    /// Its beats, less one.
    pub s_host_awlen: Signal<In, Bits<8>>,
    /// The address stands.
    pub s_host_awvalid: Signal<In, Bit>,
    /// Data, whole words.
    pub s_host_wdata: Signal<In, Bits<64>>,
    /// The data stands.
    pub s_host_wvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub s_host_bready: Signal<In, Bit>,
    /// Id of the read burst.
    pub s_host_arid: Signal<In, Bits<2>>,
    /// Byte address of its first beat, a multiple of 8.
    pub s_host_araddr: Signal<In, Bits<64>>,
    /// Its beats, less one.
    pub s_host_arlen: Signal<In, Bits<8>>,
    /// The address stands.
    pub s_host_arvalid: Signal<In, Bit>,
    /// The data is taken.
    pub s_host_rready: Signal<In, Bit>,
    /// The address is taken.
    pub s_host_awready: Signal<Out, Bit>,
    /// The data is taken.
    pub s_host_wready: Signal<Out, Bit>,
    /// Id of the burst that is written.
    pub s_host_bid: Signal<Out, Bits<2>>,
    /// SLVERR if Bus Master Enable went off before all of it was sent; of what was sent, the host does not say.
    pub s_host_bresp: Signal<Out, Bits<2>>,
    /// It is on its way, and nothing sent later overtakes it.
    pub s_host_bvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub s_host_arready: Signal<Out, Bit>,
    /// Id of the burst that is read.
    pub s_host_rid: Signal<Out, Bits<2>>,
    /// Data.
    pub s_host_rdata: Signal<Out, Bits<64>>,
    /// SLVERR if the host did not give it.
    pub s_host_rresp: Signal<Out, Bits<2>>,
    /// Last beat of the burst.
    pub s_host_rlast: Signal<Out, Bit>,
    /// The data stands.
    pub s_host_rvalid: Signal<Out, Bit>,

    receiver: Receiver,
    access: Access,
    answer: Swap,
    message: Message,
    reader: Reader,
    writer: Writer,
    sender: Sender,
}

impl Logic for Endpoint {
    #[hdl_gen]
    fn update(&mut self) {
        self.receiver.clock.next = self.clock.val();
        self.access.clock.next = self.clock.val();
        self.message.clock.next = self.clock.val();
        self.reader.clock.next = self.clock.val();
        self.writer.clock.next = self.clock.val();
        self.sender.clock.next = self.clock.val();
        self.receiver.reset.next = self.reset.val();
        self.access.reset.next = self.reset.val();
        self.message.reset.next = self.reset.val();
        self.reader.reset.next = self.reset.val();
        self.writer.reset.next = self.reset.val();
        self.sender.reset.next = self.reset.val();

        // What is constant, and what the configuration space says.
        self.receiver.big.next = self.big.val();
        self.answer.big.next = self.big.val();
        self.message.big.next = self.big.val();
        self.writer.big.next = self.big.val();
        self.message.extended.next = self.extended.val();
        self.reader.extended.next = self.extended.val();
        self.writer.extended.next = self.extended.val();
        self.reader.patience.next = self.patience.val();
        self.access.id.next = self.id.val();
        self.message.id.next = self.id.val();
        self.reader.id.next = self.id.val();
        self.writer.id.next = self.id.val();
        self.message.bus_master.next = self.bus_master.val();
        self.reader.bus_master.next = self.bus_master.val();
        self.writer.bus_master.next = self.bus_master.val();
        self.message.enable.next = self.msix_enable.val();
        self.message.mask.next = self.msix_mask.val();
        self.writer.line.next = self.max_payload.val();
        self.reader.line.next = self.max_request.val();

        // Packets.
        self.receiver.rx_valid.next = self.rx_valid.val();
        self.receiver.rx_last.next = self.rx_last.val();
        self.receiver.rx_data.next = self.rx_data.val();
        self.rx_ready.next = self.receiver.rx_ready.val();
        self.sender.fill.next = self.fill.val();
        self.sender.tx_ready.next = self.tx_ready.val();
        self.tx_valid.next = self.sender.tx_valid.val();
        self.tx_last.next = self.sender.tx_last.val();
        self.tx_data.next = self.sender.tx_data.val();
        self.tx_keep.next = self.sender.tx_keep.val();
        self.reader.word_valid.next = self.receiver.word_valid.val();
        self.reader.word.next = self.receiver.word.val();
        self.reader.spoilt.next = self.receiver.spoilt.val();
        self.reader.bytes.next = self.receiver.bytes.val();
        self.reader.lower_address.next = self.receiver.lower_address.val();
        self.reader.failed.next = self.receiver.failed.val();
        self.reader.tag.next = self.receiver.tag.val();

        // Requests.
        self.access.request.next = self.receiver.request.val();
        self.access.write.next = self.receiver.write.val();
        self.access.unsupported.next = self.receiver.unsupported.val();
        self.access.locked.next = self.receiver.locked.val();
        self.access.bar.next = self.receiver.bar.val();
        self.access.address.next = self.receiver.address.val();
        self.access.length.next = self.receiver.length.val();
        self.access.enables.next = self.receiver.enables.val();
        self.access.origin.next = self.receiver.origin.val();
        self.access.traffic.next = self.receiver.traffic.val();
        self.access.poisoned.next = self.receiver.poisoned.val();
        self.access.data.next = self.receiver.data.val();
        self.receiver.taken.next = self.access.taken.val();
        self.answer.data.next = self.access.answer.val();
        self.access.swapped.next = self.answer.swapped.val();
        self.message.irq.next = self.irq.val();
        self.message.table_asked.next = self.access.table_asked.val();
        self.message.write.next = self.receiver.write.val();
        self.message.wide.next = self.access.table_wide.val();
        self.message.address.next = self.receiver.address.val().get_bits::<12>(0);
        self.message.table_in.next = self.receiver.data.val();
        self.access.table_ready.next = self.message.table_ready.val();
        self.access.table_data.next = self.message.table_out.val();

        // Who sends.
        self.sender.valid[0].next = self.access.valid.val();
        self.sender.data[0].next = self.access.beat.val();
        self.sender.half[0].next = self.access.half.val();
        self.sender.last[0].next = self.access.last.val();
        self.access.ready.next = self.sender.ready[0].val();
        self.sender.valid[1].next = self.message.valid.val();
        self.sender.data[1].next = self.message.beat.val();
        self.sender.half[1].next = self.message.half.val();
        self.sender.last[1].next = self.message.last.val();
        self.message.ready.next = self.sender.ready[1].val();
        self.sender.valid[2].next = self.reader.valid.val();
        self.sender.data[2].next = self.reader.beat.val();
        self.sender.half[2].next = self.reader.half.val();
        self.sender.last[2].next = self.reader.last.val();
        self.reader.ready.next = self.sender.ready[2].val();
        self.sender.valid[3].next = self.writer.valid.val();
        self.sender.data[3].next = self.writer.data.val();
        self.sender.half[3].next = self.writer.half.val();
        self.sender.last[3].next = self.writer.last.val();
        self.writer.ready.next = self.sender.ready[3].val();

        // The device.
        self.m_axil_awvalid.next = self.access.awvalid.val();
        self.m_axil_awaddr.next = self.access.axaddr.val();
        self.m_axil_awsize.next = self.access.axsize.val();
        self.m_axil_wvalid.next = self.access.wvalid.val();
        self.m_axil_wdata.next = self.access.wdata.val();
        self.m_axil_wstrb.next = self.access.wstrb.val();
        self.m_axil_bready.next = self.access.bready.val();
        self.m_axil_arvalid.next = self.access.arvalid.val();
        self.m_axil_araddr.next = self.access.axaddr.val();
        self.m_axil_arsize.next = self.access.axsize.val();
        self.m_axil_rready.next = self.access.rready.val();
        self.access.awready.next = self.m_axil_awready.val();
        self.access.wready.next = self.m_axil_wready.val();
        self.access.bvalid.next = self.m_axil_bvalid.val();
        self.access.arready.next = self.m_axil_arready.val();
        self.access.rvalid.next = self.m_axil_rvalid.val();
        self.access.rdata.next = self.m_axil_rdata.val();
        self.writer.awid.next = self.s_host_awid.val();
        self.writer.awaddr.next = self.s_host_awaddr.val();
        self.writer.awlen.next = self.s_host_awlen.val();
        self.writer.awvalid.next = self.s_host_awvalid.val();
        self.writer.wdata.next = self.s_host_wdata.val();
        self.writer.wvalid.next = self.s_host_wvalid.val();
        self.writer.bready.next = self.s_host_bready.val();
        self.reader.arid.next = self.s_host_arid.val();
        self.reader.araddr.next = self.s_host_araddr.val();
        self.reader.arlen.next = self.s_host_arlen.val();
        self.reader.arvalid.next = self.s_host_arvalid.val();
        self.reader.rready.next = self.s_host_rready.val();
        self.s_host_awready.next = self.writer.awready.val();
        self.s_host_wready.next = self.writer.wready.val();
        self.s_host_bid.next = self.writer.bid.val();
        self.s_host_bresp.next = self.writer.bresp.val();
        self.s_host_bvalid.next = self.writer.bvalid.val();
        self.s_host_arready.next = self.reader.arready.val();
        self.s_host_rid.next = self.reader.rid.val();
        self.s_host_rdata.next = self.reader.rdata.val();
        self.s_host_rresp.next = self.reader.rresp.val();
        self.s_host_rlast.next = self.reader.rlast.val();
        self.s_host_rvalid.next = self.reader.rvalid.val();
    }
}
