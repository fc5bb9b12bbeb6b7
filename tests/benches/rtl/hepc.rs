//! HEPC beside a RAM of entries: a sweep, and its first score. docs/rtl/hepc.md.

use crate::{Row, bus};
use kvcpu_mmio::Geometry;
use kvcpu_sim::{HEPC, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

const UNIT: u32 = 0x60_0000;
const SWEEP: u32 = UNIT | 0x28;
const OFFER: u32 = UNIT | 0x29;
const SCORE: u32 = UNIT | 0x2A;
const MARK: u32 = UNIT | 0x2C;
const COUNT: u32 = UNIT | 0x2D;
const BUSY: u32 = UNIT | 0x2E;
const PRESCORE: u32 = UNIT | 0x2F;
const SCORED: u32 = UNIT | 0x30;
/// The geometry that `kvcpu_hepc` was made for.
const GEOMETRY: Geometry = Geometry::TEST;
/// Sweeps of other entries each.
const SWEEPS: usize = 8;
/// Clocks in which the first score is there by far.
const FIRST_SCORE: u64 = 100;

pub(crate) fn rows(seed: u64) -> Vec<Row> {
    let rows = u64::from(GEOMETRY.slots() / GEOMETRY.lanes);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sweeps: Vec<u64> = (0..SWEEPS).map(|_| sweep(&mut rng, false)).collect();
    let again = sweep(&mut rng, true);
    let (most, least) = (*sweeps.iter().max().unwrap(), *sweeps.iter().min().unwrap());
    let over = |clocks: u64| 100.0 * (clocks as f64 / rows as f64 - 1.0);
    let how = format!(
        "`kvcpu_hepc`, {} entries and stash, {} lanes: the request to BUSY read as 0",
        GEOMETRY.slots(),
        GEOMETRY.lanes
    );
    let (first, ahead) = (first_score(false), first_score(true));
    let mut model = ready(seed);
    bus::write(&mut model, SCORE, 0);
    let score = bus::read(&mut model, SCORED).1;
    vec![
        Row::asked(
            "sweep, unordered ranks",
            "LANES entries a clock, under 5% more",
            (format!("{least} to {most} clocks for {rows} rows, {:.1}% more", over(most)), over(most) < 5.0),
            format!("{how}, {SWEEPS} sweeps of entries at random"),
        ),
        Row::asked(
            "sweep, ranks that fall with the index",
            "LANES entries a clock, under 5% more",
            (format!("{again} clocks for {rows} rows, {:.1}% more", over(again)), over(again) < 5.0),
            format!("{how}, each entry a better victim of one tier than all before"),
        ),
        Row::plain(
            "SWEEP to first score written",
            format!("{ahead} clocks after PRESCORE, {first} without"),
            "`kvcpu_hepc`: from the request on the bus to the score in the directory; from CMD_GO on it is counted below",
        ),
        Row::plain("MARK, COUNT", format!("{}, {} clocks", pass(&mut model, MARK), pass(&mut model, COUNT)), how),
        Row::plain(
            "SCORE, OFFER",
            format!("{score} clocks to read P; {:.2} clocks an offer", offers(&mut model)),
            "`kvcpu_hepc`: an entry at a time; 100 offers one after another, the rests of the bus included",
        ),
    ]
}

/// The unit out of reset, with WR 1 and nothing else: P is ENTRY_ACCESS.
fn ready(seed: u64) -> Model {
    let mut model = Model::new(&HEPC, seed as u32);
    model.reset();
    for parameter in 0..0x28 {
        bus::write(&mut model, UNIT | parameter, u32::from(parameter == 0));
    }
    for index in 0..GEOMETRY.slots() {
        load(&mut model, index, 1, 0);
    }
    model
}

/// A resident block of this tier, last used at `access`, with score 0.
fn load(model: &mut Model, index: u32, access: u32, tier: u64) {
    let state = 1 << 30 | tier << 28;
    model.set("load", 1).set("load_index", index.into()).set("load0", 0).set("load1", 0);
    model.set("load2", access.into()).set("load3", state << 32).tick().set("load", 0);
}

/// Clocks of a pass over all entries.
fn pass(model: &mut Model, command: u32) -> u64 {
    let begin = model.clocks();
    bus::write(model, command, 0);
    while bus::read(model, BUSY).0 != 0 {}
    model.clocks() - begin
}

/// Clocks of a sweep over entries of four tiers whose recency is random, or of one tier whose recency falls.
fn sweep(rng: &mut ChaCha8Rng, falls: bool) -> u64 {
    let mut model = ready(rng.random());
    for index in 0..GEOMETRY.slots() {
        let (access, tier) =
            if falls { (4_000 - index, 0) } else { (rng.random_range(1..16_000), rng.random_range(0..4)) };
        load(&mut model, index, access, tier);
    }
    pass(&mut model, SWEEP)
}

fn offers(model: &mut Model) -> f64 {
    let begin = model.clocks();
    for index in 0..100 {
        bus::write(model, OFFER, index);
    }
    (model.clocks() - begin) as f64 / 100.0
}

/// Clocks from the request of a sweep until an entry has its score: the sweep is cut off by a reset after more and more clocks.
fn first_score(ahead: bool) -> u64 {
    let has_score = |clocks: &u64| {
        let mut model = ready(1);
        if ahead {
            pass(&mut model, PRESCORE);
        }
        bus::ask(&mut model, SWEEP, Some(0));
        let begin = model.clocks();
        while model.clocks() - begin < *clocks {
            if model.eval().get("bus_ready") == 1 {
                model.tick().set("bus_select", 0);
            } else {
                model.tick();
            }
        }
        model.set("bus_select", 0).reset();
        model.set("show", 1);
        (0..GEOMETRY.slots()).any(|index| {
            model.set("load_index", index.into()).tick().tick().eval();
            let (id_place, access) = (model.get("shown1"), model.get("shown2") as u32);
            assert_eq!(access, 1);
            id_place >> 48 == 1
        })
    };
    // The reset's own clock is the last in which it may be written.
    (1..FIRST_SCORE)
        .find(has_score)
        .map(|clocks| clocks + 1)
        .expect("a sweep scores its first entry")
}
