//! Documents that come and go: who is talked about now, and how much.
//!
//! ```text
//!   interest  rank^-zipf ┤╲
//!                        │  ╲
//!                        │    ╲
//!                      0 ┼──────╲────▸ time
//!                       born    born + hot
//! ```

use super::adverse::Drift;
use super::dist::{Domain, Source};

/// A document that is talked about.
struct Story {
    /// Its rank and its number: bigger stories order before smaller ones, always in the same way.
    order: (u32, u32),
    born_ms: u64,
    hot_ms: u64,
    interest_at_birth: f64,
}

/// All that is talked about at one moment.
pub(super) struct News {
    drift: Drift,
    source: Source,
    /// This clock begins one longest life before the trace, so that the trace does not begin without news.
    now_ms: u64,
    next_birth_ms: u64,
    born: u32,
    living: Vec<Story>,
}

impl News {
    pub(super) fn new(drift: &Drift, seed: u64) -> Self {
        let source = Source::new(seed, Domain::Births, 0);
        Self { drift: drift.clone(), source, now_ms: 0, next_birth_ms: 0, born: 0, living: Vec::new() }
    }

    /// Goes on to this moment of the trace.
    pub(super) fn advance(&mut self, trace_ms: u64) {
        self.now_ms = trace_ms + self.drift.hot_ms.max as u64;
        // Who was born longer ago than any life lasts is gone: Poisson births need not be gone through from there.
        self.next_birth_ms = self.next_birth_ms.max(trace_ms);
        while self.next_birth_ms <= self.now_ms {
            let rank = self.source.one_to(self.drift.ranks);
            let interest_at_birth = libm::pow(f64::from(rank), -self.drift.zipf);
            let hot_ms = self.source.log_normal(&self.drift.hot_ms);
            let (order, born_ms) = ((rank, self.born), self.next_birth_ms);
            self.living.push(Story { order, born_ms, hot_ms, interest_at_birth });
            self.born += 1;
            self.next_birth_ms += self.source.exponential(self.drift.birth_ms);
        }
        self.living.retain(|story| self.now_ms < story.born_ms + story.hot_ms);
    }

    /// Somebody asks: a document in proportion to the interest in it, by rank and number; `None` if there is no news.
    pub(super) fn draw(&self, source: &mut Source) -> Option<(u32, u32)> {
        let mut at = source.uniform() * self.living.iter().map(|story| self.interest(story)).sum::<f64>();
        let drawn = self.living.iter().find(|story| {
            at -= self.interest(story);
            at < 0.0
        });
        drawn.or(self.living.last()).map(|story| story.order)
    }

    fn interest(&self, story: &Story) -> f64 {
        let age_ms = self.now_ms - story.born_ms;
        story.interest_at_birth * (1.0 - age_ms as f64 / story.hot_ms as f64)
    }
}
