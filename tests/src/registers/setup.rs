//! What is done to both devices on purpose: commands, queues, configurations, good more often than not.

use kvcpu_mmio::Backing;
use kvcpu_mmio::Bar;
use kvcpu_mmio::queue::Opcode;
use kvcpu_mmio::regs::{command, control, dma, luf, queue, service, tier};
use rand::prelude::*;
use std::sync::atomic::Ordering;

use super::{Both, COMPLETIONS, LOOK, SQE_BYTES};

impl Both {
    /// A command, good more often than not.
    fn sqe(&mut self) -> [u32; 16] {
        let rng = &mut self.rng;
        let opcode =
            if rng.random_bool(0.95) { rng.random_range(0..=Opcode::Copy as u32) } else { rng.random() } & 0xFF;
        let is_insert = opcode == Opcode::Insert as u32;
        let scoped = opcode > Opcode::StepAdvance as u32 && rng.random_bool(0.5);
        let scope = if scoped { rng.random_range(0..3) } else { 0 };
        let tier = if is_insert || rng.random_bool(0.05) { rng.random_range(0..4) } else { 0 };
        let mut words = [0; 16];
        words[0] = opcode | rng.random::<u32>() << 16;
        words[1] = rng.random_range(1..4) | rng.random_range(0..2) << 16 | tier << 24 | scope << 28;
        words[2] = rng.random_range(0..48);
        words[9] = if scope == 1 { rng.random_range(0..20) } else { 0 };
        words[10] = rng.random_range(0..64);
        words[11] = if is_insert { rng.random_range(0..5) } else { 0 };
        if rng.random_bool(0.05) {
            let word = rng.random_range(1..16);
            // A count may be of 65,536 blocks, which takes long and shows nothing.
            words[word] ^= if word == 9 { 1 } else { rng.random() };
        }
        words
    }

    pub(super) fn command(&mut self) -> Result<(), String> {
        let sqe = self.sqe();
        for (element, word) in (0..).zip(sqe) {
            let offset = command::CMD_SQE.element(element);
            self.both(|backing| backing.write32(Bar::Regs, offset, word).map(|()| 0))?;
        }
        // Half of the steps are there early enough to be made ready.
        if sqe[10].is_multiple_of(2) && sqe[0] & 0xFF == u32::from(Opcode::StepAdvance as u8) {
            self.rtl.advance(LOOK).map_err(|error| error.to_string())?;
        }
        self.write(&command::CMD_GO, 0, 1)
    }

    /// Other commands in a ring, and its doorbell.
    pub(super) fn doorbell(&mut self) -> Result<(), String> {
        let slots = COMPLETIONS / SQE_BYTES;
        for _ in 0..self.rng.random_range(0..6) {
            let most = if self.rng.random() { 8 } else { slots };
            let slot = self.rng.random_range(0..most);
            for (pair, at) in self.sqe().chunks_exact(2).zip(slot * SQE_BYTES / 8..) {
                let word = u64::from(pair[0]) | u64::from(pair[1]) << 32;
                for memory in &self.memory {
                    memory.words()[at as usize].store(word, Ordering::SeqCst);
                }
            }
        }
        let queue = self.rng.random_range(0..self.geometry.queues);
        let tail = if self.rng.random_bool(0.8) { self.rng.random_range(0..8) } else { self.value() };
        if self.rng.random_bool(0.4) {
            self.write(&queue::CQ_DOORBELL, queue, tail)?;
        }
        self.write(&queue::SQ_DOORBELL, queue, tail)
    }

    /// A queue stopped and begun anew.
    pub(super) fn queue(&mut self) -> Result<(), String> {
        let number = self.rng.random_range(0..self.geometry.queues);
        self.write(&queue::Q_CTRL, number, 0)?;
        let iova = self.memory[0].iova();
        let wrong = self.rng.random_range(0..12);
        let (sq, cq) = (self.rng.random_range(1..6u64), self.rng.random_range(1..6u64));
        let stray = self.stray_bit();
        self.write(&queue::SQ_BASE, number, if wrong == 0 { iova ^ stray } else { iova })?;
        self.write(&queue::CQ_BASE, number, if wrong == 1 { iova ^ stray } else { iova + COMPLETIONS })?;
        let size = if wrong == 2 { self.value() } else { sq | cq << 8 };
        self.write(&queue::Q_SIZE, number, size)?;
        let tenant = if self.rng.random_bool(0.3) { 2 | self.rng.random_range(0..2) << 8 } else { 0 };
        self.write(&queue::Q_CTRL, number, 1 | tenant)
    }

