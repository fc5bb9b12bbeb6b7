//! What the tests share: a device over the emulator, and a T3 in a map.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_driver::mmio::Geometry;
use kvcpu_driver::mmio::queue::Key;
use kvcpu_driver::{Config, Device, T3Backend, T3Done, T3Error, T3Op, T3Request, TierConfig};
use kvcpu_emulator::Emulator;

pub(crate) type Broken = Faulty<Emulator>;

pub(crate) fn emulator() -> Arc<Emulator> {
    Arc::new(Emulator::new(Geometry::TEST).expect("the test geometry is good"))
}

pub(crate) fn device(config: Config) -> Device<Emulator> {
    let device = Device::probe(emulator()).expect("an emulator is a device");
    device.configure(config).expect("the configuration fits");
    device
}

/// A device that can be broken on demand, with short deadlines.
pub(crate) fn breakable(config: Config) -> Device<Broken> {
    let backing = Arc::new(Faulty::new(emulator(), FaultPlan::default()));
    let device = Device::probe(backing).expect("not broken yet");
    device.configure(Config { deadline: SHORT, ..config }).expect("the configuration fits");
    device
}

/// A deadline for tests that wait for it to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

pub(crate) fn key(tag: u64) -> Key {
    Key { tenant: 1, request: 7, tag }
}

/// 64 blocks in T1, 64 in T2, 256 in T3.
pub(crate) fn three_tiers() -> Config {
    let [t1, t2, t3] = [64, 64, 256].map(TierConfig::blocks);
    Config { tiers: [TierConfig::OFF, t1, t2, t3], ..Config::default() }
}

/// Bytes that only `key`'s block has.
pub(crate) fn content(key: Key, bytes: usize) -> Vec<u8> {
    let mut state = key.tag ^ u64::from(key.request) << 48 ^ u64::from(key.tenant) << 40 | 1;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

/// What a test may do to a [`MapT3`] after it was handed over.
#[derive(Default)]
pub(crate) struct Levers {
    pub(crate) fail: AtomicBool,
    pub(crate) stuck: AtomicBool,
    pub(crate) stopped: AtomicBool,
    pub(crate) seen: Mutex<Vec<(T3Op, Key, u32)>>,
}

/// T3 in a map. Every operation ends at the next poll.
pub(crate) struct MapT3 {
    pub(crate) blocks: HashMap<u32, (Key, Vec<u64>)>,
    pub(crate) levers: Arc<Levers>,
    done: Vec<T3Done>,
}

impl MapT3 {
    pub(crate) fn new() -> (Box<MapT3>, Arc<Levers>) {
        let levers = Arc::new(Levers::default());
        let t3 = MapT3 { blocks: HashMap::new(), levers: levers.clone(), done: Vec::new() };
        (Box::new(t3), levers)
    }

    fn end(&mut self, id: u64, result: Result<u32, T3Error>) {
        let result = match self.levers.fail.load(Ordering::SeqCst) {
            true => Err("the lever says fail".into()),
            false => result,
        };
        self.done.push(T3Done { id, result });
    }

    fn see(&self, op: T3Op, request: &T3Request) {
        self.levers.seen.lock().unwrap().push((op, request.key, request.slot));
    }
}

fn crc32c(words: &[u64]) -> u32 {
    let mut crc = u32::MAX;
    for byte in words.iter().flat_map(|word| word.to_le_bytes()) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

impl T3Backend for MapT3 {
    fn store(&mut self, request: T3Request) {
        self.see(T3Op::Store, &request);
        let first = request.offset / 8;
        let words = &request.memory.words()[first..first + request.bytes / 8];
        let words: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!(crc32c(&words), request.crc32c, "the device's CRC is of these bytes");
        self.blocks.insert(request.slot, (request.key, words));
        self.end(request.id, Ok(request.crc32c));
    }

    fn fetch(&mut self, request: T3Request) {
        self.see(T3Op::Fetch, &request);
        let result = match self.blocks.get(&request.slot) {
            Some((key, words)) if *key == request.key => {
                for (to, from) in request.memory.words()[request.offset / 8..].iter().zip(words) {
                    to.store(*from, Ordering::Relaxed);
                }
                Ok(crc32c(words))
            }
            other => Err(format!("slot holds {other:?}").into()),
        };
        self.end(request.id, result);
    }

    fn poll(&mut self, out: &mut Vec<T3Done>) -> Result<(), T3Error> {
        if self.levers.stopped.load(Ordering::SeqCst) {
            return Err("the lever says stop".into());
        }
        if !self.levers.stuck.load(Ordering::SeqCst) {
            out.append(&mut self.done);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, out: &mut Vec<T3Done>) -> Result<(), T3Error> {
        let before = out.len();
        self.poll(out)?;
        if out.len() == before {
            std::thread::sleep(timeout);
        }
        Ok(())
    }
}
