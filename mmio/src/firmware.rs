//! What driver and firmware say to each other by number: mailbox opcodes and results, log events, parameters, states; the image's
//! header; the pattern of the DMA self-test.
//!
//! `docs/firmware.md` says what they mean; the registers they travel in are in [`crate::regs::mgmt`].

/// Declares an enum with a lossless conversion from its code.
macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl $name {
            /// Every one of them, with its name and description.
            pub const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$variant, stringify!($variant), concat!($($doc),+).trim_ascii_start()),)+];

            /// The variant with this code.
            pub const fn from_code(code: u32) -> Option<$name> {
                match code { $($code => Some($name::$variant),)+ _ => None }
            }

            /// The code as it stands in a register.
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// What it means, in a sentence.
            pub const fn describe(self) -> &'static str {
                match self { $($name::$variant => concat!($($doc),+).trim_ascii_start(),)+ }
            }
        }

        impl TryFrom<u32> for $name {
            /// The number that is no code.
            type Error = u32;

            fn try_from(code: u32) -> Result<$name, u32> {
                $name::from_code(code).ok_or(code)
            }
        }
    };
}

/// What `MBOX_ARG[2]` holds with opcodes that change something.
pub const KEY: u32 = 0x4657_564B;
/// First word of an image.
pub const IMAGE_MAGIC: u32 = 0x4657_564B;
/// Second word of an image.
pub const IMAGE_FORMAT: u32 = 1;
/// Bytes of an image's header.
pub const IMAGE_HEADER_BYTES: u32 = 64;
/// Bytes of an image at the most, header included.
pub const IMAGE_MAX_BYTES: u32 = 16 << 10;
/// Bytes of MBOX_DATA and of MBOX_ANSWER.
pub const MAILBOX_BYTES: u32 = 64;
/// Bytes of a log entry in MBOX_ANSWER.
pub const LOG_ENTRY_BYTES: u32 = 16;
/// Entries that the log holds.
pub const LOG_ENTRIES: u32 = 32;
/// log2 of the bytes of the largest block that SELF_TEST takes.
pub const SELF_TEST_MAX_SHIFT: u32 = 16;
/// FW_SELFTEST_DETAIL of a DMA test whose device refused ENABLE: this, plus CONFIG_ERR.
pub const DETAIL_REFUSED: u32 = 1 << 16;
/// FW_SELFTEST_DETAIL of a DMA test of which a command did not complete in time.
pub const DETAIL_TIMEOUT: u32 = 2 << 16;

/// Words of the header, by what they hold.
pub mod header {
    /// [`super::IMAGE_MAGIC`].
    pub const MAGIC: u32 = 0;
    /// [`super::IMAGE_FORMAT`].
    pub const FORMAT: u32 = 1;
    /// Bytes of the image, header included.
    pub const BYTES: u32 = 2;
    /// CRC-32C of those bytes, this word taken as 0.
    pub const CRC: u32 = 3;
    /// Version, as FW_VERSION.
    pub const VERSION: u32 = 4;
    /// Major version of the register map that it knows.
    pub const MAP_MAJOR: u32 = 5;
}

numbers! {
    /// FW_STATUS.STATE.
    State {
        /// There is no firmware.
        None = 0,
        /// It boots.
        Boots = 1,
        /// It tests itself and the directory; the device cannot be enabled.
        Tests = 2,
        /// It runs.
        Runs = 3,
        /// It runs; the self-test or the sensor failed.
        Failed = 4,
        /// It takes an update.
        Updates = 5,
    }
}

numbers! {
    /// FW_STATUS.RESET_CAUSE.
    ResetCause {
        /// Power-up.
        PowerUp = 0,
        /// The watchdog bit.
        Watchdog = 1,
        /// The firmware asked for it.
        Asked = 2,
        /// The watchdog bit an image on trial, so that the other bank runs again.
        TrialFailed = 3,
    }
}