    /// An agent acknowledges the last invalidation, or one of those before or behind it.
    pub(super) fn acknowledge(&mut self) -> Result<(), String> {
        let epoch = self
            .emulator
            .read32(luf::INV_EPOCH.bar, luf::INV_EPOCH.offset)
            .map_err(|error| error.to_string())?;
        let agent = self.rng.random_range(0..self.geometry.agents);
        let value = epoch.wrapping_add(self.rng.random_range(0..4)).wrapping_sub(2);
        self.write_at(luf::AGENT_ACK.bar, luf::AGENT_ACK.element(agent), false, value.into())
    }

    /// A bit of an address, more often than not one that has to be 0.
    fn stray_bit(&mut self) -> u64 {
        let most = if self.rng.random_bool(0.7) { 6 } else { 64 };
        1 << self.rng.random_range(0..most)
    }

    /// Rings and staging slots of T3, which it asks for if it is used: one of them may not fit.
    fn service(&mut self) -> Result<(), String> {
        let wrong = self.rng.random_range(0..12);
        let bases = [&service::SVC_SQ_BASE, &service::SVC_CQ_BASE, &service::SVC_STAGE_BASE];
        for (number, register) in bases.iter().enumerate() {
            let stray = if wrong == number { self.stray_bit() } else { 0 };
            self.write(register, 0, self.memory[0].iova() ^ stray)?;
        }
        let slots = if wrong == 3 { self.value() } else { self.rng.random_range(1..5) };
        self.write(&service::SVC_STAGE_SLOTS, 0, slots)?;
        let size = if wrong == 4 { 16 * self.rng.random_range(0..2) } else { self.rng.random_range(1..6) };
        self.write(&service::SVC_SIZE, 0, size)?;
        self.write(&service::SVC_CTRL, 0, u64::from(wrong != 5))
    }

    /// Another configuration, and ENABLE, which it may not be fit for.
    pub(super) fn configure(&mut self) -> Result<(), String> {
        self.write(&control::CTRL, 0, 0)?;
        for number in 0..4 {
            let frames = if self.rng.random_bool(0.7) { self.rng.random_range(0..24) } else { 0 };
            let limit = if self.rng.random_bool(0.95) { frames } else { self.value() };
            self.write(&tier::TIER_FRAMES, number, frames)?;
            self.write(&tier::TIER_LIMIT, number, limit)?;
            let high = self.rng.random_range(0..=frames.max(1));
            let watched = self.rng.random();
            self.write(&tier::TIER_HIGH, number, if watched { high } else { 0x1_FFFF })?;
            self.write(&tier::TIER_LOW, number, high)?;
            let lookahead = self.rng.random_range(0..8);
            self.write(&tier::TIER_LOOKAHEAD, number, lookahead)?;
        }
        for number in [0, 2] {
            let stray = if self.rng.random_bool(0.05) { self.stray_bit() } else { 0 };
            self.write(&tier::TIER_BASE, number, self.memory[0].iova() ^ stray)?;
        }
        self.service()?;
        let agents = match self.rng.random_range(0..20) {
            0 => self.value(),
            1..6 => self.rng.random_range(0..1 << self.geometry.agents),
            _ => 0,
        };
        self.write(&luf::AGENT_MASK, 0, agents)?;
        let shift = if self.rng.random_bool(0.9) { 8 } else { self.value() };
        self.write(&dma::BLOCK_SHIFT, 0, shift)?;
        if self.rng.random_bool(0.5) {
            // More must be right where bytes move. It is disabled before any can.
            self.enable(0)?;
            self.write(&control::CTRL, 0, 0)?;
        }
        self.enable(dma::DMA_CTRL::METADATA_ONLY.mask())
    }

    fn enable(&mut self, dma_ctrl: u64) -> Result<(), String> {
        self.write(&dma::DMA_CTRL, 0, dma_ctrl)?;
        self.write(&control::CTRL, 0, control::CTRL::ENABLE.mask())?;
        self.read_at(control::CONFIG_ERR.bar, control::CONFIG_ERR.offset, false)
    }
}
