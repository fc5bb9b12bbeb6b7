//! Moves: decided, under way, acknowledged or undone. docs/moves.md.
//!
//! ```text
//!  decision ─► entry in flight at dest ─┬─ T0..T2: DMA ───────────────────────────┬─► acknowledged: resident
//!                                       ├─ to T3: DMA ─► staging ─► host ─────────┤
//!                                       ├─ from T3: host ─► staging ─► DMA ───────┤
//!                                       └─ metadata only ─────────────────────────┴─► failed: undone
//! ```
//!
//! A block's entry may be kicked elsewhere while it is under way, so a move knows its block by its key.

// Words of a move in the data RAM, 16 each from MOVES on.
/// What it is doing: `DOING_*`.
const M_DOING: u32 = 0;
/// Key of its block: tag, then request and tenant.
const M_LO: u32 = 1;
const M_HI: u32 = 2;
const M_ID: u32 = 3;
/// Where it comes from, and goes.
const M_FROM: u32 = 4;
const M_FROM_FRAME: u32 = 5;
const M_TO: u32 = 6;
const M_TO_FRAME: u32 = 7;
/// Its staging slot, if one of its tiers is T3.
const M_SLOT: u32 = 8;
/// CRC-32C that what arrives must have, if it comes from T3.
const M_CRC: u32 = 9;
/// The need of room that it was begun for, or NONE.
const M_NEED: u32 = 10;

/// Nothing: the place is free.
const DOING_NOTHING: u32 = 0;
/// DMA between T0, T1 and T2.
const DOING_DIRECT: u32 = 1;
/// DMA into the staging slot.
const DOING_STAGE: u32 = 2;
/// The host writes the slot to T3.
const DOING_STORE: u32 = 3;
/// The host reads T3 into the slot.
const DOING_FETCH: u32 = 4;
/// What was fetched waits for room in the DMA channel.
const DOING_ARRIVED: u32 = 5;
/// DMA out of the staging slot.
const DOING_UNSTAGE: u32 = 6;
/// The host cannot be asked.
const DOING_LOST: u32 = 7;

/// Moves that fit.
const MOVES_MOST: u32 = 64;
const MOVES_END: u32 = MOVES + (MOVES_MOST << 4);
/// T3.
const T3: u32 = 3;
/// Id of a COPY's descriptor, with a number in its low byte; below are moves.
const COPY_ID: u32 = 0x100;

// DMA.
const DMA_GO: u32 = 6;
const DMA_DONE: u32 = DMA + 0x40;
const DMA_RESULT: u32 = DMA + 0x41;
const DMA_CRC: u32 = DMA + 0x42;
const DMA_POP: u32 = DMA + 0x43;
/// Channels.
const DOWN: u32 = 0;
const UP: u32 = 16;
/// Results.
const RESULT_READ_FAULT: u32 = 1;
const RESULT_CRC: u32 = 4;
const RESULT_BUS_MASTER: u32 = 5;

/// An address, of whoever asked for one last: low and high half, and 1 if it is in card memory.
static AT_LO: u32 = 0;
static AT_HI: u32 = 0;
static AT_CARD: u32 = 0;

/// Nothing moves, and all frames are free.
fn moves_reset() {
    let mut place = MOVES;
    while place != MOVES_END {
        store(place + M_DOING, DOING_NOTHING);
        place += 16;
    }
    IN_FLIGHT = 0;
    FAILED_MOVES = 0;
    NEED = 0;
    ready_reset();
    tier_reset();
}

/// A free place for a move, or NONE.
fn move_place() -> u32 {
    let mut place = MOVES;
    while place != MOVES_END {
        if load(place + M_DOING) == DOING_NOTHING {
            return place;
        }
        place += 16;
    }
    NONE
}

/// What a move from tier t to tier d would have to wait for before its decision, or 0.
fn move_waits(t: u32, d: u32) -> u32 {
    if METADATA_ONLY != 0 {
        return 0;
    }
    if move_place() == NONE || load(DMA + channel(t, d) + DMA_GO) == 0 {
        return WAIT_MOVE;
    }
    if t == T3 || d == T3 {
        return service_waits();
    }
    0
}

/// The channel of a move.
fn channel(t: u32, d: u32) -> u32 {
    if t < d { DOWN } else { UP }
}