numbers! {
    /// THERMAL_STATUS.STATE.
    ThermalState {
        /// No sample yet.
        Unknown = 0,
        /// Below the temperature at which throttling begins.
        Normal = 1,
        /// The device rests part of the time.
        Throttled = 2,
        /// Over the critical temperature.
        Critical = 3,
        /// The sensor is missing or stuck.
        SensorFailed = 4,
    }
}

numbers! {
    /// One part of FW_SELFTEST.
    SelfTestOutcome {
        /// Not run.
        NotRun = 0,
        /// Passed.
        Passed = 1,
        /// Failed; see FW_SELFTEST_DETAIL.
        Failed = 2,
        /// Left out, as the device was in use.
        LeftOut = 3,
    }
}

numbers! {
    /// MBOX_COMMAND.OPCODE.
    Opcode {
        /// Does nothing.
        Nop = 0,
        /// Tells version, CRC of the image and map version.
        Version = 1,
        /// Gives log entries.
        Log = 2,
        /// Tells a parameter and its range.
        GetParam = 3,
        /// Changes a parameter, until the core is reset.
        SetParam = 4,
        /// Begins an update, and forgets one that was begun.
        UpdateBegin = 5,
        /// Brings a piece of the image.
        UpdateData = 6,
        /// Checks the image and, if it is good, starts it.
        UpdateCommit = 7,
        /// Forgets the update.
        UpdateAbort = 8,
        /// Resets the core.
        Reset = 9,
        /// Tests DMA and CRC with memory that the driver lends.
        SelfTest = 10,
    }
}

impl Opcode {
    /// Whether `MBOX_ARG[2]` must be [`KEY`].
    pub const fn needs_key(self) -> bool {
        !matches!(self, Opcode::Nop | Opcode::Version | Opcode::Log | Opcode::GetParam)
    }
}

numbers! {
    /// MBOX_STATUS.RESULT.
    MailboxResult {
        /// Done.
        Ok = 0,
        /// The opcode is unknown.
        UnknownOpcode = 1,
        /// A number or a value is outside its range, or `MBOX_ARG[2]` is not the key.
        BadArgument = 2,
        /// LENGTH is over 64, no multiple of 4, or not what the command needs.
        BadLength = 3,
        /// No update was begun, or it was ended since: by a reset of the core, a minute of silence, or another host.
        NoUpdate = 4,
        /// The piece does not begin where the last one ended.
        OutOfOrder = 5,
        /// The image is not one that may run; the value is an `ImageFault`.
        BadImage = 6,
        /// What was written to the bank reads otherwise.
        Flash = 7,
        /// The device is enabled, and this needs it not to be.
        Enabled = 8,
        /// The self-test found something.
        Failed = 9,
        /// The watchdog bit before it was answered; whether it was carried out is not known.
        Interrupted = 10,
    }
}

numbers! {
    /// Why an image is refused: the value with [`MailboxResult::BadImage`].
    ImageFault {
        /// The first word is not the magic.
        Magic = 1,
        /// The format is unknown.
        Format = 2,
        /// Its size is none that an image has, or not the one that the update was begun with.
        Size = 3,
        /// The CRC-32C is not that of its bytes, or not the one that the update was begun with.
        Crc = 4,
        /// It knows another major version of the register map than the device's.
        MapVersion = 5,
        /// Not all of it has come.
        Incomplete = 6,
    }
}

numbers! {
    /// What a log entry tells of.
    EventCode {
        /// The core booted: reset cause, version.
        Boot = 1,
        /// A self-test ended: FW_SELFTEST, FW_SELFTEST_DETAIL.
        SelfTest = 2,
        /// Throttling began: level, m°C.
        Throttled = 3,
        /// Throttling ended: 0, m°C.
        Unthrottled = 4,
        /// The critical temperature is reached: level, m°C.
        Critical = 5,
        /// The sensor failed: `SensorFault`, m°C.
        SensorFailed = 6,
        /// The sensor works again: 0, m°C.
        SensorBack = 7,
        /// An update was begun: bytes, CRC.
        UpdateBegun = 8,
        /// An update was refused: result, value.
        UpdateRefused = 9,
        /// An update is to run: version, CRC.
        UpdateCommitted = 10,
        /// WEIGHTS were changed: from, to.
        WeightsChanged = 11,
        /// A parameter was changed: number, value.
        ParameterChanged = 12,
        /// The image on trial is confirmed: version, CRC.
        TrialConfirmed = 13,
    }
}

