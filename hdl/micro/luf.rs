//! Lazy invalidation: the quarantine, and what agents have acknowledged. docs/luf.md.

/// Slot of the quarantine where its first frame stands, and frames in it. The ring has 4 * ENTRIES slots.
static LUF_FIRST: u32 = 0;
static LUF_COUNT: u32 = 0;

/// No invalidation was sent.
fn luf_reset() {
    LUF_FIRST = 0;
    LUF_COUNT = 0;
    store(CSR_INV_EPOCH, 0);
    store(CSR_LUF_VIOLATIONS, 0);
    let mut agent = 0;
    while agent < 8 {
        store(CSR_AGENT_ACK + agent, 0);
        agent += 1;
    }
}

/// A block has left a frame for good: to the free list, or to quarantine until all agents know.
fn retire(t: u32, frame: u32, read_only: u32) {
    let place = (t << 16) + frame;
    store(FRAME_RETIRED + place, load(CSR_INV_EPOCH));
    store(FRAME_FLAGS + place, load(FRAME_FLAGS + place) & FRAME_SOURCE | FRAME_WAS_RETIRED);
    if load(CSR_AGENT_MASK) == 0 {
        free_frame(t, frame);
        return;
    }
    count(CSR_CNT_SHOOTDOWNS_NEEDED);
    store(QUARANTINE + ((LUF_FIRST + LUF_COUNT) & quarantine_mask()), t << 16 | frame);
    LUF_COUNT += 1;
    csr_add(CSR_TIER_QUARANTINED + (t << 4), 1);
    if SNAP_LAZY == 0 || read_only == 0 {
        flush();
    }
}

/// The quarantine's slots less one.
fn quarantine_mask() -> u32 {
    (ENTRIES << 2) - 1
}

/// One invalidation for all that is in quarantine; its frames are free, and quiet once all agents have acknowledged it.
fn flush() {
    let epoch = load(CSR_INV_EPOCH) + 1;
    store(CSR_INV_EPOCH, epoch);
    count(CSR_CNT_SHOOTDOWNS_SENT);
    while LUF_COUNT != 0 {
        let item = load(QUARANTINE + LUF_FIRST);
        let place = item & 0x3FFFF;
        let t = item >> 16;
        store(FRAME_EPOCH + place, epoch);
        store(FRAME_FLAGS + place, load(FRAME_FLAGS + place) | FRAME_INVALIDATED);
        free_frame(t, item & 0xFFFF);
        csr_add(CSR_TIER_QUARANTINED + (t << 4), LESS);
        LUF_FIRST = (LUF_FIRST + 1) & quarantine_mask();
        LUF_COUNT -= 1;
    }
    raise(INT_STATUS_INVALIDATE_MASK);
}

/// Takes a frame out of the midst of the quarantine, and closes the gap. 1 if it was there.
fn quarantine_remove(t: u32, frame: u32) -> u32 {
    let wanted = t << 16 | frame;
    let end = LUF_FIRST + LUF_COUNT;
    let mut slot = LUF_FIRST;
    while slot != end && load(QUARANTINE + (slot & quarantine_mask())) != wanted {
        slot += 1;
    }
    if slot == end {
        return 0;
    }
    while slot + 1 != end {
        store(QUARANTINE + (slot & quarantine_mask()), load(QUARANTINE + ((slot + 1) & quarantine_mask())));
        slot += 1;
    }
    LUF_COUNT -= 1;
    csr_add(CSR_TIER_QUARANTINED + (t << 4), LESS);
    1
}

/// 1 if all agents have acknowledged an epoch, or a later one.
fn acknowledged(epoch: u32) -> u32 {
    let mut agents = load(CSR_AGENT_MASK);
    let mut agent = CSR_AGENT_ACK;
    while agents != 0 {
        if agents & 1 != 0 && slt(load(agent) - epoch, 0) != 0 {
            return 0;
        }
        agents >>= 1;
        agent += 1;
    }
    1
}

/// A frame is taken: no agent may still hold what it was. `place` is {tier, frame}.
fn luf_check(place: u32) {
    if load(CSR_LUF_CTRL) & LUF_CTRL_CHECK_MASK == 0 || load(FRAME_FLAGS + place) & FRAME_WAS_RETIRED == 0 {
        return;
    }
    if acknowledged(load(FRAME_RETIRED + place) + 1) == 0 {
        csr_add(CSR_LUF_VIOLATIONS, 1);
        error(ERR_STATUS_LUF_MASK);
    }
}
