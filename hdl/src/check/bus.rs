//! The bus of `docs/control.md` and what lies behind it, each region as small as it can be exact.
//!
//! ```text
//!  load, store ─┬─ data RAM, register file and its description, frames, quarantine
//!               ├─ directory: entries, KEY, FIND, COMMIT    any function may be the hash: it is a table, by key
//!               ├─ HEPC: who may be a victim; scores are tiers, ranks 0
//!               ├─ DMA: descriptors that are open, the completion that is shown
//!               └─ front: the host's access
//! ```
//!
//! What hardware may decide one way or the other (which completion comes when, who is the head of a list) is the model's to say.

use crate::csr::{Row, rows};
use crate::micro::{FILE_WORDS, file_word};
use anyhow::{Result, bail, ensure};
use kvcpu_mmio::Register;
use std::rc::Rc;

/// Data RAM: as many words as the program has.
pub(super) const DATA_WORDS: usize = 0xC00;
/// Register file.
pub(super) const CSR: u32 = 0x10_0000;
pub(super) const ENTRY: u32 = 0x40_0000;
pub(super) const FIND: u32 = 0x50_0003;
pub(super) const COMMIT: u32 = 0x50_0005;
pub(super) const HEPC_LIST: u32 = 0x60_0100;
pub(super) const HEPC_ITEMS: u32 = 0x60_1000;
pub(super) const DMA: u32 = 0x70_0000;
pub(super) const DMA_DONE: u32 = 0x70_0040;
pub(super) const RING_WRITE: u32 = 0x70_0083;
/// Words of an entry.
pub(super) const E_ID: usize = 2;
pub(super) const E_PLACE: usize = 3;
pub(super) const E_STATE: usize = 7;
/// States of an entry.
pub(super) const FREE: u32 = 0;
pub(super) const RESIDENT: u32 = 1;
pub(super) const IN_FLIGHT: u32 = 2;
pub(super) const GHOST: u32 = 3;
/// `NONE` of the microprogram.
pub(super) const NONE: u32 = u32::MAX;

/// Bus address of element or instance `n`, so many words apart, of a register.
pub(super) fn csr(register: &Register, n: u32) -> u32 {
    CSR + file_word(register.offset).map_or(0, |word| word as u32) + n
}

/// What the look-up knows of a slot.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Committed {
    pub(super) key: [u32; 3],
    /// State, tier and frame, as FIND_PLACE has them; 0 if it is forgotten.
    pub(super) place: u32,
}

/// A descriptor of the DMA.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Descriptor {
    pub(super) id: u32,
    /// Source lo, hi; destination lo, hi; length; spaces.
    pub(super) words: [u32; 6],
}

/// All of it, at a moment.
#[derive(Clone)]
pub(super) struct Bus {
    pub(super) entries_log2: u32,
    pub(super) stash: u32,
    agents: u32,
    description: Rc<[Row]>,
    pub(super) data: Box<[u32; DATA_WORDS]>,
    pub(super) file: Box<[u32; FILE_WORDS]>,
    /// Free lists' rings; epochs, flags, retirement epochs of the frames; quarantine.
    pub(super) rings: [Vec<u32>; 4],
    pub(super) epochs: [Vec<u32>; 4],
    pub(super) flags: [Vec<u32>; 4],
    pub(super) retired: [Vec<u32>; 4],
    pub(super) quarantine: Vec<u32>,
    /// Directory.
    pub(super) entries: Vec<[u32; 8]>,
    pub(super) committed: Vec<Committed>,
    pub(super) touched: Vec<u32>,
    pub(super) key: [u32; 3],
    pub(super) found: Committed,
    /// The two buckets of each key, which is known by the low half of its tag.
    pub(super) buckets: Vec<[u32; 2]>,
    /// HEPC: the entry scored last.
    pub(super) scored: u32,
    /// Head of each list, as the model has chosen it; NONE: it has not, or there is none.
    pub(super) listed: [u32; 5],
    /// DMA: what the channels have to do, and the completion shown: id and result.
    pub(super) descriptors: [[u32; 6]; 2],
    pub(super) open: [Vec<Descriptor>; 2],
    pub(super) done: Option<(u32, u32)>,
    /// Ring port: address, buffer, and what the host has answered in the service queue.
    ring_address: [u32; 2],
    pub(super) buffer: [u32; 16],
    pub(super) answers: Vec<[u32; 4]>,
    /// The host's access, a write of 32 bits: offset and value.
    pub(super) access: Option<(u32, u32)>,
}

