//! HEPC, the eviction policy controller. `docs/hepc.md`.

mod bus;
mod cell;
mod choose;
mod distance;
mod flags;
mod gather;
mod jobs;
mod judge;
mod lane;
mod list;
mod lists;
mod pace;
mod parameters;
mod places;
mod policy;
mod probe;
mod ranking;
mod showing;
mod sieve;
mod tally;
mod terms;
mod unit;
mod walk;
mod weighing;
mod worths;
mod writeback;
mod writing;

pub use judge::{ENTRY_BITS, WRITE_BITS};
pub use lane::Lane;
pub use list::{INDEX_BITS, ITEM_BITS, List, RANK_BITS};
pub use probe::Probe;
pub use terms::{Facts, Terms};
pub use unit::Hepc;
