//! Registers: read and written by what the register map says of each word, and what happens besides. docs/csr.md.
//!
//! ```text
//!  descriptor ─► gap? read-only? locked? ─┬─ 32 bits ─► masked ─► register file, or an effect
//!                                         └─ a half ──► latch ──► both halves
//! ```

// What a word's descriptor says.
const WHAT_ACCESS_MASK: u32 = 7;
const WHAT_HALF_LSB: u32 = 3;
const WHAT_LOCK_LSB: u32 = 5;
const WHAT_MISSING_MASK: u32 = 0x80;
const ACCESS_GAP: u32 = 0;
const ACCESS_RO: u32 = 1;
const ACCESS_WO: u32 = 3;
const ACCESS_W1C: u32 = 4;
const ACCESS_RC: u32 = 5;
const HALF_LOW: u32 = 1;
const HALF_HIGH: u32 = 2;
const LOCK_DEVICE: u32 = 1;
const LOCK_QUEUE: u32 = 2;

/// First word of the management core's block.
const MANAGEMENT_WORDS: u32 = CSR_FW_STATUS - CSR;
/// No register from here on is computed when it is read.
const COMPUTED_END: u32 = CSR_CMD_SQE;
/// Bits of an address that say which register of which queue it is.
const IN_QUEUES_MASK: u32 = 4 * QUEUE_STRIDE - 1;
/// Bits that say which agent's.
const IN_AGENTS_MASK: u32 = 7;
/// HEPC's lists: index, rank of item n of list l at + 256 l + n.
const HEPC_LIST_INDEX: u32 = HEPC + 0x1000;
const HEPC_LIST_RANK: u32 = HEPC + 0x2000;

/// The read latch: the word of a high half, or NONE, and what it was when its low half was read.
static AC_READ_OF: u32 = 0;
static AC_READ: u32 = 0;
/// The write latch: the word of a high half, or NONE, and the low half that was written.
static AC_WRITE_OF: u32 = 0;
static AC_WRITE: u32 = 0;

/// No half is held.
fn access_reset() {
    AC_READ_OF = NONE;
    AC_WRITE_OF = NONE;
}

/// 1 if there is no such register.
fn is_gap(what: u32) -> u32 {
    what & WHAT_ACCESS_MASK == ACCESS_GAP || what & WHAT_MISSING_MASK != 0
}

/// Reads a word of the register file as the host does.
fn register_read(word: u32) -> u32 {
    let what = load(DESCRIPTOR + word);
    if is_gap(what) != 0 {
        HO_CAUSE = CAUSE_UNKNOWN;
        return 0;
    }
    let address = CSR + word;
    match what & WHAT_ACCESS_MASK {
        ACCESS_WO => return 0,
        ACCESS_RC => {
            let value = load(address);
            store(address, 0);
            return value;
        }
        _ => {}
    }
    match (what >> WHAT_HALF_LSB) & 3 {
        HALF_LOW => {
            AC_READ_OF = word + 1;
            AC_READ = load(address + 1);
        }
        HALF_HIGH => {
            if AC_READ_OF == word {
                AC_READ_OF = NONE;
                return AC_READ;
            }
        }
        _ => {
            if address < COMPUTED_END {
                return computed(address);
            }
        }
    }
    load(address)
}

/// Reads a 64-bit register, whose low half is this word, at once.
fn register_read_wide(word: u32) -> u32 {
    if is_gap(load(DESCRIPTOR + word)) != 0 {
        HO_CAUSE = CAUSE_UNKNOWN;
        return 0;
    }
    HO_HIGH = load(CSR + 1 + word);
    load(CSR + word)
}

/// Registers that are made when they are read, and their neighbours.
fn computed(address: u32) -> u32 {
    match address {
        CSR_STATUS => status(),
        CSR_LIST_INDEX => list_item(HEPC_LIST_INDEX),
        CSR_LIST_RANK => list_item(HEPC_LIST_RANK),
        CSR_LIST_COUNT => {
            if ENABLED != 0 {
                load(HEPC_LIST + (list_selected() << 4) + LIST_ITEMS)
            } else {
                0
            }
        }
        CSR_GUARD_STATE => {
            let guard = load(CSR_GUARD);
            let fixed = (guard & GUARD_POLICY_MASK) >> GUARD_POLICY_LSB;
            let active = if guard & GUARD_ENABLE_MASK != 0 { CHOICE } else { fixed };
            active | CHOICE << GUARD_STATE_CHOICE_LSB
        }
        CSR_GUARD_HITS => load(HITS + load(CSR_GUARD_SELECT)),
        CSR_ACCESS_CLOCK => CLOCK,
        _ => load(address),
    }
}

/// STATUS.
fn status() -> u32 {
    let mut status = STATUS_READY_MASK | IN_FLIGHT << STATUS_MOVES_IN_FLIGHT_LSB;
    if ENABLED != 0 {
        status |= STATUS_ENABLED_MASK;
    }
    if BLOCKED_ON != 0 {
        status |= STATUS_BLOCKED_MASK | BLOCKED_ON << STATUS_BLOCKED_ON_LSB;
    }
    status
}

