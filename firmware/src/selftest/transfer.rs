//! The test of DMA and CRC: a block that the driver wrote, copied to card memory and out again. `docs/firmware.md`, Self-test.
//!
//! ```text
//!  lent memory: block 0 ─ COPY ─► T1, frame 0 ─ COPY ─► block 1
//!                            └─ CRC ─┐             └─ CRC ─┐
//!  pattern_word ─► CRC ──────────────┴─────────────────────┴─► equal?
//! ```
//!
//! One step a round, as the firmware's own CRC takes longer than a round may. The device is configured with T1 alone, and what was
//! configured before is put back; the single-shot command's interrupt is held back meanwhile.

use super::configuration::{Saved, T1, is_configured};
use crate::Platform;
use crate::platform::{Registers, bits};
use crc::{Digest, NoTable};
use kvcpu_mmio::firmware::{DETAIL_REFUSED, DETAIL_TIMEOUT, SELF_TEST_MAX_SHIFT, pattern_word};
use kvcpu_mmio::image::CRC32C;
use kvcpu_mmio::queue::{CommandFlags, Cqe, Key, Opcode, Sqe, Status};
use kvcpu_mmio::regs::{command, control};

/// Words of the pattern whose CRC is made in one step.
const PIECE: u32 = 64;
/// ms that a command may take: at 1 MB/s the largest block needs 66.
const DEADLINE_MS: u32 = 1_000;
/// The block that is copied: any will do, the directory is empty.
const KEY: Key = Key::shared(0, u64::from_le_bytes(*b"selftest"));

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both copies were done, and their CRCs are right.
    Passed,
    /// The device did not copy; FW_SELFTEST_DETAIL.
    Dma(u32),
    /// The device's CRC is another than the firmware's.
    Crc(u32),
    /// A host has the device: it enabled it before the test did, or configured it since.
    Enabled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Pattern,
    Insert,
    In,
    Out,
}

/// A test that goes on.
pub(crate) struct Transfer {
    address: u64,
    shift: u32,
    step: Step,
    /// Words of the pattern in the digest.
    words: u32,
    digest: Digest<'static, u32, NoTable>,
    /// When the command that is being done was given, ms.
    since: u32,
    saved: Saved,
}

impl Transfer {
    /// A test with two blocks of `1 << shift` bytes at a bus address; `None` if the device has no such blocks, or the address is not aligned.
    pub(crate) fn new<P: Platform>(platform: &mut P, address: u64, shift: u32) -> Option<Transfer> {
        let engines = platform.get(&control::CAP_ENGINES);
        let least = bits(&control::CAP_ENGINES::MIN_BLOCK_SHIFT, engines);
        let most = bits(&control::CAP_ENGINES::MAX_BLOCK_SHIFT, engines).min(SELF_TEST_MAX_SHIFT);
        let fits = shift >= least && shift <= most && address & 7 == 0;
        let (step, digest, saved) = (Step::Pattern, CRC32C.digest(), Saved::default());
        (fits && address.checked_add(2 << shift).is_some()).then_some(Transfer {
            address,
            shift,
            step,
            words: 0,
            digest,
            since: 0,
            saved,
        })
    }

    /// The next step, at `now` in ms; at the end, how it went. The device is then disabled and configured as before.
    pub(crate) fn step<P: Platform>(&mut self, platform: &mut P, now: u32) -> Option<Verdict> {
        if self.step == Step::Pattern {
            return self.pattern(platform, now);
        }
        if !is_configured(platform) {
            self.saved.let_interrupt(platform);
            return Some(Verdict::Enabled);
        }
        let verdict = match self.completion(platform, now) {
            None => return None,
            Some(Err(detail)) => Some(Verdict::Dma(detail)),
            Some(Ok(_)) if self.step == Step::Insert => None,
            Some(Ok(crc)) => (crc != self.digest.clone().finalize()).then_some(Verdict::Crc(crc)),
        };
        let verdict = verdict.or_else(|| match self.step {
            Step::Pattern | Step::Insert => self.submit(platform, Step::In, now),
            Step::In => self.submit(platform, Step::Out, now),
            Step::Out => Some(Verdict::Passed),
        })?;
        platform.set(&control::CTRL, 0);
        self.saved.put_back(platform);
        Some(verdict)
    }

