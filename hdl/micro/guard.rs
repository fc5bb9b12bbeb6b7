//! The guard: what each of the eight policies would have hit, and which of them rules. docs/hepc.md, Policies and the guard.
//!
//! ```text
//!  reference ─► WORTHS ─► in k? ─┬─ yes, alive: hits[k] + 1          chain begins ─► decision ─► CHOICE
//!                                └─ no: threshold[k] + W             sweep ─► count ─► threshold[k]
//! ```
//!
//! Thresholds and hits are in the data RAM (`THRESHOLDS`, `HITS`); the datapath has each threshold >> SHIFT.

/// Policies there are.
const POLICIES: u32 = 8;
/// The policy that is LRU whatever the weights.
const POLICY_LRU: u32 = 0;
/// Those from here ...
const POLICY_FIRST_HEARING: u32 = 1;
/// ... to here hear hints.
const POLICY_LAST_HEARING: u32 = 5;
/// The guard's policy at first.
const POLICY_AT_ENABLE: u32 = 3;
/// Hits that another policy must be ahead.
const GUARD_MARGIN: u32 = 8;
/// Data RAM: for each policy the best worth that CAPACITY entries have, as far as a count has found it.
const GUARD_FOUND: u32 = 0xA00;
/// Data RAM: how many entries are worth that.
const GUARD_REACHED: u32 = 0xA08;

/// The guard's policy.
static CHOICE: u32 = 0;
/// Bit k: the present chain has hit so far under policy k.
static G_ALIVE: u32 = 0;
/// 1: it has hit so far in truth.
static G_REALLY_ALIVE: u32 = 0;
/// Hits in truth less LRU's, since the guard's policy was chosen: signed.
static G_LEAD: u32 = 0;
/// How far lead may rise, and fall before LRU rules.
static G_PATIENCE: u32 = 0;
/// CLOCK at the last count.
static G_COUNTED: u32 = 0;
/// CLOCK at the last decay.
static G_DECAYED: u32 = 0;
/// W of all policies but LRU.
static G_W: u32 = 0;

/// The guard as it is at ENABLE. The datapath's thresholds follow with the first command, whose units are new.
fn guard_reset() {
    let mut k = 0;
    while k < POLICIES {
        store(THRESHOLDS + k, 0);
        store(HITS + k, 0);
        k += 1;
    }
    CHOICE = POLICY_AT_ENABLE;
    G_ALIVE = (1 << POLICIES) - 1;
    G_REALLY_ALIVE = 1;
    G_LEAD = 0;
    G_COUNTED = 0;
    G_DECAYED = 0;
    // max(16, min(CAPACITY / 16, 512)).
    let mut patience = CAPACITY >> 4;
    if patience > 512 {
        patience = 512;
    }
    if patience < 16 {
        patience = 16;
    }
    G_PATIENCE = patience;
}

/// WF of policy k under this command's WEIGHTS.
fn policy_wf(k: u32) -> u32 {
    let wf = (H_WEIGHTS & WEIGHTS_WF_MASK) >> WEIGHTS_WF_LSB;
    match k {
        2 => wf >> 4,
        3 => wf >> 2,
        4 => wf - (wf >> 2),
        5 => wf + wf - (wf >> 2),
        7 => wf,
        _ => 0,
    }
}

/// WEIGHTS have changed.
fn guard_weights() {
    let mut k = 0;
    while k < POLICIES {
        store(HEPC_GUARD_WF + k, policy_wf(k));
        k += 1;
    }
    let wr = (H_WEIGHTS & WEIGHTS_WR_MASK) >> WEIGHTS_WR_LSB;
    G_W = if wr != 0 { wr } else { 1 };
}

/// SHIFT or WR has changed: thresholds would count in other units.
fn guard_units() {
    let mut k = 0;
    while k < POLICIES {
        guard_threshold(k, 0);
        k += 1;
    }
}

/// Makes the threshold of policy k.
fn guard_threshold(k: u32, threshold: u32) {
    store(THRESHOLDS + k, threshold);
    store(HEPC_THRESHOLD + k, threshold >> H_SHIFT);
}

/// All that WORTHS, MARK and COUNT need stands in the parameters.
fn guard_ready() {
    hepc_hints();
    hepc_weigh(H_WEIGHTS & LINEAR_MASK);
}

/// Base has risen n times by 8192 << SHIFT: thresholds fall by W times as much.
fn guard_lower(n: u32) {
    // A threshold is at most 65536 << SHIFT, eight times that.
    let mut left = if n < 8 { n } else { 8 };
    let lru = left;
    let mut other = 0;
    while left != 0 {
        other += G_W;
        left -= 1;
    }
    guard_fall(POLICY_LRU, lru);
    let mut k = 1;
    while k < POLICIES {
        guard_fall(k, other);
        k += 1;
    }
}

/// Lowers threshold k by n times 8192 << SHIFT, not below 0.
fn guard_fall(k: u32, n: u32) {
    let threshold = load(THRESHOLDS + k);
    let mut lowered = 0;
    if n < 8 {
        let fall = n << (H_SHIFT + 13);
        if threshold > fall {
            lowered = threshold - fall;
        }
    }
    guard_threshold(k, lowered);
}

