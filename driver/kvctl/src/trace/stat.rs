//! What a trace is like: how much of it can hit at all, how far apart uses are, how its prefix forest is shaped.
//!
//! Hits are counted as everywhere in this project: the leading run of a request's chain that is resident
//! (`docs/baselines.md`).

use serde::Serialize;

use super::{Dense, NO_PARENT, Trace};

/// Three points of a distribution, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Number of samples.
    pub count: usize,
    /// A tenth of the samples are at most this.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// Nine tenths of the samples are at most this.
    pub p90: u64,
}

impl Percentiles {
    /// Of the samples, in any order; `None` if there are none.
    pub fn of(mut samples: Vec<u64>) -> Option<Self> {
        let count = samples.len();
        if count == 0 {
            return None;
        }
        samples.sort_unstable();
        let rank = |tenths: usize| samples[(count * tenths).div_ceil(10) - 1];
        Some(Self { count, p10: rank(1), p50: rank(5), p90: rank(9) })
    }
}

/// The measurements of a trace; `kvctl trace stat` prints them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStat {
    /// Number of requests.
    pub requests: usize,
    /// Number of block references.
    pub references: usize,
    /// Number of distinct blocks.
    pub unique: usize,
    /// Time from first to last request, in milliseconds.
    pub duration_ms: u64,
    /// Sum of prompt lengths, in tokens.
    pub input_tokens: u64,
    /// Sum of answer lengths, in tokens.
    pub output_tokens: u64,
    /// Hits of a cache that never evicts: the most any policy can have.
    pub max_hits: usize,
    /// The same as a percentage of references.
    pub max_hit_pct: f64,
    /// Blocks of a prompt.
    pub chain_blocks: Option<Percentiles>,
    /// For each re-reference, the number of distinct blocks used since: the LRU capacity that would make it a hit.
    pub reuse_distance_blocks: Option<Percentiles>,
    /// For each request whose leading seen run goes beyond its root block, the time since that run's last block was
    /// used, in milliseconds: in conversations, the time between turns.
    pub return_ms: Option<Percentiles>,
    /// Blocks that begin a chain.
    pub roots: usize,
    /// Blocks with at least two distinct children.
    pub branch_points: usize,
}

impl TraceStat {
    pub(super) fn new(trace: &Trace) -> Self {
        let dense = trace.dense();
        let uses = Uses::of(trace, &dense);
        let (roots, branch_points) = forest(&dense);
        let requests = trace.requests();
        let span = requests.first().zip(requests.last());
        Self {
            requests: trace.len(),
            references: trace.references(),
            unique: trace.unique(),
            duration_ms: span.map_or(0, |(first, last)| last.timestamp_ms - first.timestamp_ms),
            input_tokens: requests.iter().map(|r| u64::from(r.input_tokens)).sum(),
            output_tokens: requests.iter().map(|r| u64::from(r.output_tokens)).sum(),
            max_hits: uses.hits,
            max_hit_pct: crate::baseline::percent(uses.hits, trace.references()),
            chain_blocks: Percentiles::of(requests.iter().map(|r| r.blocks() as u64).collect()),
            reuse_distance_blocks: Percentiles::of(uses.distances),
            return_ms: Percentiles::of(uses.returns_ms),
            roots,
            branch_points,
        }
    }
}

/// Counts roots and branch points.
fn forest(dense: &Dense) -> (usize, usize) {
    let mut children = vec![0_u32; dense.unique()];
    for &parent in dense.parents() {
        if parent != NO_PARENT {
            children[parent as usize] += 1;
        }
    }
    let roots = dense.parents().iter().filter(|&&p| p == NO_PARENT).count();
    (roots, children.iter().filter(|&&n| n >= 2).count())
}

/// What one pass over the references finds.
struct Uses {
    hits: usize,
    distances: Vec<u64>,
    returns_ms: Vec<u64>,
}

impl Uses {
    /// Plays the trace into an endless cache. A request uses its blocks deepest first, as the LRU baseline does.
    fn of(trace: &Trace, dense: &Dense) -> Self {
        const NEVER: u32 = u32::MAX;
        let mut uses = Self { hits: 0, distances: Vec::new(), returns_ms: Vec::new() };
        let mut last_position = vec![NEVER; dense.unique()];
        let mut last_ms = vec![0_u64; dense.unique()];
        let mut live = Fenwick::new(dense.references());
        let mut position = 0;
        for (request, chain) in trace.requests().iter().zip(dense.chains()) {
            let run = chain.iter().take_while(|&&b| last_position[b as usize] != NEVER).count();
            uses.hits += run;
            if run >= 2 {
                uses.returns_ms.push(request.timestamp_ms - last_ms[chain[run - 1] as usize]);
            }
            for &block in chain.iter().rev() {
                let block = block as usize;
                let last = last_position[block];
                if last != NEVER {
                    uses.distances.push(live.count_after(last as usize));
                    live.add(last as usize, -1);
                }
                live.add(position, 1);
                last_position[block] = position as u32;
                last_ms[block] = request.timestamp_ms;
                position += 1;
            }
        }
        uses
    }
}

/// Marks on a line of positions, with fast counting (Fenwick 1994). A position is marked while it is its block's latest
/// use.
struct Fenwick {
    sums: Vec<i32>,
    total: i64,
}

impl Fenwick {
    fn new(positions: usize) -> Self {
        Self { sums: vec![0; positions + 1], total: 0 }
    }

    fn add(&mut self, position: usize, by: i32) {
        self.total += i64::from(by);
        let mut i = position + 1;
        while i < self.sums.len() {
            self.sums[i] += by;
            i += i & i.wrapping_neg();
        }
    }

    /// Marks strictly after `position`.
    fn count_after(&self, position: usize) -> u64 {
        let mut upto = 0_i64;
        let mut i = position + 1;
        while i > 0 {
            upto += i64::from(self.sums[i]);
            i &= i - 1;
        }
        (self.total - upto) as u64
    }
}
