//! Room: who has to go where so that a block fits. docs/moves.md, Make room, Begin again, Demote; docs/hepc.md, Promotion.
//!
//! ```text
//!  top ─► victim of T1 ─► T2 full? ─► victim of T2 ─► T3 full? ─► victim of T3 ─► dropped
//!   ▲                                                                                │
//!   └──────────────────────────── after each decision, from the top ─────────────────┘
//! ```

// How a walk ended.
/// It waited, or swept below the top: the top looks again.
const WALK_AGAIN: u32 = 0;
/// A block below the top was decided.
const WALK_BELOW: u32 = 1;
/// The block at the top was.
const WALK_TOP: u32 = 2;

/// Whose move the block at the top of a walk makes: one for room as those below it, or the command's own.
const FOR_ROOM: u32 = 0;
const OWN: u32 = 1;

/// Which need of room this is: one INSERT, one block of a scoped command, one tier that is drained, one round of promotions.
static NEED: u32 = 0;
/// 1: a move begun for it failed, so it is given up. It may be learned while waiting for something else.
static ROOM_FAILED: u32 = 0;

/// Clock of the trigger of the decision that is being made, low half.
static DECISION_FROM: u32 = 0;
/// Where the block went that was decided last: its place in MOVES, or NONE.
static WALK_PLACE: u32 = 0;

/// Buckets of the histogram of decisions.
const DECISION_BUCKETS: u32 = 16;

/// Another need of room begins: moves begun for earlier ones do not matter to it.
fn begin_need() {
    NEED += 1;
    ROOM_FAILED = 0;
    new_need();
}

/// A decision is asked for, or asked for again after one below, or a wait.
fn decision_begins() {
    DECISION_FROM = load(FRONT + 9);
}

/// Its descriptor is out: how long it took.
fn decision_ends() {
    let ticks = if RD_GONE != 0 { RD_TICKS } else { load(FRONT + 9) - DECISION_FROM };
    RD_GONE = 0;
    count(CSR_CNT_DECISION_HIST + (decision_bucket(ticks) << 1));
    if load(CSR_CNT_DECISION_MAX) < ticks {
        store(CSR_CNT_DECISION_MAX, ticks);
    }
}

/// The bucket of so many clocks: their log2, or the last.
fn decision_bucket(ticks: u32) -> u32 {
    if ticks >> DECISION_BUCKETS != 0 {
        return DECISION_BUCKETS - 1;
    }
    let mut bucket = 0;
    let mut rest = ticks;
    if rest >> 8 != 0 {
        bucket = 8;
        rest = rest >> 8;
    }
    if rest >> 4 != 0 {
        bucket += 4;
        rest = rest >> 4;
    }
    if rest >> 2 != 0 {
        bucket += 2;
        rest = rest >> 2;
    }
    bucket + (rest >> 1)
}

/// Tier of an entry, of the last decision.
fn tier_of(index: u32) -> u32 {
    (load(ENTRY + (index << 3) + E_STATE) & ENTRY_STATE_TIER_MASK) >> ENTRY_STATE_TIER_LSB
}

/// State of an entry.
fn state_of(index: u32) -> u32 {
    load(ENTRY + (index << 3) + E_STATE) >> ENTRY_STATE_STATE_LSB
}

/// Makes room in tier t, and a frame at the head of its free list that is quiet. Ok, TierFull or MoveFailed.
fn make_room(t: u32) -> u32 {
    decision_begins();
    go(t);
    RD_TIER = t;
    while ROOM_FAILED == 0 {
        if has_room(t) != 0 {
            ready_frames(t);
            let reason = head_waits(t);
            if reason == 0 {
                return STATUS_OK;
            }
            // A move undone meanwhile may have taken the room away.
            wait(reason);
        } else {
            let victim = next_victim(t, 1);
            if victim == NONE {
                return STATUS_TIER_FULL;
            }
            walk(victim, NONE, FOR_ROOM);
            wait_move(WALK_PLACE);
            decision_begins();
        }
    }
    STATUS_MOVE_FAILED
}

/// A frame of tier t will be wanted.
fn ready_frames(t: u32) {
    if load(CSR_TIER_FREE + (t << 4)) == 0 {
        flush();
    }
}

/// EVICT, DEMOTE: block `index` to `dest`, or to the next lower tier. Ok, or MoveFailed if a move begun for it failed.
fn demote(index: u32, dest: u32) -> u32 {
    while ROOM_FAILED == 0 {
        decision_begins();
        if walk(index, dest, OWN) == WALK_TOP {
            return STATUS_OK;
        }
    }
    STATUS_MOVE_FAILED
}

