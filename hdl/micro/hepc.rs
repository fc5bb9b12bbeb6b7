//! HEPC: what entries are scored with, and the score of one. docs/hepc.md, Time to Policies; docs/control.md, HEPC.
//!
//! ```text
//!  WEIGHTS ─► as given ────────────────────────────► GUARD_WF, thresholds: guard.rs
//!  GUARD, CHOICE ─► active policy ─► WR WF WS WD mode ─┐
//!  chain.rs ─► base, stamp ────────────────────────────┼─► lanes ─► SCORE, SWEEP, OFFER: lists.rs
//!  STEP_ADVANCE ─► STEP, epoch ────────────────────────┘
//! ```
//!
//! A parameter is written when it changes. Three cannot be, and are written before the datapath starts that needs them: TARGETS
//! changes with any entry, the guard and the active policy use the same parameters for weights, and what few commands
//! look at (PREFETCH_TIER, TIER_LOOKAHEAD) is left until one does.

// Parameters.
const HEPC_WR: u32 = HEPC;
const HEPC_WF: u32 = HEPC + 0x01;
const HEPC_WS: u32 = HEPC + 0x02;
const HEPC_WD: u32 = HEPC + 0x03;
const HEPC_MODE: u32 = HEPC + 0x04;
const HEPC_SHIFT: u32 = HEPC + 0x05;
const HEPC_SCALE: u32 = HEPC + 0x06;
const HEPC_BASE: u32 = HEPC + 0x07;
const HEPC_STAMP: u32 = HEPC + 0x08;
const HEPC_R_EPOCH: u32 = HEPC + 0x09;
const HEPC_STEP: u32 = HEPC + 0x0A;
const HEPC_PREFETCH_TIER: u32 = HEPC + 0x0B;
const HEPC_LOOKAHEAD: u32 = HEPC + 0x0C;
const HEPC_GUARD_WF: u32 = HEPC + 0x10;
const HEPC_THRESHOLD: u32 = HEPC + 0x18;
const HEPC_TRIAL: u32 = HEPC + 0x20;
// Starts.
const HEPC_SWEEP: u32 = HEPC + 0x28;
const HEPC_OFFER: u32 = HEPC + 0x29;
const HEPC_SCORE: u32 = HEPC + 0x2A;
const HEPC_WORTHS: u32 = HEPC + 0x2B;
const HEPC_MARK: u32 = HEPC + 0x2C;
const HEPC_COUNT: u32 = HEPC + 0x2D;
const HEPC_BUSY: u32 = HEPC + 0x2E;
// Results.
const HEPC_SCORED: u32 = HEPC + 0x30;
const HEPC_WORTH: u32 = HEPC + 0x38;
const HEPC_COUNTED: u32 = HEPC + 0x48;
/// List l begins 16 l words on: `LIST_*`.
const HEPC_LIST: u32 = HEPC + 0x100;

// Bits of the mode.
const MODE_PROBATION: u32 = 1;
const MODE_HINTING: u32 = 2;
const MODE_HEARS: u32 = 4;
const MODE_TARGETS: u32 = 8;

// Bits of `S_WHO`; the tier is in 2:1.
const WHO_VICTIM: u32 = 1;
const WHO_CANDIDATE: u32 = 8;
const WHO_DEAD: u32 = 16;

/// The greatest R: 14 bits.
const R_MAX: u32 = 16383;
/// WEIGHTS without WF, the only weight that the policies but LRU differ in.
const LINEAR_MASK: u32 = WEIGHTS_WR_MASK | WEIGHTS_WS_MASK | WEIGHTS_WD_MASK;
/// DEAD as it stands in an entry's ID word.
const ENTRY_DEAD: u32 = FLAG_DEAD << ENTRY_ID_FLAGS_LSB;

// What `score` made; P of the active policy and the rank as a prefetch candidate are words 0 and 3 of HEPC_SCORED.
/// Rank as a victim.
static S_RANK: u32 = 0;
/// Who it is: `WHO_*`.
static S_WHO: u32 = 0;