/// Decides a move: block `index`, placed and not in flight, goes to tier d, where there is room and the head is quiet. Its place in MOVES, or
/// NONE if it is there already. `send`, or `go`, came before. It is begun for `need`, or NONE.
fn begin_move(index: u32, d: u32, need: u32) -> u32 {
    let entry = ENTRY + (index << 3);
    let state = load(entry + E_STATE);
    let t = (state & ENTRY_STATE_TIER_MASK) >> ENTRY_STATE_TIER_LSB;
    let from = load(entry + E_PLACE) & ENTRY_PLACE_FRAME_MASK;
    let id = load(entry + E_ID);
    let frame = take_frame(d);
    csr_add(CSR_TIER_USED + (t << 4), LESS);
    csr_add(CSR_TIER_USED + (d << 4), 1);
    store(entry + E_PLACE, load(entry + E_PLACE) & ENTRY_PLACE_SCORE_MASK | frame);
    let kept = state & (ENTRY_STATE_RETAIN_MASK | ENTRY_STATE_OUT_MASK) | d << ENTRY_STATE_TIER_LSB;
    if METADATA_ONLY != 0 {
        store(entry + E_STATE, kept | STATE_RESIDENT << ENTRY_STATE_STATE_LSB);
        commit(index);
        retire(t, from, if id & ENTRY_READ_ONLY != 0 { 1 } else { 0 });
        count_moved(t, d);
        decision_ends();
        return NONE;
    }
    store(entry + E_STATE, kept | STATE_IN_FLIGHT << ENTRY_STATE_STATE_LSB);
    commit(index);
    let place = move_place();
    store(place + M_LO, load(entry + E_TAG_LO));
    store(place + M_HI, load(entry + E_TAG_HI));
    store(place + M_ID, id & KEY_MASK);
    store(place + M_FROM, t);
    store(place + M_FROM_FRAME, from);
    store(place + M_TO, d);
    store(place + M_TO_FRAME, frame);
    store(place + M_NEED, need);
    IN_FLIGHT += 1;
    let source = FRAME_FLAGS + (t << 16) + from;
    store(source, FRAME_SOURCE);
    retire(t, from, if id & ENTRY_READ_ONLY != 0 { 1 } else { 0 });
    if d == T3 {
        store_begin(place);
    } else if t == T3 {
        fetch_begin(place);
    } else {
        // Its descriptor has gone.
        store(place + M_DOING, DOING_DIRECT);
    }
    decision_ends();
    place
}

/// A channel's next descriptor moves a block of tier t to frame `to` of tier d; if that is T3, to staging slot `to`.
fn aim(t: u32, from: u32, d: u32, to: u32) {
    at_frame(t, from);
    dma_from(channel(t, d));
    if d == T3 {
        at_staging(to);
    } else {
        at_frame(d, to);
    }
    dma_to(channel(t, d));
}

/// The address of a frame of T0, T1 or T2.
fn at_frame(t: u32, frame: u32) {
    let base = CSR_TIER_BASE + (t << 4);
    at_block(load(base), load(base + 1), frame);
    AT_CARD = if t == 1 { 1 } else { 0 };
}

/// The address of block `number` from a base in host memory.
fn at_block(lo: u32, hi: u32, number: u32) {
    AT_LO = lo + (number << BLOCK_SHIFT);
    AT_HI = hi + (number >> (32 - BLOCK_SHIFT));
    if AT_LO < lo {
        AT_HI += 1;
    }
    AT_CARD = 0;
}

/// A channel's next descriptor reads a block at AT_*.
fn dma_from(channel: u32) {
    disarm();
    store(DMA + channel, AT_LO);
    store(DMA + channel + 1, AT_HI);
    store(DMA + channel + 4, 1 << BLOCK_SHIFT);
    store(DMA + channel + 5, AT_CARD);
}

/// And writes it at AT_*, in the space that follows from `dma_from`'s and this.
fn dma_to(channel: u32) {
    store(DMA + channel + 2, AT_LO);
    store(DMA + channel + 3, AT_HI);
    if AT_CARD != 0 {
        store(DMA + channel + 5, 2);
    }
}

/// Then it goes, with this id.
fn dma_go(channel: u32, id: u32) {
    store(DMA + channel + DMA_GO, id);
}

/// Takes what DMA has completed, and begins what waited for room in it. 1 if anything changed.
fn moves_poll() -> u32 {
    let mut changed = 0;
    let mut id = load(DMA_DONE);
    while id != NONE {
        let result = load(DMA_RESULT);
        let crc = load(DMA_CRC);
        store(DMA_POP, 0);
        if id >= COPY_ID {
            copy_done(id, result, crc);
        } else {
            dma_done(MOVES + (id << 4), result, crc);
        }
        changed = 1;
        id = load(DMA_DONE);
    }
    if SV_ARRIVED != 0 {
        unstage();
    }
    changed
}

/// A move's DMA has ended.
fn dma_done(place: u32, result: u32, crc: u32) {
    let doing = load(place + M_DOING);
    if result != 0 {
        dma_failed(place, doing, result);
        return;
    }
    match doing {
        DOING_STAGE => store_post(place, crc),
        DOING_UNSTAGE => {
            if crc != load(place + M_CRC) {
                sticky(CSR_DMA_ERR, DMA_ERR_CRC_MASK);
                move_failed(place);
            } else {
                move_done(place);
            }
        }
        _ => move_done(place),
    }
}

/// A move's DMA has failed: notes why and where.
fn dma_failed(place: u32, doing: u32, result: u32) {
    if result == RESULT_READ_FAULT || result == RESULT_BUS_MASTER && source_is_host(place, doing) != 0 {
        at_source(place, doing);
    } else {
        at_destination(place, doing);
    }
    dma_note(result);
    if doing == DOING_STAGE {
        // Its request will not be posted.
        SV_RESERVED -= 1;
    }
    move_failed(place);
}

