//! The host's part: it configures the device, and gives commands by the single-shot path.

use super::bus::CSR;
use super::machine::{Machine, Rules};
use anyhow::{Result, ensure};
use kvcpu_mmio::Register;
use kvcpu_mmio::queue::Opcode;
use kvcpu_mmio::regs::{command, control, dma, hepc, luf, service, tier};

/// log2 of a block's bytes.
pub(super) const BLOCK_SHIFT: u32 = 12;
/// Where frame 0 of the tiers T0 to T2 is; T1 is in card memory.
pub(super) const BASES: [u32; 3] = [0x10_0000, 0, 0x20_0000];
/// Where staging slot 0 is.
pub(super) const STAGE_BASE: u32 = 0x30_0000;
/// Bytes from an instance of the tier's registers to the next.
const TIER_STRIDE: u32 = 0x40;

/// Frames of a tier, and blocks that may be in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Tier {
    pub(super) frames: u32,
    pub(super) limit: u32,
}

/// A command about one key: its low half of the tag; request 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) opcode: Opcode,
    pub(super) key: u32,
    pub(super) tier: u32,
    /// Block flags.
    pub(super) flags: u32,
}

impl Command {
    /// The writes that give it.
    pub(super) fn writes(self) -> Vec<(u32, u32)> {
        let mut words = [0; 16];
        words[0] = self.opcode as u32;
        words[1] = 1 | self.tier << 24;
        words[2] = self.key;
        words[11] = self.flags << 16;
        let sqe = words.iter().enumerate().map(|(n, &word)| (command::CMD_SQE.offset + 4 * n as u32, word));
        sqe.chain([(command::CMD_GO.offset, 1)]).collect()
    }
}

/// Gives a command.
pub(super) fn command<R: Rules>(machine: &mut Machine<'_, R>, command: Command) -> Result<()> {
    command
        .writes()
        .into_iter()
        .try_for_each(|(offset, value)| machine.host_write(offset, value))
}

/// Configures and enables the device; with a T3, with so many staging slots as it has frames.
pub(super) fn enable<R: Rules>(
    machine: &mut Machine<'_, R>,
    tiers: [Tier; 4],
    agents: u32,
    metadata_only: bool,
) -> Result<()> {
    let mut write = |register: &Register, more: u32, value: u32| machine.host_write(register.offset + more, value);
    for (number, Tier { frames, limit }) in (0..).zip(tiers) {
        write(&tier::TIER_FRAMES, number * TIER_STRIDE, frames)?;
        write(&tier::TIER_LIMIT, number * TIER_STRIDE, limit)?;
        write(&tier::TIER_LOOKAHEAD, number * TIER_STRIDE, 1000)?;
        if let Some(&base) = BASES.get(number as usize) {
            write(&tier::TIER_BASE, number * TIER_STRIDE, base)?;
            write(&tier::TIER_BASE, number * TIER_STRIDE + 4, 0)?;
        }
    }
    if tiers[3].limit != 0 {
        write(&service::SVC_STAGE_BASE, 0, STAGE_BASE)?;
        write(&service::SVC_STAGE_BASE, 4, 0)?;
        write(&service::SVC_SQ_BASE, 0, 0x40_0000)?;
        write(&service::SVC_SQ_BASE, 4, 0)?;
        write(&service::SVC_CQ_BASE, 0, 0)?;
        write(&service::SVC_CQ_BASE, 4, 0)?;
        write(&service::SVC_STAGE_SLOTS, 0, 1)?;
        write(&service::SVC_SIZE, 0, 5)?;
        write(&service::SVC_CTRL, 0, 1)?;
    }
    write(&hepc::PREFETCH_TIER, 0, 0)?;
    write(&dma::BLOCK_SHIFT, 0, BLOCK_SHIFT)?;
    write(&dma::DMA_CTRL, 0, u32::from(metadata_only))?;
    write(&luf::AGENT_MASK, 0, agents)?;
    write(&control::CTRL, 0, 1)?;
    let error = machine.bus.load(CSR + (super::bus::csr(&control::CONFIG_ERR, 0) - CSR))?;
    ensure!(error == 0, "the device refuses to be enabled: CONFIG_ERR {error}");
    Ok(())
}