impl EventCode {
    /// Whether it raises the MANAGEMENT interrupt.
    pub const fn raises(self) -> bool {
        use EventCode::{Boot, ParameterChanged, SelfTest, WeightsChanged};
        !matches!(self, Boot | SelfTest | WeightsChanged | ParameterChanged)
    }
}

numbers! {
    /// Why the sensor is held to have failed: first word of [`EventCode::SensorFailed`].
    SensorFault {
        /// It takes no samples.
        NoSamples = 1,
        /// It shows what no sensor here can.
        Range = 2,
        /// It shows the same all the time.
        Stuck = 3,
    }
}

numbers! {
    /// A parameter, as GET_PARAM and SET_PARAM number it.
    Parameter {
        /// 1: WEIGHTS are tuned.
        Tuning = 0,
        /// ms until the watchdog bites.
        WatchdogMs = 1,
        /// Temperature at which throttling begins, °C.
        ThrottleCelsius = 2,
        /// Critical temperature, °C.
        CriticalCelsius = 3,
        /// Least level of throttling, 1/16.
        LeastLevel = 4,
        /// Tuning window, accesses for each block of GUARD_CAPACITY, 1/16.
        TuningWindow = 5,
    }
}

impl Parameter {
    /// What users call it.
    pub const fn name(self) -> &'static str {
        match self {
            Parameter::Tuning => "tuning",
            Parameter::WatchdogMs => "watchdog-ms",
            Parameter::ThrottleCelsius => "throttle-celsius",
            Parameter::CriticalCelsius => "critical-celsius",
            Parameter::LeastLevel => "least-level",
            Parameter::TuningWindow => "tuning-window",
        }
    }

    /// Least and greatest value.
    pub const fn range(self) -> (u32, u32) {
        match self {
            Parameter::Tuning => (0, 1),
            Parameter::WatchdogMs => (100, 60_000),
            Parameter::ThrottleCelsius => (40, 85),
            Parameter::CriticalCelsius => (90, 110),
            Parameter::LeastLevel => (0, 15),
            Parameter::TuningWindow => (4, 255),
        }
    }
}

/// An entry of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// When: ms since power-up, mod 2^32.
    pub ms: u32,
    /// Code of an [`EventCode`].
    pub code: u8,
    /// Number of the entry plus 1, mod 2^16: events since the core was reset, this one included.
    pub count: u16,
    /// What belongs to the event.
    pub words: [u32; 2],
}

impl LogEntry {
    /// Takes the four words of an entry apart.
    pub const fn from_words(w: [u32; 4]) -> LogEntry {
        LogEntry { ms: w[0], code: w[1] as u8, count: (w[1] >> 16) as u16, words: [w[2], w[3]] }
    }

    /// The four words of the entry.
    pub const fn to_words(&self) -> [u32; 4] {
        [self.ms, self.code as u32 | (self.count as u32) << 16, self.words[0], self.words[1]]
    }
}

/// Word `n` of the block that SELF_TEST copies: no two words of a block are equal, and every bit is as often 0 as 1.
pub const fn pattern_word(n: u32) -> u32 {
    // A multiplication by an odd number and a xor-shift are bijections of 32 bits. 2^32 over the golden ratio: Knuth, TAOCP 6.4.
    let x = n.wrapping_add(1).wrapping_mul(0x9E37_79B1);
    x ^ (x >> 15)
}

const _: () = assert!(core::mem::size_of::<[u32; 4]>() == LOG_ENTRY_BYTES as usize);
