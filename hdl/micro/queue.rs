//! Command queues: a command is fetched, and its completion posted; queues start, stop and halt. docs/queue.md, Command queues.
//!
//! ```text
//!  space? ─► SQE ─► SQ_HEAD ─► execute ─► CQ_TAIL ─► CQE ─► interrupt
//!    │        └─ fault: halt                          └─ fault: halt
//!    └─ wait
//! ```
//!
//! The host may disable a queue at any time. FORGET then says to thread 0 that the queue is no longer what it was; it is looked at
//! with thread 1 masked before anything is done to the queue or its rings.

// Words of a queue's state, beside its registers.
/// Greatest index of the submission ring,
const Q_SQ_WRAP: u32 = 0;
/// and of the completion ring: sizes less one.
const Q_CQ_WRAP: u32 = 1;
/// The host's head of the completion ring.
const Q_CQ_HEAD: u32 = 2;
/// Phase of the next completion.
const Q_PHASE: u32 = 3;

/// STATUS.BLOCKED_ON: space in a completion queue.
const BLOCKED_ON_SPACE: u32 = 3;
/// The greatest log2 of a ring's entries.
const RING_LOG2_MOST: u32 = 15;
/// Words of 64 bits of an SQE and a CQE.
const SQE_LONGS: u32 = 8;
const CQE_LONGS: u32 = 2;
/// Where the phase stands in word 3 of a completion.
const CQE_PHASE_LSB: u32 = 16;

/// All queues as they are while the device is disabled. Thread 1; thread 0 has been stopped.
fn queue_reset() {
    let mut queue = 0;
    while queue != 4 * QUEUE_STRIDE {
        store(CSR_Q_CTRL + queue, 0);
        queue_clear(queue);
        queue += QUEUE_STRIDE;
    }
    DB_FIRST = 0;
    DB_COUNT = 0;
    COMMAND_QUEUE = NONE;
    FORGET = 0;
    BLOCKED_ON = 0;
    HOST_EVENT = 0;
}

/// Q_CTRL is written. Thread 1.
fn queue_control(queue: u32, value: u32) {
    let at = queue << 4;
    let mut control = value;
    if (value ^ load(CSR_Q_CTRL + at)) & Q_CTRL_ENABLE_MASK != 0 {
        if value & Q_CTRL_ENABLE_MASK == 0 {
            queue_stop(queue);
        } else if queue_start(queue) == 0 {
            control = value & !Q_CTRL_ENABLE_MASK;
        }
    }
    store(CSR_Q_CTRL + at, control);
}

/// Starts a queue. 0 if it cannot be. Thread 1.
fn queue_start(queue: u32) -> u32 {
    let at = queue << 4;
    let size = load(CSR_Q_SIZE + at);
    let sq_log2 = size & Q_SIZE_SQ_LOG2_MASK;
    let cq_log2 = (size & Q_SIZE_CQ_LOG2_MASK) >> Q_SIZE_CQ_LOG2_LSB;
    // Less one: 0 is as much out of range.
    if sq_log2 - 1 >= RING_LOG2_MOST
        || cq_log2 - 1 >= RING_LOG2_MOST
        || load(CSR_SQ_BASE + at) & 63 != 0
        || load(CSR_CQ_BASE + at) & 15 != 0
    {
        queue_error(queue, Q_ERR_BAD_CONFIG_MASK);
        return 0;
    }
    store(QUEUES + Q_SQ_WRAP + at, (1 << sq_log2) - 1);
    store(QUEUES + Q_CQ_WRAP + at, (1 << cq_log2) - 1);
    store(QUEUES + Q_CQ_HEAD + at, 0);
    store(QUEUES + Q_PHASE + at, 1);
    store(CSR_SQ_HEAD + at, 0);
    store(CSR_CQ_TAIL + at, 0);
    store(CSR_Q_STATUS + at, Q_STATUS_RUNNING_MASK);
    1
}

/// State and indexes of a queue that does not run, whose registers are `at` words on.
fn queue_clear(at: u32) {
    store(CSR_Q_STATUS + at, 0);
    store(CSR_SQ_HEAD + at, 0);
    store(CSR_CQ_TAIL + at, 0);
}

/// Stops a queue. Thread 1.
fn queue_stop(queue: u32) {
    doorbells_drop(queue);
    queue_clear(queue << 4);
    if COMMAND_QUEUE == queue {
        FORGET = 1;
        BLOCKED_ON = 0;
        // What has been begun on its rings ends before the host may use their memory for something else.
        ring_rest();
    }
}

/// SQ_DOORBELL is written. Thread 1.
fn queue_submitted(queue: u32, tail: u32) {
    if queue_index(queue, tail, Q_SQ_WRAP) != 0 {
        doorbell(queue, tail);
    }
}

/// CQ_DOORBELL is written. Thread 1.
fn queue_consumed(queue: u32, head: u32) {
    if queue_index(queue, head, Q_CQ_WRAP) != 0 {
        store(QUEUES + Q_CQ_HEAD + (queue << 4), head);
        HOST_EVENT = 1;
    }
}

