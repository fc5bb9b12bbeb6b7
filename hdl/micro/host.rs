//! Thread 1: an access of the host at a time. docs/csr.md.
//!
//! ```text
//!  front ─► aligned? size? ─┬─ 8 bytes, a 64-bit register ─► both halves at once ─┐
//!                           ├─ 8 bytes ─► two words, low first ─┐                 │
//!                           └─ 4 bytes ─► word ─────────────────┴─┬─ access.rs ◄──┘
//!                                                                 └─ entry of the directory
//!  bad: 0, BAD_ACCESS_* ◄─ cause
//! ```

// The access, and its answer.
const FRONT_ACCESS: u32 = FRONT;
const FRONT_SIZE: u32 = FRONT + 1;
const FRONT_LOW: u32 = FRONT + 2;
const FRONT_HIGH: u32 = FRONT + 3;
const FRONT_ANSWER_LOW: u32 = FRONT + 4;
const FRONT_ANSWER_HIGH: u32 = FRONT + 5;
const FRONT_RESPOND: u32 = FRONT + 6;
/// How far DMA and sweeps are held back, as THROTTLE.
const FRONT_THROTTLE: u32 = FRONT + 0xD;

/// Byte offset within the BAR.
const OFFSET_MASK: u32 = 0xFF_FFFF;
/// Bit of an access that the management core asks for.
const MANAGEMENT_MASK: u32 = 1 << 27;
/// PCI index of the BAR of the directory.
const DIRECTORY_BAR: u32 = 2;
/// Bits of an offset of BAR0 that are 0 if the register file may have its word.
const NO_FILE: u32 = 0xFF_8C00;
/// RTBD_STASH in BAR0, and the bits that count its bytes.
const STASH_OFFSET: u32 = 0x3800;
const STASH_BYTES_MASK: u32 = 0x1FF;

// What is wrong with an access, as in BAD_ACCESS_ADDR.
const CAUSE_UNALIGNED: u32 = 1;
const CAUSE_SIZE: u32 = 2;
const CAUSE_UNKNOWN: u32 = 3;
const CAUSE_NOT_WRITABLE: u32 = 4;
const CAUSE_LOCKED: u32 = 5;

/// Head of the service queue's submission ring, as the host wrote it.
static SVC_HEAD: u32 = 0;
/// Tail of its completion ring, as the host wrote it.
static SVC_TAIL_HOST: u32 = 0;
/// 1: the host wants the moves to fail that wait for it.
static SVC_ABORT_REQUESTED: u32 = 0;

/// 1: the access is to BAR2, 0: to BAR0.
static HO_DIRECTORY: u32 = 0;
/// Not 0: it is the management core's.
static HO_MANAGEMENT: u32 = 0;
/// What is wrong with it; 0 if nothing is.
static HO_CAUSE: u32 = 0;
/// High half of what it read.
static HO_HIGH: u32 = 0;

/// Thread 1.
fn host() {
    device_reset();
    loop {
        wait_host();
        if quick() == 0 {
            host_access();
        }
        store(FRONT_RESPOND, 0);
    }
}

/// Carries out the access, and leaves the answer in the front.
fn host_access() {
    let access = load(FRONT_ACCESS);
    let offset = access & OFFSET_MASK;
    let size = load(FRONT_SIZE);
    HO_DIRECTORY = (access >> 28) & 3;
    HO_MANAGEMENT = access & MANAGEMENT_MASK;
    HO_CAUSE = 0;
    HO_HIGH = 0;
    let mut low = 0;
    // Strobes with gaps have no size.
    if size != 0 && offset & (size - 1) != 0 {
        HO_CAUSE = CAUSE_UNALIGNED;
    } else if size != 4 && size != 8 {
        HO_CAUSE = CAUSE_SIZE;
    } else if access >> 31 == 0 {
        low = host_read(offset, size);
    } else {
        host_write(offset, size);
        // It may have been of CMD_SQE, and disarmed the front in any case.
        ST_LEFT = ST_ROUNDS;
    }
    if HO_CAUSE != 0 {
        host_bad(offset, access >> 31);
        low = 0;
        HO_HIGH = 0;
    }
    store(FRONT_ANSWER_LOW, low);
    store(FRONT_ANSWER_HIGH, HO_HIGH);
}

/// Counts and shows a bad access.
fn host_bad(offset: u32, is_write: u32) {
    let counted = load(CSR_BAD_ACCESS_COUNT);
    if counted != NONE {
        store(CSR_BAD_ACCESS_COUNT, counted + 1);
    }
    let bar = if HO_DIRECTORY != 0 { DIRECTORY_BAR } else { 0 };
    let place = offset | bar << BAD_ACCESS_ADDR_BAR_LSB | is_write << BAD_ACCESS_ADDR_WRITE_LSB;
    store(CSR_BAD_ACCESS_ADDR, place | HO_CAUSE << BAD_ACCESS_ADDR_CAUSE_LSB);
    error(ERR_STATUS_BAD_ACCESS_MASK);
}

