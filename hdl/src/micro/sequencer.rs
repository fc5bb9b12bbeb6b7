//! The sequencer: fetches control words and carries them out, for two threads. `docs/control.md`.
//!
//! ```text
//!     fetch            read                    execute
//!  pc ─► store ─► word ─► registers ─► a ┐
//!  ▲                                   b ┼─► ALU ─────┬─► register d, and straight to the next word's a and b
//!  │                            constant ┘   compare ─┤
//!  │                  │                      bus ◄────┘     a load holds all three until it is answered
//!  ├── jump, call ◄───┘                      │             the word behind is dropped
//!  └── branch, return, other thread ◄────────┘             the two words behind are dropped
//! ```
//!
//! A store goes on without waiting; the next access of the bus waits for it.
//!
//! Thread 1 preempts thread 0 between two words. A thread's state is its pc and its part of the stack; registers are shared.

use super::isa::STORE_BITS;
use super::store::{Registers, Store};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// log2 of the open calls of both threads.
const STACK_BITS: usize = 6;

/// Carries out program `P`: 0 is the device's, 1 a test of the sequencer itself.
#[derive(LogicBlock)]
pub struct Sequencer<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: thread 1 begins, thread 0 stops.
    pub reset: Signal<In, Bit>,
    /// A host access waits for thread 1.
    pub host_pending: Signal<In, Bit>,

    /// Where the request would be that may stand in the next clock.
    pub bus_ahead: Signal<Out, Bits<24>>,
    /// A bus request stands.
    pub bus_valid: Signal<Out, Bit>,
    /// It writes.
    pub bus_write: Signal<Out, Bit>,
    /// Its word address.
    pub bus_address: Signal<Out, Bits<24>>,
    /// What it writes.
    pub bus_data: Signal<Out, Bits<32>>,
    /// It is carried out.
    pub bus_ready: Signal<In, Bit>,
    /// What it read.
    pub bus_read: Signal<In, Bits<32>>,

    /// A word is carried out in this clock.
    pub executing: Signal<Out, Bit>,
    /// The word behind it.
    pub behind: Signal<Out, Bits<STORE_BITS>>,

    store: Store<P>,
    registers: Registers,
    /// Where calls return to. It is read ahead: two words are dropped between a change of depth or thread and the next return.
    stack: Ram<Bits<STORE_BITS>, STACK_BITS>,

    // Fetch.
    started: Register<Bit>,
    pc: Register<Bits<STORE_BITS>>,
    // Read.
    valid_r: Register<Bit>,
    pc_r: Register<Bits<STORE_BITS>>,
    // Execute.
    valid_x: Register<Bit>,
    word_x: Register<Bits<64>>,
    next_x: Register<Bits<STORE_BITS>>,
    forward: Register<Bit>,
    forward_register: Register<Bits<10>>,
    forward_value: Register<Bits<32>>,

    // Threads.
    in_main: Register<Bit>,
    main_runs: Register<Bit>,
    masked: Register<Bit>,
    main_pc: Register<Bits<STORE_BITS>>,
    host_pc: Register<Bits<STORE_BITS>>,
    main_depth: Register<Bits<5>>,
    host_depth: Register<Bits<5>>,

    // Bus.
    request: Register<Bit>,
    request_write: Register<Bit>,
    request_address: Register<Bits<24>>,
    request_data: Register<Bits<32>>,

    op: Signal<Local, Bits<6>>,
    is_constant: Signal<Local, Bit>,
    a_number: Signal<Local, Bits<10>>,
    b_number: Signal<Local, Bits<10>>,
    d_number: Signal<Local, Bits<10>>,
    constant: Signal<Local, Bits<32>>,
    short: Signal<Local, Bits<32>>,
    is_branch: Signal<Local, Bit>,
    a: Signal<Local, Bits<32>>,
    b: Signal<Local, Bits<32>>,
    amount: Signal<Local, Bits<5>>,
    wide_amount: Signal<Local, Bits<32>>,
    added: Signal<Local, Bits<32>>,
    sum: Signal<Local, Bits<32>>,
    difference: Signal<Local, Bits<32>>,
    signs: Signal<Local, Bits<32>>,
    sign_mask: Signal<Local, Bits<32>>,
    a_flipped: Signal<Local, Bits<32>>,
    b_flipped: Signal<Local, Bits<32>>,
    equal: Signal<Local, Bit>,
    less: Signal<Local, Bit>,
    less_signed: Signal<Local, Bit>,
    result: Signal<Local, Bits<32>>,
    is_load: Signal<Local, Bit>,
    is_store: Signal<Local, Bit>,
    waits_for_stores: Signal<Local, Bit>,
    is_answered: Signal<Local, Bit>,
    jumps: Signal<Local, Bit>,
    word_op: Signal<Local, Bits<6>>,
    advance: Signal<Local, Bit>,
    done: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    target: Signal<Local, Bits<STORE_BITS>>,
    onward: Signal<Local, Bits<STORE_BITS>>,
    redirect: Signal<Local, Bit>,
    redirect_to: Signal<Local, Bits<STORE_BITS>>,
    depth: Signal<Local, Bits<5>>,
    depth_above: Signal<Local, Bits<5>>,
    depth_below: Signal<Local, Bits<5>>,
    calls: Signal<Local, Bit>,
    returns: Signal<Local, Bit>,
    restarts: Signal<Local, Bit>,
    preempts: Signal<Local, Bit>,
    top_bit: Constant<Bits<32>>,
    ones: Constant<Bits<32>>,
    short_sign: Constant<Bits<32>>,
}

