//! The scoped commands: one effect on each entry of a key, a range of tags, or a request. docs/commands.md.
//!
//! ```text
//!  scope ─► entries, one after another ─► effect ─► done? passed over? ─► value, status, where the block is
//! ```

/// Flags that keep a block where it is, as references do.
const PINNED: u32 = ENTRY_HOT | ENTRY_RETAINED;
/// The greatest RETAIN.
const RETAIN_MOST: u32 = ENTRY_STATE_RETAIN_MASK;
/// The greatest reference count.
const REFCOUNT_MOST: u32 = 255;

/// 1 while SHARE or UNSHARE only looks whether a reference count is at its end.
static SC_LOOKS: u32 = 0;
/// Why the command is refused, or Ok.
static SC_REFUSED: u32 = 0;
/// Blocks affected.
static SC_DONE: u32 = 0;
/// 1: a ghost was freed.
static SC_FREED: u32 = 0;
/// 1: a block was passed over because it is pinned, shared or retained.
static SC_IN_USE: u32 = 0;
/// 1: one was passed over because a move that was to make room for it failed.
static SC_FAILED: u32 = 0;
/// The last move of a block of the scope: its place in MOVES, or NONE. It is waited for before the next begins, so what becomes of
/// that does not depend on how fast memory is.
static SC_PLACE: u32 = 0;

/// A scoped command.
fn command_scoped() {
    SC_LOOKS = 0;
    SC_REFUSED = STATUS_OK;
    SC_DONE = 0;
    SC_FREED = 0;
    SC_IN_USE = 0;
    SC_FAILED = 0;
    SC_PLACE = NONE;
    if X_OPCODE == OP_DEMOTE && tier_in_use(X_TIER) == 0 {
        SC_REFUSED = STATUS_INVALID_TIER;
    } else {
        if X_OPCODE == OP_SHARE || X_OPCODE == OP_UNSHARE {
            SC_LOOKS = 1;
            scope_walk();
            SC_LOOKS = 0;
        }
        if SC_REFUSED == STATUS_OK {
            scope_walk();
        }
    }
    if SC_REFUSED != STATUS_OK {
        CQ_STATUS = SC_REFUSED;
        return;
    }
    CQ_VALUE = SC_DONE;
    if SC_DONE == 0 && SC_FREED == 0 {
        CQ_STATUS = if SC_IN_USE != 0 {
            STATUS_IN_USE
        } else if SC_FAILED != 0 {
            STATUS_MOVE_FAILED
        } else {
            STATUS_NOT_FOUND
        };
    }
    if X_SCOPE == SCOPE_SINGLE {
        answer(find_block());
    }
}

/// Goes through the entries of the scope.
fn scope_walk() {
    match X_SCOPE {
        SCOPE_SINGLE => scope_tags(1),
        SCOPE_RANGE => scope_tags(load(SQE_COUNT)),
        _ => scope_request(),
    }
}

/// Goes through the entries of `n` tags.
fn scope_tags(n: u32) {
    let mut lo = X_TAG_LO;
    let mut hi = X_TAG_HI;
    let mut left = n;
    while left != 0 {
        let index = find(lo, hi, X_ID);
        if index != NONE {
            scoped(index);
        }
        lo += 1;
        if lo == 0 {
            hi += 1;
        }
        left -= 1;
    }
}

/// Goes through the entries of a request. It is not 0, so a free slot is none of them.
fn scope_request() {
    let mut index = 0;
    while index <= LAST_SLOT {
        if load(ENTRY + (index << 3) + E_ID) & KEY_MASK != X_ID {
            index += 1;
        } else if scoped(index) == 0 {
            index += 1;
        }
        // Freed: an entry of the stash may have moved in.
    }
}

/// The command's effect on an entry that is not free. 1 if it was freed.
fn scoped(index: u32) -> u32 {
    let entry = ENTRY + (index << 3);
    if X_OPCODE == OP_PREFETCH {
        set_target(index, X_ARGUMENT);
        commit(index);
    }
    if load(entry + E_STATE) >> ENTRY_STATE_STATE_LSB == STATE_GHOST {
        if X_OPCODE == OP_RELEASE {
            free_entry(index);
            SC_FREED = 1;
            return 1;
        }
        return 0;
    }
    match X_OPCODE {
        OP_EVICT | OP_DEMOTE => scoped_evict(index),
        OP_RELEASE => return scoped_release(index),
        OP_SHARE | OP_UNSHARE => scoped_share(index),
        OP_PREFETCH => {
            SC_DONE += 1;
            scoped_prefetch(index);
        }
        _ => {
            SC_DONE += 1;
            scoped_mark(index);
        }
    }
    0
}

/// HOT, UNHOT, RETAIN, DEAD: flags of a placed block.
fn scoped_mark(index: u32) {
    let entry = ENTRY + (index << 3);
    let id = load(entry + E_ID);
    match X_OPCODE {
        OP_HOT => store(entry + E_ID, id | ENTRY_HOT),
        OP_UNHOT => store(entry + E_ID, id & !ENTRY_HOT),
        OP_RETAIN => {
            store(entry + E_ID, id | ENTRY_RETAINED);
            set_retain(entry, retain_until());
        }
        _ => {
            store(entry + E_ID, id & !PINNED | ENTRY_DEAD);
            store(entry + E_STATE, load(entry + E_STATE) & !ENTRY_STATE_RETAIN_MASK);
            clear_target(index);
        }
    }
    commit(index);
}

