//! The victim list against a sorted vector: docs/hepc.md, Sweep and Offers.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{LIST, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Items of the exported list.
const K: usize = 4;
/// Bits of an item: {rank, index}.
const ALL: u64 = (1 << 49) - 1;
/// Clocks in which a list does anything.
const PATIENCE: u32 = 20;

/// The list as the text words it, of items {rank, index}.
#[derive(Default)]
struct Plain {
    items: Vec<u64>,
    bound: Option<u64>,
}

impl Plain {
    fn offer(&mut self, item: u64) {
        if self.bound.is_some_and(|bound| item > bound) || self.items.contains(&item) {
            return;
        }
        self.items.push(item);
        self.items.sort_unstable();
        if self.items.len() > K {
            self.items.truncate(K);
            self.bound = self.items.last().copied();
        }
    }

    fn finish(&mut self) {
        self.bound = self.items.last().copied().filter(|_| self.items.len() == K);
    }

    /// An item as the list holds it: inverted; 0 if there is none.
    fn shown(&self, place: usize) -> u64 {
        self.items.get(place).map_or(0, |item| item ^ ALL)
    }
}

/// Ticks until a port is 1.
fn until(list: &mut Model, port: &str, at: &str) -> u32 {
    let mut clocks = 0;
    while list.eval().get(port) == 0 {
        list.tick();
        clocks += 1;
        assert!(clocks < PATIENCE, "{at}: no {port}");
    }
    clocks
}

/// Lets what is on its way arrive, and the list turn home.
fn settle(list: &mut Model, at: &str) {
    list.set("offer", 0).set("position", 0);
    while list.eval().get("holding") == 1 {
        list.tick();
    }
    until(list, "there", at);
}

fn check(list: &Model, plain: &Plain, at: &str) {
    assert_eq!(list.get("count"), plain.items.len() as u64, "{at}");
    assert_eq!(list.get("front"), plain.shown(0), "{at}");
    assert_eq!(list.get("last_item"), plain.shown(K - 1), "{at}");
    // The bound of a cut comes a clock after it; then the list is full, and it is the last item.
    let bounded = list.get("bounded") == 1 && (plain.items.len() < K || list.get("bound_item") == plain.shown(K - 1));
    assert!(!bounded || plain.bound.is_some(), "{at}");
}

fn check_bound(list: &Model, plain: &Plain, at: &str) {
    assert_eq!(list.get("bounded"), u64::from(plain.bound.is_some()), "{at}");
    if let Some(bound) = plain.bound {
        assert_eq!(list.get("bound_item"), bound ^ ALL, "{at}");
    }
}

/// A pulse of a clock.
fn pulse(list: &mut Model, port: &str) {
    list.set(port, 1).tick().set(port, 0);
}

#[test]
fn holds_the_best_of_what_is_offered() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test list");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut list = Model::new(&LIST, seed as u32);
    list.reset();
    let mut plain = Plain::default();
    let (mut cut, mut again, mut above, mut waited, mut in_a_row) = (0, 0, 0, 0, 0);
    for step in 0..200_000 {
        let at = format!("seed {seed}, step {step}");
        // Few different ranks make ties, which the index decides.
        let ranks = [8, 200, 1 << 29, 1 << 32][step / 997 % 4];
        let item = rng.random_range(0..ranks) << 17 | rng.random_range(0..if ranks == 8 { 4 } else { (1 << 17) - 1 });
        match rng.random_range(0..400) {
            0..2 => {
                settle(&mut list, &at);
                pulse(&mut list, "clear");
                plain = Plain::default();
            }
            2..4 => {
                settle(&mut list, &at);
                pulse(&mut list, "finish");
                plain.finish();
            }
            4..60 => {
                settle(&mut list, &at);
                pulse(&mut list, "pop");
                if !plain.items.is_empty() {
                    plain.items.remove(0);
                }
            }
            60..100 => {
                settle(&mut list, &at);
                list.tick();
                let place = rng.random_range(0..K);
                list.set("position", place as u64);
                waited += until(&mut list, "there", &at);
                assert_eq!(list.get("front"), plain.shown(place), "{at}");
                check_bound(&list, &plain, &at);
            }
            100..120 => {
                list.set("offer", 0).tick();
            }
            act => {
                let known = plain.items.contains(&item);
                again += u32::from(known);
                above += u32::from(plain.bound.is_some_and(|bound| item > bound));
                cut += u32::from(plain.items.len() == K);
                let fresh = !known && act < 300;
                // What may be in the list waits until what went before has arrived; fresh ones do not.
                if !fresh {
                    settle(&mut list, &at);
                }
                list.set("position", 0).set("offer", 1).set("fresh", fresh.into());
                list.set("item", item ^ ALL);
                let clocks = until(&mut list, "taken", &at);
                in_a_row += u32::from(fresh && clocks == 0);
                list.tick().set("offer", 0);
                plain.offer(item);
                if !fresh {
                    settle(&mut list, &at);
                }
            }
        }
        if list.eval().get("holding") == 0 && list.get("there") == 1 && list.get("position") == 0 {
            check(&list, &plain, &at);
        }
    }
    // All that is in it, in order.
    while !plain.items.is_empty() {
        settle(&mut list, "draining");
        check(&list, &plain, "draining");
        pulse(&mut list, "pop");
        plain.items.remove(0);
    }
    assert!(cut > 1_000 && again > 100 && above > 10_000, "{cut} {again} {above}");
    assert!(waited > 1_000 && in_a_row > 10_000, "{waited} {in_a_row}");
}
