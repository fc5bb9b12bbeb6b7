//! A PicoRV32's surroundings, between the host and the device's register port. `docs/firmware.md`, The core's address space.
//!
//! ```text
//!  s_axil ──────────────────────────┐
//!                                   Turn ──► d_axil
//!  mem ─┬─ 0x4... ──────────────────┘
//!       ├─ 0x0..., 0x1... ──► flash, outside: active bank, other bank
//!       ├─ 0x2... ──► RAM, 8 KiB
//!       └─ 0x8... ──► Private: time, sensor, watchdog, boot, sleep
//! ```
//!
//! What has no place, a write to the active bank, and a write of bytes outside RAM, is never answered: the core stops, and the watchdog bites. The core's reset ends what
//! it was doing here; at the device's port that access is finished first.

use super::{Private, Turn};
use crate::prim::{Ram, Register};
use kvcpu_mmio::regs::mgmt::MANAGEMENT_BIT;
use rust_hdl::prelude::*;

/// Bits of a word's number in a flash bank.
const BANK_BITS: usize = 12;
/// Bits of a word's number in RAM.
const RAM_BITS: usize = 11;

/// The surroundings.
#[derive(LogicBlock)]
pub struct Management {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset of the device: the core goes on.
    pub reset: Signal<In, Bit>,
    /// Synchronous reset of the core and all that is round it.
    pub power_up: Signal<In, Bit>,

    /// The core is to run.
    pub core_runs: Signal<Out, Bit>,
    /// `mem_valid` of the core.
    pub mem_valid: Signal<In, Bit>,
    /// Byte address.
    pub mem_addr: Signal<In, Bits<32>>,
    /// What is written.
    pub mem_wdata: Signal<In, Bits<32>>,
    /// Bytes of it; none is a read.
    pub mem_wstrb: Signal<In, Bits<4>>,
    /// It is done in this clock.
    pub mem_ready: Signal<Out, Bit>,
    /// What was read.
    pub mem_rdata: Signal<Out, Bits<32>>,

    /// A word of flash: bank, word.
    pub flash_address: Signal<Out, Bits<13>>,
    /// What stands there, a clock later.
    pub flash_read: Signal<In, Bits<32>>,
    /// It is written.
    pub flash_write: Signal<Out, Bit>,
    /// What is written.
    pub flash_data: Signal<Out, Bits<32>>,
    /// The active bank.
    pub bank_active: Signal<Out, Bit>,
    /// The bank that is active after power-up, which flash keeps.
    pub bank_kept: Signal<In, Bit>,
    /// It is to keep the active one.
    pub bank_keeps: Signal<Out, Bit>,

    /// Temperature, m°C.
    pub sensor: Signal<In, Bits<32>>,
    /// Samples taken; 0 without a sensor.
    pub samples: Signal<In, Bits<32>>,

    /// A write's address of the host stands.
    pub s_axil_awvalid: Signal<In, Bit>,
    /// It is taken.
    pub s_axil_awready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2.
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
    /// A read's address stands.
    pub s_axil_arvalid: Signal<In, Bit>,
    /// It is taken.
    pub s_axil_arready: Signal<Out, Bit>,
    /// Byte address; bit 23: BAR2.
    pub s_axil_araddr: Signal<In, Bits<24>>,
    /// log2 of the bytes of the access.
    pub s_axil_arsize: Signal<In, Bits<3>>,
    /// The data read stands.
    pub s_axil_rvalid: Signal<Out, Bit>,
    /// It is taken.
    pub s_axil_rready: Signal<In, Bit>,
    /// Data read.
    pub s_axil_rdata: Signal<Out, Bits<64>>,

    /// The device's port, as above.
    pub d_axil_awvalid: Signal<Out, Bit>,
    /// It is taken.
    pub d_axil_awready: Signal<In, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks.
    pub d_axil_awaddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access.
    pub d_axil_awsize: Signal<Out, Bits<3>>,
    /// A write's data stands.
    pub d_axil_wvalid: Signal<Out, Bit>,
    /// It is taken.
    pub d_axil_wready: Signal<In, Bit>,
    /// Data, each byte on its lane.
    pub d_axil_wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub d_axil_wstrb: Signal<Out, Bits<8>>,
    /// The write is done.
    pub d_axil_bvalid: Signal<In, Bit>,
    /// That is taken.
    pub d_axil_bready: Signal<Out, Bit>,
    /// A read's address stands.
    pub d_axil_arvalid: Signal<Out, Bit>,
    /// It is taken.
    pub d_axil_arready: Signal<In, Bit>,
    /// Byte address; bit 23: BAR2, bit 22: the management core asks.
    pub d_axil_araddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes of the access.
    pub d_axil_arsize: Signal<Out, Bits<3>>,
    /// The data read stands.
    pub d_axil_rvalid: Signal<In, Bit>,
    /// It is taken.
    pub d_axil_rready: Signal<Out, Bit>,
    /// Data read.
    pub d_axil_rdata: Signal<In, Bits<64>>,

