//! The prefetch report: were hinted blocks in the prefetch tier before they were needed, and what did that save?
//!
//! | file | what |
//! |---|---|
//! | `watch.rs` | sees, with LOOKUP, what the device moves up ahead of its use |
//! | `ledger.rs` | times what was seen: on time, late, on demand, wasted; stalls |
//! | `report.rs` | what `--json` prints and the lines for a terminal |
//!
//! The device alone decides; nothing here foretells it. `docs/prefetch.md` has every definition.

mod ledger;
mod report;
mod watch;

pub use ledger::Ledger;
pub use report::{ChannelUse, Prefetch, Share, Stall};
pub use watch::{Promotion, Seen};

pub(super) use watch::Watch;
