//! The four ioctls about blocks, and the end of a caller, as commands.
//!
//! ```text
//!  MARK_HOT       hold ─► HOT
//!  EVICT          hold ─► UNHOT ─► EVICT       what has left the tiers already stays out
//!  PREFETCH       hold ─► PREFETCH
//!  SHARE_PREFIX   hold ─► SHARE                references are remembered: only the close gives them back
//!  close          UNSHARE as often ─► RELEASE
//! ```
//!
//! To hold a range is to INSERT what of it the device does not have. Its blocks are a chain, in the order of addresses.

use std::collections::BTreeMap;

use kvcpu_driver::{Affected, Commands, DriverError, Insert, Lookup, Target};
use kvcpu_mmio::queue::Status;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use crate::callers::{Span, TENANT};

/// What is to be done with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Hot,
    Evict,
    Prefetch { step: u32 },
    Share,
}

/// The commands, and where new blocks go.
pub(crate) struct Hands<'a, C> {
    pub(crate) commands: &'a mut C,
    pub(crate) tier: u8,
}

impl<C: Commands> Hands<'_, C> {
    /// Carries out an order; `shared` are the caller's references.
    pub(crate) fn obey(
        &mut self,
        order: Order,
        span: &Span,
        shared: &mut BTreeMap<u64, u8>,
    ) -> Result<(), DriverError> {
        let target = Target::Range(span.key(), span.count);
        match order {
            Order::Hot => {
                self.hold(span, EntryFlags::empty(), true)?;
                self.commands.hot(target)?;
            }
            Order::Evict => {
                self.hold(span, EntryFlags::empty(), false)?;
                unless_absent(self.commands.unhot(target))?;
                unless_absent(self.commands.evict(target))?;
            }
            Order::Prefetch { step } => {
                self.hold(span, EntryFlags::empty(), true)?;
                self.commands.prefetch(target, step)?;
            }
            Order::Share => {
                self.hold(span, EntryFlags::PREFIX, true)?;
                self.commands.share(target)?;
                for tag in span.tags() {
                    let count = shared.entry(tag).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    /// Inserts what the device has not, with these flags; also what it once had, if `back`.
    fn hold(&mut self, span: &Span, flags: EntryFlags, back: bool) -> Result<(), DriverError> {
        for (depth, tag) in (0..).zip(span.tags()) {
            let key = span.key_of(tag);
            let absent = match self.commands.lookup(key)? {
                Lookup::Placed(_) => false,
                Lookup::Ghost => back,
                Lookup::Miss => true,
            };
            if absent {
                let depth = u16::try_from(depth).unwrap_or(u16::MAX);
                let parent = (depth > 0).then(|| tag - 1);
                self.commands.insert(&Insert { key, tier: self.tier, depth, flags, parent })?;
            }
        }
        Ok(())
    }

    /// Everything of a caller's is given back.
    pub(crate) fn release(&mut self, request: u16, shared: BTreeMap<u64, u8>) -> Result<(), DriverError> {
        for (tag, count) in shared {
            let key = Span { request, first: tag, count: 1 }.key();
            for _ in 0..count {
                match self.commands.unshare(Target::Single(key)) {
                    // It left the tiers before the reference came, so there is none.
                    Err(error) if error.status() == Some(Status::RefcountUnderflow) => break,
                    other => unless_absent(other)?,
                }
            }
        }
        unless_absent(self.commands.release(Target::Request(TENANT, request)))
    }
}

/// That no block was there is no error.
fn unless_absent(result: Result<Affected, DriverError>) -> Result<(), DriverError> {
    match result {
        Err(error) if error.status() == Some(Status::NotFound) => Ok(()),
        other => other.map(drop),
    }
}