/// RETAIN of now + argument, in units of 16 steps, rounded up.
fn retain_until() -> u32 {
    let until = STEP + X_ARGUMENT;
    if until < STEP {
        return RETAIN_MOST;
    }
    let retain = (until + 15) >> 4;
    // If 15 more wrapped, it is past the greatest as well.
    if until >> 4 >= RETAIN_MOST { RETAIN_MOST } else { retain }
}

/// Gives an entry this RETAIN, unless it has a later one.
fn set_retain(entry: u32, retain: u32) {
    let state = load(entry + E_STATE);
    if state & ENTRY_STATE_RETAIN_MASK < retain {
        store(entry + E_STATE, state & !ENTRY_STATE_RETAIN_MASK | retain);
    }
}

/// SHARE, UNSHARE of a placed block, or whether that can be.
fn scoped_share(index: u32) {
    let history = ENTRY + (index << 3) + E_HISTORY;
    let old = load(history);
    let references = (old & ENTRY_HISTORY_REFCOUNT_MASK) >> ENTRY_HISTORY_REFCOUNT_LSB;
    if SC_LOOKS != 0 {
        if X_OPCODE == OP_SHARE && references == REFCOUNT_MOST {
            SC_REFUSED = STATUS_REFCOUNT_OVERFLOW;
        } else if X_OPCODE == OP_UNSHARE && references == 0 {
            SC_REFUSED = STATUS_REFCOUNT_UNDERFLOW;
        }
        return;
    }
    let one = 1 << ENTRY_HISTORY_REFCOUNT_LSB;
    store(history, if X_OPCODE == OP_SHARE { old + one } else { old - one });
    SC_DONE += 1;
    commit(index);
}

/// PREFETCH of a placed block whose target is set: promotion, if it is below PREFETCH_TIER and wanted soon.
fn scoped_prefetch(index: u32) {
    while wanted_up(tier_of(index)) != 0 {
        if state_of(index) != STATE_IN_FLIGHT {
            wait_move(SC_PLACE);
            begin_need();
            SC_PLACE = if promote(index, 1, OWN) != 0 { WALK_PLACE } else { NONE };
            return;
        }
        // If its move fails, it is somewhere else.
        wait(WAIT_MOVE);
    }
}

/// 1 if a block of this tier whose next use is at the argument is to be promoted.
fn wanted_up(tier: u32) -> u32 {
    tier > SNAP_PREFETCH_TIER && X_ARGUMENT >= STEP && X_ARGUMENT - STEP <= load(SNAP_LOOKAHEAD + tier)
}

/// EVICT, DEMOTE of a placed block.
fn scoped_evict(index: u32) {
    let entry = ENTRY + (index << 3);
    let dest = if X_OPCODE == OP_DEMOTE { X_TIER } else { NONE };
    wait_move(SC_PLACE);
    SC_PLACE = NONE;
    loop {
        let state = load(entry + E_STATE);
        if dest <= (state & ENTRY_STATE_TIER_MASK) >> ENTRY_STATE_TIER_LSB {
            // In that tier or below.
            if X_SCOPE == SCOPE_SINGLE {
                SC_REFUSED = STATUS_INVALID_TIER;
            }
            return;
        }
        if load(entry + E_ID) & PINNED != 0 || load(entry + E_HISTORY) & ENTRY_HISTORY_REFCOUNT_MASK != 0 {
            SC_IN_USE = 1;
            return;
        }
        if state >> ENTRY_STATE_STATE_LSB != STATE_IN_FLIGHT {
            break;
        }
        // If its move fails, it is somewhere else.
        wait_arrival(entry);
    }
    begin_need();
    if demote(index, dest) == STATUS_OK {
        SC_DONE += 1;
        SC_PLACE = WALK_PLACE;
    } else {
        SC_FAILED = 1;
    }
}

/// RELEASE of a placed block. 1 if its entry was freed.
fn scoped_release(index: u32) -> u32 {
    let entry = ENTRY + (index << 3);
    wait_arrival(entry);
    if load(entry + E_HISTORY) & ENTRY_HISTORY_REFCOUNT_MASK != 0 {
        SC_IN_USE = 1;
        return 0;
    }
    let tier = (load(entry + E_STATE) & ENTRY_STATE_TIER_MASK) >> ENTRY_STATE_TIER_LSB;
    let read_only = if load(entry + E_ID) & ENTRY_READ_ONLY != 0 { 1 } else { 0 };
    csr_add(CSR_TIER_USED + (tier << 4), LESS);
    retire(tier, load(entry + E_PLACE) & ENTRY_PLACE_FRAME_MASK, read_only);
    free_entry(index);
    SC_DONE += 1;
    1
}

/// Waits while the block of an entry is in flight. The entry stays where it is: only INSERT and RELEASE move entries.
fn wait_arrival(entry: u32) {
    if load(entry + E_STATE) >> ENTRY_STATE_STATE_LSB == STATE_IN_FLIGHT {
        wait_block(load(entry + E_TAG_LO), load(entry + E_TAG_HI), load(entry + E_ID) & KEY_MASK);
    }
}
