//! The AXI4-Lite slave, and what else the control unit sees of the outside: an access at a time, interrupt lines, clocks,
//! geometry. `docs/control.md`, Front and constants.
//!
//! ```text
//!  AW, W ─► held ┐                         ┌─► R
//!                ├─► pending ─► thread 1 ──┤
//!  AR ────► held ┘                answer   └─► B
//! ```
//!
//! The microprogram may arm the front: if the next write is one of CMD_GO, it starts a sweep at once (`hdl/micro/step.rs`).
//! A write goes before a read that came in the same clock. The answer of an access of four bytes or fewer stands on both halves of R.

use crate::prim::Register;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::regs::command::CMD_GO;
use rust_hdl::prelude::*;

/// The front of the device.
#[derive(LogicBlock)]
pub struct Front {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// AXI4-Lite, with the size of the access beside its address.
    pub awvalid: Signal<In, Bit>,
    /// Address is taken.
    pub awready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks.
    pub awaddr: Signal<In, Bits<24>>,
    /// log2 of its bytes.
    pub awsize: Signal<In, Bits<3>>,
    /// Data is there.
    pub wvalid: Signal<In, Bit>,
    /// Data is taken.
    pub wready: Signal<Out, Bit>,
    /// Data, each byte on its lane.
    pub wdata: Signal<In, Bits<64>>,
    /// Bytes that are written.
    pub wstrb: Signal<In, Bits<8>>,
    /// The write is done.
    pub bvalid: Signal<Out, Bit>,
    /// That is known.
    pub bready: Signal<In, Bit>,
    /// Always OKAY: errors are in registers.
    pub bresp: Signal<Out, Bits<2>>,
    /// Read address is there.
    pub arvalid: Signal<In, Bit>,
    /// Read address is taken.
    pub arready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks.
    pub araddr: Signal<In, Bits<24>>,
    /// log2 of its bytes.
    pub arsize: Signal<In, Bits<3>>,
    /// Data read is there.
    pub rvalid: Signal<Out, Bit>,
    /// It is taken.
    pub rready: Signal<In, Bit>,
    /// Data read.
    pub rdata: Signal<Out, Bits<64>>,
    /// Always OKAY.
    pub rresp: Signal<Out, Bits<2>>,

    /// A pulse on each interrupt line that is raised.
    pub irq: Signal<Out, Bits<16>>,
    /// An access waits for thread 1.
    pub pending: Signal<Out, Bit>,

    /// The sweep of a STEP_ADVANCE is to be started: CMD_GO was written, and the microprogram had made it ready.
    pub sweeps: Signal<Out, Bit>,
    /// It is.
    pub sweep_started: Signal<In, Bit>,

    /// Level at which the DMA channels are held back: THROTTLE.DMA.
    pub dma_level: Signal<Out, Bits<4>>,
    /// A sweep is not to read a row: in THROTTLE.SWEEP of sixteen clocks.
    pub sweep_rests: Signal<Out, Bit>,

    /// A request for this block stands.
    pub bus_select: Signal<In, Bit>,
    /// It writes.
    pub bus_write: Signal<In, Bit>,
    /// Its address.
    pub bus_address: Signal<In, Bits<24>>,
    /// What it writes.
    pub bus_data: Signal<In, Bits<32>>,
    /// It is carried out.
    pub bus_ready: Signal<Out, Bit>,
    /// What it read.
    pub bus_read: Signal<Out, Bits<32>>,

    has_address: Register<Bit>,
    has_data: Register<Bit>,
    has_read: Register<Bit>,
    address: Register<Bits<24>>,
    size: Register<Bits<3>>,
    data: Register<Bits<64>>,
    /// The strobes are none, or not of bytes that stand side by side.
    gap: Register<Bit>,
    read_address: Register<Bits<24>>,
    read_size: Register<Bits<3>>,
    is_write: Register<Bit>,
    waits: Register<Bit>,
    answer_low: Register<Bits<32>>,
    answer_high: Register<Bits<32>>,
    b_valid: Register<Bit>,
    r_valid: Register<Bit>,
    /// No write has come since the microprogram asked.
    watched: Register<Bit>,
    /// CMD_GO starts a sweep, if it is the next write.
    armed: Register<Bit>,
    /// It has.
    fired: Register<Bit>,
    sweep: Register<Bit>,
    lines: Register<Bits<16>>,
    /// As THROTTLE.
    throttle: Register<Bits<8>>,
    resting: Register<Bit>,
    cycles: Register<Bits<64>>,
    cycles_high: Register<Bits<32>>,
    ready: Register<Bit>,
    read: Register<Bits<32>>,

