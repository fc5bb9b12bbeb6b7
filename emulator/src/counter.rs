//! Performance counters.

use kvcpu_mmio::Register;
use kvcpu_mmio::regs::counter::{BLOCK, CNT_DECISION_HIST, CNT_DECISION_MAX};

/// Words of 64 bits in the counter window.
const WORDS: usize = (BLOCK.stride / 8) as usize;

/// The counters, addressed by their registers.
pub(crate) struct Counters([u64; WORDS]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; WORDS])
    }
}

impl Counters {
    const fn slot(register: &Register, element: u32) -> usize {
        ((register.offset - BLOCK.base) / 8 + element) as usize
    }

    pub(crate) fn get(&self, register: &Register, element: u32) -> u64 {
        self.0[Self::slot(register, element)]
    }

    pub(crate) fn add(&mut self, register: &Register, n: u64) {
        self.0[Self::slot(register, 0)] += n;
    }

    pub(crate) fn add_to(&mut self, register: &Register, element: usize, n: u64) {
        self.0[Self::slot(register, element as u32)] += n;
    }

    /// Notes the latency of a decision, in ticks.
    pub(crate) fn decision(&mut self, ticks: u64) {
        let bucket = ticks.max(1).ilog2().min(CNT_DECISION_HIST.elements - 1);
        self.0[Self::slot(&CNT_DECISION_HIST, bucket)] += 1;
        let max = &mut self.0[Self::slot(&CNT_DECISION_MAX, 0)];
        *max = ticks.max(*max);
    }
}
