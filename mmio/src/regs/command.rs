//! The single-shot command path: one SQE in registers, for a shell, firmware and bring-up.

use crate::register::block;

block! {
    /// One command in registers, with the semantics of the rings.
    command in Regs @ 0x0100, 1 x 0x80;

    /// The 64 bytes of the submission queue entry.
    0x00 CMD_SQE[16]: u32 RW = 0, "";
    /// Writing any value starts the command in CMD_SQE. Ignored, and counted as a bad access, while CMD_STATUS.BUSY.
    0x40 CMD_GO: u32 WO = 0, "";
    /// State of the single-shot command.
    0x44 CMD_STATUS: u32 RO = 0, "" volatile {
        /// Not complete yet.
        BUSY[0 + 1] "";
        /// CMD_CQE holds the completion of the last command.
        DONE[1 + 1] "";
    };
    /// Reserved.
    0x48 COMMAND_RESERVED[2]: u32 Reserved = 0, "";
    /// The 16 bytes of the completion queue entry; phase and sq_head read 0, qid reads 0xFFFF.
    0x50 CMD_CQE[4]: u32 RO = 0, "";
}
