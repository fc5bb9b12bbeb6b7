//! A slot for a new key: a bucketed cuckoo table's search. docs/rtbd.md, A slot for a new key.
//!
//! ```text
//!  NEW ─► b0, b1 ─► free way ─► oldest ghost ─► breadth-first, to 170 buckets ─► free of the stash ─► oldest ghost there
//!                                                  └─► the entries on the path move, last first
//! ```
//!
//! A node of the search knows its bucket, the slot whose entry could move there, and the node that slot is in; so the path
//! is walked back from the slot found.

// Words of a node, at NODES.
const NODE_BUCKET: u32 = 0;
const NODE_FROM: u32 = 1;
/// Address of the node of `NODE_FROM`, or NONE if that is one of the new key's own two buckets.
const NODE_PARENT: u32 = 2;
const NODE_WORDS: u32 = 3;
/// Behind the 170 that there can be.
const NODES_END: u32 = NODES + 170 * NODE_WORDS;
/// The first that is not one of the new key's own.
const NODES_APPENDED: u32 = NODES + 2 * NODE_WORDS;

// F for the frequencies, 32 * log2, four in a word, the lowest first.
const F_0: u32 = 51 << 24 | 32 << 16;
const F_4: u32 = 90 << 24 | 83 << 16 | 74 << 8 | 64;
const F_8: u32 = 111 << 24 | 106 << 16 | 101 << 8 | 96;
const F_12: u32 = 125 << 24 | 122 << 16 | 118 << 8 | 115;
/// F of the greatest frequency.
const F_MOST: u32 = 125;

/// The new key.
static NEW_LO: u32 = 0;
static NEW_HI: u32 = 0;
static NEW_ID: u32 = 0;

/// The first free slot of those looked at, or NONE.
static SL_FREE: u32 = 0;
/// Their oldest ghost, or NONE,
static SL_GHOST: u32 = 0;
/// and its age.
static SL_AGE: u32 = 0;
/// Address of the node that the slot found is in; NONE if nothing has to move.
static SL_NODE: u32 = 0;

/// 1 if there is a slot for the new key. Changes nothing.
fn slot_available() -> u32 {
    slot_search() != NONE
}

/// Takes the slot for the new key, which there is. The caller writes all its words, and commits.
fn take_slot() -> u32 {
    let mut slot = slot_search();
    let entry = ENTRY + (slot << 3);
    if load(entry + E_STATE) >> ENTRY_STATE_STATE_LSB == STATE_GHOST {
        clear_target(slot);
        csr_add(CSR_RTBD_GHOSTS, LESS);
        count(CSR_CNT_GHOSTS_RECLAIMED);
    } else {
        csr_add(CSR_RTBD_USED, 1);
        if slot >= ENTRIES {
            csr_add(CSR_RTBD_STASH_USED, 1);
        }
    }
    let mut node = SL_NODE;
    while node != NONE {
        let from = load(node + NODE_FROM);
        move_entry(from, slot);
        count(CSR_CNT_KICKS);
        // What stands there still is overwritten next, by another entry or by the caller.
        slot = from;
        node = load(node + NODE_PARENT);
    }
    slot
}

/// The slot that becomes free or forgotten for the new key, or NONE; makes SL_NODE.
fn slot_search() -> u32 {
    set_key(NEW_LO, NEW_HI, NEW_ID);
    let buckets = load(BUCKETS);
    let first = buckets & 0xFFFF;
    let second = buckets >> 16;
    SL_NODE = NONE;
    slot_forget();
    slot_look(first << 2, 4);
    if SL_FREE == NONE {
        slot_look(second << 2, 4);
    }
    let mut slot = slot_choice();
    if slot == NONE {
        slot = slot_behind(first, second);
    }
    if slot == NONE {
        slot_forget();
        slot_look(ENTRIES, STASH);
        slot = slot_choice();
    }
    slot
}

/// Breadth-first from the new key's buckets, in which every way has a block: the first slot that moving entries can free.
fn slot_behind(first: u32, second: u32) -> u32 {
    store(NODES + NODE_BUCKET, first);
    store(NODES + NODE_WORDS + NODE_BUCKET, second);
    let mut end = NODES_APPENDED;
    let mut node = NODES;
    // Each node appends four, so nodes do not run out before their number does.
    loop {
        let bucket = load(node + NODE_BUCKET);
        let parent = if node < NODES_APPENDED { NONE } else { node };
        let mut from = bucket << 2;
        let ways_end = from + 4;
        while from != ways_end {
            if end == NODES_END {
                return NONE;
            }
            let other = other_bucket(from);
            store(end + NODE_BUCKET, other);
            store(end + NODE_FROM, from);
            store(end + NODE_PARENT, parent);
            slot_forget();
            slot_look(other << 2, 4);
            let slot = slot_choice();
            if slot != NONE {
                SL_NODE = end;
                return slot;
            }
            end += NODE_WORDS;
            from += 1;
        }
        node += NODE_WORDS;
    }
}

/// The other bucket of the entry in this slot.
fn other_bucket(index: u32) -> u32 {
    set_key_of(index);
    let buckets = load(BUCKETS);
    let first = buckets & 0xFFFF;
    if first == index >> 2 { buckets >> 16 } else { first }
}

/// No slots have been looked at.
fn slot_forget() {
    SL_FREE = NONE;
    SL_GHOST = NONE;
}

/// Looks at `n` slots, up to a free one.
fn slot_look(first: u32, n: u32) {
    let end = first + n;
    let mut index = first;
    while index != end {
        let state = load(ENTRY + (index << 3) + E_STATE) >> ENTRY_STATE_STATE_LSB;
        if state == STATE_FREE {
            SL_FREE = index;
            return;
        }
        if state == STATE_GHOST {
            let age = ghost_age(index);
            if SL_GHOST == NONE || age > SL_AGE {
                SL_GHOST = index;
                SL_AGE = age;
            }
        }
        index += 1;
    }
}

/// The first free of the slots looked at, otherwise the oldest ghost, otherwise NONE.
fn slot_choice() -> u32 {
    if SL_FREE != NONE { SL_FREE } else { SL_GHOST }
}

/// Accesses since a ghost's, less 512 F for its frequency; 512 F of the greatest frequency is added, so that it is not negative.
fn ghost_age(index: u32) -> u32 {
    let entry = ENTRY + (index << 3);
    let frequency = (load(entry + E_HISTORY) & ENTRY_HISTORY_FREQUENCY_MASK) >> ENTRY_HISTORY_FREQUENCY_LSB;
    let four = match frequency >> 2 {
        0 => F_0,
        1 => F_4,
        2 => F_8,
        _ => F_12,
    };
    let f = (four >> ((frequency & 3) << 3)) & 0xFF;
    CLOCK - load(entry + E_ACCESS) + ((F_MOST - f) << 9)
}
