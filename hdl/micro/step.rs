//! The next step, made ready: while no command waits and CMD_SQE holds a STEP_ADVANCE, what its sweep needs is written into HEPC, and the front
//! starts the sweep by itself as soon as CMD_GO is written. The microprogram comes to the command later, and finds its sweep begun.
//!
//! ```text
//!  nothing to do for a while ─► front watches ─► CMD_SQE a good STEP_ADVANCE? no count due? ─► parameters, PRESCORE ─► front armed ─┬─ CMD_GO ─► SWEEP
//!                                     └────────────── a write: it will not be armed, or is no longer, watched anew ◄────────────────┘
//! ```
//!
//! It is exact because nothing can come in between: any write but CMD_GO disarms the front, and one that waits already keeps it from being
//! armed; without a write there is no command, and without a move in flight no entry changes. So the command that CMD_GO starts is the
//! next, goes by the registers as they are now, and would have written the same parameters. What PRESCORE made of row 0 holds as long, since
//! no entry changes either; HEPC forgets it with the next word written to it, and every way to another SWEEP, `step_forget` and
//! `hepc_reset`, writes one first.

/// 1: the front watches for writes, if it holds none, and forgets what it did; 2: it is armed, if none has come since; 0: neither. Reads 1 if
/// it has started a sweep.
const FRONT_ARM: u32 = FRONT + 0xC;
/// Scores row 0 ahead of the sweep, which writes it at once if it is the next that HEPC is told.
const HEPC_PRESCORE: u32 = HEPC + 0x2F;
/// Rounds of thread 0 without work before it looks: so many that it does not while the host still writes CMD_SQE.
const ST_ROUNDS: u32 = 8;

/// Rounds until it is looked for; 0: it has been.
static ST_LEFT: u32 = 0;
/// 1: parameters stand for the step of the command in CMD_SQE.
static ST_READY: u32 = 0;
/// 1: the sweep of the command that is executed has begun before it.
static ST_BEGUN: u32 = 0;

/// No step is ready.
fn step_reset() {
    ST_LEFT = 0;
    ST_READY = 0;
    ST_BEGUN = 0;
    store(FRONT_ARM, 0);
}

/// Between commands: makes the next step ready.
fn step_ready() {
    // What is at work yet is waited for: it will be looked for then.
    if ST_LEFT == 0 || IN_FLIGHT != 0 || DB_COUNT != 0 {
        return;
    }
    ST_LEFT -= 1;
    if ST_LEFT != 0 || ENABLED == 0 || step_forget() == 0 {
        return;
    }
    store(FRONT_ARM, 1);
    if step_waits() != 0 && step_plain() != 0 {
        ST_READY = 1;
        hepc_lookahead_now();
        hepc_hints();
        hepc_weigh(H_LINEAR);
        step_parameters(load(CSR_CMD_SQE + (SQE_ARGUMENT - SQE)), CLOCK);
        store(HEPC_PRESCORE, 0);
        // The last access of HEPC ends before the front is armed: an answer to it would be taken for that to the front's SWEEP.
        hepc_idle();
        store(FRONT_ARM, 2);
    }
}

/// 1 if CMD_SQE holds a STEP_ADVANCE that would not be refused.
fn step_waits() -> u32 {
    if load(CSR_CMD_SQE) & 0xFFFF != OP_STEP_ADVANCE {
        return 0;
    }
    let bad = load(CSR_CMD_SQE + (SQE_ID - SQE)) >> 24
        | load(CSR_CMD_SQE + (SQE_COUNT - SQE))
        | load(CSR_CMD_SQE + (SQE_BLOCK - SQE)) >> 16
        | reserved(CSR_CMD_SQE);
    bad == 0 && load(CSR_CMD_SQE + (SQE_ARGUMENT - SQE)) >= STEP
}

/// 1 if the registers are as the last command found them, and the guard's count is not due.
fn step_plain() -> u32 {
    H_SHIFT != NONE
        && load(CSR_WEIGHTS) == H_WEIGHTS
        && load(CSR_RECENCY_SHIFT) == SNAP_SHIFT
        && load(CSR_GUARD) == SNAP_GUARD
        && guard_due() == 0
}

/// STEP and R(epoch) of a sweep.
fn step_parameters(step: u32, epoch: u32) {
    let old = H_EPOCH;
    store(HEPC_STEP, step);
    H_EPOCH = epoch;
    hepc_epoch();
    H_EPOCH = old;
}

/// The parameters are wanted for something else. 0 if the sweep has begun: its command comes next, and they must stay.
fn step_forget() -> u32 {
    if ST_READY != 0 {
        store(FRONT_ARM, 0);
        if load(FRONT_ARM) != 0 {
            return 0;
        }
        ST_READY = 0;
        step_parameters(STEP, H_EPOCH);
    }
    1
}

/// A command begins that is not refused: whether its sweep has, too.
fn step_begin() {
    ST_LEFT = ST_ROUNDS;
    ST_BEGUN = 0;
    if step_forget() == 0 {
        // It can be no other than the one that CMD_GO started.
        ST_READY = 0;
        ST_BEGUN = 1;
    }
}
