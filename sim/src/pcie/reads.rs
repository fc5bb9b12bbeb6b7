//! What the device reads, from AR to R: every word is what the host gave for it, and one that failed has a reason. So a read that is
//! given up though its answer came in time ends the simulation, and so does one that takes what was given for another.

use std::collections::{BTreeMap, VecDeque};

/// Clocks that the link may take for a request, or for the last piece of an answer.
const SLACK: u64 = 1_000;

/// A word that AR asks for.
struct Word {
    address: u64,
    /// The packet that asks the host for it, once there is one.
    packet: Option<u64>,
}

/// A read request as the host sees it.
struct Packet {
    address: u64,
    data: Vec<u64>,
    since: u64,
    /// Words of the answer that were sent, and when the last was.
    given: usize,
    whole: Option<u64>,
    failed: bool,
}

/// All reads that R has not answered.
#[derive(Default)]
pub(crate) struct Reads {
    words: VecDeque<Word>,
    /// Words, from the oldest on, that were sent or passed over.
    settled: usize,
    packets: BTreeMap<u64, Packet>,
    next: u64,
    /// Bus Master Enable is off, and has been while there were reads.
    off: bool,
    was_off: bool,
}

impl Reads {
    /// Nothing is under way any more.
    pub(crate) fn reset(&mut self) {
        *self = Reads { next: self.next, off: self.off, ..Reads::default() };
    }

    /// Bus Master Enable.
    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.off = !on;
        self.was_off |= self.off;
    }

    /// AR.
    pub(crate) fn asked(&mut self, address: u64, beats: u64) {
        if self.words.is_empty() {
            self.was_off = self.off;
        }
        self.words
            .extend((0..beats).map(|beat| Word { address: address + 8 * beat, packet: None }));
    }

    /// A packet that asks for `data`; its number.
    pub(crate) fn sent(&mut self, address: u64, data: Vec<u64>, now: u64) -> Result<u64, String> {
        let open = self.words.iter().skip(self.settled);
        let Some(skipped) = open.map(|word| word.address).position(|first| first == address) else {
            return Err(format!("a read of {address:#x}, which AR does not ask for"));
        };
        if skipped > 0 && !self.was_off {
            return Err(format!("a read of {address:#x} before {skipped} words that AR asks for first"));
        }
        let begin = self.settled + skipped;
        self.settled = begin + data.len();
        if self.settled > self.words.len() {
            return Err(format!("a read of {} words at {address:#x}, more than AR asks for", data.len()));
        }
        let number = self.next;
        self.next += 1;
        self.words.range_mut(begin..self.settled).for_each(|word| word.packet = Some(number));
        self.packets
            .insert(number, Packet { address, data, since: now, given: 0, whole: None, failed: false });
        Ok(number)
    }

    /// The host sends so many words of an answer, or, if `good` is false, says that there are none.
    pub(crate) fn given(&mut self, number: u64, words: usize, good: bool, now: u64) {
        if let Some(packet) = self.packets.get_mut(&number) {
            packet.given += words;
            packet.failed |= !good;
            packet.whole = packet.whole.or((packet.given == packet.data.len()).then_some(now));
        }
    }

    /// A beat of R, of a device that waits `patience` clocks.
    pub(crate) fn read(&mut self, data: u64, good: bool, patience: u64, now: u64) -> Result<(), String> {
        let Some(Word { address, packet }) = self.words.pop_front() else {
            return Err("R has a word that AR did not ask for".into());
        };
        self.settled = self.settled.saturating_sub(1);
        let what = |why: &str| Err(format!("R, word {address:#x}: {why}"));
        let Some(number) = packet else {
            return if good || !self.was_off { what("it was not asked for") } else { Ok(()) };
        };
        let Some(packet) = self.packets.get(&number) else { return what("its packet is gone") };
        let index = (address - packet.address) as usize / 8;
        let result = match (good, packet.failed, packet.whole) {
            (true, true, _) => what("the host gave it as bad"),
            (true, false, None) => what("not all of its packet was answered"),
            (true, false, Some(_)) if packet.data[index] != data => what("not what the host gave"),
            (true, false, Some(_)) | (false, true, _) => Ok(()),
            (false, false, Some(whole)) if whole + SLACK < packet.since + patience => {
                what("given up, though the answer came in time")
            }
            (false, false, _) if now + SLACK < packet.since + patience => what("given up too early"),
            (false, false, _) => Ok(()),
        };
        if index + 1 == packet.data.len() {
            self.packets.remove(&number);
        }
        result
    }
}
