//! Atomics and the memory orderings of the crate, each named for what it protects; loom's
//! stand-ins under `cfg(loom)`.
//!
//! Under loom, [`mutation`] can weaken one ordering at a time, so that the loom tests prove of each
//! that they would notice its absence.

#[cfg(not(loom))]
pub use core::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use core::{
    hint::spin_loop,
    sync::atomic::{Ordering, fence},
};
#[cfg(loom)]
pub use loom::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{Ordering, fence},
};

/// `order`, unless the loom test under way has weakened `place`.
macro_rules! order {
    ($place:ident, $order:expr) => {{
        #[cfg(loom)]
        let order = if mutation::is(mutation::Place::$place) { Ordering::Relaxed } else { $order };
        #[cfg(not(loom))]
        let order = $order;
        order
    }};
}

/// Stores a CQE's word 1: word 0 is visible to whoever sees the new phase.
#[inline(always)]
pub(crate) fn cqe_publish() -> Ordering {
    order!(CqePublish, Ordering::Release)
}

/// Loads a CQE's word 1.
#[inline(always)]
pub(crate) fn cqe_observe() -> Ordering {
    order!(CqeObserve, Ordering::Acquire)
}

/// Stores a shared index: entries written (tail) or read (head) before it are done.
#[inline(always)]
pub(crate) fn index_publish() -> Ordering {
    order!(IndexPublish, Ordering::Release)
}

/// Loads a shared index.
#[inline(always)]
pub(crate) fn index_observe() -> Ordering {
    order!(IndexObserve, Ordering::Acquire)
}

/// Before an index leaves as a value, to a doorbell register or in a CQE.
#[inline(always)]
pub(crate) fn before_doorbell() {
    #[cfg(loom)]
    if mutation::is(mutation::Place::BeforeDoorbell) {
        return;
    }
    fence(Ordering::Release);
}

/// After an index arrived as a value.
#[inline(always)]
pub(crate) fn after_doorbell() {
    #[cfg(loom)]
    if mutation::is(mutation::Place::AfterDoorbell) {
        return;
    }
    fence(Ordering::Acquire);
}

/// Between "I published" and "does the peer sleep?", and between "I am about to sleep" and "is there
/// work?". Both sides store one word and load the other's; only a sequentially consistent fence on
/// both sides makes it impossible that each misses the other's store.
#[inline(always)]
pub(crate) fn store_then_load() {
    #[cfg(loom)]
    if mutation::is(mutation::Place::StoreThenLoad) {
        return;
    }
    fence(Ordering::SeqCst);
}

/// Weakens one ordering for a loom test. Exists only under `cfg(loom)`.
#[cfg(loom)]
pub mod mutation {
    use std::cell::Cell;

    /// An ordering that can be weakened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Place {
        /// Release of a CQE's word 1 becomes relaxed.
        CqePublish,
        /// Acquire of a CQE's word 1 becomes relaxed.
        CqeObserve,
        /// Release of a shared index becomes relaxed.
        IndexPublish,
        /// Acquire of a shared index becomes relaxed.
        IndexObserve,
        /// No release fence before a doorbell.
        BeforeDoorbell,
        /// No acquire fence after a doorbell.
        AfterDoorbell,
        /// No fence between publishing and looking at the peer's flag.
        StoreThenLoad,
    }

    // loom runs all threads of a model on the OS thread that called it, so this is one cell a test.
    std::thread_local!(static WEAKENED: Cell<Option<Place>> = const { Cell::new(None) });

    /// Weakens `place` for all models this OS thread runs from now on.
    pub fn weaken(place: Place) {
        WEAKENED.set(Some(place));
    }

    pub(crate) fn is(place: Place) -> bool {
        WEAKENED.get() == Some(place)
    }
}
