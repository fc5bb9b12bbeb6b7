//! Receiver and transmitter, each against frames made of bits by hand.

use crate::seed;
use kvcpu_sim::uart::{BIT_CLOCKS, Heard, Sender};
use kvcpu_sim::{
    Design, Model, UART_RECEIVER, UART_RECEIVER_6, UART_RECEIVER_7, UART_RECEIVER_9, UART_RECEIVER_70, UART_TRANSMITTER,
};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Receivers of few clocks a bit, even and odd, and of a board's.
const RECEIVERS: [(&Design, u32); 5] = [
    (&UART_RECEIVER_6, 6),
    (&UART_RECEIVER_7, 7),
    (&UART_RECEIVER, BIT_CLOCKS),
    (&UART_RECEIVER_9, 9),
    (&UART_RECEIVER_70, 70),
];

/// How far a sender's bit may be from the receiver's, as parts of it: shorter, and longer. `docs/uart.md`, The line.
fn limits(bit_clocks: u32) -> (f64, f64) {
    let bit = f64::from(bit_clocks);
    (f64::from(bit_clocks.div_ceil(2) - 1) / (10.0 * bit), f64::from(bit_clocks / 2) / (9.0 * bit))
}

/// A clock of the receiver; what it said.
fn hear(model: &mut Model, level: bool) -> Option<Heard> {
    model.set("rx", level.into()).eval();
    let heard = match (model.get("out_valid"), model.get("bad_frame")) {
        (0, 0) => None,
        (1, 0) => Some(Heard::Byte(model.get("out_data") as u8)),
        (0, 1) => Some(Heard::BadFrame),
        both => panic!("{both:?}"),
    };
    model.tick();
    heard
}

fn receiver(design: &'static Design, seed: u64) -> Model {
    let mut model = Model::new(design, seed as u32);
    model.set("rx", 1);
    model.reset();
    model
}

#[test]
fn bytes_come_through_at_any_rate_within_the_limits_and_bad_frames_are_dropped() {
    let seed = seed("bytes_come_through");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (design, bit_clocks) in RECEIVERS {
        come_through(design, bit_clocks, &mut rng);
    }
}

fn come_through(design: &'static Design, bit_clocks: u32, rng: &mut ChaCha8Rng) {
    let (shorter, longer) = limits(bit_clocks);
    let (mut bytes, mut bad) = (0, 0);
    for _ in 0..60 {
        let mut model = receiver(design, rng.random());
        let rate = *[1.001 - shorter, 0.999 + longer, rng.random_range(1.001 - shorter..0.999 + longer)]
            .choose(rng)
            .unwrap();
        let mut sender = Sender::new(bit_clocks, rate);
        let mut sent = Vec::new();
        for _ in 0..100 {
            let byte = rng.random();
            match rng.random_range(0..8) {
                0 => {
                    sender.send_bad(byte);
                    sent.push(Heard::BadFrame);
                    bad += 1;
                }
                1 => sender.rest(),
                _ => {
                    sender.send(&[byte]);
                    sent.push(Heard::Byte(byte));
                    bytes += 1;
                }
            }
        }
        let mut heard = Vec::new();
        while sender.waiting() > 0 {
            heard.extend(hear(&mut model, sender.level()));
            // Now and then the line rests for less than a bit between two frames.
            if sender.is_between() && rng.random_range(0..4) == 0 {
                heard.extend((0..rng.random_range(1..bit_clocks)).filter_map(|_| hear(&mut model, true)));
            }
        }
        heard.extend((0..2 * bit_clocks).filter_map(|_| hear(&mut model, true)));
        assert_eq!(heard, sent, "{bit_clocks} clocks a bit, times {rate}");
    }
    assert!(bytes > 3000 && bad > 300, "{bytes} bytes, {bad} bad frames");
}

