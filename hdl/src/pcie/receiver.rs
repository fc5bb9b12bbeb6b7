//! Takes packets apart: requests of the host, and completions of what the device reads.
//!
//! ```text
//!          beat 0        beat 1         beat 2 ...
//!  rx ─►  DW1 DW0       DW3 DW2        data ──┬─► beats of a request ─► Requests: 17 of them ─► Access
//!         kind, length  tag, address          └─► words of a completion, one a beat ─► Reader
//! ```
//!
//! A request for which there is no place waits outside, and so does what is behind it. The hard block says which BAR was hit; the
//! generator of the core puts that where a host's request always has 0, bits 11:10 (AT) of its first word: BAR number / 2.
//! Beats that come after those that the header tells of, which fill up a wider beat of the hard block, do not count.
//! Locked reads and atomic operations are passed on as what the device does not do, as they have to be answered. All that is neither
//! a request of memory nor a completion is dropped: of such packets only messages, which nobody answers, get past the hard block.

use super::requests::Requests;
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

    /// A word of a completion.
    pub word_valid: Signal<Out, Bit>,
    /// It.
    pub word: Signal<Out, Bits<64>>,
    /// It is known to be bad.
    pub spoilt: Signal<Out, Bit>,
    /// Bytes of its request from it on, mod 4,096, and the lower bits of its address: as its completion has them.
    pub bytes: Signal<Out, Bits<12>>,
    /// The latter.
    pub lower_address: Signal<Out, Bits<7>>,
    /// What was asked for cannot be had.
    pub failed: Signal<Out, Bit>,
    /// Tag of the request that these answer.
    pub tag: Signal<Out, Bits<8>>,

    swap: Swap,
    requests: Requests,
    beat: Register<Bits<2>>,
    is_request: Register<Bit>,
    is_completion: Register<Bit>,
    poison: Register<Bit>,
    refused: Register<Bit>,
    /// Words of 8 bytes of the completion that are to come.
    left: Register<Bits<9>>,
    held: Register<Bits<32>>,
    tag_held: Register<Bits<8>>,
    /// Of the word that stands; before the first, of the one before that.
    bytes_held: Register<Bits<12>>,
    lower_held: Register<Bits<7>>,
    word_held: Register<Bits<64>>,
    word_stands: Register<Bit>,
    fails: Register<Bit>,

    kind: Signal<Local, Bits<5>>,
    sees_memory: Signal<Local, Bit>,
    sees_odd: Signal<Local, Bit>,
    sees_request: Signal<Local, Bit>,
    sees_completion: Signal<Local, Bit>,
    waits: Signal<Local, Bit>,
    ready: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    upper: Signal<Local, Bits<32>>,
    lower: Signal<Local, Bits<32>>,
    memory_kind: Constant<Bits<5>>,
    locked_kind: Constant<Bits<5>>,
    atomic_kind: Constant<Bits<5>>,
    completion_kind: Constant<Bits<5>>,
}

