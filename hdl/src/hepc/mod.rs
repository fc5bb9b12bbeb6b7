//! HEPC, the eviction policy controller. `docs/hepc.md`.

mod lane;

pub use lane::Lane;
