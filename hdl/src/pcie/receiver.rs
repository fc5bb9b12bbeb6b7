//! Takes packets apart: requests of the host, and completions of what the device reads.
//!
//! ```text
//!          beat 0        beat 1         beat 2 ...
//!  rx ─►  DW1 DW0       DW3 DW2        data ──┬─► one request held: address, byte enables, 8 bytes of data
//!         kind, length  tag, address          └─► words of a completion, one a beat ─► Reader
//! ```
//!
//! A request stays until it is carried out; the next waits outside, and behind a write completions wait too, as PCI's order of
//! events has it: none may overtake a posted write. The hard block says which BAR was hit; the generator of the core puts that where a
//! host's request always has 0, bits 11:10 (AT) of its first word: BAR number / 2.
//! Beats that come after those that the header tells of, which fill up a wider beat of the hard block, do not count.
//! Packets that are neither memory requests nor completions are dropped.

use super::swap::Swap;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// The receiving side.
#[derive(LogicBlock)]
pub struct Receiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Byte 0 of a payload's word is in bits 31:24.
    pub big: Signal<In, Bit>,
    /// Eight bytes of a packet stand.
    pub rx_valid: Signal<In, Bit>,
    /// They are taken.
    pub rx_ready: Signal<Out, Bit>,
    /// They are the packet's last.
    pub rx_last: Signal<In, Bit>,
    /// They.
    pub rx_data: Signal<In, Bits<64>>,

    /// A request stands.
    pub request: Signal<Out, Bit>,
    /// It is carried out.
    pub taken: Signal<In, Bit>,
    /// It writes.
    pub write: Signal<Out, Bit>,
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

    /// A word of a completion.
    pub word_valid: Signal<Out, Bit>,
    /// It.
    pub word: Signal<Out, Bits<64>>,
    /// What was asked for cannot be had.
    pub failed: Signal<Out, Bit>,
    /// Tag of the request that these answer.
    pub tag: Signal<Out, Bits<8>>,

    swap: Swap,
    beat: Register<Bits<2>>,
    is_request: Register<Bit>,
    is_completion: Register<Bit>,
    is_long: Register<Bit>,
    full: Register<Bit>,
    write_held: Register<Bit>,
    bar_held: Register<Bits<2>>,
    address_held: Register<Bits<21>>,
    length_held: Register<Bits<10>>,
    second: Register<Bits<32>>,
    traffic_held: Register<Bits<5>>,
    poison_held: Register<Bit>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    bad: Register<Bit>,
    /// Words of 8 bytes of the completion that are to come.
    left: Register<Bits<9>>,
    held: Register<Bits<32>>,
    tag_held: Register<Bits<8>>,
    word_held: Register<Bits<64>>,
    word_stands: Register<Bit>,
    fails: Register<Bit>,

    kind: Signal<Local, Bits<5>>,
    sees_request: Signal<Local, Bit>,
    sees_completion: Signal<Local, Bit>,
    waits: Signal<Local, Bit>,
    ready: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    upper: Signal<Local, Bits<32>>,
    lower: Signal<Local, Bits<32>>,
    memory_kind: Constant<Bits<5>>,
    completion_kind: Constant<Bits<5>>,
}

