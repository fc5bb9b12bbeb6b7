//! The hints of each request, from what comes after it.

use super::args::{HintError, Knowledge};
use super::draw::{Use, draw};
use super::session::sessions;
use crate::trace::Trace;

/// What the device is told of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It is never needed again.
    Dead,
    /// It is needed next at this step.
    NextUse(u32),
}

/// A hint with the block it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The block's id.
    pub tag: u64,
    /// What is said of it.
    pub hint: Hint,
}

/// How often a hint could be given: references of sessions that the runtime knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chances {
    /// Those after which the block is never used again.
    pub dead: usize,
    /// Those after which it is.
    pub live: usize,
}

/// Knows a trace's future as well as a [`Knowledge`] says.
#[derive(Clone, Debug)]
pub struct Oracle {
    knowledge: Knowledge,
    steps: Vec<u32>,
    /// Number of each request's first reference.
    starts: Vec<usize>,
    /// For each reference the request that uses its block next.
    next: Vec<u32>,
    /// Whether the runtime knows of each request's session.
    covered: Vec<bool>,
    chances: Chances,
    /// Probability that a live block of a covered request is called dead.
    dead_lie: f64,
}

/// No request uses the block again.
const NEVER: u32 = u32::MAX;

impl Oracle {
    /// Looks ahead through `trace`, whose requests come at `steps`; those that `steps` leaves out come with the last.
    pub fn new(trace: &Trace, steps: &[u32], knowledge: Knowledge) -> Result<Oracle, HintError> {
        let dense = trace.dense();
        let mut next = vec![NEVER; dense.references()];
        let mut starts = vec![0; dense.len()];
        let mut seen = vec![NEVER; dense.unique()];
        let mut start = dense.references();
        for number in (0..dense.len()).rev() {
            let chain = dense.chain(number);
            start -= chain.len();
            starts[number] = start;
            for (next, &block) in next[start..].iter_mut().zip(chain) {
                *next = std::mem::replace(&mut seen[block as usize], number as u32);
            }
        }
        let known = |session: &u32| draw(knowledge.seed, Use::Coverage, *session as usize, 0) < knowledge.coverage;
        let covered: Vec<bool> = sessions(&dense).iter().map(known).collect();
        let mut chances = Chances::default();
        for (number, chain) in dense.chains().enumerate().filter(|(number, _)| covered[*number]) {
            let here = &next[starts[number]..starts[number] + chain.len()];
            let dead = here.iter().filter(|next| **next == NEVER).count();
            chances.dead += dead;
            chances.live += chain.len() - dead;
        }
        let dead_lie = dead_lie(knowledge.lies_dead, chances)?;
        let mut steps = steps.to_vec();
        steps.resize(trace.len(), steps.last().copied().unwrap_or(0));
        Ok(Oracle { knowledge, steps, starts, next, covered, chances, dead_lie })
    }

    /// How well it knows the future.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// How often a hint could be given.
    pub fn chances(&self) -> Chances {
        self.chances
    }

    /// What is told once request `number`, for the blocks of `chain`, was served.
    pub fn after(&self, number: usize, chain: &[u64]) -> Vec<Told> {
        if !self.covered.get(number).is_some_and(|covered| *covered) {
            return Vec::new();
        }
        let next = &self.next[self.starts[number]..];
        let told = chain.iter().zip(next).filter_map(|(&tag, &next)| {
            let hint = self.hint(number, tag, next)?;
            Some(Told { tag, hint })
        });
        told.collect()
    }

    fn hint(&self, number: usize, tag: u64, next: u32) -> Option<Hint> {
        let Knowledge { dead, next_use, seed, lies_next_use, .. } = self.knowledge;
        if next == NEVER {
            return dead.then_some(Hint::Dead);
        }
        if draw(seed, Use::DeadLie, number, 0) < self.dead_lie {
            return Some(Hint::Dead);
        }
        if !next_use {
            return None;
        }
        let now = self.steps[number];
        let distance = if draw(seed, Use::NextUseLie, number, tag) < lies_next_use {
            self.any_distance(number, tag)
        } else {
            self.noisy(number, self.steps[next as usize].saturating_sub(now))
        };
        Some(Hint::NextUse(now.saturating_add(distance)))
    }

    /// `distance` off by a factor of up to the noise either way, all magnitudes as likely, rounded. One factor for a
    /// request: what is misjudged is when its session returns, and all its blocks return together.
    fn noisy(&self, number: usize, distance: u32) -> u32 {
        let exponent = 2.0 * draw(self.knowledge.seed, Use::Noise, number, 0) - 1.0;
        let factor = libm::exp(exponent * libm::log(self.knowledge.noise));
        // A cast saturates.
        (f64::from(distance) * factor).round() as u32
    }

    /// A distance from 1 step to the trace's length, all magnitudes as likely.
    fn any_distance(&self, number: usize, tag: u64) -> u32 {
        let longest = f64::from(self.steps.last().copied().unwrap_or(1).max(1));
        let at = draw(self.knowledge.seed, Use::Distance, number, tag);
        libm::exp(at * libm::log(longest)).round() as u32
    }
}

/// The probability at which a live block must be called dead for a share `lies` of all DEAD hints to be wrong:
/// `wrong / (wrong + dead) = lies`, with `wrong` spread over the live ones.
fn dead_lie(lies: f64, Chances { dead, live }: Chances) -> Result<f64, HintError> {
    let wanted = dead as f64 * lies / (1.0 - lies);
    if wanted > live as f64 {
        let most = live as f64 / (live + dead) as f64;
        return Err(HintError::TooManyLies { asked: lies, wanted, dead, live, most });
    }
    Ok(if live == 0 { 0.0 } else { wanted / live as f64 })
}
