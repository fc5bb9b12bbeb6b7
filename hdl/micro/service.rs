//! T3: requests to the host, its answers, and the staging slots between. docs/moves.md, T3; docs/queue.md, Service queue.
//!
//! ```text
//!  down: frame ─► DMA ─► slot ─► SvcStore ─► host ─► answer ─► acknowledged
//!  up:   SvcFetch ─► host ─► slot ─► answer ─► DMA ─► frame ─► acknowledged
//! ```

// A staging slot, 4 words each from STAGING on.
/// The move that has it, as a place in MOVES; 0: none.
const ST_MOVE: u32 = 0;
/// Its uses so far: 8 bits of them are in the cid, so that a late answer is known for one. Nothing clears it.
const ST_USES: u32 = 1;

/// Where the number of a use stands in a cid.
const CID_USES_LSB: u32 = 8;
const CID_SLOT: u32 = 0xFF;
/// Where status stands in the last word of a completion.
const DONE_STATUS_LSB: u32 = 17;

/// 1: the service queue is in use.
static SVC_RUNNING: u32 = 0;
/// 1: a ring faulted; moves of T3 fail at once.
static SV_BROKEN: u32 = 0;
/// Index of the next request, and of the next completion.
static SV_TAIL: u32 = 0;
static SV_DONE: u32 = 0;
/// Requests that will be posted and have their place in the ring already.
static SV_RESERVED: u32 = 0;
/// Moves that the host has fetched, and that wait for room in DMA.
static SV_ARRIVED: u32 = 0;
/// 1: a move could not be asked for.
static SV_LOST: u32 = 0;

/// The rings are empty, and all slots free.
fn service_reset() {
    SVC_RUNNING = if load(CSR_SVC_CTRL) & SVC_CTRL_ENABLE_MASK != 0 { 1 } else { 0 };
    SV_BROKEN = 0;
    SV_TAIL = 0;
    SV_DONE = 0;
    SV_RESERVED = 0;
    SV_ARRIVED = 0;
    SV_LOST = 0;
    let mut slot = 0;
    while slot < 64 {
        store(STAGING + (slot << 2) + ST_MOVE, 0);
        slot += 1;
    }
}

/// The indexes' bits.
fn service_mask() -> u32 {
    (1 << load(CSR_SVC_SIZE)) - 1
}

/// What a move of T3 would have to wait for, or 0.
fn service_waits() -> u32 {
    if SV_BROKEN != 0 {
        return 0;
    }
    if staging_lowest() == NONE {
        return WAIT_STAGING;
    }
    let mask = service_mask();
    if ((SV_TAIL - SVC_HEAD) & mask) + SV_RESERVED >= mask {
        return WAIT_SERVICE;
    }
    0
}

/// The lowest free staging slot, or NONE.
fn staging_lowest() -> u32 {
    let slots = load(CSR_SVC_STAGE_SLOTS);
    let mut slot = 0;
    while slot < slots {
        if load(STAGING + (slot << 2) + ST_MOVE) == 0 {
            return slot;
        }
        slot += 1;
    }
    NONE
}

/// Gives a move its staging slot.
fn staging_take(place: u32) {
    let slot = staging_lowest();
    let words = STAGING + (slot << 2);
    store(words + ST_MOVE, place);
    store(words + ST_USES, load(words + ST_USES) + 1);
    store(place + M_SLOT, slot);
}

/// A staging slot is free again; NONE is none.
fn staging_free(slot: u32) {
    if slot != NONE {
        store(STAGING + (slot << 2) + ST_MOVE, 0);
    }
}

/// The address of a staging slot.
fn at_staging(slot: u32) {
    at_block(load(CSR_SVC_STAGE_BASE), load(CSR_SVC_STAGE_BASE + 1), slot);
}

/// A move to T3 begins.
fn store_begin(place: u32) {
    store(place + M_DOING, DOING_STAGE);
    store(place + M_SLOT, NONE);
    if SV_BROKEN != 0 {
        lose(place);
        return;
    }
    staging_take(place);
    SV_RESERVED += 1;
}

/// The block is in its slot: the host is asked to store it.
fn store_post(place: u32, crc: u32) {
    store(place + M_DOING, DOING_STORE);
    SV_RESERVED -= 1;
    if SV_BROKEN != 0 {
        lose(place);
        return;
    }
    request(place, OP_SVC_STORE, load(place + M_FROM), crc, load(place + M_TO_FRAME));
}

/// A move from T3 begins.
fn fetch_begin(place: u32) {
    store(place + M_DOING, DOING_FETCH);
    store(place + M_SLOT, NONE);
    if SV_BROKEN != 0 {
        lose(place);
        return;
    }
    staging_take(place);
    request(place, OP_SVC_FETCH, load(place + M_TO), 0, load(place + M_FROM_FRAME));
}

