//! A memory and its master, and for SDRAM the chip behind it, clock by clock.

use crate::master::{Manner, Master, Request};
use kvcpu_sim::sdram::{Broken, Chip, Pins, Sheet};
use kvcpu_sim::{CARD_RAM, Design, Model, SDRAM, SDRAM_FAST};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Bytes of `kvcpu_card_ram`.
pub(crate) const RAM_BYTES: u64 = 208 << 10;
/// Bytes of a chip.
pub(crate) const SDRAM_BYTES: u64 = 32 << 20;

/// A controller, and the chip that it was made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) design: &'static Design,
    pub(crate) sheet: Sheet,
    /// Clocks that its wires take.
    pub(crate) wires: usize,
}

/// At 70 MHz, CAS latency 2, and at 133 MHz, CAS latency 3.
pub(crate) const SLOW: Kind = Kind { design: &SDRAM, sheet: Sheet::AT_70_MHZ, wires: 1 };
pub(crate) const FAST: Kind = Kind { design: &SDRAM_FAST, sheet: Sheet::AT_133_MHZ, wires: 2 };

/// The seed of this run; printed with the command that replays it.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test --release -p kvcpu-sim --test card");
    seed
}

/// Where the pins are among a design's outputs.
struct PinPorts([usize; 10]);

impl PinPorts {
    fn of(design: &'static Design) -> PinPorts {
        let place = |name: &str| design.side(false).position(|port| port.name == name).unwrap();
        let names = ["cke", "csn", "rasn", "casn", "wen", "ba", "a", "dqm", "dq_oe", "dq_out"];
        PinPorts(names.map(|name| place(&format!("sdram_{name}"))))
    }

    fn read(&self, outputs: &[u64]) -> Pins {
        let [cke, csn, rasn, casn, wen, bank, address, mask, oe, data] = self.0.map(|port| outputs[port]);
        Pins {
            cke: cke == 1,
            command: csn << 3 | rasn << 2 | casn << 1 | wen,
            bank,
            address,
            mask,
            data: (oe == 1).then_some(data as u16),
        }
    }
}

/// A chip at the end of its wires.
pub(crate) struct Wired {
    pub(crate) chip: Chip,
    pins: PinPorts,
    dq_in: usize,
    on_the_way: VecDeque<u16>,
}

impl Wired {
    /// So many clocks more from the chip.
    pub(crate) fn delay(&mut self, clocks: usize) {
        self.on_the_way.extend(vec![0; clocks]);
    }
}

pub(crate) struct Bench {
    pub(crate) model: Model,
    pub(crate) master: Master,
    pub(crate) wired: Option<Wired>,
    /// What the chip was told wrong first.
    pub(crate) broken: Option<Broken>,
    inputs: Vec<u64>,
    outputs: Vec<u64>,
    reset: usize,
}

impl Bench {
    fn new(design: &'static Design, bytes: u64, wired: Option<Wired>, seed: u64) -> Bench {
        let count = |inputs| design.side(inputs).count();
        let mut bench = Bench {
            model: Model::new(design, seed as u32),
            master: Master::new(design, bytes, seed),
            wired,
            broken: None,
            inputs: vec![0; count(true)],
            outputs: vec![0; count(false)],
            reset: design.side(true).position(|port| port.name == "reset").unwrap(),
        };
        // Registers are noise before their first clock, of which the chip, whose power comes later, sees nothing.
        bench.inputs[bench.reset] = 1;
        bench.model.clock(&bench.inputs, &mut bench.outputs);
        bench.reset(1);
        bench
    }

    pub(crate) fn ram(seed: u64) -> Bench {
        Bench::new(&CARD_RAM, RAM_BYTES, None, seed)
    }

    pub(crate) fn sdram(kind: &Kind, seed: u64) -> Bench {
        let Kind { design, sheet, wires } = *kind;
        let dq_in = design.side(true).position(|port| port.name == "sdram_dq_in").unwrap();
        let on_the_way = vec![0; wires].into();
        let wired = Wired { chip: Chip::new(sheet, seed), pins: PinPorts::of(design), dq_in, on_the_way };
        Bench::new(design, SDRAM_BYTES, Some(wired), seed)
    }

    /// Resets the memory for so many clocks. A chip has no reset: it goes on where it is.
    pub(crate) fn reset(&mut self, clocks: u32) {
        self.master.reset(&mut self.inputs);
        self.inputs[self.reset] = 1;
        for clock in 0..clocks {
            self.model.clock(&self.inputs, &mut self.outputs);
            self.clock_chip();
            // At the first edge the pins have what was decided before.
            if let Some(wired) = &mut self.wired
                && clock == 0
            {
                wired.chip.neglect();
            }
        }
        self.inputs[self.reset] = 0;
    }

