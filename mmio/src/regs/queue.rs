//! Submission and completion queue pairs. Instance `n` is queue pair `n`.

use crate::register::block;

block! {
    /// A submission/completion queue pair in host memory.
    queue in Regs @ 0x1000, 4 x 0x40;

    /// Bus address of the submission queue; writable while the queue is disabled.
    0x00 SQ_BASE: u64 RW = 0, "bytes";
    /// Bus address of the completion queue; writable while the queue is disabled.
    0x08 CQ_BASE: u64 RW = 0, "bytes";
    /// Sizes; writable while the queue is disabled.
    0x10 Q_SIZE: u32 RW = 0, "" {
        /// log2 of the submission queue's entries, 1 to 15.
        SQ_LOG2[0 + 5] "log2 entries";
        /// log2 of the completion queue's entries, 1 to 15.
        CQ_LOG2[8 + 5] "log2 entries";
    };
    /// Queue control.
    0x14 Q_CTRL: u32 RW = 0, "" {
        /// 1 starts the queue with all indexes 0; 0 stops it, forgets what was not fetched, and sets the indexes to 0. Refused (stays 0, Q_ERR.BAD_CONFIG) if sizes or alignment are wrong.
        ENABLE[0 + 1] "";
        /// Commands of this queue may name only TENANT.
        TENANT_ENFORCE[1 + 1] "";
        /// The tenant this queue belongs to.
        TENANT[8 + 8] "";
    };
    /// Submission tail doorbell: index after the last entry written.
    0x18 SQ_DOORBELL: u32 WO = 0, "entries" {
        /// New tail, below the queue's size.
        TAIL[0 + 16] "entries";
    };
    /// Completion head doorbell: index after the last entry consumed.
    0x1C CQ_DOORBELL: u32 WO = 0, "entries" {
        /// New head, below the queue's size.
        HEAD[0 + 16] "entries";
    };
    /// State of the queue.
    0x20 Q_STATUS: u32 RO = 0, "" {
        /// Enabled and running.
        RUNNING[0 + 1] "";
        /// Stopped by an error (Q_ERR says which); disable and enable it again.
        HALTED[1 + 1] "";
    };
    /// Index of the next submission entry to fetch.
    0x24 SQ_HEAD: u32 RO = 0, "entries";
    /// Index of the next completion entry to post.
    0x28 CQ_TAIL: u32 RO = 0, "entries";
    /// Sticky errors of the queue.
    0x2C Q_ERR: u32 W1C = 0, "" {
        /// A doorbell index at or above the queue's size; ignored.
        BAD_DOORBELL[0 + 1] "";
        /// Reading a submission entry faulted; the queue halted.
        FETCH_FAULT[1 + 1] "";
        /// Writing a completion entry faulted; the queue halted.
        POST_FAULT[2 + 1] "";
        /// ENABLE was refused: a size or a base address is wrong.
        BAD_CONFIG[3 + 1] "";
        /// A doorbell to a queue that is not running; ignored.
        NOT_RUNNING[4 + 1] "";
    };
}
