//! The DMA's ring port: entries of rings in host memory. docs/control.md, DMA.
//!
//! ```text
//!  address, n ─► READ, WRITE ─► status ─┬─ good
//!  buffer ◄────► host memory            └─ fault ─► DMA_ERR, DMA_ERR_IOVA, ERR_STATUS.DMA
//! ```
//!
//! Only thread 0 uses the port; what has been begun is not undone when its queue is disabled.

const RING_ADDRESS: u32 = DMA + 0x80;
const RING_READ: u32 = DMA + 0x82;
const RING_WRITE: u32 = DMA + 0x83;
const RING_STATUS: u32 = DMA + 0x84;
/// 16 words of 32 bits between memory and the program.
const RING_BUFFER: u32 = DMA + 0x90;

// Status.
const RING_BUSY: u32 = 0;
const RING_GOOD: u32 = 1;
const RING_FAULT: u32 = 2;

/// Reads `n` words of 64 bits, 1 to 8, into the buffer. Good, a fault, or 3: bus master off; what is not good has been noted.
fn ring_read(lo: u32, hi: u32, n: u32) -> u32 {
    ring_start(RING_READ, lo, hi, n);
    ring_result(lo, hi)
}

/// Writes `n` words of 64 bits of the buffer; otherwise as `ring_read`.
fn ring_write(lo: u32, hi: u32, n: u32) -> u32 {
    ring_start(RING_WRITE, lo, hi, n);
    ring_result(lo, hi)
}

/// Begins to move `n` words; `command` is the address of READ or WRITE.
fn ring_start(command: u32, lo: u32, hi: u32, n: u32) {
    store(RING_ADDRESS, lo);
    store(RING_ADDRESS + 1, hi);
    store(command, n);
}

/// How the access ended that was begun at this address.
fn ring_result(lo: u32, hi: u32) -> u32 {
    ring_rest();
    let result = load(RING_STATUS);
    if result != RING_GOOD {
        ring_note(result, lo, hi);
    }
    result
}

/// Until nothing of the port's is on the bus. Takes as long as host memory does to answer.
fn ring_rest() {
    while load(RING_STATUS) == RING_BUSY {}
}

/// Notes a fault on a ring as one of DMA; it is no block's. Unmasks.
fn ring_note(result: u32, lo: u32, hi: u32) {
    mask();
    store(CSR_DMA_ERR_IOVA, lo);
    store(CSR_DMA_ERR_IOVA + 1, hi);
    unmask();
    sticky(CSR_DMA_ERR, if result == RING_FAULT { DMA_ERR_IOVA_FAULT_MASK } else { DMA_ERR_BUS_MASTER_OFF_MASK });
    error(ERR_STATUS_DMA_MASK);
}