impl Default for Receiver {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    memory_kind: Constant::new(0b00000u64.into()),
                    completion_kind: Constant::new(0b01010u64.into()),
                }
            };
        }
        rest!(
            clock reset big rx_valid rx_ready rx_last rx_data request taken write bar address length enables origin traffic poisoned
            data word_valid word failed tag swap beat is_request is_completion is_long full write_held bar_held address_held
            length_held second traffic_held poison_held low high bad left held tag_held word_held word_stands fails kind sees_request
            sees_completion waits ready moves upper lower
        )
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        self.beat.clock.next = self.clock.val();
        self.is_request.clock.next = self.clock.val();
        self.is_completion.clock.next = self.clock.val();
        self.is_long.clock.next = self.clock.val();
        self.full.clock.next = self.clock.val();
        self.write_held.clock.next = self.clock.val();
        self.bar_held.clock.next = self.clock.val();
        self.address_held.clock.next = self.clock.val();
        self.length_held.clock.next = self.clock.val();
        self.second.clock.next = self.clock.val();
        self.traffic_held.clock.next = self.clock.val();
        self.poison_held.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.bad.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.tag_held.clock.next = self.clock.val();
        self.word_held.clock.next = self.clock.val();
        self.word_stands.clock.next = self.clock.val();
        self.fails.clock.next = self.clock.val();
        self.beat.reset.next = self.reset.val();
        self.is_request.reset.next = self.reset.val();
        self.is_completion.reset.next = self.reset.val();
        self.is_long.reset.next = self.reset.val();
        self.full.reset.next = self.reset.val();
        self.write_held.reset.next = self.reset.val();
        self.bar_held.reset.next = self.reset.val();
        self.address_held.reset.next = self.reset.val();
        self.length_held.reset.next = self.reset.val();
        self.second.reset.next = self.reset.val();
        self.traffic_held.reset.next = self.reset.val();
        self.poison_held.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.bad.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.tag_held.reset.next = self.reset.val();
        self.word_held.reset.next = self.reset.val();
        self.word_stands.reset.next = self.reset.val();
        self.fails.reset.next = self.reset.val();

        self.swap.big.next = self.big.val();
        self.swap.data.next = self.rx_data.val();
        self.upper.next = self.swap.swapped.val().get_bits::<32>(32);
        self.lower.next = self.swap.swapped.val().get_bits::<32>(0);

        // What the packet is, from its first word, whose bit 31 is 0 in both kinds.
        self.kind.next = self.rx_data.val().get_bits::<5>(24);
        self.sees_request.next = (self.kind.val() == self.memory_kind.val()) & !self.rx_data.val().get_bit(31);
        self.sees_completion.next = (self.kind.val() == self.completion_kind.val()) & !self.rx_data.val().get_bit(31);
        self.waits.next =
            (self.beat.q.val() == 0) & self.full.q.val() & (self.sees_request.val() | self.write_held.q.val());
        self.ready.next = !self.waits.val();
        self.rx_ready.next = self.ready.val();
        self.moves.next = self.rx_valid.val() & self.ready.val();

        self.beat.d.next = self.beat.q.val();
        self.is_request.d.next = self.is_request.q.val();
        self.is_completion.d.next = self.is_completion.q.val();
        self.is_long.d.next = self.is_long.q.val();
        self.full.d.next = self.full.q.val() & !self.taken.val();
        self.write_held.d.next = self.write_held.q.val();
        self.bar_held.d.next = self.bar_held.q.val();
        self.address_held.d.next = self.address_held.q.val();
        self.length_held.d.next = self.length_held.q.val();
        self.second.d.next = self.second.q.val();
        self.traffic_held.d.next = self.traffic_held.q.val();
        self.poison_held.d.next = self.poison_held.q.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.bad.d.next = self.bad.q.val();
        self.left.d.next = self.left.q.val();
        self.held.d.next = self.held.q.val();
        self.tag_held.d.next = self.tag_held.q.val();
        self.word_held.d.next = self.word_held.q.val();
        self.word_stands.d.next = false;
        self.fails.d.next = false;

        if self.moves.val() {
            if self.beat.q.val() == 0 {
                self.is_request.d.next = self.sees_request.val();
                self.is_completion.d.next = self.sees_completion.val();
                self.is_long.d.next = self.rx_data.val().get_bit(29);
                self.left.d.next = self.rx_data.val().get_bits::<9>(1);
                // A completion: status not 0, or poisoned.
                self.bad.d.next = (self.rx_data.val().get_bits::<3>(45) != 0) | self.rx_data.val().get_bit(14);
                if self.sees_request.val() {
                    self.write_held.d.next = self.rx_data.val().get_bit(30);
                    self.bar_held.d.next = self.rx_data.val().get_bits::<2>(10);
                    self.length_held.d.next = self.rx_data.val().get_bits::<10>(0);
                    self.second.d.next = self.rx_data.val().get_bits::<32>(32);
                    self.traffic_held.d.next = (bit_cast::<5, 3>(self.rx_data.val().get_bits::<3>(20)) << 2)
                        | bit_cast::<5, 2>(self.rx_data.val().get_bits::<2>(12));
                    self.poison_held.d.next = self.rx_data.val().get_bit(14);
                }
            } else if self.beat.q.val() == 1 {
                if self.is_request.q.val() {
                    self.address_held.d.next = self.rx_data.val().get_bits::<21>(0);
                    self.low.d.next = self.upper.val();
                    if self.is_long.q.val() {
                        self.address_held.d.next = self.rx_data.val().get_bits::<21>(32);
                    }
                }
                if self.is_completion.q.val() {
                    self.tag_held.d.next = self.rx_data.val().get_bits::<8>(8);
                    self.held.d.next = self.upper.val();
                }
            } else {
                if self.is_request.q.val() & (self.beat.q.val() == 2) {
                    self.high.d.next = self.lower.val();
                    if self.is_long.q.val() {
                        self.low.d.next = self.lower.val();
                        self.high.d.next = self.upper.val();
                    }
                }
                if self.is_completion.q.val() & !self.bad.q.val() & (self.left.q.val() != 0) {
                    self.left.d.next = self.left.q.val() - 1;
                    self.word_stands.d.next = true;
                    self.word_held.d.next =
                        bit_cast::<64, 32>(self.held.q.val()) | (bit_cast::<64, 32>(self.lower.val()) << 32);
                    self.held.d.next = self.upper.val();
                }
            }
            if self.beat.q.val() != 3 {
                self.beat.d.next = self.beat.q.val() + 1;
            }
            if self.rx_last.val() {
                self.beat.d.next = 0.into();
                if (self.beat.q.val() != 0) & self.is_request.q.val() {
                    self.full.d.next = true;
                }
                if (self.beat.q.val() != 0) & self.is_completion.q.val() & self.bad.q.val() {
                    self.fails.d.next = true;
                }
            }
        }

        self.request.next = self.full.q.val();
        self.write.next = self.write_held.q.val();
        self.bar.next = self.bar_held.q.val();
        self.address.next = self.address_held.q.val();
        self.length.next = self.length_held.q.val();
        self.enables.next = self.second.q.val().get_bits::<8>(0);
        self.origin.next = self.second.q.val().get_bits::<24>(8);
        self.traffic.next = self.traffic_held.q.val();
        self.poisoned.next = self.poison_held.q.val();
        self.data.next = bit_cast::<64, 32>(self.low.q.val()) | (bit_cast::<64, 32>(self.high.q.val()) << 32);
        self.word_valid.next = self.word_stands.q.val();
        self.word.next = self.word_held.q.val();
        self.failed.next = self.fails.q.val();
        self.tag.next = self.tag_held.q.val();
    }
}
