//! The next decision, made ready: who would have to go if an INSERT came now to the tier that the last one went to, which is full, and
//! the words of his descriptor in the DMA channel. The INSERT then says GO first and does all else while the block moves.
//!
//! ```text
//!  after a command ─► victim still one? ─► where to, and is all there that he needs? ─► channel's words ─► ready
//!                          │ no                    │ no                                                    │
//!                          └───────────────────────┴─► nothing ready       anything changes: disarm ◄──────┤
//!                                                                          INSERT to that tier: GO ◄───────┘
//! ```
//!
//! It is made after an INSERT, as often more of them follow, and when no command waits; between other commands it would take more time than
//! it saves. Looking changes nothing that the host, or a later command, could see: stale heads stay in their lists, sweeps are not made, and
//! `make_room` comes by the ordinary way to the same decision. What it was made of may not change in between: an entry
//! (`commit`), what entries are scored with, the lists, the channel's words.

/// Items of a victim list that are looked at: behind so many stale ones there may be another, but it is not worth the time.
const RD_LOOKS: u32 = 4;

/// The tier that the last INSERT went to, or NONE.
static RD_TIER: u32 = 0;
/// The tier whose decision is ready, or NONE.
static RD_ARMED: u32 = 0;
/// 1: it was looked for since anything changed.
static RD_LOOKED: u32 = 0;
/// Where GO is to be said, and with which id.
static RD_GO: u32 = 0;
static RD_ID: u32 = 0;
/// 1: GO was said; `begin_move` has not come to it.
static RD_GONE: u32 = 0;
/// Clocks from the trigger to GO.
static RD_TICKS: u32 = 0;

/// Nothing is ready.
fn ready_reset() {
    RD_TIER = NONE;
    RD_GONE = 0;
    disarm();
}

/// Something changed that a decision may depend on.
fn disarm() {
    RD_ARMED = NONE;
    RD_LOOKED = 0;
}

/// Between commands: makes the next decision ready.
fn ready() {
    if ENABLED == 0 || RD_TIER == NONE || RD_ARMED != NONE || RD_LOOKED != 0 {
        return;
    }
    if X_OPCODE != OP_INSERT && DB_COUNT != 0 {
        return;
    }
    RD_LOOKED = 1;
    if METADATA_ONLY != 0 || has_room(RD_TIER) != 0 {
        return;
    }
    // Scores are of this step, not of one that is ready.
    if step_forget() == 0 {
        return;
    }
    let mut t = RD_TIER;
    loop {
        let index = first_victim(t, RD_LOOKS);
        if index == NONE || state_of(index) != STATE_RESIDENT || is_dead(index) != 0 {
            return;
        }
        let d = tier_below(t);
        // Without the service queue a move to T3 fails at once.
        if d == NONE || d == T3 && SV_BROKEN != 0 {
            return;
        }
        if has_room(d) != 0 {
            if load(CSR_TIER_FREE + (d << 4)) != 0 && head_waits(d) == 0 && move_waits(t, d) == 0 {
                point(index, t, d);
                RD_ARMED = RD_TIER;
            }
            return;
        }
        t = d;
    }
}

/// A block of tier t would go to tier d: its descriptor's words stand in the channel.
fn point(index: u32, t: u32, d: u32) {
    let from = load(ENTRY + (index << 3) + E_PLACE) & ENTRY_PLACE_FRAME_MASK;
    aim(t, from, d, if d == T3 { staging_lowest() } else { free_head(d) });
    RD_GO = DMA + channel(t, d) + DMA_GO;
    RD_ID = (move_place() - MOVES) >> 4;
}

/// Its descriptor goes.
fn gone() {
    store(RD_GO, RD_ID);
    RD_TICKS = load(FRONT + 9) - DECISION_FROM;
    RD_GONE = 1;
    RD_ARMED = NONE;
}

/// Tier t, of which room is wanted: the descriptor goes, if it is ready.
fn go(t: u32) {
    if RD_ARMED == t {
        gone();
    }
}

/// A block of tier t, 0 to 2 or, where it is promoted from, 3, is decided to go to tier d, and nothing is to be waited for: its
/// descriptor goes before all bookkeeping, as one that is ready does. What comes from T3, or has no bytes, goes otherwise.
fn send(index: u32, t: u32, d: u32) {
    if METADATA_ONLY != 0 || t == T3 || d == T3 && SV_BROKEN != 0 {
        return;
    }
    point(index, t, d);
    gone();
}