/// Posts a request for a move; `peer` is its other tier, `frame` that of T3.
fn request(place: u32, op: u32, peer: u32, crc: u32, frame: u32) {
    let slot = load(place + M_SLOT);
    let uses = load(STAGING + (slot << 2) + ST_USES) & 0xFF;
    store(RING_BUFFER, op | (uses << CID_USES_LSB | slot) << 16);
    store(RING_BUFFER + 1, load(place + M_ID) | peer << 24);
    store(RING_BUFFER + 2, load(place + M_LO));
    store(RING_BUFFER + 3, load(place + M_HI));
    store(RING_BUFFER + 4, 0);
    store(RING_BUFFER + 5, 0);
    at_staging(slot);
    store(RING_BUFFER + 6, AT_LO);
    store(RING_BUFFER + 7, AT_HI);
    store(RING_BUFFER + 8, 1 << BLOCK_SHIFT);
    store(RING_BUFFER + 9, 0);
    store(RING_BUFFER + 10, 0);
    store(RING_BUFFER + 11, 0);
    store(RING_BUFFER + 12, crc);
    store(RING_BUFFER + 13, frame);
    store(RING_BUFFER + 14, 0);
    store(RING_BUFFER + 15, 0);
    at_entry(CSR_SVC_SQ_BASE, SV_TAIL << 6);
    if ring_write(AT_LO, AT_HI, 8) != RING_GOOD {
        service_breaks();
        lose(place);
        return;
    }
    SV_TAIL = (SV_TAIL + 1) & service_mask();
    store(CSR_SVC_SQ_TAIL, SV_TAIL);
    raise(INT_STATUS_SERVICE_MASK);
}

/// The address `bytes` behind the one in a register.
fn at_entry(base: u32, bytes: u32) {
    AT_LO = load(base) + bytes;
    AT_HI = load(base + 1);
    if AT_LO < bytes {
        AT_HI += 1;
    }
}

/// A ring faulted.
fn service_breaks() {
    SV_BROKEN = 1;
    disarm();
    sticky(CSR_SVC_ERR, SVC_ERR_FAULT_MASK);
    error(ERR_STATUS_SERVICE_MASK);
}

/// A move that the host cannot be asked for: it fails when moves are polled, as those do that fail on their way.
fn lose(place: u32) {
    store(place + M_DOING, DOING_LOST);
    SV_LOST = 1;
}

/// A move of T3 fails.
fn t3_failed(place: u32) {
    sticky(CSR_DMA_ERR, DMA_ERR_T3_MASK);
    move_failed(place);
}

/// All moves that wait for the host fail, or could not be asked for.
fn service_fails() {
    SV_LOST = 0;
    let mut place = MOVES;
    while place != MOVES_END {
        let doing = load(place + M_DOING);
        if doing == DOING_STORE || doing == DOING_FETCH || doing == DOING_LOST {
            t3_failed(place);
        }
        place += 16;
    }
}

/// Takes what the host has answered. 1 if anything changed.
fn service_poll() -> u32 {
    if SVC_RUNNING == 0 {
        return 0;
    }
    let mut changed = 0;
    if SVC_ABORT_REQUESTED | SV_LOST != 0 {
        SVC_ABORT_REQUESTED = 0;
        service_fails();
        changed = 1;
    }
    while SV_BROKEN == 0 && SV_DONE != SVC_TAIL_HOST {
        changed = 1;
        at_entry(CSR_SVC_CQ_BASE, SV_DONE << 4);
        if ring_read(AT_LO, AT_HI, 2) != RING_GOOD {
            service_breaks();
            service_fails();
        } else {
            SV_DONE = (SV_DONE + 1) & service_mask();
            store(CSR_SVC_CQ_HEAD, SV_DONE);
            let last = load(RING_BUFFER + 3);
            answered(last & 0xFFFF, last >> DONE_STATUS_LSB, load(RING_BUFFER + 1));
        }
    }
    changed
}

/// The host has answered a request.
fn answered(cid: u32, status: u32, value: u32) {
    let slot = cid & CID_SLOT;
    let mut place = 0;
    if slot < load(CSR_SVC_STAGE_SLOTS) {
        let words = STAGING + (slot << 2);
        if load(words + ST_USES) & 0xFF == cid >> CID_USES_LSB {
            place = load(words + ST_MOVE);
        }
    }
    let mut doing = DOING_NOTHING;
    if place != 0 {
        doing = load(place + M_DOING);
    }
    if doing != DOING_STORE && doing != DOING_FETCH {
        sticky(CSR_SVC_ERR, SVC_ERR_UNKNOWN_ID_MASK);
        error(ERR_STATUS_SERVICE_MASK);
    } else if status != 0 {
        sticky(CSR_SVC_ERR, SVC_ERR_T3_FAILED_MASK);
        error(ERR_STATUS_SERVICE_MASK);
        t3_failed(place);
    } else if doing == DOING_STORE {
        move_done(place);
    } else {
        store(place + M_CRC, value);
        store(place + M_DOING, DOING_ARRIVED);
        SV_ARRIVED += 1;
        unstage();
    }
}

/// What the host has fetched goes to its frames, as far as DMA has room.
fn unstage() {
    let mut place = MOVES;
    while place != MOVES_END && load(DMA + UP + DMA_GO) != 0 {
        if load(place + M_DOING) == DOING_ARRIVED {
            store(place + M_DOING, DOING_UNSTAGE);
            SV_ARRIVED -= 1;
            at_staging(load(place + M_SLOT));
            dma_from(UP);
            at_frame(load(place + M_TO), load(place + M_TO_FRAME));
            dma_to(UP);
            dma_go(UP, (place - MOVES) >> 4);
        }
        place += 16;
    }
}
