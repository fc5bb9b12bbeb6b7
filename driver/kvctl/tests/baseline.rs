//! The baselines against another implementation's figures on a real trace, against naive models, and against each
//! other.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use kvctl::baseline::{Arc, Belady, Fifo, Kind, Lru, NextUse, Outcome, Policy, S3Fifo, Sieve, curve, run};
use kvctl::trace::{Dense, ReadOptions, read, read_path};
use proptest::prelude::*;

/// Capacities of the reference figures.
const CAPACITIES: [usize; 7] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];

/// Reference figures on the Mooncake conversation trace: hit percentages by another implementation, and how near ours
/// must be.
const REFERENCE: [(Kind, [f64; 7], f64); 5] = [
    (Kind::Fifo, [4.36, 5.28, 8.27, 15.9, 23.4, 29.9, 34.3], 0.1),
    (Kind::Lru, [4.45, 5.43, 8.65, 17.8, 26.3, 33.2, 35.9], 0.1),
    (Kind::Arc, [5.29, 7.15, 9.66, 19.1, 27.1, 31.5, 35.7], 0.1),
    (Kind::S3Fifo, [5.56, 7.67, 11.2, 17.5, 23.0, 31.3, 35.7], 1.0),
    (Kind::Belady, [19.1, 25.5, 32.2, 36.6, 36.6, 36.6, 36.6], 0.1),
];

/// The folder of real traces: `KVCPU_TRACES`, or `../shared/traces` beside the workspace.
fn real_trace() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let folder = std::env::var_os("KVCPU_TRACES").map_or(beside, PathBuf::from);
    let path = folder.join("mooncake_conversation.jsonl");
    if path.is_file() {
        return Some(path);
    }
    // Past the capture of the test harness: a skipped check must show.
    let message = format!("SKIPPED: {}: trace not found; set KVCPU_TRACES to its folder\n", path.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

fn print(outcomes: &[Outcome]) {
    for row in outcomes.chunks(CAPACITIES.len()) {
        let hits: Vec<_> = row.iter().map(|o| format!("{:6.2}", o.hit_pct)).collect();
        let seconds: f64 = row.iter().map(|o| o.seconds).sum();
        let speed = row.iter().map(|o| o.references as f64).sum::<f64>() / seconds / 1e6;
        println!("{:8} {}   {speed:.1} M references/s", row[0].policy, hits.join(" "));
    }
}

#[test]
fn rows_agree_with_the_reference_figures() {
    let Some(path) = real_trace() else { return };
    let trace = read_path(path, &ReadOptions::default()).unwrap().trace.dense();
    let outcomes = curve(&Kind::ALL, &CAPACITIES, &trace);
    print(&outcomes);
    for (kind, expected, within) in REFERENCE {
        for (capacity, expected) in CAPACITIES.into_iter().zip(expected) {
            let outcome = outcomes
                .iter()
                .find(|o| o.policy == kind.name() && o.capacity_blocks == capacity)
                .unwrap();
            let off = (outcome.hit_pct - expected).abs();
            // Half a unit of the last digit printed is the figures' own rounding.
            assert!(
                off <= within + 0.005,
                "{kind} at {capacity}: {:.2}, reference {expected}, off by {off:.2}",
                outcome.hit_pct
            );
        }
    }
}

#[test]
fn a_cache_of_all_blocks_hits_as_often_as_is_possible() {
    let trace = read(SAMPLE, &ReadOptions::default()).unwrap().trace;
    let stat = trace.stat();
    for outcome in curve(&Kind::ALL, &[trace.unique()], &trace.dense()) {
        assert_eq!(outcome.hits, stat.max_hits, "{}", outcome.policy);
    }
}

const SAMPLE: &[u8] = include_bytes!("../samples/sample.jsonl");

#[test]
fn the_sample_tells_policies_apart() {
    let dense = read(SAMPLE, &ReadOptions::default()).unwrap().trace.dense();
    let outcomes = curve(&[Kind::Lru, Kind::Belady], &[dense.unique() / 10], &dense);
    assert!(outcomes[1].hit_pct - outcomes[0].hit_pct > 5.0, "{outcomes:?}");
}

#[test]
fn names_go_round() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().to_lowercase().parse(), Ok(kind));
    }
    assert!("clock".parse::<Kind>().is_err());
}

/// A trace from paths in a small tree: block `1 + parent * arity + choice`, so ids are prefix-closed.
fn dense_of(paths: &[Vec<u64>]) -> Dense {
    use std::fmt::Write as _;
    let mut text = String::new();
    for path in paths {
        let mut id = 0;
        let ids: Vec<u64> = path
            .iter()
            .map(|&choice| {
                id = id * 4 + choice + 1;
                id
            })
            .collect();
        writeln!(
            text,
            "{{\"timestamp\": 0, \"input_length\": {0}, \"output_length\": 1, \"hash_ids\": {ids:?}}}",
            ids.len()
        )
        .unwrap();
    }
    read(text.as_bytes(), &ReadOptions::default()).unwrap().trace.dense()
}

fn paths(requests: usize, depth: usize) -> impl Strategy<Value = Vec<Vec<u64>>> {
    prop::collection::vec(prop::collection::vec(0..3_u64, 1..=depth), 1..=requests)
}

/// LRU over a plain vector, oldest first.
fn naive_lru(dense: &Dense, capacity: usize) -> usize {
    let mut order: Vec<u32> = Vec::new();
    let mut hits = 0;
    for chain in dense.chains() {
        hits += chain.iter().take_while(|b| order.contains(b)).count();
        for block in chain.iter().rev() {
            order.retain(|b| b != block);
            order.push(*block);
        }
        order.drain(..order.len().saturating_sub(capacity));
    }
    hits
}

