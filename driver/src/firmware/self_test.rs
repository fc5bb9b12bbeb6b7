//! The firmware's self-test of DMA and CRC, with memory that is lent for it.

use kvcpu_mmio::firmware::{MailboxResult, Opcode, SELF_TEST_MAX_SHIFT, pattern_word};
use kvcpu_mmio::regs::control::{CTRL, STATUS};
use kvcpu_mmio::regs::irq::INT_ENABLE;
use kvcpu_mmio::regs::mgmt::FW_STATUS;
use kvcpu_mmio::regs::tier::TIER_FRAMES;
use kvcpu_mmio::{Backing, BackingError};

use super::mailbox::Turn;
use super::status::Run;
use super::watch::Watch;
use super::{Firmware, FirmwareError, SelfTest};
use crate::device::lock;
use crate::{DmaBuffer, DriverError, Source};

/// TIER_FRAMES of the device in a test: one frame in T1 (docs/firmware.md, Self-test).
const TEST_FRAMES: [u64; 4] = [0, 1, 0, 0];

impl<B: Backing + ?Sized + 'static> Firmware<B> {
    /// Lends it two blocks, the first with its pattern, has the one copied into the other by way of card memory, and looks at what came. What
    /// the self-test found is an answer, not an error. The device must not be enabled, and cannot be configured meanwhile; it is as it was
    /// afterwards.
    pub fn self_test(&self) -> Result<SelfTest, DriverError> {
        self.wait_ready()?;
        let device = &self.device;
        let mut turn = Turn::take(device);
        let _lent = lock(&device.inner.lent);
        // The firmware holds INT_STATUS.COMMAND back, for which it reads INT_ENABLE and writes it back.
        let _held = lock(&device.inner.irq);
        let interrupts = device.read(&INT_ENABLE)?;
        if CTRL::ENABLE.get(device.read(&CTRL)?) == 1 || STATUS::ENABLED.get(device.read(&STATUS)?) == 1 {
            return Err(FirmwareError::Enabled.into());
        }
        let shift = device.geometry().min_block_shift.min(SELF_TEST_MAX_SHIFT);
        let memory = match device.dma_alloc(2 << shift) {
            Err(DriverError::Backing(BackingError::Unsupported(_))) => {
                return Err(FirmwareError::NoMemory { name: device.backing().name() }.into());
            }
            other => other?,
        };
        let pattern: Vec<u8> = (0..1 << (shift - 2)).flat_map(|n| pattern_word(n).to_le_bytes()).collect();
        memory.write(0, &pattern)?;
        let iova = memory.iova();
        let args = [iova as u32, (iova >> 32) as u32];
        let values = match turn.ask(Opcode::SelfTest, args, &shift.to_le_bytes()) {
            Ok(answer) => answer.values,
            Err(DriverError::Firmware(FirmwareError::Refused { refusal, .. }))
                if refusal.result() == Some(MailboxResult::Failed) =>
            {
                refusal.values
            }
            Err(error) => {
                if let Err(error) = self.end(interrupts) {
                    // The device may write there, and the bus address is not to be another's.
                    tracing::warn!(target: "kvcpu::firmware", iova = memory.iova(), %error, "memory that was lent stays mapped");
                    std::mem::forget(memory);
                }
                return Err(error);
            }
        };
        let found = SelfTest::from_registers(values[0].into(), values[1]);
        if found.is_good() {
            compare(&memory, &pattern)?;
        }
        Ok(found)
    }

    /// Ends a test that was given up, or that the watchdog ended, before the memory goes that it was lent. The firmware turns the device off as soon as
    /// it sees that nobody waits; where it hangs, or was bitten after the command was taken back, nobody does. A device that another host has
    /// configured since is left alone.
    fn end(&self, interrupts: u64) -> Result<(), DriverError> {
        let device = &self.device;
        self.wait_end()?;
        let mut tiers = (0..).zip(TEST_FRAMES);
        let is_tests = tiers.try_fold(true, |is, (tier, frames)| {
            device.read_at(&TIER_FRAMES, tier, 0).map(|found| is && found == frames)
        })?;
        let command = Source::Command.bit();
        let enable = device.read(&INT_ENABLE)?;
        device.write(&INT_ENABLE, enable | interrupts & command)?;
        if is_tests && CTRL::ENABLE.get(device.read(&CTRL)?) == 1 {
            device.write(&CTRL, 0)?;
        }
        if is_tests { device.wait_status("disabling the device", &STATUS::ENABLED, 0) } else { Ok(()) }
    }

    /// Waits until the firmware is not in its test any more, or the deadline is over.
    fn wait_end(&self) -> Result<(), DriverError> {
        let device = &self.device;
        let mut watch = Watch::new(device, "the firmware's self-test to end", device.deadline())?;
        while Run::from_register(device.read(&FW_STATUS)?).is_early() && !watch.tick()? {}
        Ok(())
    }
}

/// The block that came back against the one that was lent: a firmware that is content when it should not be.
fn compare(memory: &DmaBuffer, pattern: &[u8]) -> Result<(), DriverError> {
    let mut back = vec![0; pattern.len()];
    memory.read(pattern.len(), &mut back)?;
    let differs = back.iter().zip(pattern).find(|(found, expected)| found != expected);
    differs.map_or(Ok(()), |(found, expected)| {
        let what = "a byte of the block that the firmware's self-test copied, which it says is good";
        Err(DriverError::Protocol { what, expected: (*expected).into(), found: (*found).into() })
    })
}
