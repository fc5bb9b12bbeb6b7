//! Interrupts, and the sticky bits that ask for them. docs/queue.md, Interrupts.
//!
//! ```text
//!  event ─► sticky bit ─► ERR_STATUS ─► INT_STATUS ─┬─ 0 to 1, and enabled ─► line pulsed
//!  INT_FORCE ──────────────────────────────────────►┤
//!  INT_ENABLE ─► status set, 0 to 1 ────────────────┘
//! ```
//!
//! Thread 1 clears bits of the same registers, so a bit is set with thread 1 masked.

/// A pulse on each line with a 1.
const FRONT_IRQ: u32 = FRONT + 8;

/// An event of each source with a 1, as in INT_STATUS. Unmasks: what is masked before the call is so until its end.
fn raise(sources: u32) {
    mask();
    let status = load(CSR_INT_STATUS);
    store(CSR_INT_STATUS, status | sources);
    let rising = sources & !status & load(CSR_INT_ENABLE);
    if rising != 0 {
        store(FRONT_IRQ, rising);
    }
    unmask();
}

/// INT_ENABLE is written: sources whose status is set and that may signal now do.
fn interrupts_enable(sources: u32) {
    let rising = sources & !load(CSR_INT_ENABLE) & load(CSR_INT_STATUS);
    store(CSR_INT_ENABLE, sources);
    if rising != 0 {
        store(FRONT_IRQ, rising);
    }
}

/// An error is noted: `bit` of ERR_STATUS, as `ERR_STATUS_*_MASK` has it. Unmasks.
fn error(bit: u32) {
    sticky(CSR_ERR_STATUS, bit);
    raise(INT_STATUS_ERROR_MASK);
}

/// Sets bits of a register that software clears by writing them. Unmasks.
fn sticky(address: u32, bits: u32) {
    mask();
    store(address, load(address) | bits);
    unmask();
}
