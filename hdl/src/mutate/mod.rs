//! Mutants of the device: one change each, of the exported Verilog or of the microprogram, all of them in one design.
//!
//! ```text
//!  kvcpu_small.v ──► verilog.rs: E  ─►  mutant == N ? E' : E ──┐
//!  micro/*.rs ─────► micro.rs: a program for each ─► images ───┴──► a design with the input `mutant`; 0 is the original
//! ```
//!
//! Verilating takes minutes and a mutant seconds, so the choice is made at run time. Which mutants there are follows from the
//! sources and from the seed alone.

pub mod micro;
pub mod verilog;

use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a mutant is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Block {
    /// The eviction policy.
    Hepc,
    /// The directory.
    Rtbd,
    /// Transfers and moves.
    Dma,
    /// Lazy invalidation.
    Luf,
    /// Registers, queues and doorbells.
    Csr,
}

/// What is different in a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Another operator.
    Operator,
    /// A number one off.
    Constant,
    /// The branches of an if are swapped.
    Branches,
    /// Where two conditions of a chain hold, the later one wins.
    Priority,
    /// A statement is left out.
    Dropped,
    /// A register keeps what it holds when it is reset.
    Reset,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// What the input `mutant` must be for it.
    pub number: u16,
    /// Its block.
    pub block: Block,
    /// Module, or file of the microprogram, and line.
    pub place: String,
    /// What is different.
    pub kind: Kind,
    /// The line as it is.
    pub was: String,
    /// The line as it is in the mutant.
    pub is: String,
}

/// A place that can be changed, and how.
pub(crate) struct Candidate<Edit> {
    pub(crate) block: Block,
    pub(crate) kind: Kind,
    /// Of those with the same place at most one is taken.
    pub(crate) place: String,
    pub(crate) edit: Edit,
}

/// Draws candidates of a block, from the kinds in turn, until `accept` has taken `count`.
pub(crate) fn draw<Edit>(
    candidates: Vec<Candidate<Edit>>,
    (block, count): (Block, usize),
    rng: &mut ChaCha8Rng,
    mut accept: impl FnMut(&Candidate<Edit>) -> bool,
) {
    let mut kinds: BTreeMap<Kind, Vec<Candidate<Edit>>> = BTreeMap::new();
    for candidate in candidates.into_iter().filter(|candidate| candidate.block == block) {
        kinds.entry(candidate.kind).or_default().push(candidate);
    }
    for of_kind in kinds.values_mut() {
        of_kind.shuffle(rng);
    }
    let (mut places, mut taken) = (Vec::new(), 0);
    while taken < count && kinds.values().any(|of_kind| !of_kind.is_empty()) {
        for of_kind in kinds.values_mut() {
            // The next of this kind that stands elsewhere and can be had.
            while let Some(candidate) = of_kind.pop().filter(|_| taken < count) {
                if !places.contains(&candidate.place) && accept(&candidate) {
                    places.push(candidate.place);
                    taken += 1;
                    break;
                }
            }
        }
    }
}
