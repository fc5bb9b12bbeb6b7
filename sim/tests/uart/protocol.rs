//! A plain reader of the protocol: what a stream of bytes should do. `docs/uart.md`, Commands.

use std::collections::BTreeMap;

/// An access on AXI4-Lite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read { address: u64, size: u64 },
    Write { address: u64, size: u64, data: u64, strobes: u64 },
}

/// The registers behind it, by 8 bytes: what was written, or noise that follows from the address.
#[derive(Clone, Default)]
pub(crate) struct Registers(BTreeMap<u64, u64>);

impl Registers {
    pub(crate) fn get(&self, address: u64) -> u64 {
        let noise = (address / 8 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0.get(&(address / 8)).copied().unwrap_or(noise)
    }

    pub(crate) fn word(&self, address: u64) -> u32 {
        (self.get(address) >> (8 * (address & 4))) as u32
    }

    pub(crate) fn set(&mut self, address: u64, data: u64, strobes: u64) {
        let mask = (0..8)
            .filter(|lane| strobes >> lane & 1 == 1)
            .fold(0, |mask, lane| mask | 0xFF << (8 * lane));
        let value = self.get(address) & !mask | data & mask;
        self.0.insert(address / 8, value);
    }
}

/// What a stream should do: the accesses, in order, and the bytes that come back.
#[derive(Default)]
pub(crate) struct Expected {
    registers: Registers,
    pub(crate) accesses: Vec<Access>,
    pub(crate) answer: Vec<u8>,
}

impl Expected {
    /// A command, of which perhaps not all has come.
    pub(crate) fn command(&mut self, bytes: &[u8]) {
        let &[code, length, a, b, c, d, ref words @ ..] = bytes else { return };
        let is_write = match code {
            1 | 3 => true,
            2 | 4 => false,
            _ => return,
        };
        let mut word = u64::from(u32::from_be_bytes([a, b, c, d]));
        let mut words = words.chunks(4).map(|word| word.try_into().ok().map(u32::from_be_bytes));
        let mut left = u32::from(length);
        while left > 0 {
            let wide = code < 3 && word % 2 == 0 && left > 1;
            let count = if wide { 2 } else { 1 };
            let address = 4 * word;
            let is_mapped = address < 0x1_0000 || (0x80_0000..0xA0_0000).contains(&address);
            let size = if wide { 3 } else { 2 };
            if is_write {
                let values: Vec<u32> = words.by_ref().take(count).map_while(|word| word).collect();
                if values.len() < count {
                    return;
                }
                let data = values.iter().rev().fold(0, |data, value| data << 32 | u64::from(*value));
                let data = if wide || address & 4 == 0 { data } else { data << 32 };
                let strobes = if wide { 0xFF } else { 0xF << (address & 4) };
                if is_mapped {
                    self.accesses.push(Access::Write { address, size, data, strobes });
                    self.registers.set(address, data, strobes);
                }
            } else {
                for at in 0..count as u64 {
                    let value = if is_mapped { self.registers.word(address + 4 * at) } else { u32::MAX };
                    self.answer.extend(value.to_be_bytes());
                }
                if is_mapped {
                    self.accesses.push(Access::Read { address, size });
                }
            }
            left -= count as u32;
            if code < 3 {
                word = (word + count as u64) & 0xFFFF_FFFF;
            }
        }
    }
    /// That this is what was done and what came back.
    pub(crate) fn check(&self, accesses: &[Access], answer: &[u8]) {
        let differs = accesses.iter().zip(&self.accesses).position(|(found, expected)| found != expected);
        if let Some(at) = differs {
            panic!("access {at}: {:x?}, not {:x?}", accesses[at], self.accesses[at]);
        }
        assert_eq!(accesses.len(), self.accesses.len(), "accesses");
        assert_eq!(answer, self.answer);
    }
}
