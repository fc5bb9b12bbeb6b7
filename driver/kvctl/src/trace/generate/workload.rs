//! The workloads and their names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which workload to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Multi-turn conversations under shared system prompts.
    Chat,
    /// Agents that re-send a growing context every few seconds and fork sub-agents.
    Agent,
    /// Questions over popular documents.
    Rag,
    /// Sessions of all three, in proportions [`Mix`](super::Mix).
    #[default]
    Mixed,
    /// Questions over documents that are talked about for a time and then no more: old counts mislead.
    Drift,
    /// Jobs that use a document many times at once and then never again, beside chat: high counts mean nothing.
    Batch,
    /// A crawler's long prompts, each sent once, beside chat: recency alone keeps what never returns.
    Scan,
    /// A fixed set of prompts round after round, beside chat: the least recently used comes back next.
    Loop,
}

impl Workload {
    /// All workloads.
    pub const ALL: [Self; 8] =
        [Self::Chat, Self::Agent, Self::Rag, Self::Mixed, Self::Drift, Self::Batch, Self::Scan, Self::Loop];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Agent => "agent",
            Self::Rag => "rag",
            Self::Mixed => "mixed",
            Self::Drift => "drift",
            Self::Batch => "batch",
            Self::Scan => "scan",
            Self::Loop => "loop",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no workload has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown workload `{0}`; there are chat, agent, rag, mixed, drift, batch, scan and loop")]
pub struct UnknownWorkload(pub String);

impl FromStr for Workload {
    type Err = UnknownWorkload;

    fn from_str(s: &str) -> Result<Self, UnknownWorkload> {
        Self::ALL.into_iter().find(|w| w.name() == s).ok_or_else(|| UnknownWorkload(s.to_owned()))
    }
}
