//! HEPC, the eviction policy controller. `docs/hepc.md`.

mod distance;
mod lane;
mod list;

pub use lane::Lane;
pub use list::{INDEX_BITS, ITEM_BITS, List, RANK_BITS};
