//! Thread 0: commands, one after another, and what it does while one has to wait. docs/queue.md, Order and Single-shot path.
//!
//! ```text
//!  ┌─► poll: moves, T3 ─► first doorbell ─┬─ queue ─► fetch ─► execute ─► post ─┐
//!  │                                      └─ single-shot ────► execute ─► CMD_* ─┤
//!  └────────────────────────────────────────────────── next decision made ready ◄┘
//!                                                   wait ─► poll
//! ```

/// The single-shot path among the queues.
const SINGLE_QUEUE: u32 = 4;
/// Data RAM: its command, as CMD_GO took it while another one was there.
const SINGLE_SQE: u32 = QUEUES + SINGLE_QUEUE * QUEUE_STRIDE;
/// Words of an SQE, and of those what is looked at: the last four must be 0, and are kept as one.
const SQE_WORDS: u32 = 16;
const SQE_KEPT: u32 = 13;
/// Word 2 of a single-shot completion: sq_head 0, the queue's id all ones.
const SINGLE_CQE_ID: u32 = 0xFFFF_0000;
/// Where the status stands in word 3 of a completion.
const CQE_STATUS_LSB: u32 = 17;

/// What the command waits for, as STATUS.BLOCKED_ON has it; 0 while it does not.
static BLOCKED_ON: u32 = 0;
/// 1: the host has done something that a command may be waiting for.
static HOST_EVENT: u32 = 0;

/// 1: the words of the single-shot command are in SQE.
static SINGLE_TAKEN: u32 = 0;
/// The first of them.
static SINGLE_HEAD: u32 = 0;

/// Thread 0. It starts here when thread 1 has initialised the device, and again when a command is given up.
fn main() {
    BLOCKED_ON = 0;
    COMMAND_QUEUE = NONE;
    FORGET = 0;
    loop {
        poll();
        serve();
        ready();
        step_ready();
    }
}

/// Takes what card memory, DMA and the service queue have to say. 1 if anything changed.
fn poll() -> u32 {
    if ENABLED == 0 {
        return 0;
    }
    card_poll();
    let moved = moves_poll();
    let served = service_poll();
    if moved != 0 || served != 0 { 1 } else { 0 }
}

/// Waits until something has changed that may matter to the command, which `reason` holds up. Does not return if the command is
/// to be forgotten.
fn wait(reason: u32) {
    BLOCKED_ON = reason;
    let mut changed = 0;
    while changed == 0 {
        changed = poll();
        // Cleared before the caller looks again, so nothing is missed.
        if HOST_EVENT != 0 {
            HOST_EVENT = 0;
            changed = 1;
        }
        if FORGET != 0 {
            restart();
        }
    }
    BLOCKED_ON = 0;
}

/// Serves the next command, if there is one.
fn serve() {
    // It is looked at again with thread 1 masked.
    if DB_COUNT == 0 {
        return;
    }
    mask();
    if DB_COUNT == 0 || doorbell_done() != 0 {
        unmask();
        return;
    }
    COMMAND_QUEUE = DB_QUEUE;
    unmask();
    if COMMAND_QUEUE == SINGLE_QUEUE {
        serve_single();
    } else {
        serve_queue(COMMAND_QUEUE);
    }
    // Thread 1 sets FORGET only for the queue that is served.
    COMMAND_QUEUE = NONE;
    FORGET = 0;
}

/// CMD_GO: takes the command. Thread 1. 1 if it may.
fn single_go() -> u32 {
    if load(CSR_CMD_STATUS) & CMD_STATUS_BUSY_MASK != 0 {
        return 0;
    }
    SINGLE_HEAD = load(CSR_CMD_SQE);
    SINGLE_TAKEN = 0;
    if COMMAND_QUEUE == NONE && DB_COUNT == 0 {
        // It is the next, and none is being executed.
        take_command(CSR_CMD_SQE);
        SINGLE_TAKEN = 1;
    } else {
        let mut word = 0;
        while word != SQE_KEPT - 1 {
            store(SINGLE_SQE + word, load(CSR_CMD_SQE + word));
            word += 1;
        }
        store(SINGLE_SQE + word, reserved(CSR_CMD_SQE));
    }
    store(CSR_CMD_STATUS, CMD_STATUS_BUSY_MASK);
    doorbell(SINGLE_QUEUE, 0);
    1
}

/// Executes the single-shot command.
fn serve_single() {
    let mut word = if SINGLE_TAKEN != 0 { SQE_KEPT } else { 0 };
    while word != SQE_KEPT {
        store(SQE + word, load(SINGLE_SQE + word));
        word += 1;
    }
    execute();
    mask();
    doorbell_remove();
    single_answer(CQ_FRAME | CQ_TIER << 16 | CQ_FLAGS << 24, CQ_VALUE, CQ_STATUS);
}

/// An unfinished single-shot command ends with Aborted. Thread 1; thread 0 has been stopped.
fn single_abort() {
    if load(CSR_CMD_STATUS) & CMD_STATUS_BUSY_MASK != 0 {
        single_answer(0, 0, STATUS_ABORTED);
    }
}

/// Shows the completion of the single-shot command. To be masked before; unmasks.
fn single_answer(place: u32, value: u32, status: u32) {
    store(CSR_CMD_CQE, place);
    store(CSR_CMD_CQE + 1, value);
    store(CSR_CMD_CQE + 2, SINGLE_CQE_ID);
    store(CSR_CMD_CQE + 3, SINGLE_HEAD >> 16 | status << CQE_STATUS_LSB);
    store(CSR_CMD_STATUS, CMD_STATUS_DONE_MASK);
    raise(INT_STATUS_COMMAND_MASK);
}
