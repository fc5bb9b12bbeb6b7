//! Every number of the generator, with its default and where that comes from.
//!
//! Times are between one request of a session and its next, so they contain the answer's decoding.

use serde::{Deserialize, Serialize};

use super::Workload;
use super::adverse::{Batch, Drift, Loop, Scan};

/// A lognormal distribution, told by two of its percentiles, rounded to integers and kept in 1..=max.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    /// A tenth of the draws are below this.
    pub p10: f64,
    /// The median.
    pub p50: f64,
    /// The bound.
    pub max: f64,
}

/// In one line.
pub(super) const fn log_normal(p10: f64, p50: f64, max: f64) -> LogNormal {
    LogNormal { p10, p50, max }
}

/// Time between turns of a person: p10 42 s and p50 123 s as measured on the Mooncake conversation trace; at most an
/// hour.
const THINK_MS: LogNormal = log_normal(42e3, 123e3, 3.6e6);

/// The system prompts of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// How many different ones there are.
    pub prompts: u32,
    /// Exponent of their popularity (Zipf by rank).
    pub zipf: f64,
    /// Their lengths in tokens.
    pub tokens: LogNormal,
}

/// Multi-turn chat: system prompt, then prompt and answer in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    /// The system prompts.
    pub system: System,
    /// Mean number of turns (geometric).
    pub turns_mean: f64,
    /// The first prompt, in tokens: people bring material.
    pub first_tokens: LogNormal,
    /// Later prompts, in tokens.
    pub prompt_tokens: LogNormal,
    /// Answers, in tokens.
    pub answer_tokens: LogNormal,
    /// From one turn to the next, in milliseconds.
    pub think_ms: LogNormal,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            system: System { prompts: 6, zipf: 1.0, tokens: log_normal(500.0, 1200.0, 6e3) },
            turns_mean: 4.0,
            first_tokens: log_normal(300.0, 2500.0, 40e3),
            prompt_tokens: log_normal(40.0, 300.0, 8e3),
            answer_tokens: log_normal(60.0, 350.0, 4e3),
            think_ms: THINK_MS,
        }
    }
}

/// An agent loop: the context grows by an action and a tool's output a step, and is re-sent whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// The system prompts: long, they describe the tools.
    pub system: System,
    /// Mean number of steps (geometric).
    pub steps_mean: f64,
    /// The task, in tokens.
    pub task_tokens: LogNormal,
    /// The model's action in a step, in tokens: the request's output.
    pub action_tokens: LogNormal,
    /// A tool's output, in tokens.
    pub tool_tokens: LogNormal,
    /// From one step to the next, in milliseconds.
    pub tool_ms: LogNormal,
    /// Probability that a step forks sub-agents instead of calling a tool. Sub-agents fork no further.
    pub fork_probability: f64,
    /// A fork makes 1 to this many, each continuing from the whole context so far; the agent goes on when all have
    /// reported.
    pub children_max: u32,
    /// Mean number of a sub-agent's steps (geometric).
    pub child_steps_mean: f64,
    /// A sub-agent's instruction, and its report back, in tokens.
    pub report_tokens: LogNormal,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            system: System { prompts: 3, zipf: 1.0, tokens: log_normal(1500.0, 3000.0, 10e3) },
            steps_mean: 12.0,
            task_tokens: log_normal(100.0, 600.0, 10e3),
            action_tokens: log_normal(40.0, 120.0, 2e3),
            tool_tokens: log_normal(60.0, 500.0, 8e3),
            tool_ms: log_normal(1.5e3, 6e3, 300e3),
            fork_probability: 0.06,
            children_max: 3,
            child_steps_mean: 4.0,
            report_tokens: log_normal(80.0, 250.0, 2e3),
        }
    }
}

/// Retrieval: system prompt, documents by popularity, question; sometimes a further question on the same documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rag {
    /// The system prompts.
    pub system: System,
    /// Documents in the collection.
    pub documents: u32,
    /// Exponent of their popularity (Zipf by rank).
    pub zipf: f64,
    /// Their lengths in tokens.
    pub document_tokens: LogNormal,
    /// A question brings 1 to this many distinct documents, the more popular first, so that prefixes coincide.
    pub documents_max: u32,
    /// Mean number of questions on the same documents (geometric).
    pub questions_mean: f64,
    /// A question, in tokens.
    pub question_tokens: LogNormal,
    /// An answer, in tokens.
    pub answer_tokens: LogNormal,
    /// From one question to the next, in milliseconds.
    pub think_ms: LogNormal,
}

impl Default for Rag {
    fn default() -> Self {
        Self {
            system: System { prompts: 2, zipf: 1.0, tokens: log_normal(300.0, 700.0, 4e3) },
            documents: 150,
            zipf: 0.9,
            document_tokens: log_normal(900.0, 3000.0, 20e3),
            documents_max: 3,
            questions_mean: 1.5,
            question_tokens: log_normal(15.0, 50.0, 1e3),
            answer_tokens: log_normal(60.0, 250.0, 2e3),
            think_ms: THINK_MS,
        }
    }
}

/// Shares of arriving sessions in [`Workload::Mixed`]; only their proportions count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Share of chat sessions.
    pub chat: f64,
    /// Share of agents.
    pub agent: f64,
    /// Share of retrieval sessions.
    pub rag: f64,
}

/// All parameters of a made trace. Serialised, it is the record of how the trace came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The workload.
    pub workload: Workload,
    /// The seed.
    pub seed: u64,
    /// Number of requests; sessions still going then are cut off.
    pub requests: usize,
    /// Tokens of a block: 512 in the published Mooncake traces.
    pub block_tokens: u32,
    /// Sessions arriving a second (Poisson); jobs, crawled pages and the regression set come besides.
    pub sessions_per_s: f64,
    /// A session ends when its context is longer than this.
    pub context_tokens_max: u32,
    /// Chat sessions.
    pub chat: Chat,
    /// Agents.
    pub agent: Agent,
    /// Retrieval sessions.
    pub rag: Rag,
    /// Proportions of the mixed workload.
    pub mix: Mix,
    /// How popularity moves in the drift workload; all else there is as in `rag`.
    pub drift: Drift,
    /// Jobs of the batch workload; the chat beside them is `chat`.
    pub batch: Batch,
    /// The crawler of the scan workload; the chat beside it is `chat`.
    pub scan: Scan,
    /// The regression set of the loop workload; the chat beside it is `chat`.
    pub r#loop: Loop,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            workload: Workload::Mixed,
            seed: 1,
            requests: 10_000,
            block_tokens: 512,
            sessions_per_s: 0.4,
            context_tokens_max: 128 << 10,
            chat: Chat::default(),
            agent: Agent::default(),
            rag: Rag::default(),
            mix: Mix { chat: 0.6, agent: 0.05, rag: 0.35 },
            drift: Drift::default(),
            batch: Batch::default(),
            scan: Scan::default(),
            r#loop: Loop::default(),
        }
    }
}

impl Params {
    /// The defaults, for a workload, a seed and a number of requests: `kvctl trace gen --workload W --seed S --requests
    /// N`.
    pub fn new(workload: Workload, seed: u64, requests: usize) -> Self {
        Self { workload, seed, requests, ..Self::default() }
    }
}
