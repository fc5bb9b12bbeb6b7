//! A decorator that makes a store fail or dawdle, for tests of whoever stands above it.
//!
//! Faults are drawn from a seed or named one by one; the same plan on the same operations hits
//! the same ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::DmaMemory;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{BlockStore, Done, Key, Op, StoreError};

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not carried out, and its `Done` says [`StoreError::Injected`].
    Fail,
    /// It is carried out, and its `Done` says [`StoreError::Injected`] all the same.
    LoseAnswer,
    /// It is carried out, and its `Done` comes this many polls late.
    Delay(u32),
    /// It is not carried out and its `Done` never comes.
    Hang,
}

/// Which operations are hit. The counts are per kind of operation and start at 0.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    rng: ChaCha8Rng,
    rates: Vec<(f64, Fault)>,
    named: HashMap<(Op, u64), Fault>,
}

impl FaultPlan {
    /// No faults yet; `seed` decides those that come by rate.
    pub fn new(seed: u64) -> FaultPlan {
        FaultPlan { rng: ChaCha8Rng::seed_from_u64(seed), rates: Vec::new(), named: HashMap::new() }
    }

    /// Hits a share `rate` (0 to 1) of all operations.
    pub fn rate(mut self, rate: f64, fault: Fault) -> FaultPlan {
        self.rates.push((rate, fault));
        self
    }

    /// Hits operation number `nth` of kind `op`.
    pub fn nth(mut self, op: Op, nth: u64, fault: Fault) -> FaultPlan {
        self.named.insert((op, nth), fault);
        self
    }

    fn draw(&mut self, op: Op, nth: u64) -> Option<Fault> {
        // Drawn for every operation, so that naming one does not move the others.
        let mut roll: f64 = self.rng.random();
        let by_rate = self.rates.iter().find_map(|(rate, fault)| {
            roll -= rate;
            (roll < 0.0).then_some(*fault)
        });
        self.named.get(&(op, nth)).copied().or(by_rate)
    }
}

/// A store with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    plan: FaultPlan,
    counts: HashMap<Op, u64>,
    /// What to do with the answer of an operation that the inner store has, by id.
    marked: HashMap<u64, (Fault, StoreError)>,
    /// Answers held back, and the polls still to pass.
    held: Vec<(u32, Done)>,
    hung: usize,
}

impl<S: BlockStore> Faulty<S> {
    /// Wraps `inner`. Ids must be unique among operations outstanding.
    pub fn new(inner: S, plan: FaultPlan) -> Faulty<S> {
        Faulty { inner, plan, counts: HashMap::new(), marked: HashMap::new(), held: Vec::new(), hung: 0 }
    }

    /// The store inside.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Passes an operation on, or not.
    fn strike(
        &mut self,
        id: u64,
        op: Op,
        slot: u32,
        submit: impl FnOnce(&mut S) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let nth = self.counts.entry(op).or_default();
        let fault = self.plan.draw(op, *nth);
        *nth += 1;
        let injected = StoreError::Injected { op, slot };
        match fault {
            None => return submit(&mut self.inner),
            Some(Fault::Fail) => self.held.push((0, Done { id, result: Err(injected) })),
            Some(Fault::Hang) => self.hung += 1,
            Some(fault) => {
                submit(&mut self.inner)?;
                self.marked.insert(id, (fault, injected));
            }
        }
        Ok(())
    }

    /// One poll has passed: takes in the inner store's answers and hands out what is due.
    fn release(&mut self, answers: Vec<Done>, done: &mut Vec<Done>) -> usize {
        let before = done.len();
        for (polls, _) in &mut self.held {
            *polls = polls.saturating_sub(1);
        }
        for answer in answers {
            match self.marked.remove(&answer.id) {
                Some((Fault::Delay(polls), _)) => self.held.push((polls, answer)),
                Some((_, injected)) => done.push(Done { id: answer.id, result: Err(injected) }),
                None => done.push(answer),
            }
        }
        done.extend(self.held.extract_if(.., |(polls, _)| *polls == 0).map(|(_, answer)| answer));
        done.len() - before
    }
}

impl<S: BlockStore> BlockStore for Faulty<S> {
    fn block_bytes(&self) -> usize {
        self.inner.block_bytes()
    }

    fn slots(&self) -> u32 {
        self.inner.slots()
    }

    fn outstanding(&self) -> usize {
        self.inner.outstanding() + self.held.len() + self.hung
    }

    fn submit_store(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
        crc32c: u32,
    ) -> Result<(), StoreError> {
        self.strike(id, Op::Store, slot, |inner| inner.submit_store(id, slot, key, memory, offset, crc32c))
    }

    fn submit_fetch(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
    ) -> Result<(), StoreError> {
        self.strike(id, Op::Fetch, slot, |inner| inner.submit_fetch(id, slot, key, memory, offset))
    }

    fn drop_slot(&mut self, id: u64, slot: u32) -> Result<(), StoreError> {
        self.strike(id, Op::Drop, slot, |inner| inner.drop_slot(id, slot))
    }

    fn poll(&mut self, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        let mut answers = Vec::new();
        self.inner.poll(&mut answers)?;
        Ok(self.release(answers, done))
    }

    /// Each pass through the inner store counts as a poll. Only hung operations use the whole
    /// timeout up.
    fn wait(&mut self, timeout: Duration, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        loop {
            let mut answers = Vec::new();
            // Answers held back are waited for in polls, not in time.
            let patience = if self.held.is_empty() { timeout } else { Duration::ZERO };
            self.inner.wait(patience, &mut answers)?;
            let quiet = answers.is_empty() && self.held.is_empty();
            let count = self.release(answers, done);
            if count > 0 || quiet {
                if count == 0 && self.hung > 0 && self.inner.outstanding() == 0 {
                    std::thread::sleep(timeout);
                }
                return Ok(count);
            }
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.inner.sync()
    }
}
