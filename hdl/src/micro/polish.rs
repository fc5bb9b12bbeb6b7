//! What the compiler wrote, with fewer words and branches.
//!
//! ```text
//!  to a jump                ->  to where that goes          a call, then a return   ->  a jump to the function
//!  a jump to a return       ->  a return                    not reached, no effect  ->  gone
//! ```

use super::code::{Body, Code, Operand, Target};
use super::isa::Op;

/// Makes a function shorter until nothing changes.
pub(super) fn polish(body: &mut Body) {
    loop {
        thread(body);
        for number in 0..body.code.len() {
            tail(body, number);
        }
        let before = body.code.len();
        remove(body);
        if body.code.len() == before {
            return;
        }
    }
}

/// Labels move on over jumps.
fn thread(body: &mut Body) {
    for label in 0..body.labels.len() {
        // A loop of jumps ends the search.
        for _ in 0..body.code.len() {
            match body.code.get(body.labels[label]) {
                Some(Code { op: Op::Jump, target: Target::Label(next), .. }) => body.labels[label] = body.labels[*next],
                _ => break,
            }
        }
    }
}

/// The word that is carried out after this one if that is certain, jumps left out.
fn after(body: &Body, number: usize) -> Option<usize> {
    match body.code.get(number + 1)? {
        Code { op: Op::Jump, target: Target::Label(label), .. } => Some(body.labels[*label]),
        _ => Some(number + 1),
    }
}

/// A jump or call that a return follows.
fn tail(body: &mut Body, number: usize) {
    let returns = |at: Option<usize>| at.and_then(|at| body.code.get(at)).is_some_and(|code| code.op == Op::Return);
    match body.code[number] {
        Code { op: Op::Jump, target: Target::Label(label), .. } if returns(Some(body.labels[label])) => {
            body.code[number] = body.code[body.labels[label]];
        }
        Code { op: Op::Call, .. } if returns(after(body, number)) => body.code[number].op = Op::Jump,
        _ => {}
    }
}

/// Words that are not reached, jumps to the next word, moves from a register to itself.
fn remove(body: &mut Body) {
    let mut reached = vec![false; body.code.len()];
    let mut open = vec![0];
    while let Some(number) = open.pop() {
        if number >= body.code.len() || std::mem::replace(&mut reached[number], true) {
            continue;
        }
        let code = &body.code[number];
        if let Target::Label(label) = code.target {
            open.push(body.labels[label]);
        }
        if !matches!(code.op, Op::Jump | Op::Return) {
            open.push(number + 1);
        }
    }
    let stays = |number: usize| {
        let code = &body.code[number];
        let is_idle = code.op == Op::Move && code.b == Operand::Reg(code.d)
            || code.op == Op::Jump && matches!(code.target, Target::Label(label) if body.labels[label] == number + 1);
        reached[number] && !is_idle
    };
    let kept: Vec<usize> = (0..body.code.len()).filter(|&number| stays(number)).collect();
    // A label at a word that goes stands at the next one that stays.
    for label in body.labels.iter_mut().filter(|label| **label != usize::MAX) {
        *label = kept.partition_point(|&number| number < *label);
    }
    body.code = kept.into_iter().map(|number| body.code[number]).collect();
}
