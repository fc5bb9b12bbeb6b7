//! A second device beside the first: it carries out the same commands, and the first difference ends the replay.
//!
//! ```text
//!  runtime ─► commands ─┬─► device ─────────► completions ─┬─► runtime
//!                       └─► device beside ─► completions ─┘ equal?
//! ```
//!
//! Where a block is on its way may differ, since only that depends on the speed of memory; where it goes may not.

use super::ReplayError;
use kvcpu_driver::{Commands, Config, Counters, Device, QueuePair};
use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Cqe, ResultFlags, Sqe};
use std::fmt::Debug;
use std::sync::Arc;

/// The second device.
pub(super) struct Beside {
    device: Device,
    queue: QueuePair,
    cqes: Vec<Cqe>,
    /// Commands that both completed alike.
    pub(super) commands: u64,
}

impl Beside {
    /// Configures it as the first is. It shares no memory with that, so no byte may be moved.
    pub(super) fn new(backing: Arc<dyn Backing>, config: &Config) -> Result<Beside, ReplayError> {
        if !config.metadata_only {
            return Err(ReplayError::BesideBytes);
        }
        let device = Device::probe(backing)?;
        device.configure(config.clone())?;
        let queue = device.queue_pair(0)?;
        Ok(Beside { device, queue, cqes: Vec::new(), commands: 0 })
    }

    /// Carries out what the first device completed with `expected`.
    pub(super) fn run(&mut self, sqes: &[Sqe], expected: &[Cqe]) -> Result<(), ReplayError> {
        self.cqes.clear();
        self.queue.run(sqes, &mut self.cqes)?;
        for ((sqe, expected), found) in sqes.iter().zip(expected).zip(&self.cqes) {
            self.commands += 1;
            if decided(expected) != decided(found) {
                return Err(self.differ(format!("{sqe:?}"), expected, found));
            }
        }
        Ok(())
    }

    /// FENCE, which the first device has carried out too.
    pub(super) fn fence(&mut self) -> Result<(), ReplayError> {
        self.commands += 1;
        Ok(self.queue.fence()?)
    }

    /// Compares what both have counted, and how full they are.
    pub(super) fn compare(&self, first: &Device) -> Result<(), ReplayError> {
        // The histogram of decisions counts clocks.
        let timeless = |counters: Counters| Counters { decision_hist: [0; 16], decision_max: 0, ..counters };
        self.same("the counters", &timeless(first.counters()?), &timeless(self.device.counters()?))?;
        self.same("the occupancy", &first.occupancy()?, &self.device.occupancy()?)
    }

    /// Compares every entry of their directories.
    pub(super) fn compare_entries(&self, first: &Device) -> Result<(), ReplayError> {
        for (expected, found) in first.entries().zip(self.device.entries()) {
            self.same("a directory entry", &expected?, &found?)?;
        }
        Ok(())
    }

    fn same<T: Debug + PartialEq>(&self, what: &str, expected: &T, found: &T) -> Result<(), ReplayError> {
        if expected == found { Ok(()) } else { Err(self.differ(what.to_owned(), expected, found)) }
    }

    fn differ(&self, what: String, expected: &dyn Debug, found: &dyn Debug) -> ReplayError {
        let (commands, name) = (self.commands, self.device.backing().name());
        ReplayError::Differ(format!(
            "after {commands} commands the devices differ, in {what}\n  first: {expected:?}\n  {name}: {found:?}"
        ))
    }
}

/// What a completion says of decisions.
fn decided(cqe: &Cqe) -> Cqe {
    Cqe { flags: cqe.flags & !ResultFlags::IN_FLIGHT.bits(), sq_head: 0, qid: 0, cid: 0, phase: false, ..*cqe }
}