/// A reference that counts, to an entry as it still is, or to an unknown key (NONE).
fn guard_reference(index: u32) {
    let mut placed = 0;
    if index != NONE {
        guard_ready();
        store(HEPC_WORTHS, index);
        let state = load(ENTRY + (index << 3) + E_STATE) >> ENTRY_STATE_STATE_LSB;
        if state == STATE_RESIDENT || state == STATE_IN_FLIGHT {
            placed = 1;
        }
        hepc_idle();
    }
    let mut lru_hit = 0;
    let mut k = 0;
    while k < POLICIES {
        let here = if index != NONE { load(HEPC_WORTH + k) >> 31 } else { 0 };
        if here == 0 {
            G_ALIVE &= !(1 << k);
            guard_enters(k);
        } else if (G_ALIVE >> k) & 1 != 0 {
            store(HITS + k, load(HITS + k) + 1);
            if k == POLICY_LRU {
                lru_hit = 1;
            }
        }
        k += 1;
    }
    G_REALLY_ALIVE &= placed;
    G_LEAD += G_REALLY_ALIVE - lru_hit;
    if slt(G_PATIENCE, G_LEAD) != 0 {
        G_LEAD = G_PATIENCE;
    }
    guard_leads();
}

/// Lead is 0 as long as another policy is active than the guard's. Without the guard its own may be the one that was given.
fn guard_leads() {
    if SNAP_GUARD & GUARD_ENABLE_MASK == 0 && H_ACTIVE != CHOICE {
        G_LEAD = 0;
    }
}

/// A block enters policy k, so one leaves it.
fn guard_enters(k: u32) {
    let threshold = load(THRESHOLDS + k);
    let most = 65536 << H_SHIFT;
    let mut raised = threshold + if k == POLICY_LRU { 1 } else { G_W };
    if raised > most {
        raised = most;
    }
    store(THRESHOLDS + k, raised);
    // At the default weights this is so once in 1 << SHIFT times.
    if raised >> H_SHIFT != threshold >> H_SHIFT {
        store(HEPC_THRESHOLD + k, raised >> H_SHIFT);
    }
}

/// A chain begins: decides which policy is the guard's.
fn guard_decide() {
    let mut k = 0;
    if CLOCK - G_DECAYED >= CAPACITY {
        while k < POLICIES {
            let hits = load(HITS + k);
            store(HITS + k, hits - (hits >> 4));
            k += 1;
        }
        G_DECAYED = CLOCK;
    }
    let own = load(HITS + CHOICE);
    if CHOICE != POLICY_LRU && slt(G_LEAD, 0 - G_PATIENCE) != 0 {
        // It does not keep what it promises, and is not chosen again for what it promised.
        let lru = load(HITS + POLICY_LRU);
        if lru < own {
            store(HITS + CHOICE, lru);
        }
        guard_choose(POLICY_LRU);
    } else {
        let mut best = 0;
        let mut most = load(HITS);
        k = 1;
        while k < POLICIES {
            let hits = load(HITS + k);
            if hits > most {
                most = hits;
                best = k;
            }
            k += 1;
        }
        if most >= own + GUARD_MARGIN {
            guard_choose(best);
        }
    }
    G_ALIVE = (1 << POLICIES) - 1;
    G_REALLY_ALIVE = 1;
}

/// Another policy is the guard's.
fn guard_choose(policy: u32) {
    CHOICE = policy;
    G_LEAD = 0;
    count(CSR_CNT_GUARD_SWITCHES);
}

/// 1 if a sweep would begin with a count.
fn guard_due() -> u32 {
    let mut interval = CAPACITY >> 3;
    if interval < 128 {
        interval = 128;
    }
    CLOCK - G_COUNTED >= interval
}

/// At the beginning of a sweep: counts if it is due.
fn guard_count() {
    if guard_due() == 0 {
        return;
    }
    G_COUNTED = CLOCK;
    guard_ready();
    store(HEPC_MARK, 0);
    let mut k = 0;
    while k < POLICIES {
        store(GUARD_FOUND + k, 0);
        store(GUARD_REACHED + k, 0);
        k += 1;
    }
    hepc_idle();
    // The greatest worth that at least CAPACITY entries have, bit by bit from the top: P has 16.
    let mut bit = 0x8000;
    while bit != 0 {
        guard_try(bit);
        bit = bit >> 1;
    }
    k = 0;
    while k < POLICIES {
        let mut found = load(GUARD_FOUND + k);
        // If fewer than CAPACITY are worth even 1, `found` and this number are 0.
        if load(GUARD_REACHED + k) > CAPACITY + (CAPACITY >> 2) {
            // It cannot tell so many apart.
            found += 1;
        }
        guard_threshold(k, found << H_SHIFT);
        k += 1;
    }
}

/// One pass of a count: keeps `bit` for the policies under which CAPACITY entries are still worth as much.
fn guard_try(bit: u32) {
    let mut k = 0;
    while k < POLICIES {
        store(HEPC_TRIAL + k, load(GUARD_FOUND + k) | bit);
        k += 1;
    }
    store(HEPC_COUNT, 0);
    hepc_idle();
    k = 0;
    while k < POLICIES {
        let reached = load(HEPC_COUNTED + k);
        if reached >= CAPACITY {
            store(GUARD_FOUND + k, load(GUARD_FOUND + k) | bit);
            store(GUARD_REACHED + k, reached);
        }
        k += 1;
    }
}
