//! The log: the last 32 events, and the interrupt that tells of one. `docs/firmware.md`, Log.

use crate::Platform;
use crate::platform::Registers;
use crate::time::milliseconds;
use kvcpu_mmio::firmware::{EventCode, LOG_ENTRIES, LogEntry};
use kvcpu_mmio::regs::{irq, mgmt};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub code: EventCode,
    /// What belongs to it, as [`EventCode`] says.
    pub words: [u32; 2],
}

impl Event {
    /// An event with what belongs to it.
    pub const fn new(code: EventCode, first: u32, second: u32) -> Event {
        Event { code, words: [first, second] }
    }
}

/// The last events since the core was reset. Entries are numbered from 0, mod 2^32.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: [LogEntry; LOG_ENTRIES as usize],
    next: u32,
    /// FW_EVENT.
    told: u32,
}

impl Log {
    /// Adds an event, and raises MANAGEMENT if it is one that does.
    pub fn record<P: Platform>(&mut self, platform: &mut P, event: Event) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let entry = LogEntry {
            ms: milliseconds(platform.now_us()),
            code: event.code.code() as u8,
            count: self.next as u16,
            words: event.words,
        };
        if let Some(slot) = self.entries.get_mut((number % LOG_ENTRIES) as usize) {
            *slot = entry;
        }
        if event.code.raises() {
            self.told = u32::from(entry.code) | u32::from(entry.count) << mgmt::FW_EVENT::COUNT.lsb;
            self.show(platform);
            platform.set(&irq::INT_FORCE, irq::INT_STATUS::MANAGEMENT.mask() as u32);
        }
    }

    /// Shows in FW_EVENT the last event that raised MANAGEMENT.
    pub fn show<P: Platform>(&self, platform: &mut P) {
        platform.set(&mgmt::FW_EVENT, self.told);
    }

    /// Number of the next entry to be written.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The first entry from number `n` on that there is: `n`, or the oldest if `n` is gone, or [`Log::next`] if there is none yet.
    pub fn first_from(&self, n: u32) -> u32 {
        let oldest = self.next.saturating_sub(LOG_ENTRIES);
        n.clamp(oldest, self.next)
    }

    /// Entry `n`, if it is there.
    pub fn entry(&self, n: u32) -> Option<LogEntry> {
        if n >= self.next || self.first_from(n) != n {
            return None;
        }
        self.entries.get((n % LOG_ENTRIES) as usize).copied()
    }
}
