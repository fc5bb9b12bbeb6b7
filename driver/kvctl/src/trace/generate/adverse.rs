//! The numbers of the workloads that are hard on a policy: each is a common way of serving on which counting uses, or
//! keeping what was used last, goes wrong. Defaults are chosen, not measured; each says for what.

use serde::{Deserialize, Serialize};

use super::params::{LogNormal, log_normal};

/// Popularity that moves on, as news does. A document is born, is talked about for its time while interest falls evenly
/// to nothing, and is not asked for again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drift {
    /// Mean time from one document's birth to the next (Poisson), in milliseconds. With `hot_ms` it gives how many are
    /// alive at a time: about 60.
    pub birth_ms: f64,
    /// How long a document is talked about, in milliseconds: short against a run of some hours, so that most counts
    /// are of documents that are over; long against the time between questions, so that there is something to hit.
    pub hot_ms: LogNormal,
    /// A document is born with a rank, uniform in 1 to this many.
    pub ranks: u32,
    /// Exponent of interest at birth (Zipf by rank): as in `rag`.
    pub zipf: f64,
}

impl Default for Drift {
    fn default() -> Self {
        Self { birth_ms: 15e3, hot_ms: log_normal(180e3, 600e3, 3.6e6), ranks: 150, zipf: 0.9 }
    }
}

/// Offline jobs, evaluation or summarisation: a long document of its own, questions on it in quick succession, none of
/// which builds on another, and never again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Jobs a second (Poisson): enough for most of the references.
    pub jobs_per_s: f64,
    /// The document, in tokens: what is worth a job is long.
    pub document_tokens: LogNormal,
    /// Mean number of questions (geometric): enough that a job's blocks have the highest counts there are.
    pub questions_mean: f64,
    /// A question, in tokens.
    pub question_tokens: LogNormal,
    /// An answer, in tokens.
    pub answer_tokens: LogNormal,
    /// From one question to the next, in milliseconds: a program asks, no person thinks.
    pub gap_ms: LogNormal,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            jobs_per_s: 0.25,
            document_tokens: log_normal(4e3, 12e3, 100e3),
            questions_mean: 8.0,
            question_tokens: log_normal(30.0, 100.0, 2e3),
            answer_tokens: log_normal(20.0, 100.0, 2e3),
            gap_ms: log_normal(400.0, 1e3, 20e3),
        }
    }
}

/// A crawler: pages sent for extraction or labelling, each once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// Pages a second (Poisson): enough for the larger part of the references.
    pub pages_per_s: f64,
    /// A page, in tokens.
    pub page_tokens: LogNormal,
    /// An answer, in tokens.
    pub answer_tokens: LogNormal,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            pages_per_s: 1.5,
            page_tokens: log_normal(4e3, 12e3, 100e3),
            answer_tokens: log_normal(20.0, 100.0, 2e3),
        }
    }
}

/// A regression set: the same prompts in the same order, round after round, evenly spread over the round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loop {
    /// Prompts of the set. With their lengths: a set of about 7,500 blocks, which all but the largest caches of a
    /// sweep cannot hold.
    pub prompts: u32,
    /// A round, in milliseconds: every prompt comes again after exactly this. Short, so that 10,000 requests see more
    /// than ten rounds.
    pub period_ms: u32,
    /// A prompt, in tokens, fixed for each.
    pub prompt_tokens: LogNormal,
    /// An answer, in tokens.
    pub answer_tokens: LogNormal,
}

impl Default for Loop {
    fn default() -> Self {
        Self {
            prompts: 300,
            period_ms: 360_000,
            prompt_tokens: log_normal(4e3, 10e3, 60e3),
            answer_tokens: log_normal(60.0, 350.0, 4e3),
        }
    }
}

impl Loop {
    /// When the `n`th prompt is sent, counted through all rounds.
    pub(super) fn due_ms(&self, n: u64) -> u64 {
        let (prompts, period_ms) = (u64::from(self.prompts), u64::from(self.period_ms));
        n / prompts * period_ms + n % prompts * period_ms / prompts
    }
}
