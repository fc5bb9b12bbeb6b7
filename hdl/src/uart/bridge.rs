//! LiteX's uartbone protocol to AXI4-Lite: a command at a time, its words one access or two words one. `docs/uart.md`.
//!
//! ```text
//!            ┌ code ┐   ┌ words ┐   ┌ word address, 4 ┐          ┌ next words ────────────────┐
//!  bytes ──► COMMAND ─► LENGTH ───► ADDRESS ─────────► CHOOSE ─┬─► DATA, 4 or 8 ─► WRITE ─────┤
//!               ▲                      │ no such code    ▲ │    └─► READ ─► PLACE ─► SEND ─────┤ 4 or 8 ──► bytes
//!               └── silence ◄──────────┘                 │ └─ none left ─► COMMAND            │
//!                                                        └────────────── NEXT ◄───────────────┘
//! ```
//!
//! Two words of an incrementing burst that begin at a multiple of 8 bytes are one access of 8 bytes, others accesses of 4. What stands on AXI4-Lite is from
//! registers, and what comes is taken into registers first. While it waits for a byte of a command, silence of `idle_clocks` ends the command; it never
//! ends an access, which the device answers always. So does a byte before which others were lost, and it is the code of the next. What lies in no BAR is
//! not asked: it reads as all ones.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// From bytes to accesses and back.
#[derive(LogicBlock)]
pub struct Bridge {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, of the slave too.
    pub reset: Signal<In, Bit>,
    /// A byte has come.
    pub in_valid: Signal<In, Bit>,
    /// It is taken.
    pub in_ready: Signal<Out, Bit>,
    /// The byte.
    pub in_data: Signal<In, Bits<8>>,
    /// Bytes before it were lost: it is a code, whatever was under way.
    pub in_first: Signal<In, Bit>,
    /// A byte is to be sent.
    pub out_valid: Signal<Out, Bit>,
    /// It is taken.
    pub out_ready: Signal<In, Bit>,
    /// The byte.
    pub out_data: Signal<Out, Bits<8>>,
    /// A write's address stands.
    pub m_axil_awvalid: Signal<Out, Bit>,
    /// It is taken.
    pub m_axil_awready: Signal<In, Bit>,
    /// Byte address; bit 23: BAR2.
    pub m_axil_awaddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access: 2 or 3.
    pub m_axil_awsize: Signal<Out, Bits<3>>,
    /// A write's data stands.
    pub m_axil_wvalid: Signal<Out, Bit>,
    /// It is taken.
    pub m_axil_wready: Signal<In, Bit>,
    /// Data; a word of 4 bytes on both halves.
    pub m_axil_wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub m_axil_wstrb: Signal<Out, Bits<8>>,
    /// The write is done.
    pub m_axil_bvalid: Signal<In, Bit>,
    /// That is taken.
    pub m_axil_bready: Signal<Out, Bit>,
    /// A read's address stands.
    pub m_axil_arvalid: Signal<Out, Bit>,
    /// It is taken.
    pub m_axil_arready: Signal<In, Bit>,
    /// Byte address; bit 23: BAR2.
    pub m_axil_araddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access: 2 or 3.
    pub m_axil_arsize: Signal<Out, Bits<3>>,
    /// The data read stands.
    pub m_axil_rvalid: Signal<In, Bit>,
    /// It is taken.
    pub m_axil_rready: Signal<Out, Bit>,
    /// Data read.
    pub m_axil_rdata: Signal<In, Bits<64>>,

    /// 0 COMMAND, 1 LENGTH, 2 ADDRESS, 3 CHOOSE, 4 DATA, 5 WRITE, 6 READ, 7 PLACE, 8 SEND, 9 NEXT.
    state: Register<Bits<4>>,
    is_write: Register<Bit>,
    is_read: Register<Bit>,
    increments: Register<Bit>,
    /// Words that the command has left.
    left: Register<Bits<8>>,
    /// Of the next of them.
    address: Register<Bits<32>>,
    /// Bytes that the field under way has left, less one.
    count: Register<Bits<3>>,
    /// Bytes as they come, or the next to be sent in the highest.
    data: Register<Bits<64>>,
    /// The access has two words.
    is_pair: Register<Bit>,
    /// It goes to a BAR.
    is_mapped: Register<Bit>,
    aw_valid: Register<Bit>,
    w_valid: Register<Bit>,
    ar_valid: Register<Bit>,
    /// Clocks of silence that are left.
    timer: Register<Bits<32>>,
    /// It begins anew: something was taken in the clock before, or nothing is waited for.
    rewinds: Register<Bit>,
    is_silent: Register<Bit>,

    listens: Signal<Local, Bit>,
    begins: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    is_code: Signal<Local, Bit>,
    code: Signal<Local, Bits<8>>,
    shifted: Signal<Local, Bits<64>>,
    halves: Signal<Local, Bits<64>>,
    low: Signal<Local, Bits<32>>,
    high: Signal<Local, Bits<32>>,
    in_bar0: Signal<Local, Bit>,
    in_bar2: Signal<Local, Bit>,
    idle: Constant<Bits<32>>,
    ones: Constant<Bits<64>>,
}

