//! Time and chains: what an access is, and which entries the present chain has used. docs/hepc.md, Time.
//!
//! When a chain ends, its blocks are in service no longer and rank otherwise; so their indexes are noted (`CHAIN`) and offered
//! to the lists again. An entry that moves is committed where it arrives, and noted there; the old note does no harm.

/// Indexes that `CHAIN` holds.
const CHAIN_MOST: u32 = 512;

/// Indexes noted.
static C_COUNT: u32 = 0;
/// 1: some could not be noted.
static C_LOST: u32 = 0;
/// 1: the chain of which these are ended in this command.
static C_ENDED: u32 = 0;

/// Begins anew with the notes: at ENABLE, and when the chain that ended has been offered.
fn chain_forget() {
    C_COUNT = 0;
    C_LOST = 0;
    C_ENDED = 0;
}

/// Notes an index for the end of the present chain; twice does no harm.
fn chain_note(index: u32) {
    if C_COUNT < CHAIN_MOST {
        store(CHAIN + C_COUNT, index);
        C_COUNT += 1;
    } else {
        C_LOST = 1;
    }
}

/// An access by TOUCH or INSERT to an entry as it still is, or to an unknown key (NONE), at this depth. 1 if it counts: then
/// frequency, ACCESS and OUT of a known entry are written.
fn access(index: u32, depth: u32, is_insert: u32) -> u32 {
    let entry = ENTRY + (index << 3);
    let mut again = 0;
    if index != NONE {
        if load(entry + E_ACCESS) == STAMP {
            again = 1;
        }
    }
    if H_PENDING != 0 || depth == 0 && (is_insert == 0 || again == 0) {
        chain_begin();
        again = 0;
    }
    if again != 0 {
        return 0;
    }
    guard_reference(index);
    if index != NONE {
        let history = load(entry + E_HISTORY);
        if history & ENTRY_HISTORY_FREQUENCY_MASK != ENTRY_HISTORY_FREQUENCY_MASK {
            store(entry + E_HISTORY, history + (1 << ENTRY_HISTORY_FREQUENCY_LSB));
        }
        store(entry + E_ACCESS, STAMP);
        // It has come back everywhere.
        store(entry + E_STATE, load(entry + E_STATE) & !ENTRY_STATE_OUT_MASK);
    }
    CLOCK += 1;
    1
}

/// A chain begins, and the one before has ended.
fn chain_begin() {
    disarm();
    C_ENDED = 1;
    H_PENDING = 0;
    STAMP = CLOCK;
    store(HEPC_STAMP, STAMP);
    // R must not reach the end of its range: base rises by halves of it.
    let halves = (CLOCK - H_BASE) >> (H_SHIFT + 13);
    if halves >= 2 {
        H_BASE += (halves - 1) << (H_SHIFT + 13);
        store(HEPC_BASE, H_BASE);
        hepc_epoch();
        guard_lower(halves - 1);
    }
    guard_decide();
    hepc_policy();
}
