//! Playing a trace against policies: one run, or a curve over capacities.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Arc, Belady, Fifo, Lru, NextUse, Policy, S3Fifo, Sieve};
use crate::trace::Dense;

/// The policies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// [`Fifo`]
    #[serde(rename = "FIFO")]
    Fifo,
    /// [`Lru`]
    #[serde(rename = "LRU")]
    Lru,
    /// [`Arc`]
    #[serde(rename = "ARC")]
    Arc,
    /// [`S3Fifo`]
    #[serde(rename = "S3-FIFO")]
    S3Fifo,
    /// [`Sieve`]
    #[serde(rename = "SIEVE")]
    Sieve,
    /// [`Belady`]
    Belady,
}

/// A name that no policy has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown policy `{0}`; there are fifo, lru, arc, s3-fifo, sieve and belady")]
pub struct UnknownPolicy(pub String);

impl Kind {
    /// All policies, in the order of reports.
    pub const ALL: [Self; 6] = [Self::Fifo, Self::Lru, Self::Arc, Self::S3Fifo, Self::Sieve, Self::Belady];

    /// The name as reports show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fifo => "FIFO",
            Self::Lru => "LRU",
            Self::Arc => "ARC",
            Self::S3Fifo => "S3-FIFO",
            Self::Sieve => "SIEVE",
            Self::Belady => "Belady",
        }
    }

    /// Makes the policy, empty, for the trace that `future` came from.
    pub fn build(self, capacity: usize, future: &NextUse) -> Box<dyn Policy + '_> {
        let unique = future.unique();
        match self {
            Self::Fifo => Box::new(Fifo::new(capacity, unique)),
            Self::Lru => Box::new(Lru::new(capacity, unique)),
            Self::Arc => Box::new(Arc::new(capacity, unique)),
            Self::S3Fifo => Box::new(S3Fifo::new(capacity, unique)),
            Self::Sieve => Box::new(Sieve::new(capacity, unique)),
            Self::Belady => Box::new(Belady::new(capacity, future)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownPolicy;

    /// Case and the hyphen of S3-FIFO do not matter.
    fn from_str(s: &str) -> Result<Self, UnknownPolicy> {
        let plain = |s: &str| s.replace('-', "").to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| plain(kind.name()) == plain(s))
            .ok_or_else(|| UnknownPolicy(s.to_owned()))
    }
}

/// What a policy made of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The policy's name.
    pub policy: &'static str,
    /// Its capacity.
    pub capacity_blocks: usize,
    /// References counted.
    pub references: usize,
    /// References that were part of a leading resident run.
    pub hits: usize,
    /// The same as a percentage.
    pub hit_pct: f64,
    /// Time the policy took, without its construction.
    pub seconds: f64,
}

impl Outcome {
    /// The policy's speed, if all of the trace was counted.
    pub fn references_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.references as f64 / self.seconds } else { 0.0 }
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// The share in percent of the way from LRU's hits to the best possible that `hit_pct` went; `None` where there is no
/// way to go.
pub fn gap_closed(hit_pct: f64, lru: f64, best: f64) -> Option<f64> {
    (best > lru).then(|| (hit_pct - lru) / (best - lru) * 100.0)
}

/// Plays all of `trace` against `policy`.
pub fn run<P: Policy + ?Sized>(policy: &mut P, trace: &Dense) -> Outcome {
    run_warm(policy, trace, 0)
}

/// Plays all of `trace` against `policy`, and counts references and hits from request `warm` on.
pub fn run_warm<P: Policy + ?Sized>(policy: &mut P, trace: &Dense, warm: usize) -> Outcome {
    let start = Instant::now();
    let (mut references, mut hits) = (0, 0);
    for (number, chain) in trace.chains().enumerate() {
        let run = policy.request(chain);
        if number >= warm {
            references += chain.len();
            hits += run;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (policy, capacity_blocks) = (policy.name(), policy.capacity());
    Outcome { policy, capacity_blocks, references, hits, hit_pct: percent(hits, references), seconds }
}

/// Plays `trace` against each policy at each capacity, policy by policy.
pub fn curve(policies: &[Kind], capacities: &[usize], trace: &Dense) -> Vec<Outcome> {
    let future = NextUse::new(trace);
    let cells = policies.iter().flat_map(|kind| capacities.iter().map(move |&capacity| (kind, capacity)));
    cells.map(|(kind, capacity)| run(&mut *kind.build(capacity, &future), trace)).collect()
}