/// Access stamp at which R is 0.
static H_BASE: u32 = 0;
/// CLOCK at the last STEP_ADVANCE.
static H_EPOCH: u32 = 0;
/// 1: the next access begins a chain.
static H_PENDING: u32 = 0;
/// SHIFT of this command; NONE before the first since ENABLE.
static H_SHIFT: u32 = 0;
/// SHIFT where RECENCY_SHIFT is 0.
static H_AUTO_SHIFT: u32 = 0;
/// WEIGHTS of this command.
static H_WEIGHTS: u32 = 0;
/// The active policy.
static H_ACTIVE: u32 = 0;
/// Its WF.
static H_WF: u32 = 0;
/// Its other weights, where they are in WEIGHTS.
static H_LINEAR: u32 = 0;
/// What stands in the parameters WR, WS and WD, in the same form.
static H_SHOWN: u32 = 0;
/// The mode, as it stands in the parameter.
static H_MODE: u32 = 0;
/// 1 once PREFETCH_TIER and TIER_LOOKAHEAD of this command stand in the parameters.
static H_FRESH: u32 = 0;

/// HEPC as it is at ENABLE.
fn hepc_reset() {
    // A command that was cut short may have left a sweep running.
    hepc_idle();
    let mut capacity = (ENTRIES >> 1) + (ENTRIES >> 2);
    let mut limits = 0;
    let mut t = 0;
    while t < 4 * TIER_STRIDE {
        limits += load(CSR_TIER_LIMIT + t);
        t += TIER_STRIDE;
    }
    if limits < capacity {
        capacity = limits;
    }
    CAPACITY = capacity;
    store(CSR_GUARD_CAPACITY, capacity);
    // max(0, ceil(log2 CAPACITY) - 6).
    let mut shift = 0;
    while 64 << shift < capacity {
        shift += 1;
    }
    H_AUTO_SHIFT = shift;

    CLOCK = 0;
    STAMP = 0;
    H_PENDING = 1;
    H_EPOCH = 0;
    H_BASE = 0;
    STEP = 0;
    store(CSR_STEP, 0);
    store(HEPC_STAMP, 0);
    store(HEPC_BASE, 0);
    store(HEPC_STEP, 0);
    // No command has these, so the first writes everything else.
    H_SHIFT = NONE;
    H_SHOWN = NONE;
    guard_reset();
    chain_forget();
    lists_reset();
    step_reset();
}

/// A command begins: its registers are in `SNAP_*`.
fn hepc_begin() {
    if ENABLED == 0 {
        return;
    }
    H_FRESH = 0;
    begin_need();
    let shift = if SNAP_SHIFT != 0 { SNAP_SHIFT } else { H_AUTO_SHIFT };
    if shift != H_SHIFT || SNAP_WEIGHTS != H_WEIGHTS {
        let other_units = shift != H_SHIFT || (SNAP_WEIGHTS ^ H_WEIGHTS) & WEIGHTS_WR_MASK != 0;
        disarm();
        H_SHIFT = shift;
        H_WEIGHTS = SNAP_WEIGHTS;
        store(HEPC_SHIFT, shift);
        store(HEPC_SCALE, if shift > 4 { shift - 4 } else { 0 });
        hepc_epoch();
        guard_weights();
        if other_units {
            guard_units();
        }
        // The same policy makes something else of these weights.
        H_ACTIVE = NONE;
    }
    hepc_policy();
    guard_leads();
}

/// The active policy, and what entries are scored with under it; to be called when CHOICE changed.
fn hepc_policy() {
    let active =
        if SNAP_GUARD & GUARD_ENABLE_MASK != 0 { CHOICE } else { (SNAP_GUARD & GUARD_POLICY_MASK) >> GUARD_POLICY_LSB };
    if active != H_ACTIVE {
        H_ACTIVE = active;
        H_WF = policy_wf(active);
        store(HEPC_WF, H_WF);
        H_LINEAR = if active == POLICY_LRU { 1 << WEIGHTS_WR_LSB } else { H_WEIGHTS & LINEAR_MASK };
        hepc_mode();
    }
}

