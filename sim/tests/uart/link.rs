//! The line with all that is behind it: what becomes of commands when a byte of them is lost.

use crate::protocol::{Access, Expected};
use crate::seed;
use crate::slave::Slave;
use kvcpu_sim::uart::{BIT_CLOCKS, Heard, Listener, Sender};
use kvcpu_sim::{Model, UART_LINK};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Clocks of silence that end a command, and deafness, in the exported link.
const IDLE: u64 = 1024;
/// Clocks of a byte.
const BYTE: u64 = 10 * BIT_CLOCKS as u64;
/// Bytes that the FIFO holds.
const FIFO: usize = 2048;

struct Bench {
    model: Model,
    sender: Sender,
    listener: Listener,
    slave: Slave,
    /// The slave gives no answers: it is at work.
    is_stuck: bool,
    answer: Vec<u8>,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut model = Model::new(&UART_LINK, seed as u32);
        model.set("rx", 1);
        model.reset();
        Bench {
            model,
            sender: Sender::new(BIT_CLOCKS, 1.0),
            listener: Listener::new(BIT_CLOCKS),
            slave: Slave::new(seed, 300),
            is_stuck: false,
            answer: Vec::new(),
        }
    }

    fn clock(&mut self) {
        self.model.set("rx", self.sender.level().into());
        if self.is_stuck {
            for input in ["awready", "wready", "arready", "bvalid", "rvalid"] {
                self.model.set(&format!("m_axil_{input}"), 0);
            }
            self.model.eval();
        } else {
            self.slave.clock(&mut self.model);
        }
        if let Some(Heard::Byte(byte)) = self.listener.hear(self.model.get("tx") == 1) {
            self.answer.push(byte);
        }
        self.model.tick();
    }

    fn run(&mut self, clocks: u64) {
        (0..clocks).for_each(|_| self.clock());
    }

    /// Until all is sent.
    fn send(&mut self, bytes: &[u8]) {
        self.sender.send(bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while self.sender.waiting() > 0 {
            self.clock();
        }
    }

    /// So long that all is done and all is forgotten.
    fn silence(&mut self) {
        self.run(IDLE + 8 * BYTE);
    }

    fn check(&self, expected: &Expected) {
        expected.check(&self.slave.accesses, &self.answer);
    }
}

/// A write of a single word.
fn write(word: u32, value: u32) -> Vec<u8> {
    [&[1, 1], &word.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Sends a command of which one byte has a bad frame.
fn send_damaged(bench: &mut Bench, bytes: &[u8], at: usize) {
    bench.sender.send(&bytes[..at]);
    bench.sender.send_bad(bytes[at]);
    bench.send(&bytes[at + 1..]);
}

#[test]
fn a_bad_frame_anywhere_in_a_command_drops_it_and_all_behind_it_up_to_a_silence() {
    let seed = seed("a_bad_frame_anywhere");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let burst = [&[1, 4, 0, 0, 0, 0x10][..], &(1..=16).collect::<Vec<u8>>()].concat();
    let commands = [write(0x0001_0203, 0x0405_0607), write(9, 0x0101_0101), burst, vec![2, 3, 0, 0, 0, 0x20]];
    for command in commands {
        for at in 0..command.len() {
            let mut bench = Bench::new(rng.random());
            let mut expected = Expected::default();
            bench.send(&write(8, 1));
            expected.command(&write(8, 1));
            send_damaged(&mut bench, &command, at);
            expected.command(&command[..at]);
            // The sender knows nothing of it, and goes on, with pauses too short to be silence.
            for value in 0..4 {
                bench.send(&write(16, value));
                bench.send(&[2, 1, 0, 0, 0, 16]);
                bench.run(rng.random_range(0..IDLE - 2 * BYTE));
            }
            bench.silence();
            println!("bad frame in byte {at} of {command:x?}");
            bench.check(&expected);
            for next in [write(8, 2), vec![2, 2, 0, 0, 0, 8]] {
                bench.send(&next);
                expected.command(&next);
                bench.silence();
            }
            bench.check(&expected);
        }
    }
}

#[test]
fn a_command_that_was_cut_off_does_not_go_on_behind_a_silence_that_the_bridge_did_not_see() {
    // The device takes so long for the word before the loss that what follows the silence waits in the FIFO when the bridge listens again.
    let mut bench = Bench::new(3);
    let mut expected = Expected::default();
    bench.is_stuck = true;
    let burst = [3, 3, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    send_damaged(&mut bench, &burst, 11);
    bench.silence();
    bench.send(&write(20, 0x0506_0708));
    bench.is_stuck = false;
    bench.silence();
    expected.command(&burst[..11]);
    expected.command(&write(20, 0x0506_0708));
    bench.check(&expected);
}

#[test]
fn a_fifo_that_overflows_leaves_no_command_in_part() {
    let mut bench = Bench::new(4);
    let mut expected = Expected::default();
    bench.is_stuck = true;
    // All of them until the one that has not all its room; 10 bytes each, the first of which the bridge holds.
    for value in 0..230 {
        bench.send(&write(value % 64, value));
    }
    bench.is_stuck = false;
    // The FIFO has room again, and the sender goes on.
    bench.run(4 * BYTE);
    for value in 230..240 {
        bench.send(&write(value % 64, value));
    }
    while bench.slave.accesses.len() < FIFO / 10 {
        bench.clock();
    }
    bench.silence();
    let done = bench.slave.accesses.len() as u32;
    assert!((205..=206).contains(&done), "{done} commands of 2,048 bytes and those that the bridge holds");
    (0..done).for_each(|value| expected.command(&write(value % 64, value)));
    bench.check(&expected);
    bench.send(&write(8, 7));
    expected.command(&write(8, 7));
    bench.silence();
    bench.check(&expected);
}

#[test]
fn a_break_is_no_silence() {
    let mut bench = Bench::new(5);
    bench.sender.send(&write(8, 1)[..7]);
    bench.drain();
    for _ in 0..4 * IDLE {
        bench.model.set("rx", 0);
        bench.slave.clock(&mut bench.model);
        bench.model.tick();
    }
    bench.run(IDLE / 2);
    bench.send(&write(8, 2));
    bench.silence();
    assert_eq!(bench.slave.accesses, []);
    bench.send(&write(8, 3));
    bench.silence();
    assert_eq!(bench.slave.accesses, [Access::Write { address: 32, size: 2, data: 3, strobes: 0xF }]);
}
