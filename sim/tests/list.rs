//! The victim list against a sorted vector: docs/hepc.md, Sweep and Offers.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{LIST, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Items of the exported list.
const K: usize = 16;

type Item = (u64, u64);

/// The list as the text words it.
#[derive(Default)]
struct Plain {
    items: Vec<Item>,
    bound: Option<Item>,
}

impl Plain {
    fn offer(&mut self, item: Item) {
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
}

fn check(list: &Model, plain: &Plain, at: &str) {
    let head = plain.items.first();
    assert_eq!(list.get("head_valid"), u64::from(head.is_some()), "{at}");
    if let Some(&(rank, index)) = head {
        assert_eq!((list.get("head_rank"), list.get("head_index")), (rank, index), "{at}");
    }
    assert_eq!(list.get("bounded"), u64::from(plain.bound.is_some()), "{at}");
    if let Some((rank, _)) = plain.bound {
        assert_eq!(list.get("bound_rank"), rank, "{at}");
    }
}

#[test]
fn holds_the_best_of_what_is_offered() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test list");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut list = Model::new(&LIST, seed as u32);
    list.reset();
    let mut plain = Plain::default();
    let (mut cut, mut again, mut above) = (0, 0, 0);
    for step in 0..200_000 {
        // Few different ranks make ties, which the index decides.
        let ranks = [8, 200, 1 << 29, 1 << 32][step / 997 % 4];
        let item = (rng.random_range(0..ranks), rng.random_range(0..1 << if ranks == 8 { 4 } else { 17 }));
        let act = rng.random_range(0..400);
        for (name, chosen) in [("clear", act == 0), ("finish", act == 1), ("pop", (2..60).contains(&act))] {
            list.set(name, chosen.into());
        }
        list.set("offer", (act >= 100).into()).set("rank", item.0).set("index", item.1);
        match act {
            0 => plain = Plain::default(),
            1 => plain.finish(),
            2..60 => drop((!plain.items.is_empty()).then(|| plain.items.remove(0))),
            60..100 => {}
            _ => {
                again += u32::from(plain.items.contains(&item));
                above += u32::from(plain.bound.is_some_and(|bound| item > bound));
                cut += u32::from(plain.items.len() == K);
                plain.offer(item);
            }
        }
        list.tick();
        check(&list, &plain, &format!("seed {seed}, step {step}"));
    }
    // All that is in it, in order.
    list.set("offer", 0).set("clear", 0).set("finish", 0).set("pop", 1);
    while !plain.items.is_empty() {
        plain.items.remove(0);
        list.tick();
        check(&list, &plain, "draining");
    }
    assert!(cut > 1_000 && again > 100 && above > 10_000, "{cut} {again} {above}");
}