    /// Ends it where it is. A device that is not enabled any more, or configured otherwise, was reset or is the host's: nothing is put back.
    pub(crate) fn give_up<P: Platform>(self, platform: &mut P) {
        let enabled = platform.field(&control::CTRL, &control::CTRL::ENABLE) == 1;
        if self.step != Step::Pattern && enabled && is_configured(platform) {
            platform.set(&control::CTRL, 0);
            self.saved.put_back(platform);
        }
    }

    /// The CRC of a piece of the pattern; after the last, the device is enabled.
    fn pattern<P: Platform>(&mut self, platform: &mut P, now: u32) -> Option<Verdict> {
        let all = (1 << self.shift) / 4;
        for n in self.words..all.min(self.words + PIECE) {
            self.digest.update(&pattern_word(n).to_le_bytes());
        }
        self.words = all.min(self.words + PIECE);
        if self.words < all {
            return None;
        }
        if platform.field(&control::CTRL, &control::CTRL::ENABLE) == 1 {
            return Some(Verdict::Enabled);
        }
        self.saved = Saved::replace(platform, self.shift);
        platform.set(&control::CTRL, control::CTRL::ENABLE.mask() as u32);
        if platform.field(&control::CTRL, &control::CTRL::ENABLE) == 0 {
            let refused = DETAIL_REFUSED + platform.get(&control::CONFIG_ERR);
            self.saved.put_back(platform);
            return Some(Verdict::Dma(refused));
        }
        self.submit(platform, Step::Insert, now)
    }

    /// Gives the command of a step.
    fn submit<P: Platform>(&mut self, platform: &mut P, step: Step, now: u32) -> Option<Verdict> {
        let block = 1 << self.shift;
        let (opcode, tier, flags, at, length) = match step {
            Step::Pattern | Step::Insert => (Opcode::Insert, T1 as u8, CommandFlags::empty(), 0, 0),
            Step::In => (Opcode::Copy, 0, CommandFlags::empty(), self.address, block),
            Step::Out => (Opcode::Copy, 0, CommandFlags::OUT, self.address + u64::from(block), block),
        };
        let (opcode, flags) = (opcode.code(), flags.bits());
        let sqe = Sqe { opcode, tier, flags, cid: step as u16, key: KEY, iova: at, length, ..Sqe::default() };
        for (n, word) in (0..).step_by(2).zip(sqe.to_words()) {
            platform.set_element(&command::CMD_SQE, n, word as u32);
            platform.set_element(&command::CMD_SQE, n + 1, (word >> 32) as u32);
        }
        platform.set(&command::CMD_GO, 1);
        (self.step, self.since) = (step, now);
        None
    }

    /// The value of the command's completion, if it is there; what fails is FW_SELFTEST_DETAIL.
    fn completion<P: Platform>(&self, platform: &mut P, now: u32) -> Option<Result<u32, u32>> {
        let done = platform.field(&command::CMD_STATUS, &command::CMD_STATUS::DONE) == 1;
        let mut words = [0u64; 4];
        for (n, word) in (0..).zip(&mut words) {
            *word = platform.get_element(&command::CMD_CQE, n).into();
        }
        let cqe = Cqe::from_words([words[0] | words[1] << 32, words[2] | words[3] << 32]);
        // That of a command of the host's says nothing.
        if !done || cqe.cid != self.step as u16 {
            return (now.wrapping_sub(self.since) >= DEADLINE_MS).then_some(Err(DETAIL_TIMEOUT));
        }
        Some(if cqe.status == Status::Ok.code() { Ok(cqe.value) } else { Err(cqe.status.into()) })
    }
}