impl Bus {
    pub(super) fn new(entries_log2: u32, stash: u32, agents: u32) -> Self {
        let entries = 1 << entries_log2;
        let slots = entries + stash as usize;
        let per_frame = || std::array::from_fn(|_| vec![0; entries]);
        Self {
            entries_log2,
            stash,
            agents,
            description: rows(1, agents as usize).into(),
            data: Box::new([0; DATA_WORDS]),
            file: Box::new([0; FILE_WORDS]),
            rings: per_frame(),
            epochs: per_frame(),
            flags: per_frame(),
            retired: per_frame(),
            quarantine: vec![0; 4 * entries],
            entries: vec![[0; 8]; slots],
            committed: vec![Committed::default(); slots],
            touched: Vec::new(),
            key: [0; 3],
            found: Committed::default(),
            buckets: Vec::new(),
            scored: 0,
            listed: [NONE; 5],
            descriptors: [[0; 6]; 2],
            open: [Vec::new(), Vec::new()],
            done: None,
            ring_address: [0; 2],
            buffer: [0; 16],
            answers: Vec::new(),
            access: None,
        }
    }

    /// A register, as the register file has it.
    pub(super) fn register(&self, register: &Register, n: u32) -> u32 {
        self.file[(csr(register, n) - CSR) as usize]
    }

    /// Slots of a key, in the order of FIND.
    pub(super) fn slots_of(&self, key: usize) -> impl Iterator<Item = usize> + use<> {
        let [first, second] = self.buckets[key].map(|bucket| bucket as usize * 4);
        let stash = 1 << self.entries_log2;
        (first..first + 4).chain(second..second + 4).chain(stash..stash + self.stash as usize)
    }

    /// Number of the key that stands in KEY, or in an entry.
    pub(super) fn number(&self, key: [u32; 3]) -> Result<usize> {
        let number = key[0] as usize;
        ensure!(
            key[1] == 0 && key[2] & 0xFF_FFFF == 1 && number < self.buckets.len(),
            "a key that nobody has: {key:x?}"
        );
        Ok(number)
    }

    fn find(&self) -> Result<Option<usize>> {
        let number = self.number(self.key)?;
        let mut slots = self.slots_of(number);
        Ok(slots.find(|&slot| self.committed[slot].place != 0 && self.committed[slot].key == self.key))
    }

    /// State and tier of an entry.
    pub(super) fn state(&self, slot: usize) -> (u32, usize) {
        let word = self.entries[slot][E_STATE];
        (word >> 30, (word >> 28 & 3) as usize)
    }

    /// Entries that may be victims of a tier.
    pub(super) fn victims(&self, tier: usize) -> Vec<u32> {
        let may = |&slot: &usize| {
            let (state, of) = self.state(slot);
            (state == RESIDENT || state == IN_FLIGHT) && of == tier
        };
        (0..self.entries.len()).filter(may).map(|slot| slot as u32).collect()
    }

    pub(super) fn load(&mut self, address: u32) -> Result<u32> {
        let low = (address & 0xFFFF) as usize;
        let tier = (address >> 16 & 3) as usize;
        Ok(match address >> 16 {
            0x00 if low < DATA_WORDS => self.data[low],
            0x10 => self.file[low],
            0x11..=0x13 => {
                let row = &self.description[low];
                [row.descriptor, row.writable, row.reset][(address >> 16) as usize - 0x11]
            }
            0x20..=0x23 => self.rings[tier][low],
            0x24..=0x27 => self.epochs[tier][low],
            0x28..=0x2B => self.flags[tier][low],
            0x2C..=0x2F => self.retired[tier][low],
            0x30 => self.quarantine[low],
            // No word of the frames is answered with an error.
            0x34 => 0,
            0x40 => self.entries[low >> 3][low & 7],
            0x50 => return self.load_directory(low),
            0x60 => self.load_hepc(low),
            0x70 => return self.load_dma(low),
            0x80 => return self.load_front(low),
            _ => bail!("a load of {address:06x}, where nothing is"),
        })
    }

    fn load_directory(&mut self, low: usize) -> Result<u32> {
        Ok(match low {
            3 => {
                let slot = self.find()?;
                self.found = slot.map_or(Committed::default(), |slot| self.committed[slot]);
                slot.map_or(NONE, |slot| slot as u32)
            }
            4 => self.found.place,
            6 => self.key[0],
            7 => {
                let [first, second] = self.buckets[self.number(self.key)?];
                first | second << 16
            }
            9 => self.touched.len() as u32,
            10 => {
                ensure!(!self.touched.is_empty(), "the touched list is popped when it is empty");
                self.touched.remove(0)
            }
            _ => 0,
        })
    }

    fn load_hepc(&self, low: usize) -> u32 {
        let (state, tier) = self.state(self.scored as usize);
        match low {
            0x30 => tier as u32,
            0x32 => {
                let is_placed = state == RESIDENT || state == IN_FLIGHT;
                u32::from(is_placed) * (1 | (tier as u32) << 1 | 1 << 5)
            }
            0x100..0x150 if low & 0xF == 0 => self.listed[low >> 4 & 0xF],
            0x100..0x140 if low & 0xF == 3 => u32::from(!self.victims(low >> 4 & 0xF).is_empty()),
            0x1000..0x1500 => self.listed[low >> 8 & 0xF],
            _ => 0,
        }
    }