    number: Signal<Local, Bits<5>>,
    starts: Signal<Local, Bit>,
    write: Signal<Local, Bit>,
    responds: Signal<Local, Bit>,
    arms: Signal<Local, Bit>,
    is_go: Signal<Local, Bit>,
    shown_address: Signal<Local, Bits<24>>,
    shown_size: Signal<Local, Bits<3>>,
    offset: Signal<Local, Bits<32>>,
    access: Signal<Local, Bits<32>>,
    bytes: Signal<Local, Bits<32>>,
    edges: Signal<Local, Bits<8>>,
    runs: Signal<Local, Bits<8>>,
    low: Signal<Local, Bits<32>>,
    go_address: Constant<Bits<24>>,
    write_mark: Constant<Bits<32>>,
    bar2_mark: Constant<Bits<32>>,
    bar2_write_mark: Constant<Bits<32>>,
    /// Geometry, build and clock, in the order of the bus map.
    constants: [Constant<Bits<32>>; 11],
    /// Where they stand.
    numbers: [Constant<Bits<5>>; 11],
}

impl Front {
    /// The front of a device of this geometry, clocked at `clock_hz`.
    pub fn new(geometry: Geometry, build_id: u32, clock_hz: u32) -> Self {
        let constants = [
            geometry.entries_log2,
            geometry.lanes,
            geometry.victim_k,
            geometry.stash,
            geometry.queues,
            geometry.agents,
            geometry.t1_kib,
            geometry.min_block_shift,
            geometry.max_block_shift,
            build_id,
            clock_hz,
        ];
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    go_address: Constant::new(u64::from(CMD_GO.offset).into()),
                    write_mark: Constant::new(0x8000_0000u64.into()),
                    bar2_mark: Constant::new(0x1000_0000u64.into()),
                    bar2_write_mark: Constant::new(0x9000_0000u64.into()),
                    numbers: std::array::from_fn(|i| Constant::new((16 + i as u64).into())),
                    constants: constants.map(|value| Constant::new(u64::from(value).into())),
                }
            };
        }
        rest!(
            clock reset awvalid awready awaddr awsize wvalid wready wdata wstrb bvalid bready bresp arvalid arready araddr
            arsize rvalid rready rdata rresp irq pending sweeps sweep_started dma_level sweep_rests bus_select bus_write bus_address bus_data bus_ready
            bus_read has_address has_data has_read address size data gap read_address read_size is_write waits
            answer_low answer_high b_valid r_valid watched armed fired sweep lines throttle resting cycles cycles_high ready read number starts write responds arms is_go
            shown_address shown_size offset access bytes edges runs low
        )
    }
}