/// The mode, of the active policy and TARGETS.
fn hepc_mode() {
    let mut mode = 0;
    if H_ACTIVE != POLICY_LRU {
        mode = MODE_PROBATION;
    }
    if H_ACTIVE >= POLICY_FIRST_HEARING && H_ACTIVE <= POLICY_LAST_HEARING {
        mode |= MODE_HEARS;
        if TARGETS != 0 {
            mode |= MODE_HINTING;
        }
    }
    if TARGETS != 0 {
        mode |= MODE_TARGETS;
    }
    H_MODE = mode;
    store(HEPC_MODE, mode);
    disarm();
}

/// R(epoch), which hinted entries have; to be called when epoch, base or SHIFT changed.
fn hepc_epoch() {
    let age = H_EPOCH - H_BASE;
    let mut r = 0;
    if age >> 31 == 0 {
        r = age >> H_SHIFT;
        if r > R_MAX {
            r = R_MAX;
        }
    }
    store(HEPC_R_EPOCH, r);
}

/// The mode, if TARGETS has come to 0 or left it.
fn hepc_hints() {
    let targets = if TARGETS != 0 { MODE_TARGETS } else { 0 };
    if H_MODE & MODE_TARGETS != targets {
        hepc_mode();
    }
}

/// What makes a prefetch candidate.
fn hepc_lookahead() {
    H_FRESH = 1;
    store(HEPC_PREFETCH_TIER, SNAP_PREFETCH_TIER);
    take_four(HEPC_LOOKAHEAD, SNAP_LOOKAHEAD);
}

/// The same for STEP_ADVANCE, straight from the registers: nothing else of it looks at TIER_LOOKAHEAD.
fn hepc_lookahead_now() {
    H_FRESH = 1;
    SNAP_PREFETCH_TIER = load(CSR_PREFETCH_TIER);
    store(HEPC_PREFETCH_TIER, SNAP_PREFETCH_TIER);
    of_tiers(HEPC_LOOKAHEAD, CSR_TIER_LOOKAHEAD);
}

/// Writes WR, WS and WD, given where they are in WEIGHTS. Entries are scored with the active policy's; the guard makes all
/// eight policies, LRU too, from them as given.
fn hepc_weigh(linear: u32) {
    if linear != H_SHOWN {
        H_SHOWN = linear;
        store(HEPC_WR, (linear & WEIGHTS_WR_MASK) >> WEIGHTS_WR_LSB);
        store(HEPC_WS, (linear & WEIGHTS_WS_MASK) >> WEIGHTS_WS_LSB);
        store(HEPC_WD, (linear & WEIGHTS_WD_MASK) >> WEIGHTS_WD_LSB);
    }
}

/// All that SCORE and SWEEP need stands in the parameters.
fn hepc_ready() {
    if H_FRESH == 0 {
        hepc_lookahead();
    }
    hepc_hints();
    hepc_weigh(H_LINEAR);
}

/// Until the datapaths rest.
fn hepc_idle() {
    while load(HEPC_BUSY) != 0 {}
}

/// Scores an entry now: makes `S_RANK`, `S_WHO`, and the words at HEPC_SCORED until another is scored.
fn score(index: u32) {
    hepc_ready();
    store(HEPC_SCORE, index);
    hepc_idle();
    S_RANK = load(HEPC_SCORED + 1);
    S_WHO = load(HEPC_SCORED + 2);
}

/// 1 if the block is dead: marked so, and the active policy hears hints.
fn is_dead(index: u32) -> u32 {
    if H_MODE & MODE_HEARS == 0 {
        return 0;
    }
    if load(ENTRY + (index << 3) + E_ID) & ENTRY_DEAD != 0 { 1 } else { 0 }
}

/// STEP_ADVANCE: another step is now, and the next access begins a chain. Its sweep is the caller's next act.
fn step_advance(step: u32) {
    disarm();
    STEP = step;
    store(HEPC_STEP, step);
    H_PENDING = 1;
    H_EPOCH = CLOCK;
    hepc_epoch();
}
