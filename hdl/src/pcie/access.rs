//! Carries out the host's requests, one at a time: an access of AXI4-Lite or of the MSI-X table, and the completion of a read.
//!
//! ```text
//!  request ─► size, place ─┬─ BAR0, BAR2 ─► AW, W, B   or AR, R ─┐
//!                          ├─ BAR4 ─► table ─────────────────────┼─ a read ─► completion: 2 or 3 beats
//!                          └─ not to be had ─────────────────────┘
//!
//!  0 idle ─► 1 AW, W ─► 2 B ─► 0        0 ─► 3 AR ─► 4 R ─┐
//!                                       0 ─► 5 table ─────┼─► 6, 7, 8 beats ─► 0
//! ```
//!
//! | request | what is done |
//! |---|---|
//! | 1, 2, 4 bytes; 8 bytes in two words | an access of that size: the device knows what it may be |
//! | other bytes of one or two words | an access of one byte, which the device counts as one of a bad size |
//! | a read of no byte | answered with 0, without an access: it is a flush |
//! | more than two words | a write is dropped, a read answered with Completer Abort |
//! | a poisoned write | dropped |
//! | a locked read, an atomic operation | answered with Unsupported Request |
//! | BAR4: 4 or 8 bytes, aligned | the table |
//! | BAR4: anything else | reads 0, writes are ignored |

use crate::prim::Register;
use rust_hdl::prelude::*;

/// From requests to accesses.
#[derive(LogicBlock)]
pub struct Access {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Completer id.
    pub id: Signal<In, Bits<16>>,

    /// A request stands.
    pub request: Signal<In, Bit>,
    /// It is carried out.
    pub taken: Signal<Out, Bit>,
    /// It writes.
    pub write: Signal<In, Bit>,
    /// The device does not do this.
    pub unsupported: Signal<In, Bit>,
    /// It is a locked read, whose completion is of a kind of its own.
    pub locked: Signal<In, Bit>,
    /// The BAR's number / 2.
    pub bar: Signal<In, Bits<2>>,
    /// Address in the BAR.
    pub address: Signal<In, Bits<21>>,
    /// Words of 4 bytes.
    pub length: Signal<In, Bits<10>>,
    /// Bytes of the last word, and of the first.
    pub enables: Signal<In, Bits<8>>,
    /// Requester id and tag.
    pub origin: Signal<In, Bits<24>>,
    /// Traffic class and attributes.
    pub traffic: Signal<In, Bits<5>>,
    /// Its data is bad.
    pub poisoned: Signal<In, Bit>,
    /// Its first 8 bytes of data.
    pub data: Signal<In, Bits<64>>,

    /// AXI4-Lite.
    pub awvalid: Signal<Out, Bit>,
    /// Taken.
    pub awready: Signal<In, Bit>,
    /// Byte address; bit 23: BAR2. That of a read is the same.
    pub axaddr: Signal<Out, Bits<24>>,
    /// log2 of the bytes, likewise.
    pub axsize: Signal<Out, Bits<3>>,
    /// Data stands.
    pub wvalid: Signal<Out, Bit>,
    /// Taken.
    pub wready: Signal<In, Bit>,
    /// Data on its lanes.
    pub wdata: Signal<Out, Bits<64>>,
    /// Bytes of it.
    pub wstrb: Signal<Out, Bits<8>>,
    /// Written.
    pub bvalid: Signal<In, Bit>,
    /// That is known.
    pub bready: Signal<Out, Bit>,
    /// A read stands.
    pub arvalid: Signal<Out, Bit>,
    /// Taken.
    pub arready: Signal<In, Bit>,
    /// Data read stands.
    pub rvalid: Signal<In, Bit>,
    /// Taken.
    pub rready: Signal<Out, Bit>,
    /// Data on its lanes.
    pub rdata: Signal<In, Bits<64>>,

