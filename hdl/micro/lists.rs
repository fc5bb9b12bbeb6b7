//! The victim lists and the prefetch list: sweeps, offers, and whose turn it is. docs/hepc.md, Sweep to Automatic moves.

/// Lists there are: victims of the four tiers, and
const LISTS: u32 = 5;
/// prefetch candidates.
const LIST_PREFETCH: u32 = 4;
// Words of a list, at HEPC_LIST + 16 l.
const LIST_HEAD: u32 = 0;
const LIST_RANK: u32 = 1;
const LIST_POP: u32 = 2;
const LIST_ITEMS: u32 = 3;

/// 1: what the entries were scored with in the last sweep has held at the end of each command since.
static L_VALID: u32 = 0;
/// What that was: weights but WF,
static L_LINEAR: u32 = 0;
/// WF, mode and SHIFT,
static L_REST: u32 = 0;
/// base.
static L_BASE: u32 = 0;
/// 1: in this need there was a dry sweep, and no decision since.
static L_DRY: u32 = 0;
/// 1: the last `next_victim` made it.
static L_SWEPT: u32 = 0;

/// The lists are empty, and there was no sweep.
fn lists_reset() {
    let mut list = HEPC_LIST;
    while list < HEPC_LIST + (LISTS << 4) {
        while load(list + LIST_ITEMS) != 0 {
            store(list + LIST_POP, 0);
        }
        list += 16;
    }
    L_VALID = 0;
    L_DRY = 0;
    L_SWEPT = 0;
}

/// WF, mode and SHIFT of the active policy, one beside the other. Whether some entry has a target matters only if the policy
/// hears it, which is what hinting says.
fn list_rest() -> u32 {
    H_WF | (H_MODE & (MODE_PROBATION | MODE_HINTING | MODE_HEARS)) << 9 | H_SHIFT << 12
}

/// A sweep, with the guard's count if that is due.
fn sweep() {
    sweep_begin();
    hepc_idle();
}

/// The same, but it goes on.
fn sweep_begin() {
    guard_count();
    hepc_ready();
    if ST_BEGUN == 0 {
        store(HEPC_SWEEP, 0);
    }
    // Another one of this command has not.
    ST_BEGUN = 0;
    disarm();
    count(CSR_CNT_SWEEPS);
    L_VALID = 1;
    L_LINEAR = H_LINEAR;
    L_REST = list_rest();
    L_BASE = H_BASE;
}

/// A command ends: what it changed, and the chain it ended, is offered to the lists.
fn offers() {
    if ENABLED == 0 {
        return;
    }
    hepc_hints();
    hepc_weigh(H_LINEAR);
    // It stays so until the next sweep, even if they come back.
    if H_LINEAR != L_LINEAR || list_rest() != L_REST || H_BASE != L_BASE {
        L_VALID = 0;
    }
    let touched = load(TOUCHED_COUNT);
    // Among them may be what changed between commands, since the next decision was made ready.
    if touched != 0 {
        disarm();
    }
    if touched == 0 && C_ENDED == 0 {
        return;
    }
    let mut all = touched >> 31;
    if C_ENDED != 0 {
        all |= C_LOST;
        if L_VALID != 0 && all == 0 {
            offer_chain();
        }
        chain_forget();
    }
    if touched >> 31 == 0 {
        offer_touched(touched, if all == 0 { L_VALID } else { 0 });
    } else {
        // Blocks of the present chain may be among those lost.
        C_LOST = 1;
        store(TOUCHED_CLEAR, 0);
    }
    if L_VALID != 0 && all != 0 {
        offer_all();
    }
    hepc_idle();
}

/// Offers what the ended chain used.
fn offer_chain() {
    let mut n = 0;
    while n < C_COUNT {
        store(HEPC_OFFER, load(CHAIN + n));
        n += 1;
    }
}