impl Default for Receiver {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    memory_kind: Constant::new(0b00000u64.into()),
                    locked_kind: Constant::new(0b00001u64.into()),
                    atomic_kind: Constant::new(0b01100u64.into()),
                    completion_kind: Constant::new(0b01010u64.into()),
                }
            };
        }
        rest!(
            clock reset big rx_valid rx_ready rx_last rx_data request taken write unsupported locked bar address length enables
            origin traffic poisoned data word_valid word spoilt bytes lower_address failed tag swap requests beat is_request
            is_completion poison refused left held tag_held bytes_held lower_held word_held word_stands fails kind sees_memory
            sees_odd sees_request sees_completion waits ready moves upper lower
        )
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        self.beat.clock.next = self.clock.val();
        self.is_request.clock.next = self.clock.val();
        self.is_completion.clock.next = self.clock.val();
        self.poison.clock.next = self.clock.val();
        self.refused.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.tag_held.clock.next = self.clock.val();
        self.bytes_held.clock.next = self.clock.val();
        self.lower_held.clock.next = self.clock.val();
        self.word_held.clock.next = self.clock.val();
        self.word_stands.clock.next = self.clock.val();
        self.fails.clock.next = self.clock.val();
        self.beat.reset.next = self.reset.val();
        self.is_request.reset.next = self.reset.val();
        self.is_completion.reset.next = self.reset.val();
        self.poison.reset.next = self.reset.val();
        self.refused.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.tag_held.reset.next = self.reset.val();
        self.bytes_held.reset.next = self.reset.val();
        self.lower_held.reset.next = self.reset.val();
        self.word_held.reset.next = self.reset.val();
        self.word_stands.reset.next = self.reset.val();
        self.fails.reset.next = self.reset.val();

        self.swap.big.next = self.big.val();
        self.swap.data.next = self.rx_data.val();
        self.upper.next = self.swap.swapped.val().get_bits::<32>(32);
        self.lower.next = self.swap.swapped.val().get_bits::<32>(0);

        // What the packet is, from its first word, whose bit 31 is 0 in all kinds; of atomic operations there are three.
        self.kind.next = self.rx_data.val().get_bits::<5>(24);
        self.sees_memory.next = self.kind.val() == self.memory_kind.val();
        self.sees_odd.next = ((self.kind.val() == self.locked_kind.val()) & !self.rx_data.val().get_bit(30))
            | (((self.kind.val() & 28) == self.atomic_kind.val())
                & (self.kind.val() != 15)
                & self.rx_data.val().get_bit(30));
        self.sees_request.next = (self.sees_memory.val() | self.sees_odd.val()) & !self.rx_data.val().get_bit(31);
        self.sees_completion.next = (self.kind.val() == self.completion_kind.val()) & !self.rx_data.val().get_bit(31);
        self.waits.next = (self.beat.q.val() == 0) & self.sees_request.val() & !self.requests.free.val();
        self.ready.next = !self.waits.val();
        self.rx_ready.next = self.ready.val();
        self.moves.next = self.rx_valid.val() & self.ready.val();

        // Requests.
        self.requests.clock.next = self.clock.val();
        self.requests.reset.next = self.reset.val();
        self.requests.beat.next = self.rx_data.val();
        self.requests.swapped.next = self.swap.swapped.val();
        self.requests.odd.next = self.sees_odd.val();
        self.requests.begins.next = self.moves.val() & self.sees_request.val() & (self.beat.q.val() == 0);
        self.requests.addresses.next = self.moves.val() & self.is_request.q.val() & (self.beat.q.val() == 1);
        self.requests.carries.next = self.moves.val() & self.is_request.q.val() & (self.beat.q.val() == 2);
        self.requests.ends.next =
            self.moves.val() & self.is_request.q.val() & self.rx_last.val() & (self.beat.q.val() != 0);
        self.requests.taken.next = self.taken.val();
        self.request.next = self.requests.request.val();
        self.write.next = self.requests.write.val();
        self.unsupported.next = self.requests.unsupported.val();
        self.locked.next = self.requests.locked.val();
        self.bar.next = self.requests.bar.val();
        self.address.next = self.requests.address.val();
        self.length.next = self.requests.length.val();
        self.enables.next = self.requests.enables.val();
        self.origin.next = self.requests.origin.val();
        self.traffic.next = self.requests.traffic.val();
        self.poisoned.next = self.requests.poisoned.val();
        self.data.next = self.requests.data.val();

        // Completions.
        self.beat.d.next = self.beat.q.val();
        self.is_request.d.next = self.is_request.q.val();
        self.is_completion.d.next = self.is_completion.q.val();
        self.poison.d.next = self.poison.q.val();
        self.refused.d.next = self.refused.q.val();
        self.left.d.next = self.left.q.val();
        self.held.d.next = self.held.q.val();
        self.tag_held.d.next = self.tag_held.q.val();
        self.bytes_held.d.next = self.bytes_held.q.val();
        self.lower_held.d.next = self.lower_held.q.val();
        self.word_held.d.next = self.word_held.q.val();
        self.word_stands.d.next = false;
        self.fails.d.next = false;
        if self.moves.val() {
            if self.beat.q.val() == 0 {
                self.is_request.d.next = self.sees_request.val();
                self.is_completion.d.next = self.sees_completion.val();
                self.left.d.next = 0.into();
                if self.rx_data.val().get_bit(30) {
                    self.left.d.next = self.rx_data.val().get_bits::<9>(1);
                }
                self.poison.d.next = self.rx_data.val().get_bit(14);
                self.refused.d.next = self.rx_data.val().get_bits::<3>(45) != 0;
                self.bytes_held.d.next = self.rx_data.val().get_bits::<12>(32) + 8;
            } else if self.beat.q.val() == 1 {
                self.tag_held.d.next = self.rx_data.val().get_bits::<8>(8);
                self.lower_held.d.next = self.rx_data.val().get_bits::<7>(0) - 8;
                self.held.d.next = self.upper.val();
            } else if self.is_completion.q.val() & !self.refused.q.val() & (self.left.q.val() != 0) {
                self.left.d.next = self.left.q.val() - 1;
                self.word_stands.d.next = true;
                self.word_held.d.next =
                    bit_cast::<64, 32>(self.held.q.val()) | (bit_cast::<64, 32>(self.lower.val()) << 32);
                self.held.d.next = self.upper.val();
                self.bytes_held.d.next = self.bytes_held.q.val() - 8;
                self.lower_held.d.next = self.lower_held.q.val() + 8;
            }
            if self.beat.q.val() != 3 {
                self.beat.d.next = self.beat.q.val() + 1;
            }
            if self.rx_last.val() {
                self.beat.d.next = 0.into();
                if (self.beat.q.val() != 0) & self.is_completion.q.val() & self.refused.q.val() {
                    self.fails.d.next = true;
                }
            }
        }
        self.word_valid.next = self.word_stands.q.val();
        self.word.next = self.word_held.q.val();
        self.spoilt.next = self.poison.q.val();
        self.bytes.next = self.bytes_held.q.val();
        self.lower_address.next = self.lower_held.q.val();
        self.failed.next = self.fails.q.val();
        self.tag.next = self.tag_held.q.val();
    }
}
