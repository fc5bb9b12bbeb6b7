//! Words a clock on long copies, from memories that are always ready and answer after some clocks.

use crate::bench::{Bench, Job, Space};
use kvcpu_sim::axi::Manner;

/// 1 MiB.
const BYTES: u64 = 1 << 20;

fn job(from: Space, to: Space, id: u64) -> Job {
    Job { from: (from, 0x100_0000 * (id + 1)), to: (to, 0x1000_0000 * (id + 1)), bytes: BYTES, id }
}

/// Words a clock until the last one is written, and until the completion, with the channels held back to this level.
fn measure(jobs: &[Job], level: u32) -> (f64, f64) {
    let mut bench = Bench::new(1, &Manner::quick(100));
    bench.model.set("level", level.into());
    for job in jobs {
        bench.go(job.id, job);
    }
    let start = bench.model.clocks();
    for _ in jobs {
        let done = bench.done();
        assert_eq!(done.result, 0, "{done:?}");
    }
    let (host, card) = (bench.host.counts(), bench.card.counts());
    // The slaves do not see the clocks of a reset.
    let copy = host.last_written.max(card.last_written) + 2 - start;
    let words = (jobs.iter().map(|job| job.bytes).sum::<u64>() / 8) as f64;
    (words / copy as f64, words / (bench.model.clocks() - start) as f64)
}

#[test]
fn long_copies_use_the_bus() {
    let (host, card) = (Space::Host, Space::Card);
    for (name, jobs, expected) in [
        ("host to card", vec![job(host, card, 0)], 0.95),
        ("card to host", vec![job(card, host, 1)], 0.95),
        ("card to card", vec![job(card, card, 0)], 0.95),
        ("both directions at once", vec![job(host, card, 0), job(card, host, 1)], 1.9),
        ("both to the card", vec![job(host, card, 0), job(host, card, 1)], 0.95),
    ] {
        let (copy, all) = measure(&jobs, 0);
        println!("{name}: {copy:.3} words a clock copying, {all:.3} with reading back");
        assert!(copy >= expected, "{name}: {copy}");
    }
}

#[test]
fn a_level_leaves_each_channel_its_share_of_the_bus() {
    let short = |from, to, id| Job { bytes: 1 << 16, ..job(from, to, id) };
    let jobs = [short(Space::Host, Space::Card, 0), short(Space::Card, Space::Host, 1)];
    for level in [1, 4, 8, 12, 15] {
        let (copy, _) = measure(&jobs, level);
        let share = f64::from(16 - level) / 16.0;
        // Each of both; a burst of 64 beats begins some clocks later than it might.
        assert!(copy <= 2.0 * share * 1.01, "level {level}: {copy:.3} of {share:.3} twice");
        assert!(copy >= 2.0 * share * 0.9, "level {level}: {copy:.3} of {share:.3} twice");
    }
}
