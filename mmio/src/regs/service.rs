//! The service queue: what the device asks of the host (T3 moves).
//!
//! Roles are turned round: the device submits, the host completes. A slot of staging memory holds
//! the block on its way between the device's tiers and T3.

use crate::register::block;

block! {
    /// Requests from the device to the host: T3 transfers.
    service in Regs @ 0x1100, 1 x 0x80;

    /// Bus address of the ring the device submits to; writable while CTRL.ENABLE is 0.
    0x00 SVC_SQ_BASE: u64 RW = 0, "bytes";
    /// Bus address of the ring the host completes to; writable while CTRL.ENABLE is 0.
    0x08 SVC_CQ_BASE: u64 RW = 0, "bytes";
    /// Bus address of the staging slots, one block each; writable while CTRL.ENABLE is 0.
    0x10 SVC_STAGE_BASE: u64 RW = 0, "bytes";
    /// Staging slots; writable while CTRL.ENABLE is 0.
    0x18 SVC_STAGE_SLOTS: u32 RW = 0, "slots" {
        /// 1 to 64 if the service queue is used.
        SLOTS[0 + 7] "slots";
    };
    /// Size of both rings; writable while CTRL.ENABLE is 0.
    0x1C SVC_SIZE: u32 RW = 0, "" {
        /// log2 of the entries, 1 to 15.
        LOG2[0 + 5] "log2 entries";
    };
    /// Service queue control; writable while CTRL.ENABLE is 0.
    0x20 SVC_CTRL: u32 RW = 0, "" {
        /// The host serves the queue.
        ENABLE[0 + 1] "";
    };
    /// The host's consumption: index after the last request taken.
    0x24 SVC_SQ_HEAD: u32 WO = 0, "entries" {
        /// New head, below the ring's size.
        HEAD[0 + 16] "entries";
    };
    /// The host's completions: index after the last completion written.
    0x28 SVC_CQ_DOORBELL: u32 WO = 0, "entries" {
        /// New tail, below the ring's size.
        TAIL[0 + 16] "entries";
    };
    /// Index of the next request the device will write.
    0x2C SVC_SQ_TAIL: u32 RO = 0, "entries" volatile;
    /// Index of the next completion the device will read.
    0x30 SVC_CQ_HEAD: u32 RO = 0, "entries" volatile;
    /// Sticky errors of the service queue.
    0x34 SVC_ERR: u32 W1C = 0, "" {
        /// An index at or above the ring's size; ignored.
        BAD_DOORBELL[0 + 1] "";
        /// Reading a completion or writing a request faulted; T3 moves fail until the device is enabled anew.
        FAULT[1 + 1] "";
        /// A completion named no request in flight; ignored.
        UNKNOWN_ID[2 + 1] "";
        /// The host reported a failed transfer.
        T3_FAILED[3 + 1] "";
        /// A doorbell while the service queue is not in use; ignored.
        NOT_RUNNING[4 + 1] "";
    };
    /// Fails moves that wait for the host: the way out when it does not answer.
    0x38 SVC_ABORT: u32 WO = 0, "" {
        /// Writing 1 fails all of them.
        ABORT[0 + 1] "";
    };
}