/// The list that LIST_SELECT names.
fn list_selected() -> u32 {
    let select = load(CSR_LIST_SELECT);
    let tier = (select & LIST_SELECT_TIER_MASK) >> LIST_SELECT_TIER_LSB;
    if select & LIST_SELECT_PREFETCH_MASK != 0 { LIST_PREFETCH } else { tier }
}

/// Index or rank of the item that LIST_SELECT names; a disabled device has none.
fn list_item(what: u32) -> u32 {
    if ENABLED == 0 {
        return NONE;
    }
    let position = load(CSR_LIST_SELECT) & LIST_SELECT_POSITION_MASK;
    load(what + (list_selected() << 8) + position)
}

/// What is wrong with a write to a word; 0 if nothing is.
fn write_cause(word: u32, what: u32) -> u32 {
    if is_gap(what) != 0 {
        return CAUSE_UNKNOWN;
    }
    let access = what & WHAT_ACCESS_MASK;
    if access == ACCESS_RO || access == ACCESS_RC {
        return CAUSE_NOT_WRITABLE;
    }
    match (what >> WHAT_LOCK_LSB) & 3 {
        LOCK_DEVICE => {
            if ENABLED != 0 {
                return CAUSE_LOCKED;
            }
        }
        LOCK_QUEUE => {
            let queue = CSR + word & IN_QUEUES_MASK & !(QUEUE_STRIDE - 1);
            if load(CSR_Q_CTRL + queue) & Q_CTRL_ENABLE_MASK != 0 {
                return CAUSE_LOCKED;
            }
        }
        _ => {}
    }
    0
}

/// Writes a word of the register file as the host does.
fn register_write(word: u32, data: u32) {
    let what = load(DESCRIPTOR + word);
    if HO_MANAGEMENT != 0 && word >= MANAGEMENT_WORDS && what & WHAT_ACCESS_MASK == ACCESS_RO {
        // What these show is the management core's.
        store(CSR + word, data);
        if CSR + word == CSR_THROTTLE {
            store(FRONT_THROTTLE, data);
        }
        return;
    }
    HO_CAUSE = write_cause(word, what);
    if HO_CAUSE != 0 {
        return;
    }
    let address = CSR + word;
    let value = data & load(WRITABLE + word);
    match (what >> WHAT_HALF_LSB) & 3 {
        HALF_LOW => {
            AC_WRITE_OF = word + 1;
            AC_WRITE = value;
        }
        HALF_HIGH => {
            store(address, value);
            if AC_WRITE_OF == word {
                AC_WRITE_OF = NONE;
                store(address - 1, AC_WRITE);
            }
        }
        _ => {
            if what & WHAT_ACCESS_MASK == ACCESS_W1C {
                store(address, load(address) & !value);
            } else {
                effect(address, value);
            }
        }
    }
}

/// Writes a 64-bit register, whose low half is this word, at once.
fn register_write_wide(word: u32, low: u32, high: u32) {
    HO_CAUSE = write_cause(word, load(DESCRIPTOR + word));
    if HO_CAUSE == 0 {
        store(CSR + word, low & load(WRITABLE + word));
        store(CSR + 1 + word, high & load(WRITABLE + 1 + word));
    }
}

/// A 32-bit register is written: keeps the value, or does what it asks for.
fn effect(address: u32, value: u32) {
    if address & !IN_QUEUES_MASK == CSR_SQ_BASE {
        effect_queue(address, value);
        return;
    }
    if address & !IN_AGENTS_MASK == CSR_AGENT_ACK {
        acknowledge(address, value);
        return;
    }
    match address {
        CSR_CTRL => control(value),
        CSR_CMD_GO => {
            if single_go() == 0 {
                HO_CAUSE = CAUSE_NOT_WRITABLE;
            }
        }
        CSR_RTBD_CTRL => maintenance(value),
        CSR_SVC_SQ_HEAD | CSR_SVC_CQ_DOORBELL | CSR_SVC_ABORT => service_written(address, value),
        CSR_INT_ENABLE => interrupts_enable(value),
        CSR_INT_FORCE => raise(value),
        _ => store(address, value),
    }
}

/// A register of a queue is written.
fn effect_queue(address: u32, value: u32) {
    let queue = (address & IN_QUEUES_MASK) >> 4;
    match address - (queue << 4) {
        CSR_Q_CTRL => queue_control(queue, value),
        CSR_SQ_DOORBELL => queue_submitted(queue, value),
        CSR_CQ_DOORBELL => queue_consumed(queue, value),
        _ => store(address, value),
    }
}

/// AGENT_ACK of an agent is written: it may go on to INV_EPOCH, mod 2^32.
fn acknowledge(address: u32, epoch: u32) {
    let present = load(address);
    if epoch - present > load(CSR_INV_EPOCH) - present {
        HO_CAUSE = CAUSE_NOT_WRITABLE;
        return;
    }
    store(address, epoch);
    // The head of a free list may be quiet now.
    RD_LOOKED = 0;
    HOST_EVENT = 1;
}