/// Takes the touched list, of n items, and offers it if `offered`. Those of the present chain are noted for its end.
fn offer_touched(n: u32, offered: u32) {
    let mut left = n;
    while left != 0 {
        let index = load(TOUCHED_POP);
        if offered != 0 {
            store(HEPC_OFFER, index);
        }
        if load(ENTRY + (index << 3) + E_ACCESS) == STAMP {
            chain_note(index);
        }
        left -= 1;
    }
}

/// Offers every slot: which ones changed is lost.
fn offer_all() {
    let mut index = 0;
    while index <= LAST_SLOT {
        store(HEPC_OFFER, index);
        index += 1;
    }
}

/// Another need of room begins: it may make a dry sweep.
fn new_need() {
    L_DRY = 0;
    L_SWEPT = 0;
}

/// 1 if the last `next_victim` made a dry sweep.
fn swept() -> u32 {
    L_SWEPT
}

/// The next victim of tier t, or NONE. Scored: `S_RANK`, `S_WHO` and the words at HEPC_SCORED are of it.
fn next_victim(t: u32, dry_allowed: u32) -> u32 {
    L_SWEPT = 0;
    let list = HEPC_LIST + (t << 4);
    loop {
        let index = load(list + LIST_HEAD);
        if index == NONE {
            if dry_allowed == 0 || L_DRY != 0 {
                return NONE;
            }
            L_DRY = 1;
            L_SWEPT = 1;
            count(CSR_CNT_DRY_SWEEPS);
            sweep();
        } else {
            if victim_holds(index, t, load(list + LIST_RANK)) != 0 {
                return index;
            }
            list_pop(t);
            count(CSR_CNT_LIST_STALE);
        }
    }
}

/// 1 if the entry is still a victim of tier t, of this rank.
fn victim_holds(index: u32, t: u32, rank: u32) -> u32 {
    score(index);
    // A victim, and of tier t: bits 2:0.
    if (S_WHO & 7) == (WHO_VICTIM | t << 1) && S_RANK == rank { 1 } else { 0 }
}

/// What `next_victim` would find without a sweep among the first `most` items, or NONE. Pops nothing.
fn first_victim(t: u32, most: u32) -> u32 {
    let items = load(HEPC_LIST + (t << 4) + LIST_ITEMS);
    let mut n = t << 8;
    let end = n + if items < most { items } else { most };
    while n != end {
        let index = load(HEPC_LIST_INDEX + n);
        if victim_holds(index, t, load(HEPC_LIST_RANK + n)) != 0 {
            return index;
        }
        n += 1;
    }
    NONE
}

/// A block of tier t is decided to be demoted or dropped.
fn decided(t: u32, index: u32) {
    list_decided(t, index);
}

/// The next prefetch candidate, or NONE. Scored.
fn next_candidate() -> u32 {
    let list = HEPC_LIST + (LIST_PREFETCH << 4);
    loop {
        let index = load(list + LIST_HEAD);
        if index == NONE {
            return NONE;
        }
        if candidate_holds(index, load(list + LIST_RANK)) != 0 {
            return index;
        }
        list_pop(LIST_PREFETCH);
        count(CSR_CNT_LIST_STALE);
    }
}

/// A block is decided to be promoted.
fn candidate_decided(index: u32) {
    list_decided(LIST_PREFETCH, index);
}

/// 1 if the entry is still a candidate, of this rank.
fn candidate_holds(index: u32, rank: u32) -> u32 {
    score(index);
    if S_WHO & WHO_CANDIDATE != 0 && load(HEPC_SCORED + 3) == rank { 1 } else { 0 }
}

/// A decision about an entry: it leaves the list if it is the head, and a list that runs dry from now on may sweep again.
fn list_decided(list: u32, index: u32) {
    L_DRY = 0;
    if load(HEPC_LIST + (list << 4) + LIST_HEAD) == index {
        list_pop(list);
    }
}

/// The head of a list leaves it.
fn list_pop(list: u32) {
    store(HEPC_LIST + (list << 4) + LIST_POP, 0);
    disarm();
    count(CSR_CNT_LIST_POPS);
}
