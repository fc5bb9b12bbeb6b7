//! Control words: what the sequencer does in a clock.
//!
//! ```text
//!  56            25 24   16 15    7  6  5    0
//! ┌────────────────┬───────┬───────┬───┬──────┐
//! │ constant, or b │   a   │   d   │ k │  op  │     k: b is the constant, not a register
//! └────────────────┴───────┴───────┴───┴──────┘
//!  branches: target 56:41, and b 33:25 or, sign-extended, constant 40:25
//! ```
//!
//! A word has no bit that says nothing: seven columns of nine bits hold it, which is what block RAMs are wide.

/// log2 of the words in the control store.
pub const STORE_BITS: usize = 13;
/// log2 of the registers.
pub(crate) const REGISTER_BITS: usize = 9;
/// Bits of a word.
pub const WORD_BITS: usize = 57;

/// What a word does. `d`, `a` are registers, `b` a register or the constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// d = b
    Move = 0,
    /// d = a + b
    Add = 1,
    /// d = a - b
    Sub = 2,
    /// d = a & b
    And = 3,
    /// d = a | b
    Or = 4,
    /// d = a ^ b
    Xor = 5,
    /// d = a << `b[4:0]`
    Shl = 6,
    /// d = a >> `b[4:0]`
    Shr = 7,
    /// d = a >> `b[4:0]`, the sign repeated
    Sra = 8,
    /// d = (a == b)
    Equal = 9,
    /// d = (a < b)
    Less = 10,
    /// d = (a < b), signed
    LessSigned = 11,
    /// d = word at bus address a + b
    Load = 16,
    /// word at bus address b = a
    Store = 17,
    /// d = word at bus address b
    LoadAt = 18,
    /// to the target if a == b
    IfEqual = 32,
    /// to the target if a != b
    IfNot = 33,
    /// to the target if a < b
    IfLess = 34,
    /// to the target if a >= b
    IfNotLess = 35,
    /// to the target
    Jump = 36,
    /// to the target, and remembers where it was
    Call = 37,
    /// back to the word after the last call not yet returned from
    Return = 38,
    /// thread 1 must not preempt from now on
    Mask = 40,
    /// it may again
    Unmask = 41,
    /// thread 1 gives way until the host's next access
    WaitHost = 42,
    /// thread 0 begins at 0 with an empty call stack, unmasked
    Restart = 43,
}

/// A control word before it is placed: registers and targets as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it does.
    pub op: Op,
    /// Register written.
    pub d: u16,
    /// First operand.
    pub a: u16,
    /// Second operand.
    pub b: Second,
    /// Word that a branch goes to.
    pub target: u16,
}

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// A register.
    Register(u16),
    /// A constant.
    Constant(u32),
}

impl Op {
    /// Whether it is a branch with operands, whose constant has 16 bits.
    pub const fn compares(self) -> bool {
        matches!(self, Op::IfEqual | Op::IfNot | Op::IfLess | Op::IfNotLess)
    }

    /// Whether it has a target.
    pub const fn branches(self) -> bool {
        self.compares() || matches!(self, Op::Jump | Op::Call)
    }
}

/// Whether a branch can compare with this constant: it fits 16 bits, sign-extended.
pub(super) const fn fits_branch(constant: u32) -> bool {
    constant as i32 >= -0x8000 && (constant as i32) < 0x8000
}

impl Word {
    /// The bits of the word.
    pub fn encode(&self) -> u64 {
        let (constant, b) = match self.b {
            Second::Register(register) => (0, u32::from(register)),
            Second::Constant(value) => (1, value),
        };
        let b = if self.op.branches() { b & 0xFFFF | u32::from(self.target) << 16 } else { b };
        u64::from(self.op as u8) | constant << 6 | u64::from(self.d) << 7 | u64::from(self.a) << 16 | u64::from(b) << 25
    }
}
