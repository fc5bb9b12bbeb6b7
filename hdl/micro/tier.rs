//! Frames of the tiers: free lists, and whether a frame is quiet. docs/moves.md.
//!
//! ```text
//!  never used: fresh ─┐
//!                     ├─► head ─► taken ─► ... ─► retired ─► (quarantine) ─► tail
//!  used: ring ────────┘
//! ```
//!
//! A free list begins as frames 0, 1, 2, ..., which are counted and not stored; those that come back stand in a ring of ENTRIES behind
//! them.

// Words of a tier in the data RAM, at TIERS + 8 t.
/// Frames taken that had never been used before: also the next of them.
const T_FRESH: u32 = 0;
/// Slot of the ring where its first frame stands.
const T_FIRST: u32 = 1;
/// Frames in the ring.
const T_COUNT: u32 = 2;

// Flags of a frame.
/// It is the source of a move that is not acknowledged.
const FRAME_SOURCE: u32 = 1;
/// It was released with the invalidation of its FRAME_EPOCH.
const FRAME_INVALIDATED: u32 = 2;
/// It was retired at its FRAME_RETIRED.
const FRAME_WAS_RETIRED: u32 = 4;

/// Reasons for waiting, as STATUS.BLOCKED_ON has them.
const WAIT_MOVE: u32 = 1;
const WAIT_INVALIDATION: u32 = 2;
const WAIT_STAGING: u32 = 4;
const WAIT_SERVICE: u32 = 5;

/// Notes that a word of what is known of frames was answered with an error. A load then gave 0, so nothing hangs, but it may be wrong.
fn card_poll() {
    if load(CARD_FAULT) != 0 {
        store(CARD_FAULT, 0);
        error(ERR_STATUS_CARD_MASK);
    }
}

/// All frames are free.
fn tier_reset() {
    let mut t = 0;
    while t < 4 {
        let words = TIERS + (t << 3);
        store(words + T_FRESH, 0);
        store(words + T_FIRST, 0);
        store(words + T_COUNT, 0);
        let csr = t << 4;
        store(CSR_TIER_USED + csr, 0);
        store(CSR_TIER_FREE + csr, load(CSR_TIER_FRAMES + csr));
        store(CSR_TIER_QUARANTINED + csr, 0);
        t += 1;
    }
}

/// The frame at the head of a tier's free list, which is not empty.
fn free_head(t: u32) -> u32 {
    let words = TIERS + (t << 3);
    let fresh = load(words + T_FRESH);
    if fresh < load(CSR_TIER_FRAMES + (t << 4)) {
        return fresh;
    }
    load(FREE_RING + (t << 16) + load(words + T_FIRST))
}

/// Why the head of a tier's free list is not quiet: what to wait for, or 0.
fn head_waits(t: u32) -> u32 {
    if load(TIERS + (t << 3) + T_FRESH) < load(CSR_TIER_FRAMES + (t << 4)) {
        // Never used.
        return 0;
    }
    let frame = (t << 16) + free_head(t);
    let flags = load(FRAME_FLAGS + frame);
    if flags & FRAME_SOURCE != 0 {
        return WAIT_MOVE;
    }
    if flags & FRAME_INVALIDATED != 0 && acknowledged(load(FRAME_EPOCH + frame)) == 0 {
        return WAIT_INVALIDATION;
    }
    0
}

/// Takes the frame at the head of a tier's free list, which is quiet.
fn take_frame(t: u32) -> u32 {
    let words = TIERS + (t << 3);
    let frame = free_head(t);
    let fresh = load(words + T_FRESH);
    if fresh < load(CSR_TIER_FRAMES + (t << 4)) {
        store(words + T_FRESH, fresh + 1);
    } else {
        store(words + T_FIRST, (load(words + T_FIRST) + 1) & (ENTRIES - 1));
        store(words + T_COUNT, load(words + T_COUNT) - 1);
        luf_check((t << 16) + frame);
    }
    csr_add(CSR_TIER_FREE + (t << 4), LESS);
    store(FRAME_FLAGS + (t << 16) + frame, 0);
    frame
}

/// A frame comes back, to the tail of its tier's free list.
fn free_frame(t: u32, frame: u32) {
    let words = TIERS + (t << 3);
    let held = load(words + T_COUNT);
    store(FREE_RING + (t << 16) + ((load(words + T_FIRST) + held) & (ENTRIES - 1)), frame);
    store(words + T_COUNT, held + 1);
    csr_add(CSR_TIER_FREE + (t << 4), 1);
}

/// Takes a frame out of the midst of its tier's free list, and closes the gap. 1 if it was there.
fn free_remove(t: u32, frame: u32) -> u32 {
    let words = TIERS + (t << 3);
    let ring = FREE_RING + (t << 16);
    let mask = ENTRIES - 1;
    let end = load(words + T_FIRST) + load(words + T_COUNT);
    let mut slot = load(words + T_FIRST);
    while slot != end && load(ring + (slot & mask)) != frame {
        slot += 1;
    }
    if slot == end {
        return 0;
    }
    while slot + 1 != end {
        store(ring + (slot & mask), load(ring + ((slot + 1) & mask)));
        slot += 1;
    }
    store(words + T_COUNT, load(words + T_COUNT) - 1);
    csr_add(CSR_TIER_FREE + (t << 4), LESS);
    1
}

/// The next lower tier that is in use, or NONE.
fn tier_below(t: u32) -> u32 {
    let mut below = t + 1;
    while below < 4 {
        if load(CSR_TIER_LIMIT + (below << 4)) != 0 {
            return below;
        }
        below += 1;
    }
    NONE
}

/// 1 if a tier holds fewer blocks than it may.
fn has_room(t: u32) -> u32 {
    if load(CSR_TIER_USED + (t << 4)) < load(CSR_TIER_LIMIT + (t << 4)) { 1 } else { 0 }
}
