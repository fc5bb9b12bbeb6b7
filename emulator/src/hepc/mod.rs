//! HEPC: scoring, sweeps, lists and decisions. `docs/hepc.md`.

pub mod bench;
mod decide;
mod kernel;
mod score;
mod sweep;

pub(crate) use decide::AutoMoves;
pub(crate) use score::{Scorer, Weights};
pub(crate) use sweep::Lists;