/// 1 if the queue runs and its ring, of the size in word `wrap`, has this index; notes what is wrong otherwise.
fn queue_index(queue: u32, index: u32, wrap: u32) -> u32 {
    let at = queue << 4;
    if load(CSR_Q_STATUS + at) & Q_STATUS_RUNNING_MASK == 0 {
        queue_error(queue, Q_ERR_NOT_RUNNING_MASK);
        return 0;
    }
    if index > load(QUEUES + at + wrap) {
        queue_error(queue, Q_ERR_BAD_DOORBELL_MASK);
        return 0;
    }
    1
}

/// Notes an error of a queue: a bit of its Q_ERR.
fn queue_error(queue: u32, bit: u32) {
    sticky(CSR_Q_ERR + (queue << 4), bit);
    error(ERR_STATUS_QUEUE_MASK);
}

/// The next command of a queue. Thread 0, from here on.
fn serve_queue(queue: u32) {
    while queue_space(queue) == 0 {
        wait(BLOCKED_ON_SPACE);
    }
    if fetch(queue) != 0 {
        execute();
        post(queue);
    }
}

/// 1 if a completion can be posted.
fn queue_space(queue: u32) -> u32 {
    let at = queue << 4;
    let behind = (load(CSR_CQ_TAIL + at) + 1) & load(QUEUES + Q_CQ_WRAP + at);
    behind != load(QUEUES + Q_CQ_HEAD + at)
}

/// Fetches a queue's next command into SQE. 1 if it can be executed.
fn fetch(queue: u32) -> u32 {
    let at = queue << 4;
    let head = load(CSR_SQ_HEAD + at);
    let base = load(CSR_SQ_BASE + at);
    let lo = base + (head << 6);
    let hi = load(CSR_SQ_BASE + 1 + at) + (lo < base) as u32;
    mask();
    if FORGET != 0 {
        unmask();
        return 0;
    }
    ring_start(RING_READ, lo, hi, SQE_LONGS);
    unmask();
    if ring_result(lo, hi) != RING_GOOD {
        halt(queue, Q_ERR_FETCH_FAULT_MASK);
        return 0;
    }
    take_command(RING_BUFFER);
    mask();
    let goes_on = FORGET == 0;
    if goes_on != 0 {
        store(CSR_SQ_HEAD + at, (head + 1) & load(QUEUES + Q_SQ_WRAP + at));
    }
    unmask();
    goes_on
}

/// Makes a command's words, which begin at `from`, those that are executed.
fn take_command(from: u32) {
    take_four(SQE, from);
    take_four(SQE + 4, from + 4);
    take_four(SQE + 8, from + 8);
    store(SQE_RESERVED, reserved(from));
}

/// What stands in the words of a command that must be 0.
fn reserved(from: u32) -> u32 {
    load(from + 12) | load(from + 13) | load(from + 14) | load(from + 15)
}

/// Copies four words.
fn take_four(to: u32, from: u32) {
    store(to, load(from));
    store(to + 1, load(from + 1));
    store(to + 2, load(from + 2));
    store(to + 3, load(from + 3));
}

/// Posts the completion of a queue's command.
fn post(queue: u32) {
    let at = queue << 4;
    let tail = load(CSR_CQ_TAIL + at);
    let base = load(CSR_CQ_BASE + at);
    let lo = base + (tail << 4);
    let hi = load(CSR_CQ_BASE + 1 + at) + (lo < base) as u32;
    let phase = load(QUEUES + Q_PHASE + at);
    store(RING_BUFFER, CQ_FRAME | CQ_TIER << 16 | CQ_FLAGS << 24);
    store(RING_BUFFER + 1, CQ_VALUE);
    store(RING_BUFFER + 2, load(CSR_SQ_HEAD + at) | queue << 16);
    store(RING_BUFFER + 3, load(SQE) >> 16 | phase << CQE_PHASE_LSB | CQ_STATUS << CQE_STATUS_LSB);
    mask();
    if FORGET != 0 {
        unmask();
        return;
    }
    ring_start(RING_WRITE, lo, hi, CQE_LONGS);
    // Who sees the completion finds the registers, and the list of doorbells, as they are after it.
    let behind = (tail + 1) & load(QUEUES + Q_CQ_WRAP + at);
    store(CSR_CQ_TAIL + at, behind);
    if behind == 0 {
        store(QUEUES + Q_PHASE + at, phase ^ 1);
    }
    doorbell_done();
    unmask();
    if ring_result(lo, hi) == RING_GOOD {
        raise(1 << queue);
    } else {
        mask();
        if FORGET == 0 {
            store(CSR_CQ_TAIL + at, tail);
        }
        unmask();
        halt(queue, Q_ERR_POST_FAULT_MASK);
    }
}

/// A fault on a ring: the queue stops until it is disabled and enabled again.
fn halt(queue: u32, bit: u32) {
    mask();
    if FORGET != 0 {
        unmask();
        return;
    }
    doorbells_drop(queue);
    store(CSR_Q_STATUS + (queue << 4), Q_STATUS_HALTED_MASK);
    // Unmasks.
    queue_error(queue, bit);
}
