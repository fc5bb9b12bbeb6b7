//! The four ioctls about blocks, and the end of a caller, as commands.
//!
//! ```text
//!  MARK_HOT       hold ─► HOT, block by block
//!  EVICT          UNHOT ─► EVICT               of what the device has
//!  PREFETCH       hold ─► PREFETCH
//!  SHARE_PREFIX   hold ─► SHARE, block by block; references are remembered: only the close gives them back
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
            Order::Hot => self.pin(span, EntryFlags::empty(), |commands, target, _| commands.hot(target).map(drop))?,
            Order::Evict => {
                unless_absent(self.commands.unhot(target))?;
                unless_absent(self.commands.evict(target))?;
            }
            Order::Prefetch { step } => {
                self.hold(span, EntryFlags::empty())?;
                self.commands.prefetch(target, step)?;
            }
            Order::Share => self.pin(span, EntryFlags::PREFIX, |commands, target, tag| {
                commands.share(target)?;
                let count = shared.entry(tag).or_default();
                *count = count.saturating_add(1);
                Ok(())
            })?,
        }
        Ok(())
    }

    /// Inserts what the device has not, with these flags.
    fn hold(&mut self, span: &Span, flags: EntryFlags) -> Result<(), DriverError> {
        span.tags().try_for_each(|tag| self.hold_one(span, tag, flags))
    }

    fn hold_one(&mut self, span: &Span, tag: u64, flags: EntryFlags) -> Result<(), DriverError> {
        let key = span.key_of(tag);
        if !matches!(self.commands.lookup(key)?, Lookup::Placed(_)) {
            let depth = u16::try_from(tag - span.first).unwrap_or(u16::MAX);
            let parent = (depth > 0).then(|| tag - 1);
            self.commands.insert(&Insert { key, tier: self.tier, depth, flags, parent })?;
        }
        Ok(())
    }

    /// Holds a range, and then each block again, as the last ones may have pushed the first out, with what makes it no victim: so
    /// either all are held together, or there is no room for them and that is the error.
    fn pin(
        &mut self,
        span: &Span,
        flags: EntryFlags,
        mut fix: impl FnMut(&mut C, Target, u64) -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        self.hold(span, flags)?;
        for tag in span.tags() {
            self.hold_one(span, tag, flags)?;
            fix(self.commands, Target::Single(span.key_of(tag)), tag)?;
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
