//! The self-test: what its parts found. `docs/firmware.md`, Self-test.

mod configuration;
mod march;
mod transfer;

pub(crate) use configuration::disable;
pub(crate) use march::March;
pub(crate) use transfer::{Transfer, Verdict};

use crate::Platform;
use crate::platform::Registers;
use kvcpu_mmio::firmware::SelfTestOutcome;
use kvcpu_mmio::regs::mgmt::{self, FW_SELFTEST};

/// The parts of the self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The running image against its CRC.
    Image,
    /// The directory.
    March,
    /// A block copied in and out.
    Dma,
    /// The CRC that the device made of it.
    Crc,
}

impl Part {
    const ALL: [Part; 4] = [Part::Image, Part::March, Part::Dma, Part::Crc];

    /// Where its two bits are.
    const fn lsb(self) -> u8 {
        match self {
            Part::Image => FW_SELFTEST::IMAGE.lsb,
            Part::March => FW_SELFTEST::MARCH.lsb,
            Part::Dma => FW_SELFTEST::DMA.lsb,
            Part::Crc => FW_SELFTEST::CRC.lsb,
        }
    }
}

/// What it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// FW_SELFTEST.
    pub outcomes: u32,
    /// FW_SELFTEST_DETAIL.
    pub detail: u32,
}

impl SelfTest {
    /// Notes how a part ended; `detail` is kept if it failed, and is the first that did.
    pub fn note(&mut self, part: Part, outcome: SelfTestOutcome, detail: u32) {
        if outcome == SelfTestOutcome::Failed && !self.failed() {
            self.detail = detail;
        }
        self.outcomes = self.outcomes & !(3 << part.lsb()) | outcome.code() << part.lsb();
    }

    /// How a part ended.
    pub fn outcome(&self, part: Part) -> SelfTestOutcome {
        SelfTestOutcome::from_code(self.outcomes >> part.lsb() & 3).unwrap_or(SelfTestOutcome::NotRun)
    }

    /// Whether any part failed.
    pub fn failed(&self) -> bool {
        Part::ALL.into_iter().any(|part| self.outcome(part) == SelfTestOutcome::Failed)
    }

    /// Forgets what DMA and CRC found, as they are to run again.
    pub fn forget_transfer(&mut self) {
        self.note(Part::Dma, SelfTestOutcome::NotRun, 0);
        self.note(Part::Crc, SelfTestOutcome::NotRun, 0);
        if !self.failed() {
            self.detail = 0;
        }
    }

    /// Shows it.
    pub(crate) fn show<P: Platform>(&self, platform: &mut P) {
        platform.set(&mgmt::FW_SELFTEST, self.outcomes);
        platform.set(&mgmt::FW_SELFTEST_DETAIL, self.detail);
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, SelfTest};
    use kvcpu_mmio::firmware::SelfTestOutcome::{Failed, LeftOut, NotRun, Passed};

    #[test]
    fn the_detail_is_of_the_first_failure() {
        let mut test = SelfTest::default();
        test.note(Part::Image, Passed, 1);
        assert_eq!((test.detail, test.failed()), (0, false));
        test.note(Part::March, Failed, 2);
        test.note(Part::Dma, Failed, 3);
        assert_eq!((test.detail, test.failed()), (2, true));
        test.forget_transfer();
        assert_eq!((test.detail, test.outcome(Part::Dma), test.outcome(Part::March)), (2, NotRun, Failed));
        test.note(Part::March, LeftOut, 0);
        test.note(Part::Crc, Failed, 4);
        assert_eq!(test.outcomes, 0b10_00_11_01);
        test.forget_transfer();
        assert_eq!((test.detail, test.failed()), (0, false));
    }
}
