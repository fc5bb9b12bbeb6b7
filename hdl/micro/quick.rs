//! The usual accesses, without detours: 32-bit reads of registers that are just words; reads of the directory; writes of CMD_SQE and CMD_GO. docs/csr.md.
//!
//! ```text
//!  front ─┬─ such an access ─► word ─► front
//!         └─ all else, and all that is wrong ─► host.rs
//! ```

/// Bits of an access that are 0 if it is aligned and the register file may have its word; a write or not.
const QUICK_FILE: u32 = 3 << 28 | NO_FILE | 3;
/// Bits that are so of a read of a word of the directory, or of two.
const QUICK_DIRECTORY_MASK: u32 = 0xF000_0003;
const QUICK_TWO_MASK: u32 = 0xF000_0007;
const QUICK_DIRECTORY: u32 = 1 << 28;
/// What of a descriptor says that a word is there, a register of 32 bits, and read as it stands.
const QUICK_WHAT: u32 = WHAT_MISSING_MASK | 3 << WHAT_HALF_LSB | WHAT_ACCESS_MASK;
const ACCESS_RW: u32 = 2;
/// Number of the first word of CMD_SQE in the register file.
const QUICK_SQE: u32 = CSR_CMD_SQE - CSR;
/// Number of CMD_GO.
const QUICK_GO: u32 = CSR_CMD_GO - CSR;

/// Carries out the host's access if it is one of these. 1 if it was.
fn quick() -> u32 {
    let access = load(FRONT_ACCESS);
    let size = load(FRONT_SIZE);
    if size == 8 && access & QUICK_TWO_MASK == QUICK_DIRECTORY && (access & OFFSET_MASK) >> 5 < ENTRIES {
        let word = (access & OFFSET_MASK) >> 2;
        store(FRONT_ANSWER_LOW, load(ENTRY + word));
        store(FRONT_ANSWER_HIGH, load(ENTRY + 1 + word));
        return 1;
    }
    if size != 4 {
        return 0;
    }
    if access & QUICK_FILE == 0 {
        let word = (access >> 4) & 0x700 | (access >> 2) & 0xFF;
        if access >> 31 != 0 {
            if word == QUICK_GO {
                return single_go();
            }
            if word - QUICK_SQE >= SQE_WORDS {
                return 0;
            }
            store(CSR + word, load(FRONT_LOW));
            ST_LEFT = ST_ROUNDS;
            return 1;
        }
        if CSR + word < COMPUTED_END {
            return 0;
        }
        let what = load(DESCRIPTOR + word) & QUICK_WHAT;
        if what != ACCESS_RO && what != ACCESS_RW {
            return 0;
        }
        store(FRONT_ANSWER_LOW, load(CSR + word));
    } else if access & QUICK_DIRECTORY_MASK == QUICK_DIRECTORY && (access & OFFSET_MASK) >> 5 < ENTRIES {
        store(FRONT_ANSWER_LOW, load(ENTRY + ((access & OFFSET_MASK) >> 2)));
    } else {
        return 0;
    }
    store(FRONT_ANSWER_HIGH, 0);
    1
}
