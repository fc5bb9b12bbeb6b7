//! Which bank runs and how it came to that. `docs/firmware.md`, Reset.

/// Cause of a reset, as FW_STATUS.RESET_CAUSE.
const POWER_UP: u8 = 0;
const WATCHDOG: u8 = 1;
const ASKED: u8 = 2;
const TRIAL_BITTEN: u8 = 3;

/// What a reset leaves standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Active flash bank, 0 or 1.
    pub bank: u8,
    /// Its image is on trial.
    pub trial: bool,
    /// Why the core was reset last.
    pub cause: u8,
    /// Watchdog bites since power-up; saturates.
    pub bites: u8,
    /// The next reset starts the other bank.
    pub swap: bool,
    /// The bank that was confirmed last, which power-up starts; not volatile.
    pub kept: u8,
}

impl Boot {
    /// After power-up of a card in which this bank was confirmed last.
    pub(crate) fn power_up(kept: u8) -> Boot {
        Boot { bank: kept, kept, cause: POWER_UP, ..Boot::default() }
    }

    /// The running image is no trial any more, and the one that power-up starts.
    pub(crate) fn confirm(&mut self) {
        self.trial = false;
        self.kept = self.bank;
    }

    /// The register BOOT.
    pub(crate) fn register(&self) -> u32 {
        u32::from(self.bank) | u32::from(self.trial) << 1 | u32::from(self.cause) << 8 | u32::from(self.bites) << 16
    }

    /// A reset that the core asked for.
    pub(crate) fn ask(&mut self) {
        self.cause = ASKED;
        self.change();
    }

    /// The watchdog bites: a trial ends with the bank that it began from, whatever that trial wanted next.
    pub(crate) fn bite(&mut self) {
        self.bites = self.bites.saturating_add(1);
        self.cause = WATCHDOG;
        if self.trial {
            *self = Boot { bank: self.bank ^ 1, trial: false, cause: TRIAL_BITTEN, swap: false, ..*self };
        }
        self.change();
    }

    /// The banks change places if that was asked for.
    fn change(&mut self) {
        if std::mem::take(&mut self.swap) {
            self.bank ^= 1;
            self.trial = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_change_places_at_the_next_reset_and_are_on_trial_then() {
        let mut boot = Boot::power_up(0);
        boot.ask();
        assert_eq!(boot.register(), 0x200);
        boot.swap = true;
        assert_eq!(boot.register(), 0x200, "not before the reset");
        boot.ask();
        assert_eq!(boot.register(), 0x203);
        boot.ask();
        assert_eq!(boot.register(), 0x203, "a reset that was asked for leaves it on trial");
        boot.confirm();
        boot.bite();
        assert_eq!(boot.register(), 0x1_0101, "confirmed: a bite starts it again");
    }

    #[test]
    fn a_bite_on_trial_brings_the_old_bank_back() {
        let mut boot = Boot { swap: true, ..Boot::power_up(0) };
        boot.bite();
        assert_eq!((boot.bank, boot.trial, boot.cause), (1, true, WATCHDOG), "any reset swaps");
        boot.swap = true;
        boot.bite();
        assert_eq!((boot.bank, boot.trial, boot.cause, boot.bites, boot.swap), (0, false, TRIAL_BITTEN, 2, false));
        boot.bites = 255;
        boot.bite();
        assert_eq!((boot.bites, boot.cause), (255, WATCHDOG));
    }

    #[test]
    fn power_up_starts_the_bank_that_was_confirmed_last() {
        for first in [0, 1] {
            let mut boot = Boot { swap: true, ..Boot::power_up(first) };
            assert_eq!(
                Boot::power_up(boot.kept),
                Boot { bank: first, kept: first, ..Boot::default() },
                "no swap is kept"
            );
            boot.ask();
            assert_eq!((boot.bank, boot.kept), (first ^ 1, first), "a trial is not kept");
            boot.confirm();
            assert_eq!(Boot::power_up(boot.kept).register(), u32::from(first ^ 1));
        }
    }
}
