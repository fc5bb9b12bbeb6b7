//! The DMA engine: block size, control, errors.

use crate::register::block;

block! {
    /// DMA engine: two channels (0 down, 1 up) and its errors.
    dma in Regs @ 0x1200, 1 x 0x40;

    /// Size of every block; writable while CTRL.ENABLE is 0.
    0x00 BLOCK_SHIFT: u32 RW = 16, "log2 bytes" {
        /// CAP_ENGINES.MIN_BLOCK_SHIFT to MAX_BLOCK_SHIFT.
        SHIFT[0 + 5] "log2 bytes";
    };
    /// DMA control; writable while CTRL.ENABLE is 0.
    0x04 DMA_CTRL: u32 RW = 0, "" {
        /// Moves are decided and counted but no bytes travel, and COPY is refused: for studying policies.
        METADATA_ONLY[0 + 1] "";
    };
    /// Sticky causes of failed transfers.
    0x08 DMA_ERR: u32 W1C = 0, "" {
        /// An address was not mapped for the device.
        IOVA_FAULT[0 + 1] "";
        /// Bus Master Enable was clear.
        BUS_MASTER_OFF[1 + 1] "";
        /// The CRC-32C of what arrived differs from what was sent.
        CRC[2 + 1] "";
        /// A T3 transfer failed: the host said so, or gave it up (SVC_ABORT), or the service queue is broken (SVC_ERR.FAULT).
        T3[3 + 1] "";
    };
    /// Reserved.
    0x0C DMA_RESERVED0: u32 Reserved = 0, "";
    /// Bus address at which the transfer that faulted last began.
    0x10 DMA_ERR_IOVA: u64 RO = 0, "bytes";
    /// Tag of the block whose transfer failed last.
    0x18 DMA_ERR_TAG: u64 RO = 0, "";
    /// The rest of that block's key.
    0x20 DMA_ERR_ID: u32 RO = 0, "" {
        /// Request.
        REQUEST[0 + 16] "";
        /// Tenant.
        TENANT[16 + 8] "";
    };
}
