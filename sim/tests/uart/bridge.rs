//! The bridge against a plain reader of the protocol, on random streams of good, wrong, cut off and babbled commands.

use crate::protocol::{Access, Expected};
use crate::seed;
use crate::slave::Slave;
use kvcpu_sim::{Model, UART_BRIDGE};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Clocks of silence that end a command in the exported bridge.
const IDLE: u32 = 256;
/// Clocks in which it must be done with whatever it was at.
const DONE: u32 = 60_000;

/// The bridge with a slave that takes its time.
struct Bench {
    model: Model,
    rng: ChaCha8Rng,
    slave: Slave,
    answer: Vec<u8>,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut model = Model::new(&UART_BRIDGE, seed as u32);
        model.reset();
        let slave = Slave::new(seed ^ 1, 3 * IDLE);
        Bench { model, rng: ChaCha8Rng::seed_from_u64(seed), slave, answer: Vec::new() }
    }

    /// A clock in which this byte is offered; whether it was taken.
    fn clock(&mut self, byte: Option<u8>) -> bool {
        let noise = self.rng.random();
        self.clock_with(byte, byte.is_none() && noise)
    }

    /// A clock in which this byte is offered, perhaps as the first behind a loss.
    fn clock_with(&mut self, byte: Option<u8>, is_first: bool) -> bool {
        let noise: u8 = self.rng.random();
        let model = &mut self.model;
        model.set("in_valid", byte.is_some().into()).set("in_data", byte.unwrap_or(noise).into());
        model.set("in_first", is_first.into()).set("out_ready", self.rng.random());
        self.slave.clock(model);
        if model.get("out_valid") & model.get("out_ready") == 1 {
            self.answer.push(model.get("out_data") as u8);
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
            let before = (self.slave.accesses.len(), self.answer.len());
            self.clock(None);
            let waits = self.slave.is_busy() || before != (self.slave.accesses.len(), self.answer.len());
            quiet = if waits { 0 } else { quiet + 1 };
            clocks += 1;
            assert!(clocks < DONE, "it does not come to an end");
        }
    }

    fn check(&self, expected: &Expected) {
        expected.check(&self.slave.accesses, &self.answer);
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
        println!("round {round}: {} accesses", bench.slave.accesses.len());
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
fn a_byte_behind_a_loss_begins_a_command_whatever_was_under_way() {
    let whole = [1, 3, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let next = [1, 1, 0, 0, 0, 9, 5, 6, 7, 8, 2, 2, 0, 0, 0, 8];
    for cut in 0..=whole.len() {
        let mut bench = Bench::new(cut as u64);
        let mut expected = Expected::default();
        whole[..cut].iter().for_each(|byte| bench.offer(*byte));
        let taken = (0..DONE).any(|_| bench.clock_with(Some(next[0]), true));
        assert!(taken, "it takes no bytes any more");
        next[1..].iter().for_each(|byte| bench.offer(*byte));
        bench.silence();
        expected.command(&whole[..cut]);
        expected.command(&next[..10]);
        expected.command(&next[10..]);
        println!("behind {cut} bytes");
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
        let (accesses, answers) = (bench.slave.accesses.len(), bench.answer.len());
        [2, 1, 0, 0, 0, 3].into_iter().for_each(|byte| bench.offer(byte));
        bench.silence();
        assert_eq!(bench.slave.accesses[accesses..], [Access::Read { address: 12, size: 2 }]);
        assert_eq!(bench.answer[answers..], bench.slave.registers.word(12).to_be_bytes());
    }
}
