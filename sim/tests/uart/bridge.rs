//! The bridge against a plain reader of the protocol, on random streams of good, wrong, cut off and babbled commands.

use crate::seed;
use kvcpu_sim::axi::Rules;
use kvcpu_sim::{Model, UART_BRIDGE};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// Clocks of silence that end a command in the exported bridge.
const IDLE: u32 = 256;
/// Clocks in which it must be done with whatever it was at.
const DONE: u32 = 60_000;

/// An access on AXI4-Lite.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    Read { address: u64, size: u64 },
    Write { address: u64, size: u64, data: u64, strobes: u64 },
}

/// The registers behind it, by 8 bytes: what was written, or noise that follows from the address.
#[derive(Clone, Default)]
struct Registers(BTreeMap<u64, u64>);

impl Registers {
    fn get(&self, address: u64) -> u64 {
        let noise = (address / 8 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0.get(&(address / 8)).copied().unwrap_or(noise)
    }

    fn word(&self, address: u64) -> u32 {
        (self.get(address) >> (8 * (address & 4))) as u32
    }

    fn set(&mut self, address: u64, data: u64, strobes: u64) {
        let mask = (0..8)
            .filter(|lane| strobes >> lane & 1 == 1)
            .fold(0, |mask, lane| mask | 0xFF << (8 * lane));
        let value = self.get(address) & !mask | data & mask;
        self.0.insert(address / 8, value);
    }
}

/// What a stream should do: the accesses, in order, and the bytes that come back.
#[derive(Default)]
struct Expected {
    registers: Registers,
    accesses: Vec<Access>,
    answer: Vec<u8>,
}

impl Expected {
    /// A command, of which perhaps not all has come.
    fn command(&mut self, bytes: &[u8]) {
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
}

/// The bridge with a slave that takes its time.
struct Bench {
    model: Model,
    rng: ChaCha8Rng,
    registers: Registers,
    aw: Rules,
    w: Rules,
    ar: Rules,
    address: Option<Vec<u64>>,
    data: Option<Vec<u64>>,
    b: Option<u32>,
    r: Option<(u32, u64)>,
    accesses: Vec<Access>,
    answer: Vec<u8>,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut model = Model::new(&UART_BRIDGE, seed as u32);
        model.reset();
        Bench {
            model,
            rng: ChaCha8Rng::seed_from_u64(seed),
            registers: Registers::default(),
            aw: Rules::new("m_axil", "aw", &["addr", "size"]),
            w: Rules::new("m_axil", "w", &["data", "strb"]),
            ar: Rules::new("m_axil", "ar", &["addr", "size"]),
            address: None,
            data: None,
            b: None,
            r: None,
            accesses: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// A clock in which this byte is offered; whether it was taken.
    fn clock(&mut self, byte: Option<u8>) -> bool {
        let noise: u64 = self.rng.random();
        let model = &mut self.model;
        model.set("in_valid", byte.is_some().into()).set("in_data", byte.map_or(noise, u64::from));
        for ready in ["out_ready", "m_axil_awready", "m_axil_wready", "m_axil_arready"] {
            model.set(ready, self.rng.random());
        }
        let b_valid = self.b.is_some_and(|wait| wait == 0);
        let r = self.r.filter(|(wait, _)| *wait == 0);
        model.set("m_axil_bvalid", b_valid.into()).set("m_axil_rvalid", r.is_some().into());
        model.set("m_axil_rdata", r.map_or(noise, |(_, data)| data));
        model.eval();
        if model.get("out_valid") & model.get("out_ready") == 1 {
            self.answer.push(model.get("out_data") as u8);
        }
        if b_valid && model.get("m_axil_bready") == 1 {
            self.b = None;
        }
        if r.is_some() && model.get("m_axil_rready") == 1 {
            self.r = None;
        }
        self.b = self.b.map(|wait| wait.saturating_sub(1));
        self.r = self.r.map(|(wait, data)| (wait.saturating_sub(1), data));
        // The device may take some hundred clocks for a register, and more after a reset.
        let wait = if self.rng.random_range(0..20) == 0 { 3 * IDLE } else { self.rng.random_range(0..40) };
        self.address = self.aw.observe(model).or(self.address.take());
        self.data = self.w.observe(model).or(self.data.take());
        if let (Some(address), Some(data)) = (&self.address, &self.data) {
            let (address, size, data, strobes) = (address[0], address[1], data[0], data[1]);
            assert_eq!(self.b, None, "a write before the one before is answered");
            self.registers.set(address, data, strobes);
            // Lanes that are not written may carry anything.
            let mask = (0..8)
                .filter(|lane| strobes >> lane & 1 == 1)
                .fold(0, |mask, lane| mask | 0xFF << (8 * lane));
            self.accesses.push(Access::Write { address, size, data: data & mask, strobes });
            (self.address, self.data, self.b) = (None, None, Some(wait));
        }
        if let Some(read) = self.ar.observe(model) {
            let (address, size) = (read[0], read[1]);
            assert_eq!((self.b, self.r), (None, None), "a read before the access before is answered");
            // The half that was not asked for is noise.
            let value = self.registers.get(address);
            let half = 0xFFFF_FFFF << (8 * (address & 4));
            let data = if size == 3 { value } else { value & half | noise & !half };
            self.accesses.push(Access::Read { address, size });
            self.r = Some((wait, data));
        }
        let taken = byte.is_some() && model.get("in_ready") == 1;
        model.tick();
        taken
    }

    fn offer(&mut self, byte: u8) {
        let taken = (0..DONE).any(|_| self.clock(Some(byte)));
        assert!(taken, "it takes no bytes any more");
    }

    /// So long that it is done, and has forgotten what was not all there.
    fn silence(&mut self) {
        let (mut quiet, mut clocks) = (0, 0);
        while quiet < 2 * IDLE {
            let before = (self.accesses.len(), self.answer.len());
            self.clock(None);
            let waits = self.b.is_some() || self.r.is_some() || before != (self.accesses.len(), self.answer.len());
            quiet = if waits { 0 } else { quiet + 1 };
            clocks += 1;
            assert!(clocks < DONE, "it does not come to an end");
        }
    }

    fn check(&self, expected: &Expected) {
        let differs = self
            .accesses
            .iter()
            .zip(&expected.accesses)
            .position(|(found, expected)| found != expected);
        if let Some(at) = differs {
            panic!("access {at}: {:x?}, not {:x?}", self.accesses[at], expected.accesses[at]);
        }
        assert_eq!(self.accesses.len(), expected.accesses.len(), "accesses");
        assert_eq!(self.answer, expected.answer);
    }
}

/// A command with all that belongs to it.
fn command(rng: &mut ChaCha8Rng, code: u8) -> Vec<u8> {
    let length: u8 = if rng.random_range(0..8) == 0 { rng.random() } else { rng.random_range(0..6) };
    // Ends of both BARs, what lies between and beyond, and the end of all.
    let base = *[0u32, 0x3FF8, 0x20_0000, 0x27_FFFA, 0x1000_0000, 0x2000_0000, 0x8000_0000, 0xFFFF_FFFC]
        .choose(rng)
        .unwrap();
    let word: u32 = base.wrapping_add(rng.random_range(0..8));
    let mut bytes = vec![code, length];
    bytes.extend(word.to_be_bytes());
    if code == 1 || code == 3 {
        bytes.extend((0..4 * u32::from(length)).map(|_| rng.random::<u8>()));
    }
    bytes
}

#[test]
fn random_commands_do_what_the_protocol_says_and_none_wedges_it() {
    let seed = seed("random_commands");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut wide, mut cut, mut wrong) = (0, 0, 0);
    for round in 0..40 {
        let mut bench = Bench::new(rng.random());
        let mut expected = Expected::default();
        for _ in 0..40 {
            let code = if rng.random_range(0..6) == 0 { rng.random() } else { rng.random_range(1..=4) };
            wrong += u32::from(!(1..=4).contains(&code));
            let mut bytes = command(&mut rng, code);
            let is_cut = rng.random_range(0..6) == 0;
            if is_cut {
                bytes.truncate(rng.random_range(1..=bytes.len()));
                cut += 1;
            }
            expected.command(&bytes);
            for byte in bytes {
                // A pause within a command, but none that ends it.
                for _ in 0..if rng.random_range(0..16) == 0 { rng.random_range(0..IDLE - 1) } else { 0 } {
                    bench.clock(None);
                }
                bench.offer(byte);
            }
            if is_cut {
                bench.silence();
            }
        }
        bench.silence();
        println!("round {round}: {} accesses", bench.accesses.len());
        bench.check(&expected);
        wide += expected
            .accesses
            .iter()
            .filter(|access| matches!(access, Access::Read { size: 3, .. } | Access::Write { size: 3, .. }))
            .count();
    }
    assert!(wide > 500 && cut > 100 && wrong > 100, "{wide} wide accesses, {cut} cut off, {wrong} wrong");
}

#[test]
fn bursts_of_every_length_are_pairs_and_single_words() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for code in 1..=4 {
        let mut bench = Bench::new(u64::from(code));
        let mut expected = Expected::default();
        for length in 0..=255u8 {
            let word = 0x100 + u32::from(length % 2 + length / 100);
            let mut bytes = vec![code, length];
            bytes.extend(word.to_be_bytes());
            if code % 2 == 1 {
                bytes.extend((0..4 * u32::from(length)).map(|_| rng.random::<u8>()));
            }
            expected.command(&bytes);
            bytes.into_iter().for_each(|byte| bench.offer(byte));
        }
        bench.silence();
        bench.check(&expected);
    }
}

#[test]
fn silence_ends_a_command_after_its_time_and_not_before() {
    for pause in (IDLE - 3..IDLE + 6).chain([2 * IDLE]) {
        let mut bench = Bench::new(3);
        let mut expected = Expected::default();
        let head = [1, 1, 0, 0, 0];
        head.into_iter().for_each(|byte| bench.offer(byte));
        for _ in 0..pause {
            bench.clock(None);
        }
        // A command of its own; or, if the one before goes on, its address' last byte and its word, and what never comes to an end.
        let rest = [1, 1, 0, 0, 0, 9, 5, 6, 7, 8];
        rest.into_iter().for_each(|byte| bench.offer(byte));
        bench.silence();
        if pause > IDLE {
            expected.command(&rest)
        } else {
            expected.command(&[&head[..], &rest[..5]].concat())
        }
        println!("{pause} clocks");
        bench.check(&expected);
    }
}

#[test]
fn bytes_without_sense_never_wedge_it() {
    let seed = seed("bytes_without_sense");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..20 {
        let mut bench = Bench::new(rng.random());
        let mut waiting: VecDeque<u8> = (0..300).map(|_| rng.random()).collect();
        while let Some(byte) = waiting.pop_front() {
            bench.offer(byte);
        }
        bench.silence();
        let (accesses, answers) = (bench.accesses.len(), bench.answer.len());
        [2, 1, 0, 0, 0, 3].into_iter().for_each(|byte| bench.offer(byte));
        bench.silence();
        assert_eq!(bench.accesses[accesses..], [Access::Read { address: 12, size: 2 }]);
        assert_eq!(bench.answer[answers..], bench.registers.word(12).to_be_bytes());
    }
}
