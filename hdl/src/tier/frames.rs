//! What is known of frames, on the control unit's bus: free lists, release epochs, flags, the check's epochs, the quarantine.
//! `docs/control.md`, The bus. What stands in them is the microprogram's affair; where they stand is card memory, above T1.
//!
//! ```text
//!                ┌─ part, tier ─► 32 kept words: frame, data ── the same frame? ─ yes ─► answer
//!  bus ─► place ─┤                     ▲                             │ no
//!                └─ store ─────────────┴─► word ─► W           burst of a word ─► R ─► answer
//! ```
//!
//! A store is answered at once and goes on by itself. A load that is not kept waits until all stores have been answered, so it
//! sees them, and nothing is ever out of order. Of each part and tier the word that was used last is kept, which answers most loads:
//! a command looks at the head of a free list, and at its flags, again and again.

use crate::dma::BEATS_BITS;
use crate::prim::{Ram, Register};
use kvcpu_mmio::Geometry;
use rust_hdl::prelude::*;

/// For tiers of up to 2^A frames; `B` = A + 2 (`A + 2` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Frames<const A: usize, const B: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, of the card's bus too: contents mean nothing after it.
    pub reset: Signal<In, Bit>,
    /// A request for this block stands.
    pub bus_select: Signal<In, Bit>,
    /// It writes.
    pub bus_write: Signal<In, Bit>,
    /// Its address.
    pub bus_address: Signal<In, Bits<24>>,
    /// What it writes.
    pub bus_data: Signal<In, Bits<32>>,
    /// It is carried out, or will be before anything that comes later.
    pub bus_ready: Signal<Out, Bit>,
    /// What it read; 0 without `bus_ready`.
    pub bus_read: Signal<Out, Bits<32>>,
    /// Something is on its way to or from the card.
    pub awake: Signal<Out, Bit>,

    /// A word is to be read from the card.
    pub read_burst: Signal<Out, Bit>,
    /// It was taken in the clock before.
    pub read_taken: Signal<In, Bit>,
    /// A word is to be written to the card.
    pub write_burst: Signal<Out, Bit>,
    /// It was taken in the clock before.
    pub write_taken: Signal<In, Bit>,
    /// Address of either.
    pub address: Signal<Out, Bits<64>>,
    /// Beats of either: 1.
    pub beats: Signal<Out, Bits<BEATS_BITS>>,
    /// The word to write.
    pub word: Signal<Out, Bits<64>>,
    /// It is taken in this clock.
    pub word_taken: Signal<In, Bit>,
    /// A word was read.
    pub in_valid: Signal<In, Bit>,
    /// The word.
    pub in_data: Signal<In, Bits<64>>,
    /// It was answered with an error.
    pub in_error: Signal<In, Bit>,
    /// A word was written.
    pub written: Signal<In, Bit>,
    /// It was answered with an error.
    pub written_error: Signal<In, Bit>,

    /// Frame and data of the kept words, at {part, tier}, and which of them are there.
    kept_frames: Ram<Bits<A>, 5>,
    kept_data: Ram<Bits<32>, 5>,
    kept: Register<Bits<32>>,
    was_kept: Register<Bit>,
    /// 0 no load, 1 looks at what is kept, 2 waits for stores, 3 reads.
    state: Register<Bits<2>>,
    ready: Register<Bit>,
    answer: Register<Bits<32>>,
    place: Register<Bits<B>>,
    part: Register<Bits<3>>,
    data: Register<Bits<32>>,
    wants_read: Register<Bit>,
    wants_write: Register<Bit>,
    /// The word to write has not been taken.
    holds: Register<Bit>,
    /// Stores that have not been answered.
    stores: Register<Bits<4>>,
    stores_kept: Signal<Local, Bits<4>>,
    /// Some access was answered with an error.
    fault: Register<Bit>,
    /// The answer is the 0 of an error, which is not kept.
    made_up: Register<Bit>,
    access: Signal<Local, Bit>,
    stores_now: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    quiet: Signal<Local, Bit>,
    says_fault: Signal<Local, Bit>,
    same: Signal<Local, Bit>,
    fills: Signal<Local, Bit>,
    bus_part: Signal<Local, Bits<3>>,
    bus_tier: Signal<Local, Bits<2>>,
    bus_frame: Signal<Local, Bits<A>>,
    bus_place: Signal<Local, Bits<B>>,
    slot: Signal<Local, Bits<24>>,
    which: Signal<Local, Bits<5>>,
    at_which: Signal<Local, Bits<32>>,
    one: Constant<Bits<32>>,
    base: Constant<Bits<64>>,
    frame_bits: Constant<Bits<5>>,
    part_bits: Constant<Bits<5>>,
}