/// One decision on the way down from block `top`, which goes to `dest` or to the next lower tier: the lowest block that can go does.
/// Moves below the top between T0, T1 and T2 have ended when it returns; the top's is in WALK_PLACE.
fn walk(top: u32, dest: u32, whose: u32) -> u32 {
    WALK_PLACE = NONE;
    let mut block = top;
    let mut named = dest;
    loop {
        let state = load(ENTRY + (block << 3) + E_STATE);
        if state >> ENTRY_STATE_STATE_LSB == STATE_IN_FLIGHT {
            wait(WAIT_MOVE);
            return WALK_AGAIN;
        }
        let t = (state & ENTRY_STATE_TIER_MASK) >> ENTRY_STATE_TIER_LSB;
        let mut d = named;
        if d == NONE && is_dead(block) == 0 {
            d = tier_below(t);
        }
        if d == NONE {
            drop_block(block, t);
            return walked(block, top);
        }
        if has_room(d) != 0 {
            // What is gone already has waited for all that, and taken its place in the channel: from `go` to `begin_move` nothing waits.
            if RD_GONE == 0 {
                ready_frames(d);
                let mut reason = head_waits(d);
                if reason == 0 {
                    reason = move_waits(t, d);
                }
                if reason != 0 {
                    wait(reason);
                    return WALK_AGAIN;
                }
                send(block, t, d);
            }
            decided(t, block);
            count(CSR_CNT_EVICTIONS + (t << 1));
            if block == top {
                WALK_PLACE = begin_move(block, d, if whose == OWN { NONE } else { NEED });
                return WALK_TOP;
            }
            WALK_PLACE = begin_move(block, d, NEED);
            wait_move(WALK_PLACE);
            return WALK_BELOW;
        }
        let victim = next_victim(d, 1);
        if swept() != 0 {
            return WALK_AGAIN;
        }
        if victim == NONE {
            // Nothing can go there.
            drop_block(block, t);
            return walked(block, top);
        }
        block = victim;
        named = NONE;
    }
}

fn walked(block: u32, top: u32) -> u32 {
    if block == top { WALK_TOP } else { WALK_BELOW }
}

/// Drops a block of tier t.
fn drop_block(index: u32, t: u32) {
    let entry = ENTRY + (index << 3);
    decided(t, index);
    csr_add(CSR_TIER_USED + (t << 4), LESS);
    let read_only = if load(entry + E_ID) & ENTRY_READ_ONLY != 0 { 1 } else { 0 };
    retire(t, load(entry + E_PLACE) & ENTRY_PLACE_FRAME_MASK, read_only);
    drop_entry(index);
    decision_ends();
    count(CSR_CNT_EVICTIONS + (t << 1));
    count(CSR_CNT_DROPS + (t << 1));
}

/// Promotes a block to PREFETCH_TIER. 1 if it was decided: its place in MOVES is in WALK_PLACE; 0 if it was given up.
fn promote(index: u32, dry_allowed: u32, whose: u32) -> u32 {
    let d = SNAP_PREFETCH_TIER;
    decision_begins();
    if load(CSR_TIER_LIMIT + (d << 4)) == 0 {
        return 0;
    }
    while state_of(index) == STATE_IN_FLIGHT {
        wait(WAIT_MOVE);
    }
    let t = tier_of(index);
    if t <= d {
        return 0;
    }
    while ROOM_FAILED == 0 {
        // It may have been pushed out while room was made below.
        if state_of(index) == STATE_GHOST || tier_of(index) != t {
            return 0;
        }
        if has_room(d) != 0 {
            ready_frames(d);
            let mut reason = head_waits(d);
            if reason == 0 {
                reason = move_waits(t, d);
            }
            if reason == 0 {
                send(index, t, d);
                candidate_decided(index);
                count(CSR_CNT_PROMOTIONS + (t << 1));
                WALK_PLACE = begin_move(index, d, if whose == OWN { NONE } else { NEED });
                return 1;
            }
            wait(reason);
            decision_begins();
        } else if promote_room(index, d, dry_allowed) == 0 {
            return 0;
        }
    }
    0
}

/// A step towards room in tier d for a block that is to be promoted. 0 if it is given up.
fn promote_room(index: u32, d: u32, dry_allowed: u32) -> u32 {
    score(index);
    let worth = load(HEPC_SCORED);
    let victim = next_victim(d, dry_allowed);
    if victim == NONE || S_WHO & WHO_DEAD == 0 && load(HEPC_SCORED) >= worth {
        return 0;
    }
    walk(victim, NONE, FOR_ROOM);
    wait_move(WALK_PLACE);
    decision_begins();
    1
}
