//! The directory: the look-up by itself, and on the bus. docs/rtl/directory.md.

use crate::{Row, bus};
use kvcpu_mmio::Geometry;
use kvcpu_sim::{DIRECTORY, LOOKUP, Model};

/// Clocks of look-ups one after another.
const STREAM: u64 = 10_000;

const KEY_TAG_LO: u32 = 0x50_0000;
const FIND: u32 = 0x50_0003;
const COMMIT: u32 = 0x50_0005;
const HASH: u32 = 0x50_0006;
const CLEAR: u32 = 0x50_0008;
const TOUCHED_POP: u32 = 0x50_000A;
const ENTRIES: u32 = 0x40_0000;

pub(crate) fn rows(seed: u64) -> Vec<Row> {
    let (latency, share) = lookup(seed);
    let how = "`kvcpu_lookup`, 1,024 entries: a key a clock";
    let mut rows = vec![
        Row::asked("look-up: latency", "at most 6 clocks", (format!("{latency} clocks"), latency <= 6), how),
        Row::asked(
            "look-up: rate",
            "one a clock",
            (format!("{share:.3} a clock"), share == 1.0),
            format!("{how}, {STREAM} clocks in which no slot is written or read"),
        ),
    ];
    let accesses = on_the_bus(seed).map(|(what, clocks)| format!("{what} {clocks}")).join(", ");
    let how = "`kvcpu_directory`, 1,024 entries: clocks from a request to its answer, no sweep beside it";
    rows.push(Row::plain("directory on the bus", accesses, how));
    rows
}

/// Offers the key `tag`; the first slot of the stash has that of tag 1.
fn offer(model: &mut Model, tag: u64) {
    model.set("in_valid", 1).set("tag", tag).set("request", 7).set("tenant", 1);
}

/// Clocks from a key to its result, and results a clock.
fn lookup(seed: u64) -> (u64, f64) {
    let mut model = Model::new(&LOOKUP, seed as u32);
    model.reset();
    while model.get("ready") == 0 {
        model.tick();
    }
    let slot = u64::from(Geometry::TEST.entries());
    // TAG_HI, then request and tenant, then TAG_LO with the state.
    for (parts, data) in [(2, 0), (4, 1 << 16 | 7), (1, 1)] {
        model
            .set("slot", slot)
            .set("write", parts)
            .set("write_data", data)
            .set("write_state", 1)
            .tick();
    }
    model.set("write", 0);
    offer(&mut model, 1);
    let begin = model.clocks();
    while model.tick().get("out_valid") == 0 {
        model.set("in_valid", 0);
    }
    let latency = model.clocks() - begin;
    assert_eq!((model.get("hit"), model.get("index")), (1, slot));
    for _ in 0..latency {
        model.tick();
    }
    // Every other key is there.
    let (mut found, mut hits) = (0, 0);
    for clock in 0..STREAM + latency {
        offer(&mut model, clock % 2);
        model.set("in_valid", (clock < STREAM).into()).tick();
        found += model.get("out_valid");
        hits += model.get("out_valid") & model.get("hit");
    }
    assert_eq!(found, 2 * hits);
    (latency, found as f64 / STREAM as f64)
}

/// Accesses by name, and their clocks.
fn on_the_bus(seed: u64) -> [(&'static str, u64); 8] {
    let mut model = Model::new(&DIRECTORY, seed as u32);
    model.reset();
    let begin = model.clocks();
    while bus::read(&mut model, CLEAR).0 == 1 {}
    let clear = model.clocks() - begin;
    [
        ("KEY", bus::write(&mut model, KEY_TAG_LO, 1)),
        ("HASH", bus::read(&mut model, HASH).1),
        ("FIND", bus::read(&mut model, FIND).1),
        ("a word written", bus::write(&mut model, ENTRIES, 1)),
        ("a word read", bus::read(&mut model, ENTRIES).1),
        ("COMMIT", bus::write(&mut model, COMMIT, 0)),
        ("TOUCHED_POP", bus::read(&mut model, TOUCHED_POP).1),
        ("CLEAR until its end is read", clear),
    ]
}
