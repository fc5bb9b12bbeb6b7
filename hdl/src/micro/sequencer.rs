//! The sequencer: fetches control words and carries them out, for two threads. `docs/control.md`.
//!
//! ```text
//!    fetch      read               operands                  execute                        write
//!  ┌► store ─► word ─► registers ─► a ─┬─► a ─┬─► a, b ─┬─► compare ─► branches? ─┐    ┌─► value ─┬─► registers
//!  │             │     ┌──────────► b ─┴─► b ─┘    ▲    └─► ALU ──────────────────┼─┬──┘          │
//!  │             └─► word ─► constant ┘   ▲        │      bus ─► a load holds all ┼─┘             │
//!  │                   │                  │        └───────── of the word before ◄┼───────────────┤
//!  │                   │                  └───────── of the two words before that ◄───────────────┘
//!  ├── jump, call ◄────┘ the word behind is dropped                               │
//!  └── branch, return, other thread ◄── the three words behind are dropped ◄──────┘
//! ```
//!
//! A word's operands are chosen a stage before it is carried out. What the word before it makes is not there then: it takes the place of
//! the operand in the execute stage, in front of the ALU. What the execute stage decides about where to fetch from is done in the clock after it. So no
//! path has two of an addition or comparison, the choice of an operand, and a block RAM's address in one clock.
//!
//! A store goes on without waiting; the next access of the bus waits for it. Thread 1 preempts thread 0 behind a word that is no load. A
//! thread's state is its place and its part of the stack; registers are shared.

use super::alu::Alu;
use super::decode::{Decode, Does};
use super::isa::{REGISTER_BITS, STORE_BITS, WORD_BITS};
use super::store::{Registers, STACK_BITS, Stack, Store};
use crate::prim::Register;
use rust_hdl::prelude::*;

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
    /// It is read ahead: two words are dropped between a change of depth or thread and the next return.
    stack: Stack,
    decode: Decode,
    alu: Alu,

    // Read.
    started: Register<Bit>,
    valid_r: Register<Bit>,
    place_r: Register<Bits<STORE_BITS>>,
    // Operands.
    valid_o: Register<Bit>,
    word_o: Register<Bits<WORD_BITS>>,
    next_o: Register<Bits<STORE_BITS>>,
    // Execute.
    valid_x: Register<Bit>,
    does_x: Register<Does>,
    number_x: Register<Bits<REGISTER_BITS>>,
    target_x: Register<Bits<STORE_BITS>>,
    next_x: Register<Bits<STORE_BITS>>,
    a_x: Register<Bits<32>>,
    b_x: Register<Bits<32>>,
    /// The operand is what the word before has made.
    a_late: Register<Bit>,
    b_late: Register<Bit>,
    /// The word before goes on elsewhere: this is the clock of the fetch from there, and nothing is carried out.
    leaves: Register<Bit>,
    /// Where to.
    leaves_to: Register<Bits<STORE_BITS>>,
    // Write, and the clock after it.
    valid_w: Register<Bit>,
    number_w: Register<Bits<REGISTER_BITS>>,
    value_w: Register<Bits<32>>,
    valid_v: Register<Bit>,
    number_v: Register<Bits<REGISTER_BITS>>,
    value_v: Register<Bits<32>>,

    // Threads.
    in_main: Register<Bit>,
    main_runs: Register<Bit>,
    masked: Register<Bit>,
    main_place: Register<Bits<STORE_BITS>>,
    host_place: Register<Bits<STORE_BITS>>,
    main_depth: Register<Bits<5>>,
    host_depth: Register<Bits<5>>,

    // Bus.
    request: Register<Bit>,
    request_write: Register<Bit>,
    request_address: Register<Bits<24>>,
    request_data: Register<Bits<32>>,

    is_constant: Signal<Local, Bit>,
    a_number: Signal<Local, Bits<REGISTER_BITS>>,
    b_number: Signal<Local, Bits<REGISTER_BITS>>,
    constant: Signal<Local, Bits<32>>,
    a_from_x: Signal<Local, Bit>,
    b_from_x: Signal<Local, Bit>,
    a_from_w: Signal<Local, Bit>,
    b_from_w: Signal<Local, Bit>,
    a_from_v: Signal<Local, Bit>,
    b_from_v: Signal<Local, Bit>,
    a_kept: Signal<Local, Bit>,
    b_kept: Signal<Local, Bit>,
    a_earlier: Signal<Local, Bits<32>>,
    b_earlier: Signal<Local, Bits<32>>,
    a_chosen: Signal<Local, Bits<32>>,
    b_chosen: Signal<Local, Bits<32>>,
    carried: Signal<Local, Bit>,
    address: Signal<Local, Bits<32>>,
    is_load: Signal<Local, Bit>,
    is_store: Signal<Local, Bit>,
    waits_for_stores: Signal<Local, Bit>,
    is_answered: Signal<Local, Bit>,
    steps: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    done: Signal<Local, Bit>,
    branches: Signal<Local, Bit>,
    target: Signal<Local, Bits<STORE_BITS>>,
    onward: Signal<Local, Bits<STORE_BITS>>,
    calls: Signal<Local, Bit>,
    returns: Signal<Local, Bit>,
    restarts: Signal<Local, Bit>,
    preempts: Signal<Local, Bit>,
    yields: Signal<Local, Bit>,
    depth: Signal<Local, Bits<5>>,
    depth_above: Signal<Local, Bits<5>>,
    depth_below: Signal<Local, Bits<5>>,
    main_next: Signal<Local, Bit>,
    main_runs_next: Signal<Local, Bit>,
    jumps: Signal<Local, Bit>,
    follows: Signal<Local, Bits<STORE_BITS>>,
    in_turn: Signal<Local, Bits<STORE_BITS>>,
    fetched: Signal<Local, Bits<STORE_BITS>>,
    short_sign: Constant<Bits<32>>,
}