    turn: Turn,
    private: Private,
    ram: [Ram<Bits<8>, RAM_BITS>; 4],
    /// Flash or RAM was asked in the clock before.
    fetched: Register<Bit>,
    from_ram: Register<Bit>,
    /// An access to the device, from its first clock until it is done.
    wants: Register<Bit>,
    writes: Register<Bit>,
    address: Register<Bits<24>>,
    data: Register<Bits<32>>,
    /// The core was reset meanwhile: nobody waits for the answer.
    orphaned: Register<Bit>,
    answered: Register<Bit>,
    answer: Register<Bits<32>>,
    region: Signal<Local, Bits<4>>,
    /// It is of a word.
    whole: Signal<Local, Bit>,
    is_write: Signal<Local, Bit>,
    asks: Signal<Local, Bit>,
    of_flash: Signal<Local, Bit>,
    of_ram: Signal<Local, Bit>,
    of_device: Signal<Local, Bit>,
    of_private: Signal<Local, Bit>,
    to_bar0: Signal<Local, Bits<12>>,
    to_bar2: Signal<Local, Bits<7>>,
    to_private: Signal<Local, Bits<23>>,
    /// BAR0, 64 KiB from 0 on, or BAR2, 2 MiB from 8 MiB on.
    in_bar: Signal<Local, Bit>,
    other: Signal<Local, Bit>,
    reaches_flash: Signal<Local, Bit>,
    in_flash: Signal<Local, Bits<BANK_BITS>>,
    bank: Signal<Local, Bits<13>>,
    in_ram: Signal<Local, Bits<RAM_BITS>>,
    of_word: Signal<Local, Bits<32>>,
    low: Signal<Local, Bits<32>>,
    high: Signal<Local, Bits<32>>,
    management: Constant<Bits<24>>,
    hosts: Constant<Bits<24>>,
}

impl Management {
    /// For a device clocked at `clock_hz`, a multiple of 1 MHz.
    pub fn new(clock_hz: u32) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    private: Private::new(clock_hz),
                    management: Constant::new(u64::from(MANAGEMENT_BIT).into()),
                    hosts: Constant::new(u64::from(0xFF_FFFF & !MANAGEMENT_BIT).into()),
                }
            };
        }
        rest!(
            clock reset power_up core_runs mem_valid mem_addr mem_wdata mem_wstrb mem_ready mem_rdata flash_address flash_read flash_write flash_data bank_active bank_kept bank_keeps sensor samples s_axil_awvalid s_axil_awready s_axil_awaddr s_axil_awsize s_axil_wvalid s_axil_wready s_axil_wdata s_axil_wstrb s_axil_bvalid s_axil_bready s_axil_arvalid s_axil_arready s_axil_araddr s_axil_arsize s_axil_rvalid s_axil_rready s_axil_rdata d_axil_awvalid d_axil_awready d_axil_awaddr d_axil_awsize d_axil_wvalid d_axil_wready d_axil_wdata d_axil_wstrb d_axil_bvalid d_axil_bready d_axil_arvalid d_axil_arready d_axil_araddr d_axil_arsize d_axil_rvalid d_axil_rready d_axil_rdata turn ram fetched from_ram wants writes address data orphaned answered answer region whole is_write asks of_flash of_ram of_device of_private to_bar0 to_bar2 to_private in_bar other reaches_flash in_flash bank in_ram of_word low high
        )
    }
}

