//! What an arena counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What an arena has counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Counters { $($(#[doc = $doc])+ pub $name: u64,)+ }

        /// The same while it is counted.
        #[derive(Default)]
        pub(crate) struct Counting { $(pub(crate) $name: Count,)+ }

        impl Counting {
            pub(crate) fn read(&self) -> Counters {
                Counters { $($name: self.$name.0.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Faults served.
    faults,
    /// Blocks filled, by faults and otherwise.
    fills,
    /// Of these, blocks filled ahead, as faults came in sequence.
    ahead,
    /// Of these, blocks filled by the prefetch thread.
    prefetched,
    /// Blocks that were denied, and are zeros.
    denied,
    /// Blocks that could not be filled.
    failed,
    /// Blocks that the policy had evicted.
    evicted,
    /// Of these, blocks that were still in quarantine when they were asked for, and stayed.
    rescued,
    /// Blocks unmapped.
    unmapped,
    /// Calls that unmapped them: each flushes the TLBs of other processors once.
    batches,
    /// Blocks given back to the source.
    saved,
    /// Waits for room in the budget.
    waits,
}

/// One of them.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}
