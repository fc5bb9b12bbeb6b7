//! INSERT: a block now exists, and gets a frame. docs/commands.md, INSERT.
//!
//! ```text
//!  key ─► placed? ─ yes ─► as TOUCH, EXISTED
//!            │ no
//!            ▼
//!  slot? ─► room in the tier ─► head of the free list quiet ─► frame, slot, access, entry ─► branch rule
//!  └─ DirectoryFull └─ TierFull, MoveFailed
//! ```

/// The deepest that an entry can say.
const DEPTH_MOST: u32 = 4095;
/// Flags of a ghost that its block has again.
const GHOST_FLAGS: u32 = ENTRY_BRANCH | ENTRY_TARGET_VALID;
/// The lowest tier that a block can be inserted in.
const INSERT_LOWEST: u32 = 2;

/// INSERT.
fn command_insert() {
    if X_TIER > INSERT_LOWEST || tier_in_use(X_TIER) == 0 {
        CQ_STATUS = STATUS_INVALID_TIER;
        return;
    }
    let block = load(SQE_BLOCK);
    let depth = block & 0xFFFF;
    let index = find_block();
    if answer(index) != 0 {
        CQ_FLAGS |= RESULT_EXISTED;
        touch(index, depth, 1);
        return;
    }
    // A ghost is not said to be one: the block is placed, or the command refused.
    CQ_FLAGS = 0;
    insert_new(index, depth, (block >> 16) << ENTRY_ID_FLAGS_LSB);
}

/// 1 if the tier has a LIMIT.
fn tier_in_use(t: u32) -> u32 {
    // t << 4: TIER_STRIDE.
    t <= 3 && load(CSR_TIER_LIMIT + (t << 4)) != 0
}

/// Inserts a block that is not placed: `ghost` is its entry, or NONE. `flags` stand as in an ID word.
fn insert_new(ghost: u32, depth: u32, flags: u32) {
    NEW_LO = X_TAG_LO;
    NEW_HI = X_TAG_HI;
    NEW_ID = X_ID;
    if ghost == NONE && slot_available() == 0 {
        count(CSR_CNT_DIRECTORY_FULL);
        CQ_STATUS = STATUS_DIRECTORY_FULL;
        return;
    }
    let status = make_room(X_TIER);
    if status != STATUS_OK {
        CQ_STATUS = status;
        return;
    }
    // From here on nothing waits.
    let frame = take_frame(X_TIER);
    csr_add(CSR_TIER_USED + (X_TIER << 4), 1);
    let stored_depth = if depth < DEPTH_MOST { depth } else { DEPTH_MOST };
    if ghost == NONE {
        insert_entry(frame, depth, stored_depth, flags);
    } else {
        insert_ghost(ghost, frame, depth, stored_depth, flags);
    }
    branch();
    CQ_FLAGS = RESULT_PLACED;
    CQ_TIER = X_TIER;
    CQ_FRAME = frame;
    count(CSR_CNT_INSERTS + (X_TIER << 1));
}

/// Writes the entry of a new key.
fn insert_entry(frame: u32, depth: u32, stored_depth: u32, flags: u32) {
    let index = take_slot();
    access(NONE, depth, 1);
    let entry = ENTRY + (index << 3);
    store(entry + E_TAG_LO, X_TAG_LO);
    store(entry + E_TAG_HI, X_TAG_HI);
    store(entry + E_ID, X_ID | flags);
    store(entry + E_PLACE, frame);
    store(entry + E_ACCESS, STAMP);
    store(entry + E_TARGET, 0);
    store(entry + E_HISTORY, stored_depth | 1 << ENTRY_HISTORY_FREQUENCY_LSB);
    store(entry + E_STATE, X_TIER << ENTRY_STATE_TIER_LSB | STATE_RESIDENT << ENTRY_STATE_STATE_LSB);
    commit(index);
}

/// A ghost's block is there again. The guard looks at it as a ghost.
fn insert_ghost(index: u32, frame: u32, depth: u32, stored_depth: u32, flags: u32) {
    access(index, depth, 1);
    let entry = ENTRY + (index << 3);
    store(entry + E_ID, X_ID | load(entry + E_ID) & GHOST_FLAGS | flags);
    store(entry + E_PLACE, frame);
    store(entry + E_HISTORY, load(entry + E_HISTORY) & !ENTRY_HISTORY_DEPTH_MASK | stored_depth);
    let kept = load(entry + E_STATE) & (ENTRY_STATE_RETAIN_MASK | ENTRY_STATE_OUT_MASK);
    store(entry + E_STATE, kept | X_TIER << ENTRY_STATE_TIER_LSB | STATE_RESIDENT << ENTRY_STATE_STATE_LSB);
    csr_add(CSR_RTBD_GHOSTS, LESS);
    commit(index);
}
