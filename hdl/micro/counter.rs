//! Registers that count. The host reads no number whose halves do not belong together.

/// Counts one in the 64-bit counter at `address`. Unmasks.
fn count(address: u32) {
    count_add(address, 1);
}

/// Counts `n` in the 64-bit counter at `address`. Unmasks.
fn count_add(address: u32, n: u32) {
    // CTRL.ENABLE clears counters, and could come between reading and writing.
    mask();
    let low = load(address) + n;
    store(address, low);
    if low < n {
        store(address + 1, load(address + 1) + 1);
    }
    unmask();
}

/// Adds `n` to a 32-bit register that only thread 0 changes.
fn csr_add(address: u32, n: u32) {
    store(address, load(address) + n);
}
