//! What a control word does, as single bits: decoded a clock before it is carried out.

#![allow(missing_docs, reason = "LogicStruct derives accessors")]

use rust_hdl::prelude::*;

/// What the sequencer and its ALU look at while a word is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub struct Does {
    /// Whose result is wanted: 0 logic's, 1 the adder's, 2 the shifter's, 3 the comparison's.
    pub group: Bits<2>,
    /// Logic: 0 b, 1 and, 2 or, 3 exclusive or.
    pub logic: Bits<2>,
    /// The adder subtracts.
    pub subtracts: Bit,
    /// The shifter goes left.
    pub left: Bit,
    /// It repeats the sign.
    pub sign: Bit,
    /// The comparison is of order, not of equality,
    pub order: Bit,
    /// and signed.
    pub signed: Bit,
    /// It counts if it fails.
    pub inverted: Bit,
    /// Writes d.
    pub writes: Bit,
    /// Reads the bus.
    pub loads: Bit,
    /// Writes the bus.
    pub stores: Bit,
    /// The bus address is b, not the sum.
    pub direct: Bit,
    /// Goes to the target if the comparison counts.
    pub branches: Bit,
    /// Goes to the target.
    pub jumps: Bit,
    /// Remembers where it was.
    pub calls: Bit,
    /// Goes back.
    pub returns: Bit,
    /// Thread 1 must not preempt.
    pub masks: Bit,
    /// It may again.
    pub unmasks: Bit,
    /// Thread 1 gives way.
    pub yields: Bit,
    /// Thread 0 starts over.
    pub restarts: Bit,
}

/// Takes an operation apart.
#[derive(LogicBlock, Default)]
pub(super) struct Decode {
    /// Operation, as in `Op`.
    pub op: Signal<In, Bits<6>>,
    /// What it does.
    pub does: Signal<Out, Does>,
}

impl Logic for Decode {
    #[hdl_gen]
    fn update(&mut self) {
        self.does.next.group = 0.into();
        if (self.op.val() == 1) | (self.op.val() == 2) {
            self.does.next.group = 1.into();
        } else if (self.op.val() == 6) | (self.op.val() == 7) | (self.op.val() == 8) {
            self.does.next.group = 2.into();
        } else if (self.op.val() == 9) | (self.op.val() == 10) | (self.op.val() == 11) {
            self.does.next.group = 3.into();
        }
        self.does.next.logic = 0.into();
        if self.op.val() == 3 {
            self.does.next.logic = 1.into();
        } else if self.op.val() == 4 {
            self.does.next.logic = 2.into();
        } else if self.op.val() == 5 {
            self.does.next.logic = 3.into();
        }
        self.does.next.subtracts = self.op.val() == 2;
        self.does.next.left = self.op.val() == 6;
        self.does.next.sign = self.op.val() == 8;
        // Equal, IfEqual and IfNot have bit 1 clear; Less, LessSigned, IfLess and IfNotLess have it set.
        self.does.next.order = self.op.val().get_bit(1);
        self.does.next.signed = self.op.val() == 11;
        self.does.next.inverted = self.op.val().get_bit(0);
        self.does.next.writes = !self.op.val().get_bit(5) & (self.op.val() != 17);
        self.does.next.loads = (self.op.val() == 16) | (self.op.val() == 18);
        self.does.next.stores = self.op.val() == 17;
        self.does.next.direct = (self.op.val() == 17) | (self.op.val() == 18);
        self.does.next.branches =
            (self.op.val() == 32) | (self.op.val() == 33) | (self.op.val() == 34) | (self.op.val() == 35);
        self.does.next.jumps = (self.op.val() == 36) | (self.op.val() == 37);
        self.does.next.calls = self.op.val() == 37;
        self.does.next.returns = self.op.val() == 38;
        self.does.next.masks = self.op.val() == 40;
        self.does.next.unmasks = self.op.val() == 41;
        self.does.next.yields = self.op.val() == 42;
        self.does.next.restarts = self.op.val() == 43;
    }
}