impl Logic for Front {
    #[hdl_gen]
    fn update(&mut self) {
        self.has_address.clock.next = self.clock.val();
        self.has_data.clock.next = self.clock.val();
        self.has_read.clock.next = self.clock.val();
        self.address.clock.next = self.clock.val();
        self.size.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.gap.clock.next = self.clock.val();
        self.read_address.clock.next = self.clock.val();
        self.read_size.clock.next = self.clock.val();
        self.is_write.clock.next = self.clock.val();
        self.waits.clock.next = self.clock.val();
        self.answer_low.clock.next = self.clock.val();
        self.answer_high.clock.next = self.clock.val();
        self.b_valid.clock.next = self.clock.val();
        self.r_valid.clock.next = self.clock.val();
        self.watched.clock.next = self.clock.val();
        self.armed.clock.next = self.clock.val();
        self.fired.clock.next = self.clock.val();
        self.sweep.clock.next = self.clock.val();
        self.lines.clock.next = self.clock.val();
        self.throttle.clock.next = self.clock.val();
        self.resting.clock.next = self.clock.val();
        self.cycles.clock.next = self.clock.val();
        self.cycles_high.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.read.clock.next = self.clock.val();
        self.has_address.reset.next = self.reset.val();
        self.has_data.reset.next = self.reset.val();
        self.has_read.reset.next = self.reset.val();
        self.address.reset.next = self.reset.val();
        self.size.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();
        self.gap.reset.next = self.reset.val();
        self.read_address.reset.next = self.reset.val();
        self.read_size.reset.next = self.reset.val();
        self.is_write.reset.next = self.reset.val();
        self.waits.reset.next = self.reset.val();
        self.answer_low.reset.next = self.reset.val();
        self.answer_high.reset.next = self.reset.val();
        self.b_valid.reset.next = self.reset.val();
        self.r_valid.reset.next = self.reset.val();
        self.watched.reset.next = self.reset.val();
        self.armed.reset.next = self.reset.val();
        self.fired.reset.next = self.reset.val();
        self.sweep.reset.next = self.reset.val();
        self.lines.reset.next = self.reset.val();
        self.throttle.reset.next = self.reset.val();
        self.resting.reset.next = self.reset.val();
        self.cycles.reset.next = self.reset.val();
        self.cycles_high.reset.next = self.reset.val();
        self.ready.reset.next = self.reset.val();
        self.read.reset.next = self.reset.val();

        // Strobes without a gap have one bit set that the next lower has not.
        self.edges.next = self.wstrb.val() & !(self.wstrb.val() << 1);
        self.runs.next = self.edges.val() - 1;

        // Channels: each holds one. No read comes in while an answer waits on R, whose lanes depend on the read's size.
        self.awready.next = !self.has_address.q.val();
        self.wready.next = !self.has_data.q.val();
        self.arready.next = !self.has_read.q.val() & !self.r_valid.q.val();
        self.has_address.d.next = self.has_address.q.val();
        self.has_data.d.next = self.has_data.q.val();
        self.has_read.d.next = self.has_read.q.val();
        self.address.d.next = self.address.q.val();
        self.size.d.next = self.size.q.val();
        self.data.d.next = self.data.q.val();
        self.gap.d.next = self.gap.q.val();
        self.read_address.d.next = self.read_address.q.val();
        self.read_size.d.next = self.read_size.q.val();
        if self.awvalid.val() & !self.has_address.q.val() {
            self.has_address.d.next = true;
            self.address.d.next = self.awaddr.val();
            self.size.d.next = self.awsize.val();
        }
        if self.wvalid.val() & !self.has_data.q.val() {
            self.has_data.d.next = true;
            self.data.d.next = self.wdata.val();
            self.gap.d.next = (self.wstrb.val() == 0) | ((self.edges.val() & self.runs.val()) != 0);
        }
        if self.arvalid.val() & !self.has_read.q.val() & !self.r_valid.q.val() {
            self.has_read.d.next = true;
            self.read_address.d.next = self.araddr.val();
            self.read_size.d.next = self.arsize.val();
        }

        // One access at a time, until it is answered and the answer taken.
        self.number.next = self.bus_address.val().get_bits::<5>(0);
        self.starts.next = self.bus_select.val() & !self.ready.q.val();
        self.write.next = self.starts.val() & self.bus_write.val();
        self.responds.next = self.write.val() & (self.number.val() == 6);
        self.is_write.d.next = self.is_write.q.val();
        self.waits.d.next = self.waits.q.val();
        self.b_valid.d.next = self.b_valid.q.val() & !self.bready.val();
        self.r_valid.d.next = self.r_valid.q.val() & !self.rready.val();
        // Watched and armed while no write is held: the next is the first that is seen.
        self.arms.next = self.write.val() & (self.number.val() == 12);
        self.watched.d.next = self.watched.q.val();
        self.armed.d.next = self.armed.q.val();
        self.fired.d.next = self.fired.q.val();
        if self.arms.val() {
            self.watched.d.next = self.bus_data.val().get_bit(0) & !self.has_address.q.val() & !self.has_data.q.val();
            self.armed.d.next = self.bus_data.val().get_bit(1)
                & self.watched.q.val()
                & !self.has_address.q.val()
                & !self.has_data.q.val();
            if self.bus_data.val().get_bit(0) {
                self.fired.d.next = false;
            }
        }
        self.is_go.next =
            (self.address.q.val() == self.go_address.val()) & (self.size.q.val() == 2) & !self.gap.q.val();
        self.sweep.d.next = self.sweep.q.val() & !self.sweep_started.val();
        if !self.waits.q.val() & !self.b_valid.q.val() & !self.r_valid.q.val() {
            if self.has_address.q.val() & self.has_data.q.val() {
                self.waits.d.next = true;
                self.is_write.d.next = true;
                self.watched.d.next = false;
                self.armed.d.next = false;
                if self.armed.q.val() & self.is_go.val() {
                    self.fired.d.next = true;
                    self.sweep.d.next = true;
                }
            } else if self.has_read.q.val() {
                self.waits.d.next = true;
                self.is_write.d.next = false;
            }
        }
        if self.responds.val() & self.waits.q.val() {
            self.waits.d.next = false;
            if self.is_write.q.val() {
                self.b_valid.d.next = true;
                self.has_address.d.next = false;
                self.has_data.d.next = false;
            } else {
                self.r_valid.d.next = true;
                self.has_read.d.next = false;
            }
        }
        self.pending.next = self.waits.q.val();
        self.sweeps.next = self.sweep.q.val();
        self.bvalid.next = self.b_valid.q.val();
        self.rvalid.next = self.r_valid.q.val();
        self.bresp.next = 0.into();
        self.rresp.next = 0.into();

        // What the access is.
        self.shown_address.next = self.read_address.q.val();
        self.shown_size.next = self.read_size.q.val();
        if self.is_write.q.val() {
            self.shown_address.next = self.address.q.val();
            self.shown_size.next = self.size.q.val();
        }
        self.offset.next = bit_cast::<32, 16>(self.shown_address.val().get_bits::<16>(0));
        if self.shown_address.val().get_bit(23) {
            self.offset.next = bit_cast::<32, 21>(self.shown_address.val().get_bits::<21>(0)) | self.bar2_mark.val();
        }
        if self.is_write.q.val() {
            self.offset.next = bit_cast::<32, 16>(self.shown_address.val().get_bits::<16>(0)) | self.write_mark.val();
            if self.shown_address.val().get_bit(23) {
                self.offset.next =
                    bit_cast::<32, 21>(self.shown_address.val().get_bits::<21>(0)) | self.bar2_write_mark.val();
            }
        }
        self.access.next = self.offset.val() | (bit_cast::<32, 1>(self.shown_address.val().get_bits::<1>(22)) << 27);
        self.bytes.next = 1.into();
        if self.shown_size.val() == 1 {
            self.bytes.next = 2.into();
        } else if self.shown_size.val() == 2 {
            self.bytes.next = 4.into();
        } else if self.shown_size.val() == 3 {
            self.bytes.next = 8.into();
        }
        if self.is_write.q.val() & self.gap.q.val() {
            self.bytes.next = 0.into();
        }
        self.low.next = self.data.q.val().get_bits::<32>(0);
        if self.shown_address.val().get_bit(2) & (self.shown_size.val() != 3) {
            self.low.next = self.data.q.val().get_bits::<32>(32);
        }

        // The answer, interrupts and clocks.
        self.answer_low.d.next = self.answer_low.q.val();
        self.answer_high.d.next = self.answer_high.q.val();
        self.lines.d.next = 0.into();
        self.throttle.d.next = self.throttle.q.val();
        if self.write.val() {
            if self.number.val() == 4 {
                self.answer_low.d.next = self.bus_data.val();
            } else if self.number.val() == 5 {
                self.answer_high.d.next = self.bus_data.val();
            } else if self.number.val() == 8 {
                self.lines.d.next = self.bus_data.val().get_bits::<16>(0);
            } else if self.number.val() == 13 {
                self.throttle.d.next = self.bus_data.val().get_bits::<8>(0);
            }
        }
        self.rdata.next =
            bit_cast::<64, 32>(self.answer_low.q.val()) | (bit_cast::<64, 32>(self.answer_low.q.val()) << 32);
        if self.read_size.q.val() == 3 {
            self.rdata.next =
                bit_cast::<64, 32>(self.answer_low.q.val()) | (bit_cast::<64, 32>(self.answer_high.q.val()) << 32);
        }
        self.irq.next = self.lines.q.val();
        self.cycles.d.next = self.cycles.q.val() + 1;
        self.cycles_high.d.next = self.cycles_high.q.val();
        if self.starts.val() & (self.number.val() == 9) {
            self.cycles_high.d.next = self.cycles.q.val().get_bits::<32>(32);
        }

        self.dma_level.next = self.throttle.q.val().get_bits::<4>(0);
        self.resting.d.next = self.cycles.q.val().get_bits::<4>(0) < self.throttle.q.val().get_bits::<4>(4);
        self.sweep_rests.next = self.resting.q.val();

        // The bus.
        self.ready.d.next = self.starts.val();
        self.read.d.next = 0.into();
        if self.starts.val() {
            if self.number.val() == 0 {
                self.read.d.next = self.access.val();
            } else if self.number.val() == 1 {
                self.read.d.next = self.bytes.val();
            } else if self.number.val() == 2 {
                self.read.d.next = self.low.val();
            } else if self.number.val() == 3 {
                self.read.d.next = self.data.q.val().get_bits::<32>(32);
            } else if self.number.val() == 9 {
                self.read.d.next = self.cycles.q.val().get_bits::<32>(0);
            } else if self.number.val() == 10 {
                self.read.d.next = self.cycles_high.q.val();
            } else if self.number.val() == 12 {
                self.read.d.next = 0.into();
                if self.fired.q.val() {
                    self.read.d.next = 1.into();
                }
            }
            for i in 0..11 {
                if self.number.val() == self.numbers[i].val() {
                    self.read.d.next = self.constants[i].val();
                }
            }
        }
        self.bus_ready.next = self.ready.q.val();
        self.bus_read.next = self.read.q.val();
    }
}
