//! What the device keeps for each frame of its tiers. `docs/moves.md`, `docs/luf.md`.

mod frames;

pub use frames::Frames;
