//! `kvctl policy`: hit rates over capacity, of the baselines and of the device, and the share of the LRU-Belady gap that
//! the device closes. `docs/policy.md`.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the options |
//! | `sweep.rs` | every trace at every capacity, on all cores |
//! | `tuning.rs` | the firmware's tuning beside each device |
//! | `report.rs` | what came of it: rows for programs, tables for people |
//! | `html.rs` | the same as a page |

mod args;
mod html;
mod report;
mod sweep;
mod tuning;

pub use args::{Args, Capacities, Half};
pub use report::{DEVICE, Row, Sweep, Swept};
pub use sweep::policy;
pub use tuning::Tuned;

use crate::cli::Error;
use crate::replay::ReplayError;
use std::path::PathBuf;

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The device cannot hold so many blocks.
    #[error(
        "capacity {capacity}: this device holds at most {most} blocks ({entries} directory entries); \
         lower --capacities or take a device with a larger directory"
    )]
    Capacity {
        /// The capacity asked for.
        capacity: u32,
        /// What the device holds.
        most: u64,
        /// Entries of its directory.
        entries: u32,
    },
    /// There is no second half.
    #[error("{trace}: one request has no second half; leave --half out, or take a longer trace")]
    NoHalf {
        /// The trace.
        trace: String,
    },
    /// A trace cannot be read, or not be played.
    #[error("{trace}: {source}")]
    Trace {
        /// The trace.
        trace: String,
        /// What happened.
        source: ReplayError,
    },
    /// There is no device.
    #[error("opening the device: {0}")]
    Device(Error),
    /// The page could not be written.
    #[error("{}: {source}; check the path and its permissions", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The page could not be drawn.
    #[error(transparent)]
    Page(ReplayError),
}