    /// An access of the MSI-X table stands.
    pub table_asked: Signal<Out, Bit>,
    /// It is of 8 bytes.
    pub table_wide: Signal<Out, Bit>,
    /// It is carried out; what is read stands.
    pub table_ready: Signal<In, Bit>,
    /// What was read, from bit 0 on.
    pub table_data: Signal<In, Bits<64>>,

    /// To the swap of what a completion carries.
    pub answer: Signal<Out, Bits<64>>,
    /// From there.
    pub swapped: Signal<In, Bits<64>>,
    /// To the sender.
    pub valid: Signal<Out, Bit>,
    /// Taken.
    pub ready: Signal<In, Bit>,
    /// Eight bytes.
    pub beat: Signal<Out, Bits<64>>,
    /// Only four of them.
    pub half: Signal<Out, Bit>,
    /// The last.
    pub last: Signal<Out, Bit>,

    state: Register<Bits<4>>,
    has_address: Register<Bit>,
    has_data: Register<Bit>,
    answer_held: Register<Bits<64>>,
    first: Signal<Local, Bits<4>>,
    final_word: Signal<Local, Bits<4>>,
    /// The first byte's place in its word, the last's counted from the end, and the bytes of both words.
    skipped: Signal<Local, Bits<2>>,
    unused: Signal<Local, Bits<2>>,
    bytes: Signal<Local, Bits<12>>,
    size: Signal<Local, Bits<3>>,
    is_one: Signal<Local, Bit>,
    is_two: Signal<Local, Bit>,
    is_flush: Signal<Local, Bit>,
    aborts: Signal<Local, Bit>,
    none: Signal<Local, Bit>,
    fits_table: Signal<Local, Bit>,
    place: Signal<Local, Bits<24>>,
    word: Signal<Local, Bits<32>>,
    bare: Signal<Local, Bits<32>>,
    status: Signal<Local, Bits<32>>,
    head: Signal<Local, Bits<32>>,
    middle: Signal<Local, Bits<32>>,
    tail: Signal<Local, Bits<32>>,
    moves: Signal<Local, Bit>,
    kind: Constant<Bits<32>>,
    kind_bare: Constant<Bits<32>>,
    kind_locked: Constant<Bits<32>>,
    aborted: Constant<Bits<32>>,
    refused: Constant<Bits<32>>,
    bar2: Constant<Bits<24>>,
}

impl Default for Access {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    kind: Constant::new(0x4A00_0000u64.into()),
                    kind_bare: Constant::new(0x0A00_0000u64.into()),
                    kind_locked: Constant::new(0x0B00_0000u64.into()),
                    aborted: Constant::new(0x8000u64.into()),
                    refused: Constant::new(0x2000u64.into()),
                    bar2: Constant::new(0x80_0000u64.into()),
                }
            };
        }
        rest!(
            clock reset id request taken write unsupported locked bar address length enables origin traffic poisoned data awvalid awready axaddr axsize wvalid
            wready wdata wstrb bvalid bready arvalid arready rvalid rready rdata table_asked table_wide table_ready table_data answer
            swapped valid ready beat half last state has_address has_data answer_held first final_word skipped unused bytes size
            is_one is_two is_flush aborts none fits_table place word bare status head middle tail moves
        )
    }
}