impl<const P: usize> Default for Sequencer<P> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    top_bit: Constant::new(0x8000_0000u64.into()),
                    short_sign: Constant::new(0xFFFF_0000u64.into()),
                    ones: Constant::new(0xFFFF_FFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset host_pending bus_ahead bus_valid bus_write bus_address bus_data bus_ready bus_read executing behind store
            registers stack started pc valid_r pc_r valid_x word_x next_x forward forward_register forward_value in_main
            main_runs masked main_pc host_pc main_depth host_depth request request_write request_address request_data op
            is_constant a_number b_number d_number constant short is_branch a b amount wide_amount added sum difference signs
            sign_mask a_flipped b_flipped equal less less_signed result is_load is_store waits_for_stores is_answered jumps word_op advance done writes taken target onward
            redirect redirect_to depth depth_above depth_below calls returns restarts preempts
        )
    }
}

impl<const P: usize> Logic for Sequencer<P> {
    #[hdl_gen]
    fn update(&mut self) {
        self.store.clock.next = self.clock.val();
        self.registers.clock.next = self.clock.val();
        self.stack.clock.next = self.clock.val();
        self.started.clock.next = self.clock.val();
        self.pc.clock.next = self.clock.val();
        self.valid_r.clock.next = self.clock.val();
        self.pc_r.clock.next = self.clock.val();
        self.valid_x.clock.next = self.clock.val();
        self.word_x.clock.next = self.clock.val();
        self.next_x.clock.next = self.clock.val();
        self.forward.clock.next = self.clock.val();
        self.forward_register.clock.next = self.clock.val();
        self.forward_value.clock.next = self.clock.val();
        self.in_main.clock.next = self.clock.val();
        self.main_runs.clock.next = self.clock.val();
        self.masked.clock.next = self.clock.val();
        self.main_pc.clock.next = self.clock.val();
        self.host_pc.clock.next = self.clock.val();
        self.main_depth.clock.next = self.clock.val();
        self.host_depth.clock.next = self.clock.val();
        self.request.clock.next = self.clock.val();
        self.request_write.clock.next = self.clock.val();
        self.request_address.clock.next = self.clock.val();
        self.request_data.clock.next = self.clock.val();
        self.started.reset.next = self.reset.val();
        self.pc.reset.next = self.reset.val();
        self.valid_r.reset.next = self.reset.val();
        self.pc_r.reset.next = self.reset.val();
        self.valid_x.reset.next = self.reset.val();
        self.word_x.reset.next = self.reset.val();
        self.next_x.reset.next = self.reset.val();
        self.forward.reset.next = self.reset.val();
        self.forward_register.reset.next = self.reset.val();
        self.forward_value.reset.next = self.reset.val();
        self.in_main.reset.next = self.reset.val();
        self.main_runs.reset.next = self.reset.val();
        self.masked.reset.next = self.reset.val();
        self.main_pc.reset.next = self.reset.val();
        self.host_pc.reset.next = self.reset.val();
        self.main_depth.reset.next = self.reset.val();
        self.host_depth.reset.next = self.reset.val();
        self.request.reset.next = self.reset.val();
        self.request_write.reset.next = self.reset.val();
        self.request_address.reset.next = self.reset.val();
        self.request_data.reset.next = self.reset.val();

        // The word in the execute stage, and its operands.
        self.op.next = self.word_x.q.val().get_bits::<6>(0);
        self.is_constant.next = self.word_x.q.val().get_bit(6);
        self.d_number.next = self.word_x.q.val().get_bits::<10>(7);
        self.a_number.next = self.word_x.q.val().get_bits::<10>(17);
        self.b_number.next = self.word_x.q.val().get_bits::<10>(32);
        self.constant.next = self.word_x.q.val().get_bits::<32>(32);
        self.is_branch.next = self.word_x.q.val().get_bit(5);
        self.short.next = bit_cast::<32, 16>(self.word_x.q.val().get_bits::<16>(32));
        if self.word_x.q.val().get_bit(47) {
            self.short.next = bit_cast::<32, 16>(self.word_x.q.val().get_bits::<16>(32)) | self.short_sign.val();
        }
        self.a.next = self.registers.a.val();
        if self.forward.q.val() & (self.forward_register.q.val() == self.a_number.val()) {
            self.a.next = self.forward_value.q.val();
        }
        self.b.next = self.registers.b.val();
        if self.forward.q.val() & (self.forward_register.q.val() == self.b_number.val()) {
            self.b.next = self.forward_value.q.val();
        }
        if self.is_constant.val() {
            self.b.next = self.constant.val();
            if self.is_branch.val() {
                self.b.next = self.short.val();
            }
        }

        // What it makes of them.
        self.amount.next = self.b.val().get_bits::<5>(0);
        self.wide_amount.next = bit_cast::<32, 5>(self.amount.val());
        self.added.next = self.a.val();
        if self.op.val() == 18 {
            self.added.next = 0.into();
        }
        self.sum.next = self.added.val() + self.b.val();
        self.difference.next = self.a.val() - self.b.val();
        self.sign_mask.next = !(self.ones.val() >> self.wide_amount.val());
        self.signs.next = 0.into();
        if self.a.val().get_bit(31) {
            self.signs.next = self.sign_mask.val();
        }
        self.a_flipped.next = self.a.val() ^ self.top_bit.val();
        self.b_flipped.next = self.b.val() ^ self.top_bit.val();
        self.equal.next = self.a.val() == self.b.val();
        self.less.next = self.a.val() < self.b.val();
        self.less_signed.next = self.a_flipped.val() < self.b_flipped.val();
        self.result.next = self.b.val();
        if self.op.val() == 1 {
            self.result.next = self.sum.val();
        } else if self.op.val() == 2 {
            self.result.next = self.difference.val();
        } else if self.op.val() == 3 {
            self.result.next = self.a.val() & self.b.val();
        } else if self.op.val() == 4 {
            self.result.next = self.a.val() | self.b.val();
        } else if self.op.val() == 5 {
            self.result.next = self.a.val() ^ self.b.val();
        } else if self.op.val() == 6 {
            self.result.next = self.a.val() << self.wide_amount.val();
        } else if self.op.val() == 7 {
            self.result.next = self.a.val() >> self.wide_amount.val();
        } else if self.op.val() == 8 {
            self.result.next = (self.a.val() >> self.wide_amount.val()) | self.signs.val();
        } else if self.op.val() == 9 {
            self.result.next = 0.into();
            if self.equal.val() {
                self.result.next = 1.into();
            }
        } else if self.op.val() == 10 {
            self.result.next = 0.into();
            if self.less.val() {
                self.result.next = 1.into();
            }
        } else if self.op.val() == 11 {
            self.result.next = 0.into();
            if self.less_signed.val() {
                self.result.next = 1.into();
            }
        } else if (self.op.val() == 16) | (self.op.val() == 18) {
            self.result.next = self.bus_read.val();
        }

        // The bus: a request, then its answer. A store is carried out as soon as its request stands.
        self.is_load.next = self.valid_x.q.val() & ((self.op.val() == 16) | (self.op.val() == 18));
        self.is_store.next = self.valid_x.q.val() & (self.op.val() == 17);
        self.request.d.next = self.request.q.val();
        self.request_write.d.next = self.request_write.q.val();
        self.request_address.d.next = self.request_address.q.val();
        self.request_data.d.next = self.request_data.q.val();
        self.bus_ahead.next = bit_cast::<24, 32>(self.sum.val());
        if (self.is_load.val() | self.is_store.val()) & !self.request.q.val() {
            self.request.d.next = true;
            self.request_write.d.next = self.is_store.val();
            self.request_data.d.next = self.a.val();
            self.request_address.d.next = bit_cast::<24, 32>(self.sum.val());
            if self.is_store.val() {
                self.request_address.d.next = bit_cast::<24, 32>(self.b.val());
            }
        }
        if self.request.q.val() & self.bus_ready.val() {
            self.request.d.next = false;
        }
        self.bus_valid.next = self.request.q.val();
        self.bus_write.next = self.request_write.q.val();
        self.bus_address.next = self.request_address.q.val();
        self.bus_data.next = self.request_data.q.val();
        // WaitHost sees what the stores before it have done.
        self.waits_for_stores.next =
            self.request.q.val() & (self.is_store.val() | (self.valid_x.q.val() & (self.op.val() == 42)));
        self.is_answered.next = self.request.q.val() & !self.request_write.q.val() & self.bus_ready.val();
        self.advance.next =
            (!self.is_load.val() & !self.waits_for_stores.val()) | (self.is_load.val() & self.is_answered.val());
        self.done.next = self.valid_x.q.val() & self.advance.val();
        self.executing.next = self.done.val();
        self.behind.next = self.next_x.q.val();

        // Its register.
        self.writes.next = self.done.val() & !self.is_branch.val() & (self.op.val() != 17);
        self.registers.write.next = self.writes.val();
        self.registers.d_address.next = self.d_number.val();
        self.registers.d.next = self.result.val();
        self.forward.d.next = self.forward.q.val();
        self.forward_register.d.next = self.forward_register.q.val();
        self.forward_value.d.next = self.forward_value.q.val();
        if self.advance.val() {
            self.forward.d.next = self.writes.val();
            self.forward_register.d.next = self.d_number.val();
            self.forward_value.d.next = self.result.val();
        }

        // Where it goes.
        self.calls.next = self.done.val() & (self.op.val() == 37);
        self.returns.next = self.done.val() & (self.op.val() == 38);
        self.restarts.next = self.done.val() & (self.op.val() == 43);
        self.taken.next = self.done.val()
            & (((self.op.val() == 32) & self.equal.val())
                | ((self.op.val() == 33) & !self.equal.val())
                | ((self.op.val() == 34) & self.less.val())
                | ((self.op.val() == 35) & !self.less.val())
                | (self.op.val() == 36)
                | (self.op.val() == 37)
                | (self.op.val() == 38));
        self.depth.next = self.host_depth.q.val();
        if self.in_main.q.val() {
            self.depth.next = self.main_depth.q.val();
        }
        self.depth_above.next = self.depth.val() + 1;
        self.depth_below.next = self.depth.val() - 1;
        self.stack.write_enable.next = self.calls.val();
        self.stack.write_data.next = self.next_x.q.val();
        self.stack.write_address.next = bit_cast::<STACK_BITS, 5>(self.depth.val());
        self.stack.read_address.next = bit_cast::<STACK_BITS, 5>(self.depth_below.val());
        if self.in_main.q.val() {
            self.stack.write_address.next = bit_cast::<STACK_BITS, 5>(self.depth.val()) | 32;
            self.stack.read_address.next = bit_cast::<STACK_BITS, 5>(self.depth_below.val()) | 32;
        }
        self.target.next = self.word_x.q.val().get_bits::<STORE_BITS>(48);
        if self.op.val() == 38 {
            self.target.next = self.stack.read_data.val();
        }
        self.onward.next = self.next_x.q.val();
        if self.taken.val() {
            self.onward.next = self.target.val();
        }
        self.main_depth.d.next = self.main_depth.q.val();
        self.host_depth.d.next = self.host_depth.q.val();
        if self.calls.val() {
            if self.in_main.q.val() {
                self.main_depth.d.next = self.depth_above.val();
            } else {
                self.host_depth.d.next = self.depth_above.val();
            }
        }
        if self.returns.val() {
            if self.in_main.q.val() {
                self.main_depth.d.next = self.depth_below.val();
            } else {
                self.host_depth.d.next = self.depth_below.val();
            }
        }

        // Which thread.
        // A jump or a call has gone on from the read stage.
        self.redirect.next = self.taken.val() & (self.op.val() != 36) & (self.op.val() != 37);
        self.redirect_to.next = self.target.val();
        self.in_main.d.next = self.in_main.q.val();
        self.main_runs.d.next = self.main_runs.q.val();
        self.masked.d.next = self.masked.q.val();
        self.main_pc.d.next = self.main_pc.q.val();
        self.host_pc.d.next = self.host_pc.q.val();
        if self.done.val() & (self.op.val() == 40) {
            self.masked.d.next = true;
        }
        if self.done.val() & (self.op.val() == 41) {
            self.masked.d.next = false;
        }
        if self.restarts.val() {
            self.main_depth.d.next = 0.into();
            self.masked.d.next = false;
            self.main_runs.d.next = true;
            self.main_pc.d.next = 0.into();
            self.redirect.next = self.in_main.q.val();
            self.redirect_to.next = 0.into();
        }
        self.preempts.next = self.in_main.q.val()
            & self.host_pending.val()
            & !self.masked.q.val()
            & (self.op.val() != 40)
            & (self.done.val() | !self.main_runs.q.val());
        if self.preempts.val() {
            if !self.restarts.val() {
                self.main_pc.d.next = self.onward.val();
            }
            self.in_main.d.next = false;
            self.redirect.next = true;
            self.redirect_to.next = self.host_pc.q.val();
        }
        if self.done.val() & (self.op.val() == 42) & !self.in_main.q.val() & !self.host_pending.val() {
            self.host_pc.d.next = self.next_x.q.val();
            self.in_main.d.next = true;
            self.redirect.next = true;
            self.redirect_to.next = self.main_pc.q.val();
        }

        // The stages.
        self.store.enable.next = self.advance.val();
        self.store.address.next = self.pc.q.val();
        self.registers.enable.next = self.advance.val();
        self.registers.a_address.next = self.store.word.val().get_bits::<10>(17);
        self.registers.b_address.next = self.store.word.val().get_bits::<10>(32);
        self.word_op.next = self.store.word.val().get_bits::<6>(0);
        self.jumps.next = self.valid_r.q.val() & ((self.word_op.val() == 36) | (self.word_op.val() == 37));
        self.started.d.next = true;
        self.pc.d.next = self.pc.q.val();
        self.valid_r.d.next = self.valid_r.q.val();
        self.pc_r.d.next = self.pc_r.q.val();
        self.valid_x.d.next = self.valid_x.q.val();
        self.word_x.d.next = self.word_x.q.val();
        self.next_x.d.next = self.next_x.q.val();
        if self.advance.val() {
            self.pc.d.next = self.pc.q.val() + 1;
            self.valid_r.d.next = !self.in_main.q.val() | self.main_runs.q.val();
            self.pc_r.d.next = self.pc.q.val();
            self.valid_x.d.next = self.valid_r.q.val();
            self.word_x.d.next = self.store.word.val();
            self.next_x.d.next = self.pc_r.q.val() + 1;
            if self.jumps.val() {
                self.pc.d.next = self.store.word.val().get_bits::<STORE_BITS>(48);
                self.valid_r.d.next = false;
            }
        }
        if self.redirect.val() | !self.started.q.val() {
            self.pc.d.next = self.redirect_to.val();
            self.valid_r.d.next = false;
            self.valid_x.d.next = false;
        }
        if !self.started.q.val() {
            self.pc.d.next = 1.into();
        }
    }
}
