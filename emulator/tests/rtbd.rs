//! The directory against a plain map: nothing lost, nothing doubled, full only when full.

#![allow(clippy::unwrap_used)]

use kvcpu_emulator::Rtbd;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::Key;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

fn seed() -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x5EED);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test --release -p kvcpu-emulator --test rtbd");
    seed
}

fn random_key(rng: &mut ChaCha8Rng) -> Key {
    Key { tenant: rng.random_range(0..4), request: rng.random_range(0..3), tag: rng.random() }
}

struct Checked {
    rtbd: Rtbd,
    keys: Vec<Key>,
    set: HashSet<Key>,
}

impl Checked {
    fn new(geometry: &Geometry) -> Checked {
        Checked { rtbd: Rtbd::new(geometry), keys: Vec::new(), set: HashSet::new() }
    }

    /// Inserts; says whether there was room.
    fn insert(&mut self, key: Key) -> bool {
        let Some(placed) = self.rtbd.place(key, 0) else { return false };
        self.rtbd.occupy(placed.index, key);
        self.keys.push(key);
        self.set.insert(key);
        true
    }

    fn remove_random(&mut self, rng: &mut ChaCha8Rng) {
        let i = rng.random_range(0..self.keys.len());
        let key = self.keys.swap_remove(i);
        self.set.remove(&key);
        let at = self.rtbd.find(key).unwrap_or_else(|| panic!("{key:?} was lost"));
        self.rtbd.free(at);
        assert_eq!(self.rtbd.find(key), None, "{key:?} was there twice");
    }

    fn check_all(&self) {
        assert_eq!(self.rtbd.used() as usize, self.keys.len());
        let places: HashSet<_> = self.keys.iter().map(|&key| self.rtbd.find(key).expect("lost")).collect();
        assert_eq!(places.len(), self.keys.len(), "two keys in one place");
    }
}

/// A million random removals and inserts at 95% load, without a failed insert.
#[test]
fn rtbd_reaches_95_percent() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let geometry = Geometry::FULL;
    let mut checked = Checked::new(&geometry);
    let load = geometry.entries() as usize / 20 * 19;
    while checked.keys.len() < load {
        let key = random_key(&mut rng);
        assert!(checked.insert(key), "full at {} of {load}", checked.keys.len());
    }
    for n in 0..1_000_000 {
        checked.remove_random(&mut rng);
        let key = random_key(&mut rng);
        assert!(checked.insert(key), "operation {n}: full at 95% load");
        if n % 1000 == 0 {
            let probe = *checked.keys.choose(&mut rng).unwrap();
            assert!(checked.rtbd.find(probe).is_some(), "operation {n}: {probe:?} was lost");
            let stranger = random_key(&mut rng);
            assert_eq!(checked.rtbd.find(stranger).is_some(), checked.set.contains(&stranger));
        }
    }
    checked.check_all();
}

/// Filled until it refuses: what is in stays in, and there is room again after a removal.
#[test]
fn full_directory_loses_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    for geometry in [Geometry::TEST, Geometry::BOARD] {
        let mut checked = Checked::new(&geometry);
        let mut refused = 0;
        while refused < 100 {
            let key = random_key(&mut rng);
            if !checked.insert(key) {
                refused += 1;
                assert_eq!(checked.rtbd.find(key), None, "a refused key is in");
            }
        }
        checked.check_all();
        let load = checked.keys.len() as f64 / f64::from(geometry.entries());
        println!("{} entries: full at {:.2}% load", geometry.entries(), 100.0 * load);
        assert!(load >= 0.95);
        for _ in 0..10_000 {
            checked.remove_random(&mut rng);
            let key = random_key(&mut rng);
            checked.insert(key);
        }
        checked.check_all();
    }
}
