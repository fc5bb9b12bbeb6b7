//! What the compiler makes of a function: control words whose registers and targets are still names.

use super::isa::Op;

/// A register, before registers are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// A `static`.
    Static(u16),
    /// A local of the function.
    Local(u16),
    /// Parameter `1` of the function called, `0`.
    Parameter(usize, u16),
    /// Where a function leaves its value.
    Value,
}

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// A constant.
    Constant(u32),
}

/// Where a branch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: it is no branch.
    None,
    /// A label of the function.
    Label(usize),
    /// The beginning of a function.
    Function(usize),
}

/// A control word to be.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// What it does.
    pub op: Op,
    /// Register written.
    pub d: Reg,
    /// First operand.
    pub a: Reg,
    /// Second operand.
    pub b: Operand,
    /// Where it goes.
    pub target: Target,
    /// The function it was written in.
    pub origin: usize,
}

/// A compiled function.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its words.
    pub code: Vec<Code>,
    /// The word at which each label stands.
    pub labels: Vec<usize>,
    /// Registers it needs for parameters, locals and intermediate values.
    pub locals: u16,
    /// Functions it calls.
    pub calls: Vec<usize>,
}
