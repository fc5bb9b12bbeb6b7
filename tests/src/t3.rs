//! T3 in memory, for the driver's service loop: answers at once, after some looks, or when told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvcpu_driver::{T3Backend, T3Done, T3Error, T3Op, T3Request};
use kvcpu_mmio::queue::Key;

/// A device that asks more often than this between two comparisons asks the same again and again: it is answered no more.
const MOST_REQUESTS: u32 = 2000;

/// What a test sees and does while the driver has the backend.
#[derive(Debug, Default)]
pub struct T3 {
    /// What each slot holds.
    slots: Mutex<HashMap<u32, (Key, Vec<u8>)>>,
    /// Looks before an answer comes, a new value for each request: `n` means 0 to n.
    pub delay: AtomicU32,
    /// Answers stay away.
    pub held: AtomicBool,
    /// Every request is answered with an error.
    pub failing: AtomicBool,
    /// Fetches answer with a wrong CRC-32C.
    pub lying: AtomicBool,
    /// Requests taken since this was last set to 0.
    pub requests: AtomicU32,
}

impl T3 {
    /// An empty store that answers at once.
    pub fn new() -> Arc<T3> {
        Arc::default()
    }

    /// The backend for `Device::set_t3_backend`.
    pub fn backend(self: &Arc<T3>) -> Box<dyn T3Backend> {
        Box::new(Keeper { t3: self.clone(), pending: Vec::new(), random: 1 })
    }

    /// What a slot holds.
    pub fn slot(&self, slot: u32) -> Option<(Key, Vec<u8>)> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(&slot).cloned()
    }

    /// What all slots hold.
    pub fn contents(&self) -> BTreeMap<u32, (Key, Vec<u8>)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|(slot, block)| (*slot, block.clone())).collect()
    }

    /// Forgets all slots.
    pub fn clear(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn carry_out(&self, op: T3Op, request: &T3Request) -> Result<u32, T3Error> {
        if self.failing.load(Ordering::SeqCst) {
            return Err("the test says so".into());
        }
        let words = &request.memory.words()[request.offset / 8..][..request.bytes / 8];
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        match op {
            T3Op::Store => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
                if crc32c::crc32c(&bytes) != request.crc32c {
                    return Err("the block has not the CRC that the device says".into());
                }
                slots.insert(request.slot, (request.key, bytes));
                Ok(request.crc32c)
            }
            T3Op::Fetch => {
                let (_, bytes) = slots
                    .get(&request.slot)
                    .filter(|(key, _)| *key == request.key)
                    .ok_or("the slot holds another block")?;
                for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
                    let bytes = bytes.try_into().map_err(|_| "a slot of odd length")?;
                    word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
                }
                Ok(crc32c::crc32c(bytes) ^ u32::from(self.lying.load(Ordering::SeqCst)))
            }
        }
    }
}

struct Pending {
    looks: u32,
    op: T3Op,
    request: T3Request,
}

struct Keeper {
    t3: Arc<T3>,
    pending: Vec<Pending>,
    random: u32,
}

impl Keeper {
    fn take(&mut self, op: T3Op, request: T3Request) {
        self.t3.requests.fetch_add(1, Ordering::SeqCst);
        // Xorshift (Marsaglia, 2003): any sequence will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let looks = self.random % (self.t3.delay.load(Ordering::SeqCst) + 1);
        self.pending.push(Pending { looks, op, request });
    }
}

impl T3Backend for Keeper {
    fn store(&mut self, request: T3Request) {
        self.take(T3Op::Store, request);
    }

    fn fetch(&mut self, request: T3Request) {
        self.take(T3Op::Fetch, request);
    }

    /// Requests end out of order, but those on one slot in order.
    fn poll(&mut self, out: &mut Vec<T3Done>) -> Result<(), T3Error> {
        if self.t3.held.load(Ordering::SeqCst) || self.t3.requests.load(Ordering::SeqCst) > MOST_REQUESTS {
            return Ok(());
        }
        let mut waiting: Vec<Pending> = Vec::new();
        for mut next in std::mem::take(&mut self.pending) {
            let behind = waiting.iter().any(|before| before.request.slot == next.request.slot);
            if next.looks > 0 || behind {
                next.looks = next.looks.saturating_sub(1);
                waiting.push(next);
            } else {
                let result = self.t3.carry_out(next.op, &next.request);
                out.push(T3Done { id: next.request.id, result });
            }
        }
        self.pending = waiting;
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
