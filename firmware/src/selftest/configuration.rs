//! The configuration that the test of DMA and CRC needs, and the one that it finds, which it puts back.

use crate::Platform;
use crate::platform::Registers;
use kvcpu_mmio::Bar;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::{control, dma, hepc, irq, luf, tier};

/// Card memory.
pub(super) const T1: u32 = 1;
/// Registers of 32 bits that are replaced: four a tier, the halves of T1's base, four of other blocks.
const WORDS: usize = 4 * TIERS + 2 + 4;
/// The bit of the single-shot command in INT_STATUS and INT_ENABLE.
const COMMAND: u32 = irq::INT_STATUS::COMMAND.mask() as u32;

/// One frame in T1, nothing else: byte offset in BAR0 and value, low halves before high ones. BLOCK_SHIFT's is the test's.
const ONE_FRAME: [(u32, u32); WORDS] = {
    let mut all = [(0, 0); WORDS];
    let mut t = 0;
    while t < TIERS {
        let frames = (t as u32 == T1) as u32;
        all[4 * t] = (tier::TIER_FRAMES.at(t as u32), frames);
        all[4 * t + 1] = (tier::TIER_LIMIT.at(t as u32), frames);
        all[4 * t + 2] = (tier::TIER_HIGH.at(t as u32), tier::TIER_HIGH.reset as u32);
        all[4 * t + 3] = (tier::TIER_LOW.at(t as u32), tier::TIER_LOW.reset as u32);
        t += 1;
    }
    all[4 * TIERS] = (tier::TIER_BASE.at(T1), 0);
    all[4 * TIERS + 1] = (tier::TIER_BASE.at(T1) + 4, 0);
    all[4 * TIERS + 2] = (dma::DMA_CTRL.offset, 0);
    all[4 * TIERS + 3] = (luf::AGENT_MASK.offset, 0);
    all[4 * TIERS + 4] = (hepc::PREFETCH_TIER.offset, T1);
    all[4 * TIERS + 5] = (dma::BLOCK_SHIFT.offset, dma::BLOCK_SHIFT.reset as u32);
    all
};

/// Disables a device that a test, ended by a watchdog bite, left enabled. What was configured before it is lost.
pub(crate) fn disable<P: Platform>(platform: &mut P) {
    if is_configured(platform) {
        platform.set(&control::CTRL, 0);
    }
}

/// Whether the device has the frames of a test: if not, a host has configured it since, or reset it.
pub(super) fn is_configured<P: Platform>(platform: &mut P) -> bool {
    let mut tiers = 0..TIERS as u32;
    tiers.all(|t| platform.read(Bar::Regs, tier::TIER_FRAMES.at(t)) == u32::from(t == T1))
}

/// What was configured before.
#[derive(Clone, Copy, Default)]
pub(super) struct Saved {
    words: [u32; WORDS],
    /// INT_STATUS and INT_ENABLE.
    status: u32,
    enable: u32,
}

impl Saved {
    /// Configures one frame of `1 << shift` bytes in T1, and holds back the interrupt of the single-shot command. The device is not enabled.
    pub(super) fn replace<P: Platform>(platform: &mut P, shift: u32) -> Saved {
        let (status, enable) = (platform.get(&irq::INT_STATUS), platform.get(&irq::INT_ENABLE));
        platform.set(&irq::INT_ENABLE, enable & !COMMAND);
        let mut words = [0; WORDS];
        for (word, (offset, value)) in words.iter_mut().zip(ONE_FRAME) {
            *word = platform.read(Bar::Regs, offset);
            // The halves of TIER_BASE: a low half that is written waits for the high half, which is read before it is written.
            platform.write(Bar::Regs, offset, value);
        }
        platform.set(&dma::BLOCK_SHIFT, shift);
        Saved { words, status, enable }
    }

    /// Puts it back. The device is not enabled.
    pub(super) fn put_back<P: Platform>(&self, platform: &mut P) {
        for (word, (offset, _)) in self.words.iter().zip(ONE_FRAME) {
            platform.write(Bar::Regs, offset, *word);
        }
        if self.status & COMMAND == 0 {
            platform.set(&irq::INT_STATUS, COMMAND);
        }
        self.let_interrupt(platform);
    }

    /// Does not hold the interrupt of the single-shot command back any more.
    pub(super) fn let_interrupt<P: Platform>(&self, platform: &mut P) {
        let enable = platform.get(&irq::INT_ENABLE);
        platform.set(&irq::INT_ENABLE, enable | self.enable & COMMAND);
    }
}