    pub(crate) fn clock(&mut self) {
        self.master.drive(&mut self.inputs);
        self.model.clock(&self.inputs, &mut self.outputs);
        self.master.observe(&mut self.inputs, &self.outputs);
        self.clock_chip();
    }

    fn clock_chip(&mut self) {
        if let Some(wired) = &mut self.wired
            && self.broken.is_none()
        {
            match wired.chip.clock(&wired.pins.read(&self.outputs)) {
                Ok(data) => {
                    wired.on_the_way.push_back(data);
                    self.inputs[wired.dq_in] = wired.on_the_way.pop_front().unwrap_or_default().into();
                }
                Err(broken) => self.broken = Some(broken),
            }
        }
    }

    /// Clocks until all is answered.
    pub(crate) fn settle(&mut self) {
        while !self.master.is_idle() {
            self.clock();
            self.check();
        }
    }

    /// That the chip was told nothing wrong.
    pub(crate) fn check(&self) {
        if let Some(broken) = &self.broken {
            panic!("{broken}");
        }
    }
}

/// Where requests go: some few words that meet again and again, and all of a memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) bytes: u64,
    /// Probability of one of the few.
    pub(crate) hot: f64,
    /// Distance of the few from each other, so that they meet in rows or banks.
    pub(crate) stride: u64,
    /// Of a request that cannot be answered well.
    pub(crate) wrong: f64,
    /// Most beats.
    pub(crate) beats: u64,
}

impl Places {
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Request {
        let few = 8 * rng.random_range(0..24) + self.stride * rng.random_range(0..6);
        let mut address =
            if rng.random_bool(self.hot) { few % self.bytes } else { 8 * rng.random_range(0..self.bytes / 8) };
        let most = ((4096 - address % 4096) / 8).min(self.beats);
        let beats = match rng.random_range(0..8) {
            0..4 => 1,
            4..6 => rng.random_range(1..=most.min(8)),
            6 => rng.random_range(1..=most.min(64)),
            _ => rng.random_range(1..=most),
        };
        let (mut size, mut burst) = (3, 1);
        if rng.random_bool(self.wrong) {
            match rng.random_range(0..5) {
                // Directly behind the memory, far behind, and where a bit that is not looked at would lead back.
                0 => address = self.bytes + address % 4096,
                1 => address |= 1 << rng.random_range(25..64),
                2 => address |= !0xFFF,
                3 => size = rng.random_range(0..3),
                _ => burst = *[0, 2, 3].choose(rng).unwrap(),
            }
        }
        let id = rng.random_range(0..4);
        let is_write = rng.random_bool(0.5);
        let data = is_write.then(|| (0..beats).map(|_| (rng.random(), strobes(rng))).collect());
        Request { id, address, size, burst, beats, data }
    }
}

/// Often all bytes, often some, now and then none.
fn strobes(rng: &mut ChaCha8Rng) -> u64 {
    if rng.random_bool(0.5) { 0xFF } else { rng.random_range(0..256) }
}

/// Eager or slow, each channel by itself.
pub(crate) fn manner(rng: &mut ChaCha8Rng) -> Manner {
    let mut draw = || *[0.05, 0.3, 0.9, 1.0, 1.0].choose(rng).unwrap();
    let (ar, aw, w, r, b) = (draw(), draw(), draw(), draw(), draw());
    Manner { ar, aw, w, r, b, open: rng.random_range(1..24) }
}

/// Random requests for so many clocks, then all are answered.
pub(crate) fn run(bench: &mut Bench, places: &Places, clocks: u64, rng: &mut ChaCha8Rng) {
    bench.master.manner = manner(rng);
    for _ in 0..clocks {
        if bench.master.reads.len() < 4 && bench.master.writes.len() < 4 {
            let request = places.draw(rng);
            let queue = if request.data.is_some() { &mut bench.master.writes } else { &mut bench.master.reads };
            queue.push_back(request);
        }
        bench.clock();
        bench.check();
    }
    bench.settle();
}

/// Reads all that is known of a memory, and so checks it.
pub(crate) fn read_all(bench: &mut Bench, bytes: u64) {
    bench.master.manner = Manner::EAGER;
    let known: Vec<u64> = (0..bytes / 4096)
        .filter(|page| (0..512).any(|word| bench.master.record.known(512 * page + word).1 != 0))
        .collect();
    for page in known {
        for half in 0..2 {
            bench.master.reads.push_back(Request::read(page % 4, 4096 * page + 2048 * half, 256));
        }
        bench.settle();
    }
}
