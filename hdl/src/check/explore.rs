//! All that can happen, depth first: at each choice a machine goes on with every alternative.

use super::machine::{Machine, Rules, Stop};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::hash::Hasher;

/// What an exploration has come to.
#[derive(Default)]
pub(super) struct Explored {
    /// Choices met, each with all its alternatives.
    pub(super) choices: u64,
    /// Ways to an end.
    pub(super) ends: u64,
}

/// States seen, and how far from each was explored.
pub(super) type Seen = HashMap<u64, u32>;

/// Explores everything from a machine on. `state` gives what of a machine decides its future, hashed, and how far it may go
/// yet; None: nothing is met twice. `end` sees each machine at its end.
pub(super) fn explore<'p, R: Rules>(
    root: Machine<'p, R>,
    seen: &mut Seen,
    state: impl Fn(&Machine<'p, R>) -> Option<(u64, u32)>,
    mut end: impl FnMut(&Machine<'p, R>) -> Result<()>,
) -> Result<Explored> {
    let mut explored = Explored::default();
    // Machines at a choice, its alternatives, and the next of them.
    let mut open: Vec<(Machine<'p, R>, usize, usize)> = Vec::new();
    let mut machine = root;
    loop {
        let picks = || open.iter().map(|(_, _, next)| (next - 1).to_string()).collect::<Vec<_>>().join(" ");
        match machine.run().with_context(|| format!("after the choices {}", picks()))? {
            Stop::End => {
                explored.ends += 1;
                end(&machine).with_context(|| format!("after the choices {}", picks()))?;
            }
            Stop::Choice(n) => {
                let is_known = state(&machine).is_some_and(|(hash, left)| match seen.get_mut(&hash) {
                    Some(explored) if *explored >= left => true,
                    Some(explored) => {
                        *explored = left;
                        false
                    }
                    None => {
                        seen.insert(hash, left);
                        false
                    }
                });
                if !is_known {
                    explored.choices += 1;
                    open.push((machine, n, 0));
                }
            }
        }
        let pick = loop {
            match open.last_mut() {
                None => return Ok(explored),
                Some((_, n, next)) if *next == *n => drop(open.pop()),
                Some((kept, _, next)) => {
                    machine = kept.clone();
                    *next += 1;
                    break *next - 1;
                }
            }
        };
        machine.choose(pick).with_context(|| format!("at choice {}", open.len()))?;
    }
}

/// A quick hash of 64 bits.
#[derive(Default)]
pub(super) struct Quick(u64);

impl Quick {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.add(u64::from(*byte) | 1 << 63);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
