//! The core's private registers as volatile cells (`docs/firmware.md`, address 0x8000_0000).

use bitflags::bitflags;
use volatile_register::{RO, WO};

/// All of them, in address order.
#[repr(C)]
pub(crate) struct Registers {
    /// Microseconds since power-up, low half; reading it holds the high one.
    pub(crate) time_lo: RO<u32>,
    /// High half, as held.
    pub(crate) time_hi: RO<u32>,
    /// Temperature in m°C, two's complement.
    pub(crate) sensor: RO<u32>,
    /// Samples that the sensor has taken, mod 2^32.
    pub(crate) sensor_samples: RO<u32>,
    /// Milliseconds until the watchdog bites.
    pub(crate) watchdog: WO<u32>,
    /// How the core came to run.
    pub(crate) boot: RO<Boot>,
    /// What the next reset does, and that reset.
    pub(crate) boot_control: WO<BootControl>,
    /// Microseconds to rest.
    pub(crate) sleep: WO<u32>,
}

const _: () = {
    assert!(core::mem::offset_of!(Registers, watchdog) == 0x10);
    assert!(core::mem::offset_of!(Registers, boot_control) == 0x18);
    assert!(core::mem::size_of::<Registers>() == 0x20);
};

bitflags! {
    /// The register BOOT.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub(crate) struct Boot: u32 {
        /// Number of the active bank.
        const BANK = 1 << 0;
        /// The image in it is on trial.
        const TRIAL = 1 << 1;
        /// Cause of the last reset.
        const CAUSE = 0b111 << 8;
        /// Watchdog bites since power-up.
        const BITES = 0xFF << 16;
    }

    /// The register BOOT_CONTROL.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub(crate) struct BootControl: u32 {
        /// The running image is no trial any more.
        const CONFIRM = 1 << 0;
        /// The next reset starts the other bank, on trial.
        const SWAP = 1 << 1;
        /// Reset now.
        const RESET = 1 << 2;
    }
}

impl Boot {
    /// The value of a group of bits.
    pub(crate) fn field(self, of: Boot) -> u8 {
        // No group is wider than 8 bits.
        ((self & of).bits() >> of.bits().trailing_zeros()) as u8
    }
}
