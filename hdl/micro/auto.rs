//! What STEP_ADVANCE moves by itself. docs/hepc.md, Automatic moves.

/// STEP_ADVANCE, after its sweep.
fn automatic_moves() {
    drain(2);
    drain(1);
    drain(0);
    begin_need();
    loop {
        let candidate = next_candidate();
        if candidate == NONE || promote(candidate, 0, FOR_ROOM) == 0 {
            return;
        }
        wait_move(WALK_PLACE);
    }
}

/// A tier above its high watermark gives up what is worth little, down to the low one.
fn drain(t: u32) {
    let csr = t << 4;
    if load(CSR_TIER_LIMIT + csr) == 0 || load(CSR_TIER_USED + csr) <= load(SNAP_HIGH + t) {
        return;
    }
    begin_need();
    while ROOM_FAILED == 0 && load(CSR_TIER_USED + csr) > load(SNAP_LOW + t) {
        decision_begins();
        let victim = next_victim(t, 0);
        if victim == NONE || S_WHO & WHO_DEAD == 0 && load(HEPC_SCORED) >= SNAP_THRESH {
            return;
        }
        walk(victim, NONE, FOR_ROOM);
        wait_move(WALK_PLACE);
    }
}