impl Bridge {
    /// A command ends when so many clocks pass without a byte of it, one of which the timer takes to begin anew; at least 1.
    ///
    /// # Panics
    ///
    /// If `idle_clocks` is 0.
    pub fn new(idle_clocks: u32) -> Self {
        assert_ne!(idle_clocks, 0, "a command cannot end without a clock of silence");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    idle: Constant::new(u64::from(idle_clocks - 1).into()),
                    ones: Constant::new(u64::MAX.into()),
                }
            };
        }
        rest!(
            clock reset in_valid in_ready in_data in_first out_valid out_ready out_data m_axil_awvalid m_axil_awready m_axil_awaddr m_axil_awsize
            m_axil_wvalid m_axil_wready m_axil_wdata m_axil_wstrb m_axil_bvalid m_axil_bready m_axil_arvalid m_axil_arready m_axil_araddr
            m_axil_arsize m_axil_rvalid m_axil_rready m_axil_rdata state is_write is_read increments left address count data is_pair is_mapped
            aw_valid w_valid ar_valid timer rewinds is_silent listens begins taken is_code code shifted halves low high in_bar0 in_bar2
        )
    }
}

impl Logic for Bridge {
    #[hdl_gen]
    fn update(&mut self) {
        self.state.clock.next = self.clock.val();
        self.is_write.clock.next = self.clock.val();
        self.is_read.clock.next = self.clock.val();
        self.increments.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.address.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.is_pair.clock.next = self.clock.val();
        self.is_mapped.clock.next = self.clock.val();
        self.aw_valid.clock.next = self.clock.val();
        self.w_valid.clock.next = self.clock.val();
        self.ar_valid.clock.next = self.clock.val();
        self.timer.clock.next = self.clock.val();
        self.rewinds.clock.next = self.clock.val();
        self.is_silent.clock.next = self.clock.val();
        self.state.reset.next = self.reset.val();
        self.is_write.reset.next = self.reset.val();
        self.is_read.reset.next = self.reset.val();
        self.increments.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.address.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();
        self.is_pair.reset.next = self.reset.val();
        self.is_mapped.reset.next = self.reset.val();
        self.aw_valid.reset.next = self.reset.val();
        self.w_valid.reset.next = self.reset.val();
        self.ar_valid.reset.next = self.reset.val();
        self.timer.reset.next = self.reset.val();
        self.rewinds.reset.next = self.reset.val();
        self.is_silent.reset.next = self.reset.val();

        // Bytes in. One that comes when the silence is just over begins the next command.
        self.begins.next = self.state.q.val() == 0;
        self.listens.next = (self.state.q.val() == 1) | (self.state.q.val() == 2) | (self.state.q.val() == 4);
        self.in_ready.next = self.begins.val() | (self.listens.val() & !self.is_silent.q.val());
        self.taken.next = self.in_valid.val() & (self.begins.val() | (self.listens.val() & !self.is_silent.q.val()));
        self.is_code.next = self.begins.val() | (self.taken.val() & self.in_first.val());
        self.code.next = self.in_data.val();
        self.shifted.next = (self.data.q.val() << 8) | bit_cast::<64, 8>(self.in_data.val());
        self.timer.d.next = self.timer.q.val() - 1;
        if self.rewinds.q.val() {
            self.timer.d.next = self.idle.val();
        }
        self.rewinds.d.next = self.taken.val() | !self.listens.val();
        self.is_silent.d.next =
            self.listens.val() & !self.taken.val() & !self.rewinds.q.val() & (self.timer.q.val() == 0);

        // What is kept if nothing below says otherwise.
        self.state.d.next = self.state.q.val();
        self.is_write.d.next = self.is_write.q.val();
        self.is_read.d.next = self.is_read.q.val();
        self.increments.d.next = self.increments.q.val();
        self.left.d.next = self.left.q.val();
        self.address.d.next = self.address.q.val();
        self.count.d.next = self.count.q.val();
        self.data.d.next = self.data.q.val();
        self.is_pair.d.next = self.is_pair.q.val();
        self.is_mapped.d.next = self.is_mapped.q.val();
        self.aw_valid.d.next = self.aw_valid.q.val() & !self.m_axil_awready.val();
        self.w_valid.d.next = self.w_valid.q.val() & !self.m_axil_wready.val();
        self.ar_valid.d.next = self.ar_valid.q.val() & !self.m_axil_arready.val();

        // BAR0 has 64 KiB from 0 on, BAR2 2 MiB from 0x80_0000 on; these are addresses of words.
        self.in_bar0.next = self.address.q.val().get_bits::<18>(14) == 0;
        self.in_bar2.next = self.address.q.val().get_bits::<13>(19) == 4;
        self.low.next = self.data.q.val().get_bits::<32>(0);
        self.high.next = self.data.q.val().get_bits::<32>(32);
        self.halves.next = bit_cast::<64, 32>(self.high.val()) | (bit_cast::<64, 32>(self.low.val()) << 32);

        if self.is_code.val() {
            self.is_write.d.next = (self.code.val() == 1) | (self.code.val() == 3);
            self.is_read.d.next = (self.code.val() == 2) | (self.code.val() == 4);
            self.increments.d.next = (self.code.val() == 1) | (self.code.val() == 2);
            if self.taken.val() {
                self.state.d.next = 1.into();
            }
        } else if self.listens.val() & self.is_silent.q.val() {
            self.state.d.next = 0.into();
        } else if self.state.q.val() == 1 {
            self.left.d.next = self.in_data.val();
            self.count.d.next = 3.into();
            if self.taken.val() {
                self.state.d.next = 2.into();
            }
        } else if self.state.q.val() == 2 {
            if self.taken.val() {
                self.address.d.next = (self.address.q.val() << 8) | bit_cast::<32, 8>(self.in_data.val());
                self.count.d.next = self.count.q.val() - 1;
                if self.count.q.val() == 0 {
                    self.state.d.next = 0.into();
                    if self.is_write.q.val() | self.is_read.q.val() {
                        self.state.d.next = 3.into();
                    }
                }
            }
        } else if self.state.q.val() == 3 {
            self.is_pair.d.next = self.increments.q.val() & !self.address.q.val().get_bit(0) & (self.left.q.val() != 1);
            self.is_mapped.d.next = self.in_bar0.val() | self.in_bar2.val();
            self.count.d.next = 3.into();
            if self.increments.q.val() & !self.address.q.val().get_bit(0) & (self.left.q.val() != 1) {
                self.count.d.next = 7.into();
            }
            self.state.d.next = 4.into();
            if self.left.q.val() == 0 {
                self.state.d.next = 0.into();
            } else if self.is_read.q.val() {
                self.state.d.next = 6.into();
                self.ar_valid.d.next = self.in_bar0.val() | self.in_bar2.val();
            }
        } else if self.state.q.val() == 4 {
            if self.taken.val() {
                self.data.d.next = self.shifted.val();
                self.count.d.next = self.count.q.val() - 1;
                if self.count.q.val() == 0 {
                    self.state.d.next = 9.into();
                    if self.is_mapped.q.val() {
                        self.state.d.next = 5.into();
                        self.aw_valid.d.next = true;
                        self.w_valid.d.next = true;
                    }
                }
            }
        } else if self.state.q.val() == 5 {
            if self.m_axil_bvalid.val() {
                self.state.d.next = 9.into();
            }
        } else if self.state.q.val() == 6 {
            self.data.d.next = self.m_axil_rdata.val();
            if !self.is_mapped.q.val() {
                self.data.d.next = self.ones.val();
                self.state.d.next = 7.into();
            } else if self.m_axil_rvalid.val() {
                self.state.d.next = 7.into();
            }
        } else if self.state.q.val() == 7 {
            // The word of the lower address goes first: it is the low half, unless only the high one was asked for.
            if self.is_pair.q.val() | !self.address.q.val().get_bit(0) {
                self.data.d.next = self.halves.val();
            }
            self.state.d.next = 8.into();
        } else if self.state.q.val() == 8 {
            if self.out_ready.val() {
                self.data.d.next = self.data.q.val() << 8;
                self.count.d.next = self.count.q.val() - 1;
                if self.count.q.val() == 0 {
                    self.state.d.next = 9.into();
                }
            }
        } else {
            self.state.d.next = 3.into();
            self.left.d.next = self.left.q.val() - 1;
            if self.increments.q.val() {
                self.address.d.next = self.address.q.val() + 1;
            }
            if self.is_pair.q.val() {
                self.left.d.next = self.left.q.val() - 2;
                self.address.d.next = self.address.q.val() + 2;
            }
        }

        // The outside.
        self.out_valid.next = self.state.q.val() == 8;
        self.out_data.next = self.data.q.val().get_bits::<8>(56);
        self.m_axil_awvalid.next = self.aw_valid.q.val();
        self.m_axil_wvalid.next = self.w_valid.q.val();
        self.m_axil_arvalid.next = self.ar_valid.q.val();
        self.m_axil_bready.next = self.state.q.val() == 5;
        self.m_axil_rready.next = self.state.q.val() == 6;
        self.m_axil_awaddr.next = bit_cast::<24, 22>(self.address.q.val().get_bits::<22>(0)) << 2;
        self.m_axil_araddr.next = bit_cast::<24, 22>(self.address.q.val().get_bits::<22>(0)) << 2;
        self.m_axil_awsize.next = 2.into();
        self.m_axil_arsize.next = 2.into();
        self.m_axil_wdata.next = bit_cast::<64, 32>(self.low.val()) | (bit_cast::<64, 32>(self.low.val()) << 32);
        self.m_axil_wstrb.next = 0x0F.into();
        if self.address.q.val().get_bit(0) {
            self.m_axil_wstrb.next = 0xF0.into();
        }
        if self.is_pair.q.val() {
            self.m_axil_awsize.next = 3.into();
            self.m_axil_arsize.next = 3.into();
            self.m_axil_wdata.next = self.halves.val();
            self.m_axil_wstrb.next = 0xFF.into();
        }
    }
}
