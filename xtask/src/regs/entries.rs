//! The layout of queue entries and the flag words, as data for the formats.
//!
//! The layout is not stated here but read off `Sqe::to_words` and `Cqe::to_words`: a field is set
//! to all ones, and the bits that turn up are its own.

use kvcpu_mmio::queue::{CommandFlags, Cqe, Opcode, ResultFlags, Scope, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

/// A field of a queue entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryField {
    /// Name in lower case.
    pub(super) name: &'static str,
    /// Which 64-bit word it lies in.
    pub(super) word: usize,
    /// Number of its lowest bit in the word.
    pub(super) lsb: u32,
    /// Width in bits.
    pub(super) width: u32,
    /// What it is for.
    pub(super) purpose: &'static str,
}

/// A queue entry.
pub(super) struct Entry {
    /// Name in lower case, as in `kvcpu_sqe`.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) purpose: &'static str,
    /// 64-bit words.
    pub(super) words: usize,
    /// Fields in order of place.
    pub(super) fields: Vec<EntryField>,
}

/// A table of codes or of flag bits.
pub(super) struct Codes {
    /// Name, as in `kvcpu_opcode`.
    pub(super) name: &'static str,
    /// What the codes are.
    pub(super) purpose: &'static str,
    /// Whether the values are bits that may be combined.
    pub(super) flags: bool,
    /// Bits of the field that holds them.
    pub(super) width: u32,
    /// Name, value and meaning of each.
    pub(super) values: Vec<(String, u64, &'static str)>,
}

/// Name, purpose, and how to fill a field of an entry with ones.
type Probe<T> = (&'static str, &'static str, fn(&mut T));

const SQE: &[Probe<Sqe>] = &[
    ("opcode", "Code of the command.", |e| e.opcode = u8::MAX),
    ("flags", "Command flags.", |e| e.flags = u8::MAX),
    ("cid", "Command id, returned in the completion.", |e| e.cid = u16::MAX),
    ("request", "Request of the block's key; 0 is the shared-prefix space.", |e| e.key.request = u16::MAX),
    ("tenant", "Tenant of the block's key.", |e| e.key.tenant = u8::MAX),
    ("tier", "Tier (INSERT, DEMOTE; in service requests the T3 tier's peer).", |e| e.tier = u8::MAX),
    ("scope", "Which blocks the command is about.", |e| e.scope = u8::MAX),
    ("tag", "Tag of the block's key.", |e| e.key.tag = u64::MAX),
    ("parent", "Tag of the block before this one in its chain, with flag PARENT.", |e| e.parent = u64::MAX),
    ("iova", "Bus address of the buffer (COPY) or staging slot (service requests).", |e| e.iova = u64::MAX),
    ("length", "Bytes to copy.", |e| e.length = u32::MAX),
    ("count", "Blocks of a range, at least 1.", |e| e.count = u32::MAX),
    ("argument", "Step (STEP_ADVANCE), target step (PREFETCH) or steps to retain (RETAIN).", |e| e.argument = u32::MAX),
    ("depth", "Depth in the chain (INSERT); saturates at 4095.", |e| e.depth = u16::MAX),
    ("block_flags", "Entry flags PREFIX, DIRTY and READ_ONLY (INSERT).", |e| e.block_flags = u8::MAX),
    ("reserved5", "Reserved, 0.", |e| e.reserved5 = u8::MAX),
    ("crc32c", "CRC-32C of the block (SVC_STORE); otherwise reserved.", |e| e.crc32c = u32::MAX),
    ("slot", "Frame of T3 (service requests); otherwise reserved.", |e| e.slot = u32::MAX),
    ("reserved7", "Reserved, 0.", |e| e.reserved7 = u64::MAX),
];

const CQE: &[Probe<Cqe>] = &[
    ("frame", "Frame of the block, with result flag PLACED.", |e| e.frame = u16::MAX),
    ("tier", "Tier of the block, with result flag PLACED.", |e| e.tier = u8::MAX),
    ("flags", "Result flags.", |e| e.flags = u8::MAX),
    ("value", "Blocks affected, or the CRC-32C of the block (COPY, SVC_FETCH, SVC_STORE).", |e| e.value = u32::MAX),
    ("sq_head", "Index of the next submission entry the device will fetch: those before it are free.", |e| {
        e.sq_head = u16::MAX;
    }),
    ("qid", "Queue the command came by; 0xFFFF for a single-shot command.", |e| e.qid = u16::MAX),
    ("cid", "Command id of the submission.", |e| e.cid = u16::MAX),
    ("phase", "1 on the first pass over the queue, then alternating.", |e| e.phase = true),
    ("status", "How the command ended.", |e| e.status = u16::MAX),
];

/// What the flags mean; a test keeps it complete.
const FLAGS: &[(&str, &str, &str)] = &[
    ("command_flag", "PARENT", "INSERT, TOUCH: `parent` holds the tag of the block before this one in its chain."),
    ("command_flag", "OUT", "COPY: from the block to the buffer, instead of into the block."),
    ("result_flag", "PLACED", "`tier` and `frame` are valid."),
    ("result_flag", "IN_FLIGHT", "A move of the block is not acknowledged yet (volatile)."),
    ("result_flag", "GHOST", "The entry is a ghost."),
    ("result_flag", "EXISTED", "INSERT found the block already there and did not give it a new frame."),
    ("entry_flag", "PREFIX", "The runtime declared it part of a shared prefix."),
    ("entry_flag", "DIRTY", "The block was changed since it was inserted."),
    ("entry_flag", "HOT", "Pinned: never a victim."),
    ("entry_flag", "DEAD", "Never needed again: first victim."),
    ("entry_flag", "READ_ONLY", "Mappings of it are read-only, so invalidation may be lazy."),
    ("entry_flag", "BRANCH", "Two distinct children were seen."),
    ("entry_flag", "TARGET_VALID", "ENTRY_TARGET holds a next use."),
    ("entry_flag", "RETAINED", "ENTRY_STATE.RETAIN holds."),
];

/// The queue entries.
pub(super) fn entries() -> [Entry; 2] {
    [
        Entry {
            name: "sqe",
            purpose: "Submission queue entry.",
            words: Sqe::default().to_words().len(),
            fields: layout(SQE, |e| e.to_words().to_vec()),
        },
        Entry {
            name: "cqe",
            purpose: "Completion queue entry.",
            words: Cqe::default().to_words().len(),
            fields: layout(CQE, |e| e.to_words().to_vec()),
        },
    ]
}

/// Finds each field's place by filling it with ones.
fn layout<T: Default>(probes: &[Probe<T>], to_words: impl Fn(&T) -> Vec<u64>) -> Vec<EntryField> {
    let mut fields: Vec<EntryField> = probes
        .iter()
        .map(|&(name, purpose, fill)| {
            let mut entry = T::default();
            fill(&mut entry);
            let words = to_words(&entry);
            let (word, bits) = words
                .iter()
                .copied()
                .enumerate()
                .find(|(_, bits)| *bits != 0)
                .unwrap_or_else(|| panic!("{name} is not packed"));
            EntryField { name, word, lsb: bits.trailing_zeros(), width: bits.count_ones(), purpose }
        })
        .collect();
    fields.sort_by_key(|f| (f.word, f.lsb));
    fields
}

/// Every table of codes and flags.
pub(super) fn codes() -> Vec<Codes> {
    let opcodes = Opcode::ALL
        .iter()
        .map(|(o, name, text)| (super::screaming(name), u64::from(o.code()), *text));
    let statuses = Status::ALL
        .iter()
        .map(|(s, name, text)| (super::screaming(name), u64::from(s.code()), *text));
    let scopes = Scope::ALL
        .iter()
        .map(|(s, name, text)| (super::screaming(name), u64::from(s.code()), *text));
    let states = [
        (EntryState::Free, "FREE", "The slot is free."),
        (EntryState::Resident, "RESIDENT", "The block is in its frame."),
        (EntryState::InFlight, "IN_FLIGHT", "The block was decided to move to TIER/FRAME and is on its way."),
        (EntryState::Ghost, "GHOST", "The block is nowhere; the entry keeps its history."),
    ];
    let states = states.map(|(state, name, text)| (name.to_string(), u64::from(state as u8), text));
    let commands = CommandFlags::all().iter_names().map(|(name, f)| flag("command_flag", name, f.bits()));
    let results = ResultFlags::all().iter_names().map(|(name, f)| flag("result_flag", name, f.bits()));
    let entries = EntryFlags::all().iter_names().map(|(name, f)| flag("entry_flag", name, f.bits()));
    let table = |name, purpose, flags, width, values| Codes { name, purpose, flags, width, values };
    vec![
        table("opcode", "What a submission asks for (SQE opcode).", false, 8, opcodes.collect()),
        table("scope", "Which blocks a command is about (SQE scope).", false, 4, scopes.collect()),
        table("command_flag", "Flags of a command (SQE flags).", true, 8, commands.collect()),
        table("status", "How a command ended (CQE status).", false, 15, statuses.collect()),
        table("result_flag", "Flags of a completion (CQE flags).", true, 8, results.collect()),
        table(
            "entry_flag",
            "Flags of a directory entry (ENTRY_ID.FLAGS, SQE block_flags).",
            true,
            8,
            entries.collect(),
        ),
        table("entry_state", "State of a directory entry (ENTRY_STATE.STATE).", false, 2, states.into()),
    ]
}

fn flag(table: &str, name: &str, bits: u8) -> (String, u64, &'static str) {
    let meaning = FLAGS.iter().find(|(t, n, _)| *t == table && *n == name).map_or("", |(_, _, text)| text);
    (name.to_string(), u64::from(bits), meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvcpu_mmio::queue::{CQE_BYTES, SQE_BYTES};

    #[test]
    fn fields_are_contiguous_do_not_meet_and_fill_the_entry() {
        let [sqe, cqe] = entries();
        assert_eq!((sqe.words * 8, cqe.words * 8), (SQE_BYTES, CQE_BYTES));
        for entry in [sqe, cqe] {
            let mut words = vec![0u64; entry.words];
            for f in &entry.fields {
                let mask = (u64::MAX >> (64 - f.width)) << f.lsb;
                assert_eq!(words[f.word] & mask, 0, "{} overlaps", f.name);
                words[f.word] |= mask;
            }
            // All that is not a field is reserved: bits 23:20 of the completion's first word.
            let reserved = if entry.name == "cqe" { 0xF0_0000 } else { 0 };
            assert_eq!(words[0], !reserved);
            assert!(words[1..].iter().all(|w| *w == u64::MAX));
        }
    }

    #[test]
    fn a_fields_bits_are_one_run_in_one_word() {
        for (name, _, fill) in SQE {
            let mut sqe = Sqe::default();
            fill(&mut sqe);
            let words = sqe.to_words();
            assert_eq!(words.iter().filter(|w| **w != 0).count(), 1, "{name}");
            let bits = words.iter().find(|w| **w != 0).unwrap();
            assert_eq!(
                (bits >> bits.trailing_zeros()).count_ones(),
                (bits >> bits.trailing_zeros()).trailing_ones(),
                "{name}"
            );
        }
    }

    #[test]
    fn every_code_and_flag_has_a_name_a_value_and_a_meaning() {
        for table in codes() {
            assert!(!table.values.is_empty(), "{}", table.name);
            for (name, value, meaning) in &table.values {
                assert!(meaning.ends_with('.'), "{} {name} has no meaning", table.name);
                assert!(*value < 1 << table.width, "{} {name}", table.name);
                assert!(!table.flags || value.is_power_of_two(), "{} {name}", table.name);
            }
        }
    }

    #[test]
    fn every_flag_that_has_a_meaning_exists() {
        let tables = codes();
        for (table, name, _) in FLAGS {
            let table = tables.iter().find(|t| t.name == *table).unwrap();
            assert!(table.values.iter().any(|(n, ..)| n == name), "{} {name}", table.name);
        }
    }
}
