//! Interrupts. Source `n` signals MSI-X vector `n`.

use crate::register::block;

block! {
    /// Interrupt status, enable and test. A message is sent when a bit of INT_STATUS & INT_ENABLE rises.
    irq in Regs @ 0x5000, 1 x 0x40;

    /// Events since last cleared.
    0x00 INT_STATUS: u32 W1C = 0, "" volatile {
        /// Queue pair n posted a completion (bit n).
        QUEUE[0 + 4] "";
        /// The service queue holds a new request.
        SERVICE[4 + 1] "";
        /// An error was noted in ERR_STATUS, whether or not its bit was set already.
        ERROR[5 + 1] "";
        /// The single-shot command completed.
        COMMAND[6 + 1] "";
        /// An invalidation awaits acknowledgement.
        INVALIDATE[7 + 1] "";
        /// The management core tells of an event; see FW_EVENT.
        MANAGEMENT[8 + 1] "";
    };
    /// Sources that may signal.
    0x04 INT_ENABLE: u32 RW = 0, "" {
        /// A bit for each source, as in INT_STATUS.
        SOURCES[0 + 9] "";
    };
    /// Writing 1 raises a source, for tests.
    0x08 INT_FORCE: u32 WO = 0, "" {
        /// A bit for each source, as in INT_STATUS.
        SOURCES[0 + 9] "";
    };
}