    fn load_dma(&self, low: usize) -> Result<u32> {
        Ok(match low {
            6 => 16 - self.open[0].len() as u32,
            0x16 => 16 - self.open[1].len() as u32,
            0x40 => self.done.map_or(NONE, |(id, _)| id),
            0x41 => self.done.map_or(0, |(_, result)| result),
            0x42 | 0xA0 => 0,
            0x84 => 1,
            0x90..0xA0 => self.buffer[low - 0x90],
            _ => bail!("a load of DMA word {low:x}, where nothing is"),
        })
    }

    fn load_front(&self, low: usize) -> Result<u32> {
        let access = || self.access.ok_or_else(|| anyhow::anyhow!("the front is read without an access"));
        Ok(match low {
            0 => access()?.0 | 1 << 31,
            1 => 4,
            2 => access()?.1,
            0xB => 1,
            0x10 => self.entries_log2,
            0x11 | 0x12 => 4,
            0x13 => self.stash,
            0x14 => 1,
            // 1 MiB.
            0x16 => 1024,
            0x15 => self.agents,
            0x17 => 6,
            0x18 => 12,
            // Time stands still.
            _ => 0,
        })
    }

    pub(super) fn store(&mut self, address: u32, value: u32) -> Result<()> {
        let low = (address & 0xFFFF) as usize;
        let tier = (address >> 16 & 3) as usize;
        match address >> 16 {
            0x00 if low < DATA_WORDS => self.data[low] = value,
            0x10 => self.file[low] = value,
            0x20..=0x23 => self.rings[tier][low] = value,
            0x24..=0x27 => self.epochs[tier][low] = value,
            0x28..=0x2B => self.flags[tier][low] = value & 0xFF,
            0x2C..=0x2F => self.retired[tier][low] = value,
            0x30 => self.quarantine[low] = value,
            0x34 => {}
            0x40 => self.store_entry(low >> 3, low & 7, value),
            0x50 => self.store_directory(low, value),
            0x60 => match low {
                0x28 => self.listed = [NONE; 5],
                0x2A => self.scored = value,
                0x100..0x150 if low & 0xF == 2 => self.listed[low >> 4 & 0xF] = NONE,
                _ => {}
            },
            0x70 => return self.store_dma(low, value),
            0x80 => {
                if low == 6 {
                    self.access = None;
                }
            }
            _ => bail!("a store to {address:06x}, where nothing is"),
        }
        Ok(())
    }

    /// The look-up sees the words of a key as they are stored; TAG_LO takes the slot out of use.
    fn store_entry(&mut self, slot: usize, word: usize, value: u32) {
        self.entries[slot][word] = value;
        let seen = &mut self.committed[slot];
        match word {
            0 => *seen = Committed::default(),
            1 if seen.place != 0 => seen.key[1] = value,
            E_ID if seen.place != 0 => seen.key[2] = value & 0xFF_FFFF,
            _ => {}
        }
    }

    fn store_directory(&mut self, low: usize, value: u32) {
        match low {
            0..=2 => self.key[low] = value,
            5 => {
                let entry = &self.entries[value as usize];
                let state = entry[E_STATE];
                let key = [entry[0], entry[1], entry[E_ID] & 0xFF_FFFF];
                let place = state & 0xC000_0000 | state & 0x3000_0000 | entry[E_PLACE] & 0xFFFF;
                let is_used = state >> 30 != FREE;
                self.committed[value as usize] = if is_used { Committed { key, place } } else { Committed::default() };
                self.touched.push(value);
            }
            8 => {
                self.entries.fill([0; 8]);
                self.committed.fill(Committed::default());
                self.touched.clear();
            }
            11 => self.touched.clear(),
            _ => {}
        }
    }

    fn store_dma(&mut self, low: usize, value: u32) -> Result<()> {
        match low {
            0..=5 => self.descriptors[0][low] = value,
            0x10..=0x15 => self.descriptors[1][low - 0x10] = value,
            6 | 0x16 => {
                let channel = low >> 4;
                ensure!(self.open[channel].len() < 16, "GO to a channel that is full");
                let words = self.descriptors[channel];
                self.open[channel].push(Descriptor { id: value, words });
            }
            0x43 => {
                ensure!(self.done.is_some(), "a completion is popped that does not stand there");
                self.done = None;
            }
            0x80 | 0x81 => self.ring_address[low - 0x80] = value,
            0x82 => {
                // A completion of the service queue, whose ring begins at 0.
                let answer = self.answers[self.ring_address[0] as usize >> 4];
                self.buffer[..4].copy_from_slice(&answer);
            }
            0x83 | 0xA0 => {}
            0x90..0xA0 => self.buffer[low - 0x90] = value,
            _ => bail!("a store to DMA word {low:x}, where nothing is"),
        }
        Ok(())
    }
}
