//! What STEP_ADVANCE moves by itself, and what PREFETCH does. docs/hepc.md, Automatic moves and Promotion.

/// STEP_ADVANCE, after its sweep.
fn automatic_moves() {
    drain(2);
    drain(1);
    drain(0);
    loop {
        new_need();
        let candidate = next_candidate();
        if candidate == NONE {
            return;
        }
        if promote(candidate, 0) == 0 || wait_move(WALK_PLACE) != 0 {
            return;
        }
    }
}

/// A tier above its high watermark gives up what is worth little, down to the low one.
fn drain(t: u32) {
    let csr = t << 4;
    if load(CSR_TIER_LIMIT + csr) == 0 || load(CSR_TIER_USED + csr) <= load(SNAP_HIGH + t) {
        return;
    }
    new_need();
    while load(CSR_TIER_USED + csr) > load(SNAP_LOW + t) {
        decision_begins();
        let victim = next_victim(t, 0);
        if victim == NONE || S_WHO & WHO_DEAD == 0 && S_P >= SNAP_THRESH {
            return;
        }
        let how = walk(victim, NONE);
        if how == WALK_FAILED || wait_move(WALK_PLACE) != 0 {
            return;
        }
        if how == WALK_TOP {
            new_need();
        }
    }
}

/// PREFETCH of a placed block that is wanted soon.
fn prefetch(index: u32) {
    promote(index, 1);
}
