//! The entry as eight words: what BAR2 and the stash window show. `mmio/src/regs/rtbd_entry.rs`.

use super::{Rtbd, meta};
use kvcpu_mmio::regs::rtbd_entry::{ENTRY_HISTORY, ENTRY_ID, ENTRY_PLACE, ENTRY_STATE};

impl Rtbd {
    /// Word `word` (0 to 7) of entry `i`.
    pub(crate) fn word(&self, i: usize, word: u32) -> u32 {
        let pack = |fields: &[(kvcpu_mmio::Field, u32)]| {
            fields.iter().fold(0, |value, (field, bits)| field.set(value, u64::from(*bits))) as u32
        };
        match word {
            0 => self.tag[i] as u32,
            1 => (self.tag[i] >> 32) as u32,
            2 => self.id[i] | u32::from(self.flags(i).bits()) << ENTRY_ID::FLAGS.lsb,
            3 => pack(&[(ENTRY_PLACE::FRAME, self.frame[i].into()), (ENTRY_PLACE::SCORE, self.score[i].into())]),
            4 => self.access[i],
            5 => self.target[i],
            6 => pack(&[
                (ENTRY_HISTORY::DEPTH, self.meta[i] & meta::DEPTH),
                (ENTRY_HISTORY::FREQUENCY, self.frequency(i)),
                (ENTRY_HISTORY::REFCOUNT, self.refcount[i].into()),
                (ENTRY_HISTORY::CHILD, self.child[i].into()),
            ]),
            _ => pack(&[
                (ENTRY_STATE::RETAIN, self.retain[i]),
                (ENTRY_STATE::OUT, self.out[i].into()),
                (ENTRY_STATE::TIER, self.tier(i) as u32),
                (ENTRY_STATE::STATE, self.meta[i] >> meta::STATE_LSB & 3),
            ]),
        }
    }

    /// Overwrites word `word` of entry `i`, as maintenance mode allows.
    pub(crate) fn set_word(&mut self, i: usize, word: u32, value: u32) {
        let v = u64::from(value);
        match word {
            0 => self.tag[i] = self.tag[i] & !0xFFFF_FFFF | v,
            1 => self.tag[i] = self.tag[i] & 0xFFFF_FFFF | v << 32,
            2 => {
                self.id[i] = value & 0x00FF_FFFF;
                self.replace(i, meta::FLAGS_LSB, 8, ENTRY_ID::FLAGS.get(v) as u32);
            }
            3 => {
                self.frame[i] = ENTRY_PLACE::FRAME.get(v) as u16;
                self.score[i] = ENTRY_PLACE::SCORE.get(v) as u16;
            }
            4 => self.set_access(i, value),
            5 => self.set_target(i, value),
            6 => {
                self.replace(i, 0, 12, ENTRY_HISTORY::DEPTH.get(v) as u32);
                self.set_frequency(i, ENTRY_HISTORY::FREQUENCY.get(v) as u32);
                self.set_refcount(i, ENTRY_HISTORY::REFCOUNT.get(v) as u8);
                self.set_child(i, ENTRY_HISTORY::CHILD.get(v) as u8);
            }
            _ => {
                self.retain[i] = ENTRY_STATE::RETAIN.get(v) as u32;
                self.set_tier(i, ENTRY_STATE::TIER.get(v) as usize);
                self.replace(i, meta::STATE_LSB, 2, ENTRY_STATE::STATE.get(v) as u32);
                self.out[i] = ENTRY_STATE::OUT.get(v) as u8;
            }
        }
    }
}
