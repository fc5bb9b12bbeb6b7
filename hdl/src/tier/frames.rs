//! Memories for frames, on the control unit's bus: free lists, release epochs, flags, the check's epochs, the quarantine.
//! `docs/control.md`, The bus. What stands in them is the microprogram's affair.

use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// For tiers of up to 2^A frames; `B` = A + 2 (`A + 2` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Frames<const A: usize, const B: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: contents stay.
    pub reset: Signal<In, Bit>,
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

    free: Ram<Bits<16>, B>,
    epochs: Ram<Bits<32>, B>,
    flags: Ram<Bits<8>, B>,
    retired: Ram<Bits<32>, B>,
    quarantine: Ram<Bits<18>, B>,
    ready: Register<Bit>,
    part: Signal<Local, Bits<6>>,
    frame: Signal<Local, Bits<B>>,
    tier: Signal<Local, Bits<B>>,
    place: Signal<Local, Bits<B>>,
    slot: Signal<Local, Bits<B>>,
    writes: Signal<Local, Bit>,
    frame_bits: Constant<Bits<5>>,
}

impl<const A: usize, const B: usize> Default for Frames<A, B> {
    fn default() -> Self {
        assert_eq!(B, A + 2, "four tiers");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    frame_bits: Constant::new((A as u64).into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read free epochs flags retired quarantine
            ready part frame tier place slot writes
        )
    }
}

impl<const A: usize, const B: usize> Logic for Frames<A, B> {
    #[hdl_gen]
    fn update(&mut self) {
        self.free.clock.next = self.clock.val();
        self.epochs.clock.next = self.clock.val();
        self.flags.clock.next = self.clock.val();
        self.retired.clock.next = self.clock.val();
        self.quarantine.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.ready.reset.next = self.reset.val();

        self.ready.d.next = self.bus_select.val() & !self.ready.q.val();
        self.bus_ready.next = self.ready.q.val();
        self.writes.next = self.bus_select.val() & self.bus_write.val() & self.ready.q.val();
        self.part.next = self.bus_address.val().get_bits::<6>(18);
        self.tier.next = bit_cast::<B, 2>(self.bus_address.val().get_bits::<2>(16));
        self.frame.next = bit_cast::<B, A>(self.bus_address.val().get_bits::<A>(0));
        self.place.next = (self.tier.val() << self.frame_bits.val()) | self.frame.val();
        self.slot.next = self.bus_address.val().get_bits::<B>(0);

        self.free.read_address.next = self.place.val();
        self.free.write_address.next = self.place.val();
        self.free.write_data.next = self.bus_data.val().get_bits::<16>(0);
        self.free.write_enable.next = self.writes.val() & (self.part.val() == 8);
        self.epochs.read_address.next = self.place.val();
        self.epochs.write_address.next = self.place.val();
        self.epochs.write_data.next = self.bus_data.val();
        self.epochs.write_enable.next = self.writes.val() & (self.part.val() == 9);
        self.flags.read_address.next = self.place.val();
        self.flags.write_address.next = self.place.val();
        self.flags.write_data.next = self.bus_data.val().get_bits::<8>(0);
        self.flags.write_enable.next = self.writes.val() & (self.part.val() == 10);
        self.retired.read_address.next = self.place.val();
        self.retired.write_address.next = self.place.val();
        self.retired.write_data.next = self.bus_data.val();
        self.retired.write_enable.next = self.writes.val() & (self.part.val() == 11);
        self.quarantine.read_address.next = self.slot.val();
        self.quarantine.write_address.next = self.slot.val();
        self.quarantine.write_data.next = self.bus_data.val().get_bits::<18>(0);
        self.quarantine.write_enable.next = self.writes.val() & (self.part.val() == 12);

        self.bus_read.next = 0.into();
        if self.ready.q.val() {
            if self.part.val() == 8 {
                self.bus_read.next = bit_cast::<32, 16>(self.free.read_data.val());
            } else if self.part.val() == 9 {
                self.bus_read.next = self.epochs.read_data.val();
            } else if self.part.val() == 10 {
                self.bus_read.next = bit_cast::<32, 8>(self.flags.read_data.val());
            } else if self.part.val() == 11 {
                self.bus_read.next = self.retired.read_data.val();
            } else if self.part.val() == 12 {
                self.bus_read.next = bit_cast::<32, 18>(self.quarantine.read_data.val());
            }
        }
    }
}
