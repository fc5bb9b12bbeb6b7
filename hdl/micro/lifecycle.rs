//! Reset, ENABLE and maintenance, all of thread 1. docs/csr.md.
//!
//! ```text
//!  power-up, CTRL.RESET ─► stop thread 0 ─► DMA at rest ─► register file ─► directory, HEPC, queues
//!  ENABLE 0 to 1 ─► CONFIG_ERR ─► counters, directory, HEPC, moves, T3, LUF
//!  ENABLE 1 to 0 ─► stop thread 0 ─► DMA at rest ─► Aborted ─► queues, directory
//! ```
//!
//! Thread 0 stops where it is when thread 1 preempts it; `restart` makes it forget where that was. Until it is enabled the device
//! has no moves, no T3 and no frames, and thread 0 looks at none of them.

// Geometry.
const FRONT_GEOMETRY: u32 = FRONT + 0x10;
const FRONT_LANES: u32 = FRONT + 0x11;
const FRONT_VICTIM_K: u32 = FRONT + 0x12;
const FRONT_STASH: u32 = FRONT + 0x13;
const FRONT_QUEUES: u32 = FRONT + 0x14;
const FRONT_AGENTS: u32 = FRONT + 0x15;
const FRONT_T1_KIB: u32 = FRONT + 0x16;
const FRONT_MIN_SHIFT: u32 = FRONT + 0x17;
const FRONT_MAX_SHIFT: u32 = FRONT + 0x18;
const FRONT_BUILD_ID: u32 = FRONT + 0x19;
const FRONT_CLOCK_HZ: u32 = FRONT + 0x1A;

/// Words of the register file.
const FILE_WORDS: u32 = 2048;
/// Behind the last counter.
const COUNTERS_END: u32 = CSR_CNT_DECISION_MAX + 2;
/// Two DMA channels and four tiers, as in CAP_ENGINES.
const CAP_FIXED: u32 = 2 << CAP_ENGINES_DMA_CHANNELS_LSB | 4 << CAP_ENGINES_TIERS_LSB;
/// DMA forgets what it has to do; reads 1 until it has.
const DMA_ABORT: u32 = DMA + 0xA0;

/// Power-up, and CTRL.RESET.
fn device_reset() {
    still();
    let mut word = 0;
    while word != FILE_WORDS {
        store(CSR + word, load(RESET_VALUE + word));
        word += 1;
    }
    store(FRONT_THROTTLE, 0);
    geometry();
    access_reset();
    queue_reset();
    disabled();
    hepc_reset();
}

/// CTRL is written.
fn control(value: u32) {
    if value & CTRL_RESET_MASK != 0 {
        device_reset();
    } else if value & CTRL_ENABLE_MASK != 0 {
        if ENABLED == 0 {
            enable();
        }
    } else if ENABLED != 0 {
        disable();
    }
}

/// RTBD_CTRL is written: leaving maintenance empties the directory.
fn maintenance(value: u32) {
    if load(CSR_RTBD_CTRL) & !value & RTBD_CTRL_MAINT_MASK != 0 {
        place_reset();
    }
    store(CSR_RTBD_CTRL, value);
}

/// ENABLE 0 to 1. Thread 0 may be at a command that the device refuses as disabled, and goes on with it.
fn enable() {
    let why = config_error();
    store(CSR_CONFIG_ERR, why);
    if why != 0 {
        error(ERR_STATUS_CONFIG_MASK);
        return;
    }
    let mut counter = CSR_CNT_COMMANDS;
    while counter != COUNTERS_END {
        store(counter, 0);
        counter += 1;
    }
    // What is wrong with a frame from before is of no interest.
    store(CARD_FAULT, 0);
    METADATA_ONLY = load(CSR_DMA_CTRL) & DMA_CTRL_METADATA_ONLY_MASK;
    BLOCK_SHIFT = load(CSR_BLOCK_SHIFT);
    place_reset();
    hepc_reset();
    moves_reset();
    luf_reset();
    service_indexes_reset();
    service_reset();
    store(CSR_CTRL, CTRL_ENABLE_MASK);
    ENABLED = 1;
}

/// ENABLE 1 to 0.
fn disable() {
    still();
    card_poll();
    store(CSR_CTRL, 0);
    single_abort();
    queue_reset();
    hepc_reset();
    luf_reset();
    disabled();
}

/// Thread 0 stops, and starts over when thread 1 gives way; nothing is left on its way.
fn still() {
    ENABLED = 0;
    restart();
    store(DMA_ABORT, 0);
    while load(DMA_ABORT) != 0 {}
    hepc_idle();
}

/// The device holds nothing.
fn disabled() {
    place_reset();
    IN_FLIGHT = 0;
    SVC_RUNNING = 0;
    service_indexes_reset();
    store(CSR_GUARD_CAPACITY, 0);
    let mut tier = 0;
    while tier != 4 * TIER_STRIDE {
        store(CSR_TIER_USED + tier, 0);
        store(CSR_TIER_FREE + tier, 0);
        store(CSR_TIER_QUARANTINED + tier, 0);
        tier += TIER_STRIDE;
    }
}

/// What the device is made of, for the program and in the registers.
fn geometry() {
    let log2 = load(FRONT_GEOMETRY);
    ENTRIES = 1 << log2;
    STASH = load(FRONT_STASH);
    LAST_SLOT = ENTRIES + STASH - 1;
    let lists = load(FRONT_LANES) << CAP_RTBD_LANES_LSB | load(FRONT_VICTIM_K) << CAP_RTBD_VICTIM_K_LSB;
    store(CSR_CAP_RTBD, log2 | lists | STASH << CAP_RTBD_STASH_LSB);
    let outside = load(FRONT_QUEUES) << CAP_ENGINES_QUEUES_LSB | load(FRONT_AGENTS) << CAP_ENGINES_AGENTS_LSB;
    let least = load(FRONT_MIN_SHIFT) << CAP_ENGINES_MIN_BLOCK_SHIFT_LSB;
    let most = load(FRONT_MAX_SHIFT) << CAP_ENGINES_MAX_BLOCK_SHIFT_LSB;
    store(CSR_CAP_ENGINES, CAP_FIXED | outside | least | most);
    store(CSR_CAP_T1_KIB, load(FRONT_T1_KIB));
    store(CSR_BUILD_ID, load(FRONT_BUILD_ID));
    store(CSR_TIMEBASE_HZ, load(FRONT_CLOCK_HZ));
}