/// Reads; the low half.
fn host_read(offset: u32, size: u32) -> u32 {
    if size == 4 {
        return word_read(offset);
    }
    let word = wide_word(offset);
    if word != NONE {
        return register_read_wide(word);
    }
    let low = word_read(offset);
    if HO_CAUSE == 0 {
        HO_HIGH = word_read(offset + 4);
    }
    low
}

/// Writes.
fn host_write(offset: u32, size: u32) {
    let low = load(FRONT_LOW);
    if size == 4 {
        word_write(offset, low);
        return;
    }
    let high = load(FRONT_HIGH);
    let word = wide_word(offset);
    if word != NONE {
        register_write_wide(word, low, high);
        return;
    }
    word_write(offset, low);
    if HO_CAUSE == 0 {
        word_write(offset + 4, high);
    }
}

/// Number in the register file of the word at this offset, or NONE if it is not there.
fn file_word(offset: u32) -> u32 {
    if HO_DIRECTORY != 0 || offset & NO_FILE != 0 {
        return NONE;
    }
    // A window of 4 KiB has 256 words.
    (offset >> 4) & 0x700 | (offset >> 2) & 0xFF
}

/// As `file_word`, but NONE too if it is no 64-bit register's low half.
fn wide_word(offset: u32) -> u32 {
    let word = file_word(offset);
    if word != NONE && (load(DESCRIPTOR + word) >> WHAT_HALF_LSB) & 3 == HALF_LOW { word } else { NONE }
}

/// Reads four bytes.
fn word_read(offset: u32) -> u32 {
    let word = file_word(offset);
    if word != NONE {
        return register_read(word);
    }
    let entry = entry_word(offset);
    if entry == NONE {
        HO_CAUSE = CAUSE_UNKNOWN;
        return 0;
    }
    load(entry)
}

/// Writes four bytes.
fn word_write(offset: u32, value: u32) {
    let word = file_word(offset);
    if word != NONE {
        register_write(word, value);
        return;
    }
    let entry = entry_word(offset);
    if entry == NONE {
        HO_CAUSE = CAUSE_UNKNOWN;
    } else if HO_DIRECTORY == 0 {
        HO_CAUSE = CAUSE_NOT_WRITABLE;
    } else if load(CSR_RTBD_CTRL) & RTBD_CTRL_MAINT_MASK == 0 {
        HO_CAUSE = CAUSE_LOCKED;
    } else {
        // Fields cover every bit of an entry. No look-up sees it: leaving maintenance empties the directory.
        store(entry, value);
    }
}

/// Bus address of the entry's word at this offset, of BAR2 or of the stash in BAR0; NONE if there is none.
fn entry_word(offset: u32) -> u32 {
    if HO_DIRECTORY != 0 {
        return if offset >> 5 < ENTRIES { ENTRY + (offset >> 2) } else { NONE };
    }
    if offset & !STASH_BYTES_MASK != STASH_OFFSET {
        return NONE;
    }
    let in_stash = offset & STASH_BYTES_MASK;
    if in_stash >> 5 < STASH { ENTRY + (ENTRIES << 3) + (in_stash >> 2) } else { NONE }
}

/// The service queue begins anew, or is gone: the indexes, the host's and those that it sees.
fn service_indexes_reset() {
    store(CSR_SVC_SQ_TAIL, 0);
    store(CSR_SVC_CQ_HEAD, 0);
    SVC_HEAD = 0;
    SVC_TAIL_HOST = 0;
    SVC_ABORT_REQUESTED = 0;
}

/// SVC_SQ_HEAD, SVC_CQ_DOORBELL or SVC_ABORT is written.
fn service_written(address: u32, value: u32) {
    let in_use = ENABLED != 0 && SVC_RUNNING != 0;
    if address == CSR_SVC_ABORT {
        // No doorbell: without a queue there is nothing to fail.
        if in_use != 0 && value != 0 {
            SVC_ABORT_REQUESTED = 1;
            HOST_EVENT = 1;
        }
        return;
    }
    if in_use == 0 {
        service_misused(SVC_ERR_NOT_RUNNING_MASK);
    } else if value >> load(CSR_SVC_SIZE) != 0 {
        service_misused(SVC_ERR_BAD_DOORBELL_MASK);
    } else {
        if address == CSR_SVC_SQ_HEAD {
            SVC_HEAD = value;
            // There may be space for a request.
            RD_LOOKED = 0;
        } else {
            SVC_TAIL_HOST = value;
        }
        HOST_EVENT = 1;
    }
}

/// Notes an error of the service queue: a bit of SVC_ERR.
fn service_misused(bit: u32) {
    sticky(CSR_SVC_ERR, bit);
    error(ERR_STATUS_SERVICE_MASK);
}
