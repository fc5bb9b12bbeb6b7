//! Management: what the firmware tells of itself, thermal control, and its mailbox.
//!
//! Registers that are read-only here are written by the management core, through a port of its own (`docs/firmware.md`).

use crate::register::block;

/// Address bit of the register port that says the management core asks: it writes this block's read-only registers too. No host has it.
pub const MANAGEMENT_BIT: u32 = 1 << 22;

block! {
    /// Firmware state, thermal control, mailbox. CTRL.RESET clears it too; the firmware writes it again with its next round.
    mgmt in Regs @ 0x7000, 1 x 0x100;

    /// State of the firmware; 0 if there is none.
    0x00 FW_STATUS: u32 RO = 0, "" volatile {
        /// 0 no firmware, 1 boots, 2 tests itself, 3 runs, 4 runs with something that failed (FW_SELFTEST, THERMAL_STATUS), 5 takes an update.
        STATE[0 + 4] "";
        /// Flash bank that it runs from.
        BANK[4 + 1] "";
        /// It was updated, and is not confirmed yet: a watchdog bite now goes back to the other bank.
        TRIAL[5 + 1] "";
        /// Why the core was reset last: 0 power-up, 1 watchdog, 2 it asked for it, 3 watchdog before it was confirmed, so that the other bank runs again.
        RESET_CAUSE[8 + 3] "";
        /// Watchdog bites since power-up; saturates.
        BITES[16 + 8] "bites";
    };
    /// Version of the firmware.
    0x04 FW_VERSION: u32 RO = 0, "" volatile {
        /// Patch.
        PATCH[0 + 8] "";
        /// Minor.
        MINOR[8 + 8] "";
        /// Major.
        MAJOR[16 + 8] "";
    };
    /// Rounds of the firmware's main loop: grows at least every 20 ms of its time, or it hangs.
    0x08 FW_HEARTBEAT: u32 RO = 0, "rounds" volatile;
    /// The last event that the MANAGEMENT interrupt told of.
    0x0C FW_EVENT: u32 RO = 0, "" volatile {
        /// What happened: codes of the firmware's log (docs/firmware.md).
        CODE[0 + 8] "";
        /// Events since the core was reset, mod 2^16.
        COUNT[16 + 16] "events";
    };
    /// What the self-test found: of each part 0 not run, 1 passed, 2 failed, 3 left out.
    0x10 FW_SELFTEST: u32 RO = 0, "" volatile {
        /// The firmware's own image against its CRC-32C.
        IMAGE[0 + 2] "";
        /// March test of the directory.
        MARCH[2 + 2] "";
        /// A block copied in and out of card memory; needs memory that the driver lends (mailbox SELF_TEST).
        DMA[4 + 2] "";
        /// The CRC-32C that the device makes of it against the firmware's.
        CRC[6 + 2] "";
    };
    /// Where the self-test failed first: byte offset in BAR2 for MARCH, status of the command for DMA, the device's CRC for CRC.
    0x14 FW_SELFTEST_DETAIL: u32 RO = 0, "" volatile;
    /// Temperature that the sensor showed last, two's complement.
    0x18 THERMAL_TEMP: u32 RO = 0, "m°C" volatile;
    /// The highest since the core was reset.
    0x1C THERMAL_PEAK: u32 RO = 0, "m°C" volatile;
    /// Thermal control.
    0x20 THERMAL_STATUS: u32 RO = 0, "" volatile {
        /// 0 unknown, 1 normal, 2 throttled, 3 over the critical limit, 4 the sensor is missing or stuck.
        STATE[0 + 3] "";
        /// Level that is asked for, as in THROTTLE.
        LEVEL[8 + 4] "1/16";
    };
    /// How much the device rests, as the management core has set it.
    0x24 THROTTLE: u32 RO = 0, "" volatile {
        /// Sixteenths of the time in which no burst of a DMA channel begins.
        DMA[0 + 4] "1/16";
        /// Sixteenths of the time in which a sweep reads no row.
        SWEEP[4 + 4] "1/16";
    };
    /// Adaptation of WEIGHTS.
    0x28 TUNE_STATUS: u32 RO = 0, "" volatile {
        /// It is on.
        ENABLED[0 + 1] "";
        /// Changes of WEIGHTS that it made since the core was reset, mod 2^16.
        CHANGES[16 + 16] "changes";
    };
    /// Reserved.
    0x2C MGMT_RESERVED0: u32 Reserved = 0, "";
    /// Writing another SEQUENCE than the last gives the firmware a command; MBOX_ARG and MBOX_DATA are to be written before.
    0x30 MBOX_COMMAND: u32 RW = 0, "" volatile {
        /// What to do (docs/firmware.md, Mailbox).
        OPCODE[0 + 8] "";
        /// Bytes of MBOX_DATA that belong to it, at most 64.
        LENGTH[8 + 8] "bytes";
        /// Number of the command; 0 is none.
        SEQUENCE[16 + 16] "";
    };
    /// Arguments of the command.
    0x34 MBOX_ARG[3]: u32 RW = 0, "" volatile;
    /// Data of the command.
    0x40 MBOX_DATA[16]: u32 RW = 0, "" volatile;
    /// The firmware's answer, written last.
    0x80 MBOX_STATUS: u32 RO = 0, "" volatile {
        /// 0 done; others: docs/firmware.md, Mailbox.
        RESULT[0 + 8] "";
        /// Bytes of MBOX_ANSWER that belong to it.
        LENGTH[8 + 8] "bytes";
        /// Number of the command that this answers.
        SEQUENCE[16 + 16] "";
    };
    /// Values of the answer.
    0x84 MBOX_VALUE[3]: u32 RO = 0, "" volatile;
    /// Data of the answer.
    0x90 MBOX_ANSWER[16]: u32 RO = 0, "" volatile;
}