impl Logic for Access {
    #[hdl_gen]
    fn update(&mut self) {
        self.state.clock.next = self.clock.val();
        self.has_address.clock.next = self.clock.val();
        self.has_data.clock.next = self.clock.val();
        self.answer_held.clock.next = self.clock.val();
        self.state.reset.next = self.reset.val();
        self.has_address.reset.next = self.reset.val();
        self.has_data.reset.next = self.reset.val();
        self.answer_held.reset.next = self.reset.val();

        // What the request asks for.
        self.first.next = self.enables.val().get_bits::<4>(0);
        self.is_one.next = self.length.val() == 1;
        self.is_two.next = self.length.val() == 2;
        self.final_word.next = self.enables.val().get_bits::<4>(4);
        if self.is_one.val() {
            self.final_word.next = self.first.val();
        }
        self.skipped.next = 0.into();
        if (self.first.val() & 1) != 0 {
            self.skipped.next = 0.into();
        } else if (self.first.val() & 2) != 0 {
            self.skipped.next = 1.into();
        } else if (self.first.val() & 4) != 0 {
            self.skipped.next = 2.into();
        } else if (self.first.val() & 8) != 0 {
            self.skipped.next = 3.into();
        }
        self.unused.next = 3.into();
        if (self.final_word.val() & 8) != 0 {
            self.unused.next = 0.into();
        } else if (self.final_word.val() & 4) != 0 {
            self.unused.next = 1.into();
        } else if (self.final_word.val() & 2) != 0 {
            self.unused.next = 2.into();
        }
        self.is_flush.next = self.is_one.val() & (self.first.val() == 0);
        // A flush has a byte count of 1: four, less the three that `unused` says.
        self.bytes.next = ((bit_cast::<12, 10>(self.length.val()) << 2) - bit_cast::<12, 2>(self.skipped.val()))
            - bit_cast::<12, 2>(self.unused.val());
        self.size.next = 0.into();
        if self.is_two.val() {
            if self.enables.val() == 255 {
                self.size.next = 3.into();
            }
        } else if self.first.val() == 15 {
            self.size.next = 2.into();
        } else if (self.first.val() == 3) | (self.first.val() == 6) | (self.first.val() == 12) {
            self.size.next = 1.into();
        }
        self.aborts.next = (!self.is_one.val() & !self.is_two.val()) | (self.bar.val() == 3) | self.unsupported.val();
        self.none.next = self.aborts.val() | self.is_flush.val() | (self.write.val() & self.poisoned.val());
        self.fits_table.next = (self.size.val() == 2) | ((self.size.val() == 3) & !self.address.val().get_bit(2));

        // The access.
        self.place.next =
            bit_cast::<24, 16>(self.address.val().get_bits::<16>(0)) | bit_cast::<24, 2>(self.skipped.val());
        if self.bar.val() == 1 {
            self.place.next =
                bit_cast::<24, 21>(self.address.val()) | bit_cast::<24, 2>(self.skipped.val()) | self.bar2.val();
        }
        self.axaddr.next = self.place.val();
        self.axsize.next = self.size.val();
        self.wdata.next = self.data.val();
        self.wstrb.next = self.enables.val();
        if self.is_one.val() {
            self.wdata.next = (self.data.val() << 32) | bit_cast::<64, 32>(self.data.val().get_bits::<32>(0));
            self.wstrb.next = bit_cast::<8, 4>(self.first.val());
            if self.address.val().get_bit(2) {
                self.wstrb.next = bit_cast::<8, 4>(self.first.val()) << 4;
            }
        }
        self.word.next = self.rdata.val().get_bits::<32>(0);
        if self.address.val().get_bit(2) {
            self.word.next = self.rdata.val().get_bits::<32>(32);
        }
        self.awvalid.next = self.has_address.q.val();
        self.wvalid.next = self.has_data.q.val();
        self.bready.next = self.state.q.val() == 2;
        self.arvalid.next = self.state.q.val() == 3;
        self.rready.next = self.state.q.val() == 4;
        self.table_asked.next = self.state.q.val() == 5;
        self.table_wide.next = self.size.val() == 3;

        // The completion.
        self.answer.next = self.answer_held.q.val();
        self.head.next = (bit_cast::<32, 3>(self.traffic.val().get_bits::<3>(2)) << 20)
            | (bit_cast::<32, 2>(self.traffic.val().get_bits::<2>(0)) << 12)
            | bit_cast::<32, 10>(self.length.val())
            | self.kind.val();
        self.middle.next = (bit_cast::<32, 16>(self.id.val()) << 16) | bit_cast::<32, 12>(self.bytes.val());
        self.bare.next = self.kind_bare.val();
        if self.locked.val() {
            self.bare.next = self.kind_locked.val();
        }
        self.status.next = self.aborted.val();
        if self.unsupported.val() {
            self.status.next = self.refused.val();
        }
        if self.aborts.val() {
            self.head.next = (bit_cast::<32, 3>(self.traffic.val().get_bits::<3>(2)) << 20)
                | (bit_cast::<32, 2>(self.traffic.val().get_bits::<2>(0)) << 12)
                | self.bare.val();
            self.middle.next =
                (bit_cast::<32, 16>(self.id.val()) << 16) | bit_cast::<32, 12>(self.bytes.val()) | self.status.val();
        }
        self.tail.next =
            (bit_cast::<32, 24>(self.origin.val()) << 8) | bit_cast::<32, 7>(self.place.val().get_bits::<7>(0));
        self.valid.next = (self.state.q.val() == 6) | (self.state.q.val() == 7) | (self.state.q.val() == 8);
        self.beat.next = (bit_cast::<64, 32>(self.middle.val()) << 32) | bit_cast::<64, 32>(self.head.val());
        self.half.next = false;
        self.last.next = false;
        if self.state.q.val() == 7 {
            self.beat.next = (self.swapped.val() << 32) | bit_cast::<64, 32>(self.tail.val());
            self.half.next = self.aborts.val();
            self.last.next = !self.is_two.val() | self.aborts.val();
        } else if self.state.q.val() == 8 {
            self.beat.next = bit_cast::<64, 32>(self.swapped.val().get_bits::<32>(32));
            self.half.next = true;
            self.last.next = true;
        }
        self.moves.next = self.ready.val() & self.valid.val();

        self.state.d.next = self.state.q.val();
        self.has_address.d.next = self.has_address.q.val() & !self.awready.val();
        self.has_data.d.next = self.has_data.q.val() & !self.wready.val();
        self.answer_held.d.next = self.answer_held.q.val();
        self.taken.next = false;
        if self.state.q.val() == 0 {
            self.answer_held.d.next = 0.into();
            if self.request.val() {
                if self.none.val() {
                    self.state.d.next = 6.into();
                    if self.write.val() {
                        self.state.d.next = 9.into();
                    }
                } else if self.bar.val() == 2 {
                    self.state.d.next = 5.into();
                    if !self.fits_table.val() {
                        self.state.d.next = 6.into();
                        if self.write.val() {
                            self.state.d.next = 9.into();
                        }
                    }
                } else if self.write.val() {
                    self.has_address.d.next = true;
                    self.has_data.d.next = true;
                    self.state.d.next = 1.into();
                } else {
                    self.state.d.next = 3.into();
                }
            }
        } else if self.state.q.val() == 1 {
            if !self.has_address.q.val() & !self.has_data.q.val() {
                self.state.d.next = 2.into();
            }
        } else if self.state.q.val() == 2 {
            if self.bvalid.val() {
                self.state.d.next = 9.into();
            }
        } else if self.state.q.val() == 3 {
            if self.arready.val() {
                self.state.d.next = 4.into();
            }
        } else if self.state.q.val() == 4 {
            if self.rvalid.val() {
                self.state.d.next = 6.into();
                self.answer_held.d.next = bit_cast::<64, 32>(self.word.val());
                if self.is_two.val() {
                    self.answer_held.d.next = self.rdata.val();
                }
            }
        } else if self.state.q.val() == 5 {
            if self.table_ready.val() {
                self.answer_held.d.next = self.table_data.val();
                self.state.d.next = 6.into();
                if self.write.val() {
                    self.state.d.next = 9.into();
                }
            }
        } else if self.state.q.val() == 9 {
            // Carried out; a clock later the next request stands, if there is one.
            self.taken.next = true;
            self.state.d.next = 0.into();
        } else if self.moves.val() {
            self.state.d.next = self.state.q.val() + 1;
            if self.last.val() {
                self.state.d.next = 9.into();
            }
        }
    }
}