impl Logic for Management {
    #[hdl_gen]
    fn update(&mut self) {
        self.turn.clock.next = self.clock.val();
        self.private.clock.next = self.clock.val();
        self.fetched.clock.next = self.clock.val();
        self.from_ram.clock.next = self.clock.val();
        self.wants.clock.next = self.clock.val();
        self.writes.clock.next = self.clock.val();
        self.address.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.orphaned.clock.next = self.clock.val();
        self.answered.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.turn.reset.next = self.reset.val() | self.power_up.val();
        self.private.reset.next = self.power_up.val();
        self.fetched.reset.next = self.power_up.val();
        self.from_ram.reset.next = self.power_up.val();
        self.wants.reset.next = self.power_up.val();
        self.writes.reset.next = self.power_up.val();
        self.address.reset.next = self.power_up.val();
        self.data.reset.next = self.power_up.val();
        self.orphaned.reset.next = self.power_up.val();
        self.answered.reset.next = self.power_up.val();
        self.answer.reset.next = self.power_up.val();

        // Who is asked. The core keeps an access until it is answered.
        self.core_runs.next = !self.private.core_reset.val();
        self.region.next = self.mem_addr.val().get_bits::<4>(28);
        self.is_write.next = self.mem_wstrb.val() != 0;
        self.asks.next = self.mem_valid.val() & !self.private.core_reset.val();
        self.whole.next = (self.mem_wstrb.val() == 0) | (self.mem_wstrb.val() == 15);
        self.other.next = self.region.val() == 1;
        self.in_flash.next = self.mem_addr.val().get_bits::<BANK_BITS>(2);
        self.reaches_flash.next = self.mem_addr.val().get_bits::<14>(14) == 0;
        self.of_flash.next = self.asks.val()
            & self.reaches_flash.val()
            & (((self.region.val() == 0) & !self.is_write.val()) | (self.other.val() & self.whole.val()));
        self.of_ram.next = self.asks.val() & (self.region.val() == 2) & (self.mem_addr.val().get_bits::<15>(13) == 0);
        self.to_bar0.next = self.mem_addr.val().get_bits::<12>(16);
        self.to_bar2.next = self.mem_addr.val().get_bits::<7>(21);
        self.to_private.next = self.mem_addr.val().get_bits::<23>(5);
        self.in_bar.next = (self.to_bar0.val() == 0) | (self.to_bar2.val() == 4);
        self.of_device.next = self.asks.val() & self.whole.val() & (self.region.val() == 4) & self.in_bar.val();
        self.of_private.next =
            self.asks.val() & self.whole.val() & (self.region.val() == 8) & (self.to_private.val() == 0);

        // Flash and RAM answer in the second clock.
        self.fetched.d.next = (self.of_flash.val() | self.of_ram.val()) & !self.fetched.q.val();
        self.from_ram.d.next = self.of_ram.val();
        self.bank.next = bit_cast::<13, BANK_BITS>(self.in_flash.val());
        if self.private.bank.val() ^ self.other.val() {
            self.bank.next = bit_cast::<13, BANK_BITS>(self.in_flash.val()) | 4096;
        }
        self.flash_address.next = self.bank.val();
        self.flash_write.next = self.of_flash.val() & self.is_write.val() & !self.fetched.q.val();
        self.flash_data.next = self.mem_wdata.val();
        self.in_ram.next = self.mem_addr.val().get_bits::<RAM_BITS>(2);
        for i in 0..4 {
            self.ram[i].clock.next = self.clock.val();
            self.ram[i].read_address.next = self.in_ram.val();
            self.ram[i].write_address.next = self.in_ram.val();
            self.ram[i].write_data.next = self.mem_wdata.val().get_bits::<8>(8 * i);
            self.ram[i].write_enable.next = self.of_ram.val() & self.mem_wstrb.val().get_bit(i) & !self.fetched.q.val();
        }
        self.of_word.next = (bit_cast::<32, 8>(self.ram[3].read_data.val()) << 24)
            | (bit_cast::<32, 8>(self.ram[2].read_data.val()) << 16)
            | (bit_cast::<32, 8>(self.ram[1].read_data.val()) << 8)
            | bit_cast::<32, 8>(self.ram[0].read_data.val());

        self.private.select.next = self.of_private.val();
        self.private.write.next = self.is_write.val();
        self.private.index.next = self.mem_addr.val().get_bits::<3>(2);
        self.private.data.next = self.mem_wdata.val();
        self.bank_active.next = self.private.bank.val();
        self.private.kept.next = self.bank_kept.val();
        self.bank_keeps.next = self.private.keeps.val();
        self.private.sensor.next = self.sensor.val();
        self.private.samples.next = self.samples.val();

        // An access to the device is finished whatever becomes of the core; who was not there any more is not answered.
        self.wants.d.next = self.wants.q.val();
        self.writes.d.next = self.writes.q.val();
        self.address.d.next = self.address.q.val();
        self.data.d.next = self.data.q.val();
        self.answered.d.next = false;
        self.answer.d.next = self.answer.q.val();
        if self.of_device.val() & !self.wants.q.val() & !self.answered.q.val() {
            self.wants.d.next = true;
            self.writes.d.next = self.is_write.val();
            self.address.d.next = self.mem_addr.val().get_bits::<24>(0) | self.management.val();
            self.data.d.next = self.mem_wdata.val();
        }
        self.orphaned.d.next = self.wants.q.val() & (self.orphaned.q.val() | self.private.core_reset.val());
        self.low.next = self.d_axil_rdata.val().get_bits::<32>(0);
        self.high.next = self.d_axil_rdata.val().get_bits::<32>(32);
        if self.turn.done.val() {
            self.wants.d.next = false;
            self.answered.d.next = self.of_device.val() & !self.orphaned.q.val();
            self.orphaned.d.next = false;
            self.answer.d.next = self.low.val();
            if self.address.q.val().get_bit(2) {
                self.answer.d.next = self.high.val();
            }
        }
        self.mem_ready.next = self.fetched.q.val() | self.private.done.val() | self.answered.q.val();
        self.mem_rdata.next = self.flash_read.val();
        if self.answered.q.val() {
            self.mem_rdata.next = self.answer.q.val();
        } else if self.private.done.val() {
            self.mem_rdata.next = self.private.read.val();
        } else if self.from_ram.q.val() {
            self.mem_rdata.next = self.of_word.val();
        }

        // The device's port.
        self.turn.wants.next = self.wants.q.val();
        self.turn.writes.next = self.writes.q.val();
        self.turn.awvalid.next = self.s_axil_awvalid.val();
        self.s_axil_awready.next = self.turn.awready.val();
        self.turn.wvalid.next = self.s_axil_wvalid.val();
        self.s_axil_wready.next = self.turn.wready.val();
        self.s_axil_bvalid.next = self.turn.bvalid.val();
        self.turn.bready.next = self.s_axil_bready.val();
        self.turn.arvalid.next = self.s_axil_arvalid.val();
        self.s_axil_arready.next = self.turn.arready.val();
        self.s_axil_rvalid.next = self.turn.rvalid.val();
        self.turn.rready.next = self.s_axil_rready.val();
        self.s_axil_rdata.next = self.d_axil_rdata.val();
        self.d_axil_awvalid.next = self.turn.d_awvalid.val();
        self.turn.d_awready.next = self.d_axil_awready.val();
        self.d_axil_wvalid.next = self.turn.d_wvalid.val();
        self.turn.d_wready.next = self.d_axil_wready.val();
        self.turn.d_bvalid.next = self.d_axil_bvalid.val();
        self.d_axil_bready.next = self.turn.d_bready.val();
        self.d_axil_arvalid.next = self.turn.d_arvalid.val();
        self.turn.d_arready.next = self.d_axil_arready.val();
        self.turn.d_rvalid.next = self.d_axil_rvalid.val();
        self.d_axil_rready.next = self.turn.d_rready.val();
        // The bit that tells the core's from the host's is the core's alone.
        self.d_axil_awaddr.next = self.s_axil_awaddr.val() & self.hosts.val();
        self.d_axil_awsize.next = self.s_axil_awsize.val();
        self.d_axil_wdata.next = self.s_axil_wdata.val();
        self.d_axil_wstrb.next = self.s_axil_wstrb.val();
        self.d_axil_araddr.next = self.s_axil_araddr.val() & self.hosts.val();
        self.d_axil_arsize.next = self.s_axil_arsize.val();
        if self.turn.is_cores.val() {
            self.d_axil_awaddr.next = self.address.q.val();
            self.d_axil_awsize.next = 2.into();
            self.d_axil_wdata.next =
                (bit_cast::<64, 32>(self.data.q.val()) << 32) | bit_cast::<64, 32>(self.data.q.val());
            self.d_axil_wstrb.next = 15.into();
            if self.address.q.val().get_bit(2) {
                self.d_axil_wstrb.next = 240.into();
            }
            self.d_axil_araddr.next = self.address.q.val();
            self.d_axil_arsize.next = 2.into();
        }
    }
}