/// SIEVE over a plain vector, oldest first, from the paper's words.
fn naive_sieve(dense: &Dense, capacity: usize) -> usize {
    let mut queue: Vec<(u32, bool)> = Vec::new();
    let (mut hand, mut hits) = (0, 0);
    for chain in dense.chains() {
        hits += chain.iter().take_while(|&&b| queue.iter().any(|e| e.0 == b)).count();
        for &block in chain.iter().rev() {
            match queue.iter_mut().find(|e| e.0 == block) {
                Some(entry) => entry.1 = true,
                None => queue.push((block, false)),
            }
        }
        while queue.len() > capacity {
            if hand >= queue.len() {
                hand = 0;
            } else if queue[hand].1 {
                queue[hand].1 = false;
                hand += 1;
            } else {
                queue.remove(hand);
                // At the newest end the hand starts over even if a newer block comes in before its next move.
                hand = if hand >= queue.len() { 0 } else { hand };
            }
        }
    }
    hits
}

/// The most hits of any choice of what to keep, by trying all of them.
fn best_possible(dense: &Dense, capacity: usize, index: usize, cache: u32) -> usize {
    if index == dense.len() {
        return 0;
    }
    let chain = dense.chain(index);
    let hits = chain.iter().take_while(|&&b| cache >> b & 1 == 1).count();
    let all = chain.iter().fold(cache, |cache, &b| cache | 1 << b);
    let keep = (all.count_ones() as usize).min(capacity) as u32;
    // All subsets of the right size: holding less is never better.
    let mut best = 0;
    let mut subset = all;
    loop {
        if subset.count_ones() == keep {
            best = best.max(best_possible(dense, capacity, index + 1, subset));
        }
        if subset == 0 {
            return hits + best;
        }
        subset = (subset - 1) & all;
    }
}

fn all_policies(capacity: usize, future: &NextUse) -> Vec<Box<dyn Policy + '_>> {
    Kind::ALL.iter().map(|kind| kind.build(capacity, future)).collect()
}

proptest! {
    #[test]
    fn no_policy_holds_more_than_its_capacity(paths in paths(60, 6), capacity in 0..40_usize) {
        let dense = dense_of(&paths);
        let future = NextUse::new(&dense);
        for mut policy in all_policies(capacity, &future) {
            for chain in dense.chains() {
                let hits = policy.request(chain);
                prop_assert!(hits <= chain.len());
                let held = (0..dense.unique() as u32).filter(|&b| policy.holds(b)).count();
                prop_assert_eq!(held, policy.resident(), "{}", policy.name());
                prop_assert!(held <= capacity, "{} holds {} of {}", policy.name(), held, capacity);
            }
        }
    }

    #[test]
    fn belady_is_never_beaten(paths in paths(80, 6), capacity in 1..40_usize) {
        let dense = dense_of(&paths);
        let future = NextUse::new(&dense);
        let best = run(&mut Belady::new(capacity, &future), &dense).hits;
        for mut policy in all_policies(capacity, &future) {
            let outcome = run(&mut *policy, &dense);
            prop_assert!(outcome.hits <= best, "{} {} over Belady {best}", outcome.policy, outcome.hits);
        }
    }

    #[test]
    fn belady_holds_only_closed_prefixes(paths in paths(60, 6), capacity in 1..30_usize) {
        let dense = dense_of(&paths);
        let future = NextUse::new(&dense);
        let mut belady = Belady::new(capacity, &future);
        for chain in dense.chains() {
            belady.request(chain);
            for (block, &parent) in dense.parents().iter().enumerate() {
                let closed = !belady.holds(block as u32) || parent == kvctl::trace::NO_PARENT || belady.holds(parent);
                prop_assert!(closed, "block {block} without its parent {parent}");
            }
        }
    }

    #[test]
    fn lru_agrees_with_a_plain_list(paths in paths(80, 6), capacity in 0..40_usize) {
        let dense = dense_of(&paths);
        let hits = run(&mut Lru::new(capacity, dense.unique()), &dense).hits;
        prop_assert_eq!(hits, naive_lru(&dense, capacity));
    }

    #[test]
    fn sieve_agrees_with_a_plain_list(paths in paths(80, 6), capacity in 1..40_usize) {
        let dense = dense_of(&paths);
        let hits = run(&mut Sieve::new(capacity, dense.unique()), &dense).hits;
        prop_assert_eq!(hits, naive_sieve(&dense, capacity));
    }

    #[test]
    fn policies_without_pressure_hit_all_that_was_seen(paths in paths(40, 5)) {
        let dense = dense_of(&paths);
        let (c, n) = (dense.unique(), dense.unique());
        let mut seen = vec![false; n];
        let mut most = 0;
        for chain in dense.chains() {
            most += chain.iter().take_while(|&&b| seen[b as usize]).count();
            chain.iter().for_each(|&b| seen[b as usize] = true);
        }
        prop_assert_eq!(run(&mut Fifo::new(c, n), &dense).hits, most);
        prop_assert_eq!(run(&mut Arc::new(c, n), &dense).hits, most);
        prop_assert_eq!(run(&mut S3Fifo::new(c, n), &dense).hits, most);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn belady_is_the_best_of_all_choices(paths in paths(5, 3), capacity in 1..4_usize) {
        let dense = dense_of(&paths);
        prop_assume!(dense.unique() <= 32);
        let future = NextUse::new(&dense);
        let hits = run(&mut Belady::new(capacity, &future), &dense).hits;
        prop_assert_eq!(hits, best_possible(&dense, capacity, 0, 0));
    }
}