impl<const P: usize> Default for Sequencer<P> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* short_sign: Constant::new(0xFFFF_0000u64.into()) }
            };
        }
        rest!(
            clock reset host_pending bus_ahead bus_valid bus_write bus_address bus_data bus_ready bus_read executing behind
            store registers stack decode alu started valid_r place_r valid_o word_o next_o valid_x does_x number_x target_x
            next_x a_x b_x a_late b_late leaves leaves_to valid_w number_w value_w valid_v number_v value_v in_main main_runs
            masked main_place host_place main_depth host_depth request request_write request_address request_data is_constant
            a_number b_number constant a_from_x b_from_x a_from_w b_from_w a_from_v b_from_v a_kept b_kept a_earlier
            b_earlier a_chosen b_chosen carried address is_load is_store waits_for_stores is_answered steps
            advance done branches target onward calls returns restarts preempts yields depth depth_above depth_below main_next
            main_runs_next jumps follows in_turn fetched
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
        self.valid_r.clock.next = self.clock.val();
        self.place_r.clock.next = self.clock.val();
        self.valid_o.clock.next = self.clock.val();
        self.word_o.clock.next = self.clock.val();
        self.next_o.clock.next = self.clock.val();
        self.valid_x.clock.next = self.clock.val();
        self.does_x.clock.next = self.clock.val();
        self.number_x.clock.next = self.clock.val();
        self.target_x.clock.next = self.clock.val();
        self.next_x.clock.next = self.clock.val();
        self.a_x.clock.next = self.clock.val();
        self.b_x.clock.next = self.clock.val();
        self.a_late.clock.next = self.clock.val();
        self.b_late.clock.next = self.clock.val();
        self.leaves.clock.next = self.clock.val();
        self.leaves_to.clock.next = self.clock.val();
        self.valid_w.clock.next = self.clock.val();
        self.number_w.clock.next = self.clock.val();
        self.value_w.clock.next = self.clock.val();
        self.valid_v.clock.next = self.clock.val();
        self.number_v.clock.next = self.clock.val();
        self.value_v.clock.next = self.clock.val();
        self.in_main.clock.next = self.clock.val();
        self.main_runs.clock.next = self.clock.val();
        self.masked.clock.next = self.clock.val();
        self.main_place.clock.next = self.clock.val();
        self.host_place.clock.next = self.clock.val();
        self.main_depth.clock.next = self.clock.val();
        self.host_depth.clock.next = self.clock.val();
        self.request.clock.next = self.clock.val();
        self.request_write.clock.next = self.clock.val();
        self.request_address.clock.next = self.clock.val();
        self.request_data.clock.next = self.clock.val();
        self.started.reset.next = self.reset.val();
        self.valid_r.reset.next = self.reset.val();
        self.place_r.reset.next = self.reset.val();
        self.valid_o.reset.next = self.reset.val();
        self.word_o.reset.next = self.reset.val();
        self.next_o.reset.next = self.reset.val();
        self.valid_x.reset.next = self.reset.val();
        self.does_x.reset.next = self.reset.val();
        self.number_x.reset.next = self.reset.val();
        self.target_x.reset.next = self.reset.val();
        self.next_x.reset.next = self.reset.val();
        self.a_x.reset.next = self.reset.val();
        self.b_x.reset.next = self.reset.val();
        self.a_late.reset.next = self.reset.val();
        self.b_late.reset.next = self.reset.val();
        self.leaves.reset.next = self.reset.val();
        self.leaves_to.reset.next = self.reset.val();
        self.valid_w.reset.next = self.reset.val();
        self.number_w.reset.next = self.reset.val();
        self.value_w.reset.next = self.reset.val();
        self.valid_v.reset.next = self.reset.val();
        self.number_v.reset.next = self.reset.val();
        self.value_v.reset.next = self.reset.val();
        self.in_main.reset.next = self.reset.val();
        self.main_runs.reset.next = self.reset.val();
        self.masked.reset.next = self.reset.val();
        self.main_place.reset.next = self.reset.val();
        self.host_place.reset.next = self.reset.val();
        self.main_depth.reset.next = self.reset.val();
        self.host_depth.reset.next = self.reset.val();
        self.request.reset.next = self.reset.val();
        self.request_write.reset.next = self.reset.val();
        self.request_address.reset.next = self.reset.val();
        self.request_data.reset.next = self.reset.val();

        // The word whose operands are chosen.
        self.decode.op.next = self.word_o.q.val().get_bits::<6>(0);
        self.is_constant.next = self.word_o.q.val().get_bit(6);
        self.a_number.next = self.word_o.q.val().get_bits::<REGISTER_BITS>(16);
        self.b_number.next = self.word_o.q.val().get_bits::<REGISTER_BITS>(25);
        self.constant.next = self.word_o.q.val().get_bits::<32>(25);
        if self.word_o.q.val().get_bit(5) {
            self.constant.next = bit_cast::<32, 16>(self.word_o.q.val().get_bits::<16>(25));
            if self.word_o.q.val().get_bit(40) {
                self.constant.next = bit_cast::<32, 16>(self.word_o.q.val().get_bits::<16>(25)) | self.short_sign.val();
            }
        }

        // What stands behind a word that goes elsewhere is not carried out.
        self.carried.next = self.valid_x.q.val() & !self.leaves.q.val();

        // Operands: of the two words before the one before, or from the registers. What the word before makes is late.
        self.a_from_x.next =
            self.carried.val() & self.does_x.q.val().writes & (self.number_x.q.val() == self.a_number.val());
        self.b_from_x.next = self.carried.val()
            & self.does_x.q.val().writes
            & (self.number_x.q.val() == self.b_number.val())
            & !self.is_constant.val();
        self.a_from_w.next = self.valid_w.q.val() & (self.number_w.q.val() == self.a_number.val());
        self.b_from_w.next = self.valid_w.q.val() & (self.number_w.q.val() == self.b_number.val());
        self.a_from_v.next = self.valid_v.q.val() & (self.number_v.q.val() == self.a_number.val());
        self.b_from_v.next = self.valid_v.q.val() & (self.number_v.q.val() == self.b_number.val());
        self.a_earlier.next = self.value_v.q.val();
        if self.a_from_w.val() {
            self.a_earlier.next = self.value_w.q.val();
        }
        self.b_earlier.next = self.value_v.q.val();
        if self.b_from_w.val() {
            self.b_earlier.next = self.value_w.q.val();
        }
        if self.is_constant.val() {
            self.b_earlier.next = self.constant.val();
        }
        self.a_kept.next = self.a_from_w.val() | self.a_from_v.val();
        self.b_kept.next = self.is_constant.val() | self.b_from_w.val() | self.b_from_v.val();
        self.a_chosen.next = self.registers.a.val();
        if self.a_kept.val() {
            self.a_chosen.next = self.a_earlier.val();
        }
        self.b_chosen.next = self.registers.b.val();
        if self.b_kept.val() {
            self.b_chosen.next = self.b_earlier.val();
        }

        // What the word that is carried out makes of them.
        self.alu.does.next = self.does_x.q.val();
        self.alu.a.next = self.a_x.q.val();
        self.alu.b.next = self.b_x.q.val();
        self.alu.a_late.next = self.a_late.q.val();
        self.alu.b_late.next = self.b_late.q.val();
        self.alu.made.next = self.value_w.q.val();

        // The bus: a request, then its answer. A store is carried out as soon as its request stands.
        self.is_load.next = self.carried.val() & self.does_x.q.val().loads;
        self.is_store.next = self.carried.val() & self.does_x.q.val().stores;
        self.address.next = self.alu.sum.val();
        if self.does_x.q.val().direct {
            self.address.next = self.alu.second.val();
        }
        self.bus_ahead.next = bit_cast::<24, 32>(self.address.val());
        self.request.d.next = self.request.q.val();
        self.request_write.d.next = self.request_write.q.val();
        self.request_address.d.next = self.request_address.q.val();
        self.request_data.d.next = self.request_data.q.val();
        if (self.is_load.val() | self.is_store.val()) & !self.request.q.val() {
            self.request.d.next = true;
            self.request_write.d.next = self.is_store.val();
            self.request_data.d.next = self.alu.first.val();
            self.request_address.d.next = bit_cast::<24, 32>(self.address.val());
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
            self.request.q.val() & (self.is_store.val() | (self.carried.val() & self.does_x.q.val().yields));
        self.is_answered.next = self.request.q.val() & !self.request_write.q.val() & self.bus_ready.val();
        // Whether a word that is no load goes on does not depend on the bus in this clock.
        self.steps.next = !self.is_load.val() & !self.waits_for_stores.val();
        self.advance.next = self.steps.val() | (self.is_load.val() & self.is_answered.val());
        self.done.next = self.carried.val() & self.advance.val();
        self.executing.next = self.done.val();
        self.behind.next = self.next_x.q.val();

        // Its register is written in the clock after.
        self.registers.write.next = self.valid_w.q.val();
        self.registers.d_address.next = self.number_w.q.val();
        self.registers.d.next = self.value_w.q.val();
        self.valid_w.d.next = self.valid_w.q.val();
        self.number_w.d.next = self.number_w.q.val();
        self.value_w.d.next = self.value_w.q.val();
        self.valid_v.d.next = self.valid_v.q.val();
        self.number_v.d.next = self.number_v.q.val();
        self.value_v.d.next = self.value_v.q.val();
        if self.advance.val() {
            self.valid_w.d.next = self.carried.val() & self.does_x.q.val().writes;
            self.number_w.d.next = self.number_x.q.val();
            self.value_w.d.next = self.alu.result.val();
            if self.does_x.q.val().loads {
                self.value_w.d.next = self.bus_read.val();
            }
            self.valid_v.d.next = self.valid_w.q.val();
            self.number_v.d.next = self.number_w.q.val();
            self.value_v.d.next = self.value_w.q.val();
        }

        // Where it goes.
        // These words wait for nothing.
        self.calls.next = self.carried.val() & self.does_x.q.val().calls;
        self.returns.next = self.carried.val() & self.does_x.q.val().returns;
        self.restarts.next = self.carried.val() & self.does_x.q.val().restarts;
        self.branches.next = self.carried.val()
            & self.does_x.q.val().branches
            & (self.alu.compared.val() ^ self.does_x.q.val().inverted);
        self.target.next = self.target_x.q.val();
        if self.does_x.q.val().returns {
            self.target.next = self.stack.read_data.val();
        }
        self.onward.next = self.next_x.q.val();
        if self.branches.val() | self.does_x.q.val().jumps | self.does_x.q.val().returns {
            self.onward.next = self.target.val();
        }
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
        self.main_runs_next.next = self.main_runs.q.val() | self.restarts.val();
        self.main_runs.d.next = self.main_runs_next.val();
        self.masked.d.next = self.masked.q.val();
        self.main_place.d.next = self.main_place.q.val();
        self.host_place.d.next = self.host_place.q.val();
        if self.carried.val() & self.does_x.q.val().masks {
            self.masked.d.next = true;
        }
        if self.carried.val() & self.does_x.q.val().unmasks {
            self.masked.d.next = false;
        }
        self.preempts.next = self.in_main.q.val()
            & self.host_pending.val()
            & !self.masked.q.val()
            & ((self.carried.val() & self.steps.val() & !self.does_x.q.val().masks) | !self.main_runs.q.val());
        self.yields.next = self.carried.val()
            & self.steps.val()
            & self.does_x.q.val().yields
            & !self.in_main.q.val()
            & !self.host_pending.val();
        self.main_next.next = (self.in_main.q.val() & !self.preempts.val()) | self.yields.val();
        self.in_main.d.next = self.main_next.val();
        if self.preempts.val() {
            self.main_place.d.next = self.onward.val();
        }
        if self.restarts.val() {
            self.main_depth.d.next = 0.into();
            self.masked.d.next = false;
            self.main_place.d.next = 0.into();
        }
        if self.yields.val() {
            self.host_place.d.next = self.next_x.q.val();
        }

        // Where the next word is fetched. A thread that is preempted behind a branch goes on from its place.
        self.jumps.next = self.valid_o.q.val() & self.decode.does.val().jumps;
        self.follows.next = self.place_r.q.val() + 1;
        self.in_turn.next = self.follows.val();
        if self.jumps.val() {
            self.in_turn.next = self.word_o.q.val().get_bits::<STORE_BITS>(41);
        }
        self.fetched.next = self.in_turn.val();
        if self.leaves.q.val() {
            self.fetched.next = self.leaves_to.q.val();
        }
        self.leaves.d.next = self.branches.val()
            | self.returns.val()
            | (self.restarts.val() & self.in_main.q.val())
            | self.preempts.val()
            | self.yields.val()
            | !self.started.q.val();
        self.leaves_to.d.next = self.target.val();
        if self.restarts.val() {
            self.leaves_to.d.next = 0.into();
        }
        if self.yields.val() {
            self.leaves_to.d.next = self.main_place.q.val();
        }
        if self.preempts.val() {
            self.leaves_to.d.next = self.host_place.q.val();
        }
        if !self.started.q.val() {
            self.leaves_to.d.next = 1.into();
        }

        // The stages.
        self.store.enable.next = self.advance.val();
        self.store.address.next = self.fetched.val();
        self.registers.enable.next = self.advance.val();
        self.registers.a_address.next = self.store.word.val().get_bits::<REGISTER_BITS>(16);
        self.registers.b_address.next = self.store.word.val().get_bits::<REGISTER_BITS>(25);
        self.started.d.next = true;
        self.valid_r.d.next = self.valid_r.q.val();
        self.place_r.d.next = self.place_r.q.val();
        self.valid_o.d.next = self.valid_o.q.val();
        self.word_o.d.next = self.word_o.q.val();
        self.next_o.d.next = self.next_o.q.val();
        self.valid_x.d.next = self.valid_x.q.val();
        self.does_x.d.next = self.does_x.q.val();
        self.number_x.d.next = self.number_x.q.val();
        self.target_x.d.next = self.target_x.q.val();
        self.next_x.d.next = self.next_x.q.val();
        self.a_late.d.next = self.a_late.q.val();
        self.b_late.d.next = self.b_late.q.val();
        self.a_x.d.next = self.a_x.q.val();
        self.b_x.d.next = self.b_x.q.val();
        if self.advance.val() {
            self.valid_r.d.next = !self.main_next.val() | self.main_runs_next.val();
            self.place_r.d.next = self.fetched.val();
            self.valid_o.d.next = self.valid_r.q.val() & !self.jumps.val() & !self.leaves.q.val();
            self.word_o.d.next = self.store.word.val();
            self.next_o.d.next = self.follows.val();
            self.valid_x.d.next = self.valid_o.q.val() & !self.leaves.q.val();
            self.does_x.d.next = self.decode.does.val();
            self.number_x.d.next = self.word_o.q.val().get_bits::<REGISTER_BITS>(7);
            self.target_x.d.next = self.word_o.q.val().get_bits::<STORE_BITS>(41);
            self.next_x.d.next = self.next_o.q.val();
            self.a_x.d.next = self.a_chosen.val();
            self.b_x.d.next = self.b_chosen.val();
            self.a_late.d.next = self.a_from_x.val();
            self.b_late.d.next = self.b_from_x.val();
        }
    }
}
