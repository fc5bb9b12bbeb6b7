//! Cross-crate tests of KV-CPU: an independent model of the device, and what drives both side by side.
//!
//! `docs/testing.md` has the tour. The tests themselves are in `tests/tests/`.

mod buffer;
pub mod bus;
pub mod check;
mod interrupts;
pub mod lockstep;
pub mod model;
pub mod raw;
pub mod registers;
pub mod rig;
pub mod setup;
pub mod step;
pub mod stream;
pub mod t3;
pub mod workload;
