//! The DMA unit between two memories: how much of the bus it uses. docs/rtl/dma.md.
//!
//! A memory that rests in some clocks takes bandwidth by itself: it hands over a word in the others at best. What the unit loses
//! beyond that is what counts.

use crate::{Row, bus};
use kvcpu_sim::axi::{Manner, Slave};
use kvcpu_sim::{DMA, Model};

const UNIT: u32 = 0x70_0000;
const COMPLETION: u32 = UNIT | 0x40;
const RESULT: u32 = UNIT | 0x41;
const NONE: u32 = u32::MAX;
/// Bytes of a move: 1 MiB.
const BYTES: u64 = 1 << 20;
/// Clocks from a request to its answer.
const LATENCY: u64 = 100;
const FROM_CARD: u32 = 1;
const TO_CARD: u32 = 2;
const DOWN: u32 = 0;
const UP: u32 = 1;

struct Bench {
    model: Model,
    host: Slave,
    card: Slave,
}

/// A move: channel, spaces.
type Move = (u32, u32);

pub(crate) fn rows(seed: u64) -> Vec<Row> {
    let ready =
        "`kvcpu_dma`, moves of 1 MiB, memories always ready, 100 clocks latency: words written a clock until the last";
    let mut rows = Vec::new();
    for (name, moves) in [
        ("host to card", &[(DOWN, TO_CARD)][..]),
        ("card to host", &[(UP, FROM_CARD)]),
        ("card to card", &[(DOWN, FROM_CARD | TO_CARD)]),
    ] {
        let (copied, all) = measure(seed, moves, 1.0);
        let counted = format!("{:.1}% ({:.1}% with reading back)", 100.0 * copied, 100.0 * all);
        rows.push(Row::asked(format!("DMA: {name}"), "at least 95% of data beats", (counted, copied >= 0.95), ready));
    }
    let both = &[(DOWN, TO_CARD), (UP, FROM_CARD)];
    let (copied, all) = measure(seed, both, 1.0);
    let counted = format!("{:.1}% of each direction ({:.1}% with reading back)", 50.0 * copied, 50.0 * all);
    rows.push(Row::asked("DMA: both channels at once", "both at once", (counted, copied >= 1.9), ready));
    for readiness in [0.9, 0.5] {
        let (copied, _) = measure(seed, &[(DOWN, TO_CARD)], readiness);
        let lost = 100.0 * (1.0 - copied / readiness);
        rows.push(Row::asked(
            format!("DMA: back-pressure in {:.0}% of clocks", 100.0 * (1.0 - readiness)),
            "less than 5% lost beyond it",
            (format!("{lost:.1}% lost ({copied:.3} words a clock of {readiness:.3})"), lost < 5.0),
            "`kvcpu_dma`, host to card, 1 MiB: each channel of both memories rests at random",
        ));
    }
    rows
}

/// Words a clock until the last is written, and until the completion, in which all was read back.
fn measure(seed: u64, moves: &[Move], readiness: f64) -> (f64, f64) {
    let manner = Manner { ready: readiness, answer: readiness, ..Manner::quick(LATENCY) };
    let mut bench = Bench {
        model: Model::new(&DMA, seed as u32),
        host: Slave::new("m_host", manner.clone(), seed),
        card: Slave::new("m_card", manner, !seed),
    };
    bench.model.reset();
    let reset = bench.model.clocks();
    bench.model.set("bus_master", 1);
    for (number, (channel, spaces)) in (0..).zip(moves) {
        let (from, to) = (0x10_0000 + BYTES * number, 0x8000_0000 + BYTES * number);
        let words = [from as u32, 0, to as u32, 0, BYTES as u32, *spaces, number as u32];
        for (place, word) in (0..).zip(words) {
            bench.access(UNIT | (16 * channel + place), Some(word));
        }
    }
    let begin = bench.model.clocks();
    for _ in moves {
        while bench.access(COMPLETION, None) == NONE {}
        assert_eq!(bench.access(RESULT, None), 0, "the move failed");
        bench.access(UNIT | 0x43, Some(0));
    }
    let written = bench.host.counts().last_written.max(bench.card.counts().last_written) + reset + 1;
    let words = (moves.len() as u64 * BYTES / 8) as f64;
    (words / (written - begin) as f64, words / (bench.model.clocks() - begin) as f64)
}

impl Bench {
    fn access(&mut self, address: u32, write: Option<u32>) -> u32 {
        let Bench { model, host, card } = self;
        bus::ask(model, address, write);
        let tick = |model: &mut Model| {
            host.drive(model);
            card.drive(model);
            model.eval();
            host.observe(model);
            card.observe(model);
            model.tick();
        };
        bus::answer(model, tick).0
    }
}
