//! What was written: what each byte of a memory may be.
//!
//! A byte that is read may be what was written last before the read was offered, or whatever was being written since.

use std::collections::HashMap;

/// A write of some bytes of a word.
#[derive(Clone, Copy, Debug)]
struct Entry {
    data: u64,
    strobes: u64,
    /// When it was answered.
    answered: Option<u64>,
}

/// Writes of each word, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Record(HashMap<u64, Vec<Entry>>);

/// Bytes that were checked: those that could be one thing only, and those of which more was possible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    pub(crate) certain: u64,
    pub(crate) raced: u64,
}

impl Record {
    /// What is known of a word, if anything: data, and which bytes.
    pub(crate) fn known(&self, word: u64) -> (u64, u64) {
        self.0.get(&word).into_iter().flatten().fold((0, 0), |(data, known), entry| {
            let mask = mask_of(entry.strobes);
            ((data & !mask) | (entry.data & mask), known | entry.strobes)
        })
    }

    /// Nothing is known of a word any more.
    pub(crate) fn forget(&mut self, word: u64) {
        self.0.remove(&word);
    }

    /// A write is offered.
    pub(crate) fn begins(&mut self, word: u64, data: u64, strobes: u64) {
        self.0.entry(word).or_default().push(Entry { data, strobes, answered: None });
    }

    /// The oldest such write was answered. No read is open that was offered before `oldest`.
    pub(crate) fn ends(&mut self, word: u64, data: u64, strobes: u64, now: u64, oldest: u64) {
        let entries = self.0.entry(word).or_default();
        let is_this = |entry: &&mut Entry| (entry.data, entry.strobes) == (data, strobes) && entry.answered.is_none();
        entries.iter_mut().find(is_this).unwrap().answered = Some(now);
        // What no open read can see any more becomes one entry.
        let settled = entries.iter().take_while(|entry| entry.answered.is_some_and(|at| at < oldest)).count();
        if settled > 8 {
            let merged = entries.drain(..settled).reduce(|below, above| {
                let mask = mask_of(above.strobes);
                Entry {
                    data: (below.data & !mask) | (above.data & mask),
                    strobes: below.strobes | above.strobes,
                    answered: above.answered,
                }
            });
            entries.splice(0..0, merged);
        }
    }

    /// That each byte of a word, read since a clock, is one of those it may be.
    pub(crate) fn check(&self, word: u64, data: u64, since: u64, checked: &mut Checked) {
        let Some(entries) = self.0.get(&word) else { return };
        for byte in 0..8 {
            let of_byte = entries.iter().filter(|entry| entry.strobes >> byte & 1 == 1);
            let value = |entry: &Entry| entry.data >> (8 * byte) & 0xFF;
            let settled = of_byte.clone().rfind(|entry| entry.answered.is_some_and(|answered| answered < since));
            let racing = of_byte.filter(|entry| entry.answered.is_none_or(|answered| answered >= since));
            // Before the first write it may be anything.
            if settled.is_none() {
                continue;
            }
            let mut possible: Vec<u64> = settled.into_iter().chain(racing).map(value).collect();
            possible.sort_unstable();
            possible.dedup();
            let read = data >> (8 * byte) & 0xFF;
            assert!(
                possible.contains(&read),
                "byte {byte} of word {word:#x} is {read:#x}, not of {possible:x?}; read since clock {since}: {entries:x?}"
            );
            *(if possible.len() == 1 { &mut checked.certain } else { &mut checked.raced }) += 1;
        }
    }
}

/// Bits of the bytes that strobes name.
fn mask_of(strobes: u64) -> u64 {
    (0..8)
        .filter(|byte| strobes >> byte & 1 == 1)
        .fold(0, |mask, byte| mask | 0xFF << (8 * byte))
}
