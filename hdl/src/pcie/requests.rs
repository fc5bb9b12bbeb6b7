//! Requests of the host: put together from their beats, and kept in order until they are carried out.
//!
//! ```text
//!  beat 0: kind, length, who, enables ─┐
//!  beat 1: address, 4 bytes of data ───┼─► one that is put together ─► 16 that wait ─► Access
//!  beat 2: 8 bytes of data ────────────┘
//! ```
//!
//! Why so many: PCI Express lets no completion overtake a write, so what the device has read can stand behind the host's writes, and a
//! write may need it: one that stops the device is not done before the device's reads are. Behind more requests than are kept here
//! completions wait too, until those reads run out of time.

use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// From beats to requests.
#[derive(LogicBlock, Default)]
pub struct Requests {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// A beat of a packet.
    pub beat: Signal<In, Bits<64>>,
    /// Its words, with byte 0 of each in bits 7:0.
    pub swapped: Signal<In, Bits<64>>,
    /// It is the first of a request.
    pub begins: Signal<In, Bit>,
    /// The request is one that the device does not do, and has to be answered all the same.
    pub odd: Signal<In, Bit>,
    /// It is the second.
    pub addresses: Signal<In, Bit>,
    /// It is the third.
    pub carries: Signal<In, Bit>,
    /// It is the last.
    pub ends: Signal<In, Bit>,
    /// Another request may begin.
    pub free: Signal<Out, Bit>,

    /// A request stands.
    pub request: Signal<Out, Bit>,
    /// It is carried out.
    pub taken: Signal<In, Bit>,
    /// It writes.
    pub write: Signal<Out, Bit>,
    /// The device does not do this.
    pub unsupported: Signal<Out, Bit>,
    /// It is a locked read.
    pub locked: Signal<Out, Bit>,
    /// The BAR's number / 2.
    pub bar: Signal<Out, Bits<2>>,
    /// Its address within the BAR, and bits above that are of no account.
    pub address: Signal<Out, Bits<21>>,
    /// Its words of 4 bytes, 0 for 1,024.
    pub length: Signal<Out, Bits<10>>,
    /// Bytes of the last word, and of the first.
    pub enables: Signal<Out, Bits<8>>,
    /// Who asks: requester id and tag.
    pub origin: Signal<Out, Bits<24>>,
    /// Traffic class and attributes, which its completion repeats.
    pub traffic: Signal<Out, Bits<5>>,
    /// Its data is known to be bad.
    pub poisoned: Signal<Out, Bit>,
    /// The first 8 bytes that it writes.
    pub data: Signal<Out, Bits<64>>,

    /// What is put together: all but the data, as it is kept below.
    header: Register<Bits<74>>,
    is_long: Register<Bit>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    stands: Register<Bit>,
    writes: Signal<Local, Bit>,
    is_locked: Signal<Local, Bit>,
    fifo: Fifo<Bits<138>, 4, 5>,
}

impl Logic for Requests {
    #[hdl_gen]
    fn update(&mut self) {
        self.header.clock.next = self.clock.val();
        self.is_long.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.stands.clock.next = self.clock.val();
        self.fifo.clock.next = self.clock.val();
        self.header.reset.next = self.reset.val();
        self.is_long.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.stands.reset.next = self.reset.val();
        self.fifo.reset.next = self.reset.val();

        self.free.next = !self.stands.q.val();
        self.writes.next = self.beat.val().get_bit(30) & !self.odd.val();
        self.is_locked.next = self.odd.val() & !self.beat.val().get_bit(30);
        self.header.d.next = self.header.q.val();
        self.is_long.d.next = self.is_long.q.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.stands.d.next = self.stands.q.val() & !self.fifo.in_ready.val();
        if self.begins.val() {
            self.is_long.d.next = self.beat.val().get_bit(29);
            // From bit 0 on: who and enables, length, attributes, traffic class, poison, BAR, kind; the address comes later.
            self.header.d.next = bit_cast::<74, 32>(self.beat.val().get_bits::<32>(32))
                | (bit_cast::<74, 10>(self.beat.val().get_bits::<10>(0)) << 32)
                | (bit_cast::<74, 2>(self.beat.val().get_bits::<2>(12)) << 42)
                | (bit_cast::<74, 3>(self.beat.val().get_bits::<3>(20)) << 44)
                | (bit_cast::<74, 1>(self.beat.val().get_bits::<1>(14)) << 47)
                | (bit_cast::<74, 2>(self.beat.val().get_bits::<2>(10)) << 48)
                | (bit_cast::<74, 1>(self.writes.val().into()) << 50)
                | (bit_cast::<74, 1>(self.odd.val().into()) << 51)
                | (bit_cast::<74, 1>(self.is_locked.val().into()) << 52);
        }
        if self.addresses.val() {
            self.low.d.next = self.swapped.val().get_bits::<32>(32);
            self.header.d.next = self.header.q.val() | (bit_cast::<74, 21>(self.beat.val().get_bits::<21>(0)) << 53);
            if self.is_long.q.val() {
                self.header.d.next =
                    self.header.q.val() | (bit_cast::<74, 21>(self.beat.val().get_bits::<21>(32)) << 53);
            }
        }
        if self.carries.val() {
            self.high.d.next = self.swapped.val().get_bits::<32>(0);
            if self.is_long.q.val() {
                self.low.d.next = self.swapped.val().get_bits::<32>(0);
                self.high.d.next = self.swapped.val().get_bits::<32>(32);
            }
        }
        if self.ends.val() {
            self.stands.d.next = true;
        }

        self.fifo.in_valid.next = self.stands.q.val();
        self.fifo.in_data.next = (bit_cast::<138, 74>(self.header.q.val()) << 64)
            | (bit_cast::<138, 32>(self.high.q.val()) << 32)
            | bit_cast::<138, 32>(self.low.q.val());
        self.fifo.out_ready.next = self.taken.val();
        self.request.next = self.fifo.out_valid.val();
        self.data.next = self.fifo.out_data.val().get_bits::<64>(0);
        self.enables.next = self.fifo.out_data.val().get_bits::<8>(64);
        self.origin.next = self.fifo.out_data.val().get_bits::<24>(72);
        self.length.next = self.fifo.out_data.val().get_bits::<10>(96);
        self.traffic.next = self.fifo.out_data.val().get_bits::<5>(106);
        self.poisoned.next = self.fifo.out_data.val().get_bit(111);
        self.bar.next = self.fifo.out_data.val().get_bits::<2>(112);
        self.write.next = self.fifo.out_data.val().get_bit(114);
        self.unsupported.next = self.fifo.out_data.val().get_bit(115);
        self.locked.next = self.fifo.out_data.val().get_bit(116);
        self.address.next = self.fifo.out_data.val().get_bits::<21>(117);
    }
}