/// Where a move's DMA reads.
fn at_source(place: u32, doing: u32) {
    if doing == DOING_UNSTAGE {
        at_staging(load(place + M_SLOT));
    } else {
        at_frame(load(place + M_FROM), load(place + M_FROM_FRAME));
    }
}

/// Where it writes.
fn at_destination(place: u32, doing: u32) {
    if doing == DOING_STAGE {
        at_staging(load(place + M_SLOT));
    } else {
        at_frame(load(place + M_TO), load(place + M_TO_FRAME));
    }
}

/// 1 if a move's DMA reads host memory.
fn source_is_host(place: u32, doing: u32) -> u32 {
    at_source(place, doing);
    if AT_CARD != 0 { 0 } else { 1 }
}

/// Notes a failed transfer at AT_*.
fn dma_note(result: u32) {
    if result != RESULT_CRC {
        mask();
        store(CSR_DMA_ERR_IOVA, AT_LO);
        store(CSR_DMA_ERR_IOVA + 1, AT_HI);
        unmask();
    }
    sticky(
        CSR_DMA_ERR,
        match result {
            RESULT_CRC => DMA_ERR_CRC_MASK,
            RESULT_BUS_MASTER => DMA_ERR_BUS_MASTER_OFF_MASK,
            _ => DMA_ERR_IOVA_FAULT_MASK,
        },
    );
}

/// Notes whose block it was, and that DMA failed.
fn block_note(lo: u32, hi: u32, id: u32) {
    mask();
    store(CSR_DMA_ERR_TAG, lo);
    store(CSR_DMA_ERR_TAG + 1, hi);
    store(CSR_DMA_ERR_ID, id);
    unmask();
    error(ERR_STATUS_DMA_MASK);
}

/// Acknowledgement: the block is where it was to go.
fn move_done(place: u32) {
    let index = find(load(place + M_LO), load(place + M_HI), load(place + M_ID));
    let state = ENTRY + (index << 3) + E_STATE;
    store(state, load(state) & !ENTRY_STATE_STATE_MASK | STATE_RESIDENT << ENTRY_STATE_STATE_LSB);
    commit(index);
    count_moved(load(place + M_FROM), load(place + M_TO));
    move_ends(place);
}

/// The source is quiet as far as this move is concerned, and its place free.
fn move_ends(place: u32) {
    let source = FRAME_FLAGS + (load(place + M_FROM) << 16) + load(place + M_FROM_FRAME);
    store(source, load(source) & !FRAME_SOURCE);
    if load(place + M_FROM) == T3 || load(place + M_TO) == T3 {
        staging_free(load(place + M_SLOT));
    }
    store(place + M_DOING, DOING_NOTHING);
    IN_FLIGHT -= 1;
}

/// Failure: the move is undone. What failed has been noted but for the block.
fn move_failed(place: u32) {
    let t = load(place + M_FROM);
    let frame = load(place + M_FROM_FRAME);
    let d = load(place + M_TO);
    let index = find(load(place + M_LO), load(place + M_HI), load(place + M_ID));
    let entry = ENTRY + (index << 3);
    store(entry + E_PLACE, load(entry + E_PLACE) & ENTRY_PLACE_SCORE_MASK | frame);
    let kept = load(entry + E_STATE) & (ENTRY_STATE_RETAIN_MASK | ENTRY_STATE_OUT_MASK);
    store(entry + E_STATE, kept | t << ENTRY_STATE_TIER_LSB | STATE_RESIDENT << ENTRY_STATE_STATE_LSB);
    commit(index);
    csr_add(CSR_TIER_USED + (t << 4), 1);
    csr_add(CSR_TIER_USED + (d << 4), LESS);
    if free_remove(t, frame) == 0 {
        quarantine_remove(t, frame);
    }
    free_frame(d, load(place + M_TO_FRAME));
    move_ends(place);
    store(FRAME_FLAGS + (t << 16) + frame, 0);
    if load(place + M_NEED) == NEED {
        ROOM_FAILED = 1;
    }
    count(CSR_CNT_MOVES_FAILED);
    FAILED_MOVES += 1;
    block_note(load(place + M_LO), load(place + M_HI), load(place + M_ID));
}

/// Counts the bytes of a block from tier t to tier d.
fn count_moved(t: u32, d: u32) {
    count_add(CSR_CNT_MOVE_BYTES + (t << 3) + (d << 1), 1 << BLOCK_SHIFT);
}

/// Waits for the end of a move between T0, T1 and T2; of one to T3, until the host has been asked.
fn wait_move(place: u32) {
    if place == NONE {
        return;
    }
    let mut doing = load(place + M_DOING);
    while doing == DOING_DIRECT || doing == DOING_STAGE || doing == DOING_LOST {
        wait(WAIT_MOVE);
        doing = load(place + M_DOING);
    }
}

/// Waits while the block of this key is in flight.
fn wait_block(lo: u32, hi: u32, id: u32) {
    while find(lo, hi, id) != NONE && load(FIND_PLACE) >> 30 == STATE_IN_FLIGHT {
        wait(WAIT_MOVE);
    }
}

/// FENCE: until no move is in flight.
fn fence() {
    while IN_FLIGHT != 0 {
        wait(WAIT_MOVE);
    }
}
