//! HEPC: scoring, sweeps, lists and decisions. `docs/hepc.md`.

pub mod bench;
mod decide;
mod kernel;
mod score;
mod sweep;
mod tuning;

pub(crate) use decide::AutoMoves;
pub(crate) use score::Scorer;
#[cfg(test)]
pub(crate) use score::Weights;
pub(crate) use sweep::Lists;
pub(crate) use tuning::Tuning;
