//! Registers and words are given out: the last step of compiling.
//!
//! There is no recursion, so each function's registers lie behind those of all that may be waiting for it to return. A function
//! reached by both threads is placed twice, with other registers.

use super::code::{Body, Operand, Reg, Target};
use super::isa::{Op, REGISTER_BITS, STORE_BITS, Second, Word};
use super::program::{HOST, MAIN, Program, Scope};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// Calls that may be open at once.
const DEPTH: usize = 31;

/// Where the functions that a thread reaches are.
struct Thread {
    /// Register of the value of the last function.
    value: u16,
    /// First register of each function reached.
    bases: BTreeMap<usize, u16>,
    /// First word.
    words: BTreeMap<usize, usize>,
}

pub(super) fn place(scope: &Scope, bodies: &[Body]) -> Result<Program> {
    let mut registers = scope.statics.len() as u16;
    // Word 0 begins thread 0, word 1 thread 1.
    let mut next = 2;
    let mut threads = Vec::new();
    for root in [MAIN, HOST] {
        let &root = scope.by_name.get(root).with_context(|| format!("there is no function `{root}`"))?;
        let mut thread = Thread { value: registers, bases: BTreeMap::new(), words: BTreeMap::new() };
        lay(scope, bodies, root, registers + 1, &mut Vec::new(), &mut thread.bases)?;
        for (&function, &base) in &thread.bases {
            registers = registers.max(base + bodies[function].locals);
            thread.words.insert(function, next);
            next += bodies[function].code.len();
        }
        registers = registers.max(thread.value + 1);
        threads.push(thread);
    }
    ensure!(
        usize::from(registers) <= 1 << REGISTER_BITS,
        "{registers} registers are needed; there are {}",
        1 << REGISTER_BITS
    );
    ensure!(next <= 1 << STORE_BITS, "{next} control words; the store holds {}", 1 << STORE_BITS);

    let mut words = Vec::new();
    for (thread, root) in threads.iter().zip([MAIN, HOST]) {
        let target = thread.words[&scope.by_name[root]] as u16;
        words.push(Word { op: Op::Jump, d: 0, a: 0, b: Second::Constant(0), target }.encode());
    }
    let mut functions = Vec::new();
    for (number, thread) in threads.iter().enumerate() {
        for (&function, &word) in &thread.words {
            functions.push((word, scope.functions[function].name.clone(), number as u8));
            encode(thread, function, &bodies[function], word, &mut words)?;
        }
    }
    let placed = threads.iter().flat_map(|thread| thread.words.keys());
    let codes = placed.flat_map(|&function| &bodies[function].code);
    let names = codes.map(|code| scope.functions[code.origin].name.clone());
    let origins = [MAIN, HOST].map(str::to_owned).into_iter().chain(names).collect();
    Ok(Program {
        words,
        origins,
        functions,
        statics: scope.statics.clone(),
        registers: registers.into(),
        unused: Vec::new(),
    })
}

/// Gives `function`, and all it calls, registers from `base` on.
fn lay(
    scope: &Scope,
    bodies: &[Body],
    function: usize,
    base: u16,
    callers: &mut Vec<usize>,
    bases: &mut BTreeMap<usize, u16>,
) -> Result<()> {
    let name = &scope.functions[function].name;
    if callers.contains(&function) {
        let path: Vec<&str> = callers.iter().map(|caller| scope.functions[*caller].name.as_str()).collect();
        bail!("`{name}` calls itself: {} -> {name}", path.join(" -> "));
    }
    ensure!(callers.len() <= DEPTH, "`{name}` is called more than {DEPTH} calls deep");
    if bases.get(&function).is_some_and(|known| *known >= base) {
        return Ok(());
    }
    bases.insert(function, base);
    callers.push(function);
    let mut called = bodies[function].calls.clone();
    called.sort_unstable();
    called.dedup();
    for callee in called {
        lay(scope, bodies, callee, base + bodies[function].locals, callers, bases)?;
    }
    callers.pop();
    Ok(())
}

fn encode(thread: &Thread, function: usize, body: &Body, first: usize, words: &mut Vec<u64>) -> Result<()> {
    let register = |reg: Reg| match reg {
        Reg::Static(number) => number,
        Reg::Local(number) => thread.bases[&function] + number,
        Reg::Parameter(function, number) => thread.bases[&function] + number,
        Reg::Value => thread.value,
    };
    for code in &body.code {
        let b = match code.b {
            Operand::Reg(reg) => Second::Register(register(reg)),
            Operand::Constant(value) => Second::Constant(value),
        };
        let target = match code.target {
            Target::None => 0,
            Target::Label(label) => first + body.labels[label],
            Target::Function(function) => thread.words[&function],
        };
        let target = u16::try_from(target)?;
        words.push(Word { op: code.op, d: register(code.d), a: register(code.a), b, target }.encode());
    }
    Ok(())
}
