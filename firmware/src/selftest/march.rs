//! The march test of the directory: MATS+ over BAR2 in maintenance mode, a piece at a time.
//!
//! MATS+ is up or down (w0); up (r0, w1); down (r1, w0) (Nair 1979; van de Goor, "Using March Tests to Test SRAMs", 1993): it finds
//! stuck bits and address decoder faults in 5 accesses a word. Coupling between cells is left to `kvctl selftest`, which has March C-.
//!
//! A host that resets the device in the middle ends maintenance mode, and the march begins again; if it enabled the device too, the
//! march is left out. Mode and device are looked at before each entry. Between that look and the entry's last access a host's reset
//! is not seen: the accesses after it are bad ones, which the device ignores and counts, until the round's end makes the reset again.

use crate::Platform;
use crate::platform::Registers;
use kvcpu_mmio::Bar;
use kvcpu_mmio::firmware::SelfTestOutcome;
use kvcpu_mmio::geometry::{ENTRY_BYTES, MAX_ENTRIES};
use kvcpu_mmio::regs::{control, rtbd};

/// Entries in one piece.
const PIECE: u32 = 128;
/// Times that maintenance mode is asked for.
const TRIES: u32 = 3;

/// What is read and written, entry by entry.
struct Element {
    read: Option<u32>,
    write: u32,
    down: bool,
}

const MATS_PLUS: [Element; 3] = [
    Element { read: None, write: 0, down: false },
    Element { read: Some(0), write: u32::MAX, down: false },
    Element { read: Some(u32::MAX), write: 0, down: true },
];

/// A march that goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct March {
    entries: u32,
    /// Index into [`MATS_PLUS`].
    element: usize,
    /// Entries of the element that are done.
    done: u32,
}

impl March {
    /// Puts the directory into maintenance mode; `None` if the device is enabled.
    pub(crate) fn begin<P: Platform>(platform: &mut P) -> Option<March> {
        // More than once, as a reset may come between the two.
        let enters = (0..TRIES).any(|_| {
            !is_enabled(platform) && {
                platform.set(&rtbd::RTBD_CTRL, rtbd::RTBD_CTRL::MAINT.mask() as u32);
                in_maintenance(platform)
            }
        });
        if !enters {
            return None;
        }
        let log2 = platform.field(&control::CAP_RTBD, &control::CAP_RTBD::ENTRIES_LOG2);
        let entries = 1u32.checked_shl(log2).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        Some(March { entries, element: 0, done: 0 })
    }

    /// The next piece; at the end, how it went, and the offset in BAR2 where it failed. Maintenance mode is over then.
    pub(crate) fn step<P: Platform>(&mut self, platform: &mut P) -> Option<(SelfTestOutcome, u32)> {
        for _ in 0..PIECE {
            let Some(element) = MATS_PLUS.get(self.element) else {
                return Some(end(platform, SelfTestOutcome::Passed, 0));
            };
            if !in_maintenance(platform) {
                return self.begin_again(platform);
            }
            let last = self.entries - 1;
            let index = if element.down { last - self.done } else { self.done };
            if let Err(offset) = element.entry(platform, index) {
                if !in_maintenance(platform) {
                    return self.begin_again(platform);
                }
                return Some(end(platform, SelfTestOutcome::Failed, offset));
            }
            self.done += 1;
            if self.done == self.entries {
                (self.element, self.done) = (self.element + 1, 0);
            }
        }
        None
    }

    fn begin_again<P: Platform>(&mut self, platform: &mut P) -> Option<(SelfTestOutcome, u32)> {
        match March::begin(platform) {
            Some(march) => {
                *self = march;
                None
            }
            None => Some((SelfTestOutcome::LeftOut, 0)),
        }
    }
}

impl Element {
    /// Carries it out on one entry; what fails is the offset of a word.
    fn entry<P: Platform>(&self, platform: &mut P, index: u32) -> Result<(), u32> {
        let base = index * ENTRY_BYTES;
        for n in (0..ENTRY_BYTES).step_by(4) {
            let offset = base + if self.down { ENTRY_BYTES - 4 - n } else { n };
            if self.read.is_some_and(|expected| platform.read(Bar::Rtbd, offset) != expected) {
                return Err(offset);
            }
            platform.write(Bar::Rtbd, offset, self.write);
        }
        Ok(())
    }
}

/// Leaves maintenance mode, which empties the directory.
fn end<P: Platform>(platform: &mut P, outcome: SelfTestOutcome, detail: u32) -> (SelfTestOutcome, u32) {
    platform.set(&rtbd::RTBD_CTRL, 0);
    (outcome, detail)
}

fn is_enabled<P: Platform>(platform: &mut P) -> bool {
    platform.field(&control::CTRL, &control::CTRL::ENABLE) == 1
}

fn in_maintenance<P: Platform>(platform: &mut P) -> bool {
    platform.field(&rtbd::RTBD_CTRL, &rtbd::RTBD_CTRL::MAINT) == 1
}
