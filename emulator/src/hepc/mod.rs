//! HEPC: scoring, sweeps, lists and decisions. `docs/hepc.md`.

pub mod bench;
mod decide;
mod guard;
mod history;
mod kernel;
mod policy;
mod score;
mod sweep;
mod tuning;

pub(crate) use decide::AutoMoves;
pub(crate) use guard::Guard;
pub(crate) use history::{History, Use};
pub(crate) use sweep::Lists;
pub(crate) use tuning::Tuning;
