//! Oracle hints: what a runtime that knew the trace's future would tell the device, and how wrong it is made to be.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the options, and [`Knowledge`]: what is known, how well |
//! | `session.rs` | which requests are turns of one session |
//! | `draw.rs` | random draws that depend on what they are for and not on their order |
//! | `oracle.rs` | the hints of each request |
//!
//! No runtime knows the future. What is measured with these hints is a bound, and every output says so.
//! `docs/policy.md` defines them exactly.

mod args;
mod draw;
mod oracle;
mod session;

pub use args::{HintArgs, HintError, HintKind, Knowledge, NO_HINTS};
pub use oracle::{Chances, Hint, Oracle, Told};
pub use session::sessions;