impl<const A: usize, const B: usize> Frames<A, B> {
    /// Those of a device of this geometry.
    ///
    /// # Panics
    ///
    /// If the geometry is not that of the parameters, or card memory is no multiple of what the tables span.
    pub fn new(geometry: Geometry) -> Self {
        assert_eq!((geometry.entries_log2 as usize, B), (A, A + 2), "four tiers of the geometry's entries");
        let base = geometry.tables_base();
        // Eight parts of 2^B words: their bits and the base's have no place in common.
        assert_eq!(base % (64 << B), 0, "the tables stand at a multiple of what they span");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    one: Constant::new(1u64.into()),
                    base: Constant::new(base.into()),
                    frame_bits: Constant::new((A as u64).into()),
                    part_bits: Constant::new((B as u64).into()),
                }
            };
        }
        rest!(
            clock reset bus_select bus_write bus_address bus_data bus_ready bus_read awake read_burst read_taken write_burst
            write_taken address beats word word_taken in_valid in_data in_error written written_error kept_frames kept_data
            kept was_kept state ready answer place part data wants_read wants_write holds stores stores_kept fault access
            stores_now made_up takes quiet says_fault same fills bus_part bus_tier bus_frame bus_place slot which at_which
        )
    }
}

impl<const A: usize, const B: usize> Logic for Frames<A, B> {
    #[hdl_gen]
    fn update(&mut self) {
        self.kept_frames.clock.next = self.clock.val();
        self.kept_data.clock.next = self.clock.val();
        self.kept.clock.next = self.clock.val();
        self.was_kept.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.ready.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.place.clock.next = self.clock.val();
        self.part.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.wants_read.clock.next = self.clock.val();
        self.wants_write.clock.next = self.clock.val();
        self.holds.clock.next = self.clock.val();
        self.stores.clock.next = self.clock.val();
        self.fault.clock.next = self.clock.val();
        self.made_up.clock.next = self.clock.val();
        self.kept.reset.next = self.reset.val();
        self.was_kept.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.ready.reset.next = self.reset.val();
        self.answer.reset.next = self.reset.val();
        self.place.reset.next = self.reset.val();
        self.part.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();
        self.wants_read.reset.next = self.reset.val();
        self.wants_write.reset.next = self.reset.val();
        self.holds.reset.next = self.reset.val();
        self.stores.reset.next = self.reset.val();
        self.fault.reset.next = self.reset.val();
        self.made_up.reset.next = self.reset.val();

        // What is asked for. The request stands until the clock of `ready`.
        self.bus_part.next = self.bus_address.val().get_bits::<3>(18);
        self.says_fault.next = self.bus_part.val() == 5;
        self.slot.next = self.bus_address.val() >> self.frame_bits.val();
        self.bus_tier.next = self.bus_address.val().get_bits::<2>(16);
        if self.bus_part.val() == 4 {
            self.bus_tier.next = bit_cast::<2, 24>(self.slot.val());
        }
        self.bus_frame.next = bit_cast::<A, 24>(self.bus_address.val());
        self.bus_place.next =
            (bit_cast::<B, 2>(self.bus_tier.val()) << self.frame_bits.val()) | bit_cast::<B, A>(self.bus_frame.val());
        self.access.next = self.bus_select.val() & !self.ready.q.val() & (self.state.q.val() == 0);
        self.quiet.next = self.stores.q.val() == 0;
        self.stores_now.next = self.access.val()
            & self.bus_write.val()
            & !self.says_fault.val()
            & !self.holds.q.val()
            & !self.stores.q.val().get_bit(3);

        // What is kept.
        self.which.next = (bit_cast::<5, 3>(self.bus_part.val()) << 2) | bit_cast::<5, 2>(self.bus_tier.val());
        self.at_which.next = self.kept.q.val() >> self.which.val();
        self.was_kept.d.next = self.at_which.val().get_bit(0);
        self.kept_frames.read_address.next = self.which.val();
        self.kept_data.read_address.next = self.which.val();
        self.same.next = self.was_kept.q.val() & (self.kept_frames.read_data.val() == self.bus_frame.val());
        self.fills.next = self.bus_select.val() & self.ready.q.val() & !self.says_fault.val() & !self.made_up.q.val();
        self.kept_frames.write_address.next = self.which.val();
        self.kept_data.write_address.next = self.which.val();
        self.kept_frames.write_data.next = self.bus_frame.val();
        self.kept_data.write_data.next = self.answer.q.val();
        if self.bus_write.val() {
            self.kept_data.write_data.next = self.bus_data.val();
        }
        self.kept_frames.write_enable.next = self.fills.val();
        self.kept_data.write_enable.next = self.fills.val();
        self.kept.d.next = self.kept.q.val();
        if self.fills.val() {
            self.kept.d.next = self.kept.q.val() | (self.one.val() << self.which.val());
        }

        // Loads.
        self.state.d.next = self.state.q.val();
        self.ready.d.next = self.stores_now.val();
        self.answer.d.next = self.answer.q.val();
        self.fault.d.next = self.fault.q.val();
        self.made_up.d.next = false;
        self.wants_read.d.next = self.wants_read.q.val() & !self.read_taken.val();
        self.takes.next = self.stores_now.val();
        if self.access.val() & !self.bus_write.val() {
            self.state.d.next = 1.into();
        } else if self.access.val() & self.says_fault.val() & self.quiet.val() {
            // What came before must not be told later.
            self.fault.d.next = false;
            self.ready.d.next = true;
        }
        if self.state.q.val() == 1 {
            self.state.d.next = 2.into();
            if self.says_fault.val() {
                self.answer.d.next = bit_cast::<32, 1>(self.fault.q.val().into());
                self.ready.d.next = true;
                self.state.d.next = 0.into();
            } else if self.same.val() {
                self.answer.d.next = self.kept_data.read_data.val();
                self.ready.d.next = true;
                self.state.d.next = 0.into();
            }
        } else if (self.state.q.val() == 2) & self.quiet.val() {
            self.takes.next = true;
            self.wants_read.d.next = true;
            self.state.d.next = 3.into();
        } else if (self.state.q.val() == 3) & self.in_valid.val() {
            self.answer.d.next = bit_cast::<32, 64>(self.in_data.val());
            if self.in_error.val() {
                self.answer.d.next = 0.into();
                self.made_up.d.next = true;
                self.fault.d.next = true;
            }
            self.ready.d.next = true;
            self.state.d.next = 0.into();
        }

        // Stores.
        self.wants_write.d.next = self.wants_write.q.val() & !self.write_taken.val();
        self.holds.d.next = self.holds.q.val() & !self.word_taken.val();
        self.data.d.next = self.data.q.val();
        self.stores_kept.next = self.stores.q.val();
        if self.stores_now.val() {
            self.wants_write.d.next = true;
            self.holds.d.next = true;
            self.data.d.next = self.bus_data.val();
            self.stores_kept.next = self.stores.q.val() + 1;
        }
        self.stores.d.next = self.stores_kept.val();
        if self.written.val() {
            self.stores.d.next = self.stores_kept.val() - 1;
        }
        if self.written.val() & self.written_error.val() {
            self.fault.d.next = true;
        }

        // The card.
        self.place.d.next = self.place.q.val();
        self.part.d.next = self.part.q.val();
        if self.takes.val() {
            self.place.d.next = self.bus_place.val();
            self.part.d.next = self.bus_part.val();
        }
        self.read_burst.next = self.wants_read.q.val();
        self.write_burst.next = self.wants_write.q.val();
        self.beats.next = 1.into();
        self.word.next = bit_cast::<64, 32>(self.data.q.val());
        self.address.next = self.base.val()
            | (((bit_cast::<64, 3>(self.part.q.val()) << self.part_bits.val())
                | bit_cast::<64, B>(self.place.q.val()))
                << 3);
        self.awake.next = (self.stores.q.val() != 0) | (self.state.q.val() == 3);
        self.bus_ready.next = self.ready.q.val();
        self.bus_read.next = 0.into();
        if self.ready.q.val() {
            self.bus_read.next = self.answer.q.val();
        }
    }
}