#[test]
fn bytes_do_not_come_through_beyond_the_limits() {
    for (design, bit_clocks) in RECEIVERS {
        let (shorter, longer) = limits(bit_clocks);
        for rate in [0.99 - shorter, 1.01 + longer] {
            let mut model = receiver(design, 3);
            let mut sender = Sender::new(bit_clocks, rate);
            // The last bit of data differs from the stop bit, and so does the start bit behind it.
            let bytes = vec![0x55; 100];
            sender.send(&bytes);
            let mut heard = Vec::new();
            while sender.waiting() > 0 {
                heard.extend(hear(&mut model, sender.level()));
            }
            let sent: Vec<Heard> = bytes.into_iter().map(Heard::Byte).collect();
            assert_ne!(
                heard, sent,
                "{bit_clocks} clocks a bit, times {rate}: the limits are not where they are said to be"
            );
        }
    }
}

#[test]
fn spikes_are_no_bytes_and_a_break_is_one_bad_frame() {
    let mut model = receiver(&UART_RECEIVER, 2);
    for clocks in 1..BIT_CLOCKS / 2 {
        let heard: Vec<Heard> = (0..20 * BIT_CLOCKS).filter_map(|clock| hear(&mut model, clock >= clocks)).collect();
        assert_eq!(heard, [], "a spike of {clocks} clocks");
    }
    let heard: Vec<Heard> = (0..100 * BIT_CLOCKS).filter_map(|_| hear(&mut model, false)).collect();
    assert_eq!(heard, [Heard::BadFrame], "a break");
    let mut sender = Sender::new(BIT_CLOCKS, 1.0);
    sender.rest();
    sender.send(&[0xA5]);
    let heard: Vec<Heard> = (0..30 * BIT_CLOCKS).filter_map(|_| hear(&mut model, sender.level())).collect();
    assert_eq!(heard, [Heard::Byte(0xA5)], "after the break");
}

#[test]
fn a_reset_in_the_middle_of_a_byte_forgets_it() {
    for clocks in 1..10 * BIT_CLOCKS {
        let mut model = receiver(&UART_RECEIVER, clocks.into());
        let mut sender = Sender::new(BIT_CLOCKS, 1.0);
        sender.send(&[0xFF]);
        for _ in 0..clocks {
            assert_eq!(hear(&mut model, sender.level()), None);
        }
        model.set("rx", 1).reset();
        let mut sender = Sender::new(BIT_CLOCKS, 1.0);
        sender.send(&[0x3C]);
        let heard: Vec<Heard> = (0..12 * BIT_CLOCKS).filter_map(|_| hear(&mut model, sender.level())).collect();
        assert_eq!(heard, [Heard::Byte(0x3C)], "after a reset in clock {clocks}");
    }
}

#[test]
fn what_is_transmitted_has_whole_bits_and_rests_high() {
    let seed = seed("what_is_transmitted");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut model = Model::new(&UART_TRANSMITTER, seed as u32);
    model.reset();
    // What the line is to be from the coming clock on.
    let mut line: Vec<bool> = Vec::new();
    let mut bytes = 0;
    let mut eager = 4;
    for clock in 0..100_000 {
        if clock % 1000 == 0 {
            eager = rng.random_range(1..=8);
        }
        let byte: u8 = rng.random();
        model.set("in_valid", (rng.random_range(0..8) < eager).into()).set("in_data", byte.into());
        model.eval();
        let expected = if line.is_empty() { true } else { line.remove(0) };
        assert_eq!(model.get("tx") == 1, expected, "clock {clock}");
        if model.get("in_valid") & model.get("in_ready") == 1 {
            assert!(line.is_empty(), "clock {clock}: it takes a byte while it sends one");
            let bits = (0..10).map(|bit| (0x200 | u16::from(byte) << 1) >> bit & 1 == 1);
            line = bits.flat_map(|bit| std::iter::repeat_n(bit, BIT_CLOCKS as usize)).collect();
            bytes += 1;
        }
        model.tick();
    }
    assert!(bytes > 1000, "{bytes} bytes");
}
