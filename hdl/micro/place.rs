//! The entries of the directory: looked up, freed, made ghosts; and how many there are of what. docs/rtbd.md.
//!
//! Who changes words of an entry ends with `commit`, which makes the look-up and the offers follow. Who changes its key begins with
//! TAG_LO, from which on the look-up does not find it until then. A free slot's eight words are 0. slot.rs finds a slot for a new key.

/// Request and tenant in an ID word: the flags stand above.
const KEY_MASK: u32 = ENTRY_ID_REQUEST_MASK | ENTRY_ID_TENANT_MASK;
/// With `csr_add`: one less.
const LESS: u32 = 0xFFFF_FFFF;

// Flags as they stand in an ID word; DEAD is in hepc.rs.
const ENTRY_DIRTY: u32 = FLAG_DIRTY << ENTRY_ID_FLAGS_LSB;
const ENTRY_HOT: u32 = FLAG_HOT << ENTRY_ID_FLAGS_LSB;
const ENTRY_READ_ONLY: u32 = FLAG_READ_ONLY << ENTRY_ID_FLAGS_LSB;
const ENTRY_BRANCH: u32 = FLAG_BRANCH << ENTRY_ID_FLAGS_LSB;
const ENTRY_TARGET_VALID: u32 = FLAG_TARGET_VALID << ENTRY_ID_FLAGS_LSB;
const ENTRY_RETAINED: u32 = FLAG_RETAINED << ENTRY_ID_FLAGS_LSB;
/// What a block no longer is as a ghost.
const NO_GHOST: u32 = ENTRY_HOT | ENTRY_RETAINED | ENTRY_DIRTY | ENTRY_READ_ONLY;

/// Empties the directory.
fn place_reset() {
    store(CLEAR, 0);
    TARGETS = 0;
    store(CSR_RTBD_USED, 0);
    store(CSR_RTBD_GHOSTS, 0);
    store(CSR_RTBD_STASH_USED, 0);
    while load(CLEAR) != 0 {}
}

/// Makes this KEY; of an ID word only the key counts.
fn set_key(lo: u32, hi: u32, id: u32) {
    store(KEY_TAG_LO, lo);
    store(KEY_TAG_HI, hi);
    store(KEY_ID, id & KEY_MASK);
}

/// Makes the key of an entry KEY.
fn set_key_of(index: u32) {
    let entry = ENTRY + (index << 3);
    set_key(load(entry + E_TAG_LO), load(entry + E_TAG_HI), load(entry + E_ID));
}

/// Index of the entry of this key, or NONE. Leaves the key in KEY, and where the block is in FIND_PLACE.
fn find(lo: u32, hi: u32, id: u32) -> u32 {
    set_key(lo, hi, id);
    load(FIND)
}

/// The entry's words are complete. Keeps KEY.
fn commit(index: u32) {
    store(COMMIT, index);
    disarm();
}

/// Gives an entry a target; without `commit`. Keeps KEY.
fn set_target(index: u32, step: u32) {
    let entry = ENTRY + (index << 3);
    let id = load(entry + E_ID);
    if id & ENTRY_TARGET_VALID == 0 {
        store(entry + E_ID, id | ENTRY_TARGET_VALID);
        TARGETS += 1;
    }
    store(entry + E_TARGET, step);
}

/// Takes an entry's target, if it has one; without `commit`. Keeps KEY.
fn clear_target(index: u32) {
    let address = ENTRY + (index << 3) + E_ID;
    let id = load(address);
    if id & ENTRY_TARGET_VALID != 0 {
        store(address, id & !ENTRY_TARGET_VALID);
        TARGETS -= 1;
    }
}

/// Drops a resident block: its entry becomes a ghost. Frame and tier are the caller's business.
fn drop_entry(index: u32) {
    let entry = ENTRY + (index << 3);
    store(entry + E_ID, load(entry + E_ID) & !NO_GHOST);
    store(entry + E_PLACE, 0);
    let kept = load(entry + E_STATE) & (ENTRY_STATE_RETAIN_MASK | ENTRY_STATE_OUT_MASK);
    store(entry + E_STATE, kept | STATE_GHOST << ENTRY_STATE_STATE_LSB);
    csr_add(CSR_RTBD_GHOSTS, 1);
    commit(index);
}

/// Frees an entry; one of the stash moves in if the bucket is one of its own.
fn free_entry(index: u32) {
    clear_target(index);
    if load(ENTRY + (index << 3) + E_STATE) >> ENTRY_STATE_STATE_LSB == STATE_GHOST {
        csr_add(CSR_RTBD_GHOSTS, LESS);
    }
    csr_add(CSR_RTBD_USED, LESS);
    wipe(index);
    if index >= ENTRIES {
        csr_add(CSR_RTBD_STASH_USED, LESS);
    } else if load(CSR_RTBD_STASH_USED) != 0 {
        leave_stash(index);
    }
}

/// The first entry of the stash that belongs in the bucket of this free slot moves in.
fn leave_stash(free: u32) {
    let bucket = free >> 2;
    let mut index = ENTRIES;
    while index <= LAST_SLOT {
        if load(ENTRY + (index << 3) + E_STATE) >> ENTRY_STATE_STATE_LSB != STATE_FREE {
            set_key_of(index);
            let buckets = load(BUCKETS);
            if buckets & 0xFFFF == bucket || buckets >> 16 == bucket {
                move_entry(index, free);
                wipe(index);
                csr_add(CSR_RTBD_STASH_USED, LESS);
                return;
            }
        }
        index += 1;
    }
}

/// Copies an entry to a slot that is free, and commits it there. The caller frees or overwrites the old one.
fn move_entry(from: u32, to: u32) {
    let old = ENTRY + (from << 3);
    let new = ENTRY + (to << 3);
    let mut word = 0;
    while word < 8 {
        store(new + word, load(old + word));
        word += 1;
    }
    commit(to);
    // It may be of the chain in service.
    if load(new + E_ACCESS) == STAMP {
        chain_note(to);
    }
}

/// Makes the words of a slot 0, and the look-up forget it.
fn wipe(index: u32) {
    let entry = ENTRY + (index << 3);
    let mut word = 0;
    while word < 8 {
        store(entry + word, 0);
        word += 1;
    }
    commit(index);
}
