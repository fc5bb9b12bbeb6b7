//! Queue entries taken apart and put together again lose nothing, and codes are one to one.

use kvcpu_mmio::queue::{CQE_BYTES, Cqe, Opcode, SQE_BYTES, Scope, Sqe, Status, cqe_address, sqe_address};
use proptest::prelude::*;

/// Bits 23:20 of word 0: reserved in a completion, and dropped by the host.
const CQE_RESERVED: u64 = 0xF << 20;

proptest! {
    #[test]
    fn every_bit_of_a_submission_lands_in_a_field(words: [u64; 8]) {
        prop_assert_eq!(Sqe::from_words(words).to_words(), words);
    }

    #[test]
    fn a_submission_survives_its_words(words: [u64; 8]) {
        let sqe = Sqe::from_words(words);
        prop_assert_eq!(Sqe::from_words(sqe.to_words()), sqe);
        prop_assert!(sqe.tier < 16 && sqe.scope < 16);
    }

    #[test]
    fn every_bit_of_a_completion_but_the_reserved_ones_lands_in_a_field(words: [u64; 2]) {
        let back = Cqe::from_words(words).to_words();
        prop_assert_eq!(back, [words[0] & !CQE_RESERVED, words[1]]);
    }

    #[test]
    fn a_completion_survives_its_words(words: [u64; 2]) {
        let cqe = Cqe::from_words(words);
        prop_assert_eq!(Cqe::from_words(cqe.to_words()), cqe);
        prop_assert!(cqe.tier < 16 && cqe.status < 0x8000);
    }

    #[test]
    fn oversized_nibbles_never_spill_into_their_neighbours(tier: u8, scope: u8, status: u16) {
        let sqe = Sqe::from_words(Sqe { tier, scope, ..Sqe::default() }.to_words());
        prop_assert_eq!(sqe, Sqe { tier: tier & 0xF, scope: scope & 0xF, ..Sqe::default() });
        let cqe = Cqe::from_words(Cqe { tier, status, ..Cqe::default() }.to_words());
        prop_assert_eq!(cqe, Cqe { tier: tier & 0xF, status: status & 0x7FFF, ..Cqe::default() });
    }

    #[test]
    fn codes_are_one_to_one(code: u16) {
        if let Some(status) = Status::from_code(code) {
            prop_assert_eq!(status.code(), code);
        }
        prop_assert_eq!(Status::from_code(code).is_some(), Status::ALL.iter().any(|(s, ..)| s.code() == code));
        let code = code as u8;
        prop_assert_eq!(Opcode::from_code(code).is_some(), Opcode::ALL.iter().any(|(o, ..)| o.code() == code));
        prop_assert_eq!(Scope::from_code(code).is_some(), Scope::ALL.iter().any(|(s, ..)| s.code() == code));
    }
}

#[test]
fn the_phase_bit_is_bit_48_of_the_last_word() {
    let words = Cqe { phase: true, ..Cqe::default() }.to_words();
    assert_eq!(words, [0, 1 << 48]);
}

#[test]
fn entries_follow_each_other_without_gaps() {
    assert_eq!(sqe_address(0x1000, 3), 0x1000 + 3 * SQE_BYTES as u64);
    assert_eq!(cqe_address(0x1000, 3), 0x1000 + 3 * CQE_BYTES as u64);
    assert_eq!((SQE_BYTES, CQE_BYTES), (64, 16));
}

#[test]
fn every_code_is_described_in_a_sentence() {
    for (status, name, text) in Status::ALL {
        assert!(text.ends_with('.') && *text == status.describe(), "{name}");
    }
    for (opcode, name, text) in Opcode::ALL {
        assert!(text.ends_with('.') && *text == opcode.describe(), "{name}");
    }
}
