//! Words a clock on long copies, from memories that are always ready and answer after some clocks.

use crate::bench::{Bench, Job, Space};
use kvcpu_sim::axi::Manner;

/// 1 MiB.
const BYTES: u64 = 1 << 20;

fn job(from: Space, to: Space, id: u64) -> Job {
    Job { from: (from, 0x100_0000 * (id + 1)), to: (to, 0x1000_0000 * (id + 1)), bytes: BYTES, id }
}

/// Words a clock until the last one is written, and until the completion.
fn measure(jobs: &[Job]) -> (f64, f64) {
    let mut bench = Bench::new(1, &Manner::quick(100));
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
    let words = (jobs.len() as u64 * BYTES / 8) as f64;
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
        let (copy, all) = measure(&jobs);
        println!("{name}: {copy:.3} words a clock copying, {all:.3} with reading back");
        assert!(copy >= expected, "{name}: {copy}");
    }
}
