//! The commands about one block or none: FENCE, STEP_ADVANCE, LOOKUP, TOUCH; and the branch rule. docs/commands.md.

/// FENCE: until no move is in flight, and how many have failed since the last.
fn command_fence() {
    fence();
    CQ_VALUE = FAILED_MOVES;
    FAILED_MOVES = 0;
    if CQ_VALUE != 0 {
        CQ_STATUS = STATUS_MOVE_FAILED;
    }
}

/// STEP_ADVANCE.
fn command_step() {
    if X_ARGUMENT < STEP {
        CQ_STATUS = STATUS_STEP_BACKWARD;
        return;
    }
    if ST_BEGUN == 0 {
        hepc_lookahead_now();
    } else {
        H_FRESH = 1;
    }
    // A count of the guard's takes long, and registers are those that the command began with.
    let due = guard_due();
    if due != 0 {
        automatic_snapshot();
    }
    step_advance(X_ARGUMENT);
    sweep_begin();
    store(CSR_STEP, X_ARGUMENT);
    if due == 0 {
        automatic_snapshot();
    }
    hepc_idle();
    automatic_moves();
}

/// LOOKUP and TOUCH.
fn command_lookup() {
    let index = find_block();
    let placed = answer(index);
    count(CSR_CNT_LOOKUPS);
    if placed != 0 {
        // Where the last decision put it, whether it has arrived or not.
        count(CSR_CNT_HITS + (CQ_TIER << 1));
    } else {
        CQ_STATUS = STATUS_NOT_FOUND;
        count(if index != NONE { CSR_CNT_GHOST_HITS } else { CSR_CNT_MISSES });
    }
    if X_OPCODE == OP_TOUCH && index != NONE {
        let history = load(ENTRY + (index << 3) + E_HISTORY);
        touch(index, history & ENTRY_HISTORY_DEPTH_MASK, 0);
    }
}

/// Looks up the command's key; leaves it in KEY.
fn find_block() -> u32 {
    find(X_TAG_LO, X_TAG_HI, X_ID)
}

/// Says in the completion where the block is that the look-up just before found. 1 if it is placed.
fn answer(index: u32) -> u32 {
    if index == NONE {
        return 0;
    }
    let place = load(FIND_PLACE);
    let state = place >> 30;
    if state == STATE_GHOST {
        CQ_FLAGS = RESULT_GHOST;
        return 0;
    }
    CQ_FLAGS = if state == STATE_IN_FLIGHT { RESULT_PLACED | RESULT_IN_FLIGHT } else { RESULT_PLACED };
    CQ_TIER = (place >> 28) & 3;
    CQ_FRAME = place & 0xFFFF;
    1
}

/// What TOUCH does to an entry, and INSERT to one that it finds placed.
fn touch(index: u32, depth: u32, is_insert: u32) {
    access(index, depth, is_insert);
    clear_target(index);
    let id = ENTRY + (index << 3) + E_ID;
    store(id, load(id) & !ENTRY_DEAD);
    commit(index);
    branch();
}

/// Branch rule: a parent whose children have different signatures is a branch.
fn branch() {
    if X_FLAGS & COMMAND_PARENT == 0 {
        return;
    }
    set_key(X_TAG_LO, X_TAG_HI, X_ID);
    let mut signature = load(HASH) >> 24;
    if signature == 0 {
        signature = 1;
    }
    let parent = find(load(SQE_PARENT), load(SQE_PARENT + 1), X_ID);
    if parent == NONE {
        return;
    }
    let entry = ENTRY + (parent << 3);
    let history = load(entry + E_HISTORY);
    let child = history >> ENTRY_HISTORY_CHILD_LSB;
    if child == 0 {
        store(entry + E_HISTORY, history | signature << ENTRY_HISTORY_CHILD_LSB);
        commit(parent);
    } else if child != signature {
        store(entry + E_ID, load(entry + E_ID) | ENTRY_BRANCH);
        commit(parent);
    }
}
