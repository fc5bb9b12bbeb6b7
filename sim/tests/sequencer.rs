//! The sequencer and the compiler together: the program in hdl/micro/test against the same arithmetic in Rust, on a bus that takes its
//! time, with thread 1 breaking in.

use kvcpu_sim::{Model, SEQUENCER};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

const IN: u64 = 0x100;
const OUT: u64 = 0x200;
const HOST_OUT: u64 = 0x300;
/// Clocks in which a round of the program must have ended.
const DEADLINE: u32 = 20_000;

fn choose(a: u32) -> u32 {
    match a & 7 {
        0 => 10,
        1 | 2 => 20,
        5 => (a.wrapping_add(a)) ^ 1,
        _ => a >> 1,
    }
}

fn early(a: u32, b: u32) -> u32 {
    if a > b && a != 7 || b == 3 {
        return 1;
    }
    (0..5).take_while(|steps| a + steps <= b).count() as u32
}

/// What the program should store for these numbers.
fn expected(a: u32, b: u32, n: u32) -> Vec<u32> {
    let n = n & 15;
    let c = ((0x7FFFu32 << 3 | a) >> 1 & b) ^ n;
    let picked = match n {
        8.. => a.wrapping_add(1) << 1,
        3 => u32::MAX,
        _ => b,
    };
    vec![
        a.wrapping_add(b),
        a.wrapping_sub(b),
        a & b | 0x1234_5678,
        a ^ !b,
        a << n,
        a >> (b & 31),
        ((a as i32) >> n) as u32,
        u32::from(a == b) + u32::from(a < b),
        (a <= b).into(),
        (a >= b).into(),
        (a > b).into(),
        (a != b).into(),
        ((a as i32) < b as i32).into(),
        a.abs_diff(b).wrapping_add(b.abs_diff(a.abs_diff(n))),
        14u32.wrapping_add(a ^ 14),
        choose(a),
        choose(b).wrapping_add(choose(n)),
        (1..=n).filter(|i| i % 2 == 1).sum(),
        early(a & 7, b & 7),
        (a & 1 == 1 && b & 1 == 1 || n == 0).into(),
        a.wrapping_neg(),
        picked,
        c,
        (a == u32::MAX).into(),
        u32::from(a < 0xFFFF_8000) + u32::from(b == 0x8000),
        0,
    ]
}

/// A bus with random delays that keeps what is stored.
struct Bench {
    model: Model,
    rng: ChaCha8Rng,
    inputs: [u64; 4],
    delay: u32,
    host_stores: u64,
}

impl Bench {
    /// Clocks until the round is over; what it stored.
    fn round(&mut self, deadline: u32) -> (Vec<u32>, u64, Option<u64>) {
        let (mut stored, mut deep) = (Vec::new(), None);
        for _ in 0..deadline {
            let (valid, address) = (self.model.get("bus_valid") == 1, self.model.get("bus_address"));
            let writes = self.model.get("bus_write") == 1;
            let ready = valid && self.delay == 0;
            let read = if ready && (IN..IN + 4).contains(&address) { self.inputs[(address - IN) as usize] } else { 0 };
            self.model.set("bus_ready", ready.into()).set("bus_read", read).eval();
            let data = self.model.get("bus_data");
            self.model.tick();
            if !valid {
                self.delay = self.rng.random_range(0..4);
                if self.rng.random_bool(0.02) {
                    self.model.set("host_pending", 1);
                }
            }
            self.delay = self.delay.saturating_sub(1);
            if !(ready && writes) {
                continue;
            }
            match address {
                HOST_OUT => {
                    self.host_stores += 1;
                    assert_eq!(data, self.host_stores.abs_diff(3), "thread 1 counts its turns");
                    self.model.set("host_pending", 0);
                }
                0x2FE => deep = Some(data),
                0x2FF => return (stored, data, deep),
                _ => {
                    assert_eq!(address, OUT + stored.len() as u64);
                    stored.push(data as u32);
                }
            }
        }
        panic!("the program did not come to its end");
    }
}

#[test]
fn computes_what_rust_does() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test sequencer");
    let mut model = Model::new(&SEQUENCER, seed as u32);
    model.reset();
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench { model, rng, inputs: [0; 4], delay: 0, host_stores: 0 };
    let (mut starts, mut before) = (1, None);
    for round in 0..3_000 {
        let mut number = || match bench.rng.random_range(0..4) {
            0 => bench.rng.random_range(0..10),
            1 => [0, u32::MAX, 0x8000, 0xFFFF_8000, 0x8000_0000][bench.rng.random_range(0..5)],
            _ => bench.rng.random(),
        };
        let (a, b, n) = (number(), number(), number());
        let restarts = bench.rng.random_bool(0.1);
        bench.inputs = [a.into(), b.into(), n.into(), restarts.into()];
        // The program looks whether to restart when it has ended a round, so it is this round's word that it sees.
        let restarts = restarts && before.is_some();
        starts += u64::from(restarts);
        let (stored, started, deep) = bench.round(DEADLINE);
        assert_eq!(stored, expected(a, b, n), "seed {seed}, round {round}: {a:#x} {b:#x} {n:#x}");
        assert_eq!(started, starts);
        assert_eq!(deep, before.filter(|_| restarts).map(|a: u32| u64::from(a.wrapping_add(1))));
        before = Some(a);
    }
    assert!(bench.host_stores > 1_000, "thread 1 had {} turns", bench.host_stores);
}
