//! Updates: one that is good, ones that are not, and what resets and watchdog bites do to them.

mod common;

use common::{FIRST, Machine, SECOND, image, words};
use kvcpu_mmio::firmware::{
    EventCode, ImageFault, MailboxResult, Opcode, ResetCause, SelfTestOutcome, State, pattern_word,
};
use kvcpu_mmio::image as images;
use kvcpu_mmio::regs::control::MAP_MAJOR;
use kvcpu_mmio::regs::{control, irq, mgmt};
use kvcpu_mmio::{Backing, Geometry};
use proptest::prelude::*;

fn running() -> Machine {
    Machine::running(Geometry::SMALL)
}

fn runs_first(machine: &mut Machine) {
    machine.rounds(2);
    machine.settle();
    assert_eq!((machine.bank(), machine.trial()), (0, false));
    assert_eq!(machine.get(&mgmt::FW_VERSION), FIRST);
    let first = words(&image(FIRST, 150));
    assert_eq!(machine.host().banks[0][..first.len()], first);
}

#[test]
fn a_good_image_runs_on_trial_and_is_confirmed() {
    let mut machine = running();
    machine.send(&image(SECOND, 201));
    assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::Ok);
    assert_eq!((machine.boots, machine.cause()), (2, ResetCause::Asked));
    assert_eq!((machine.state(), machine.bank(), machine.trial()), (State::Boots, 1, true));
    machine.settle();
    machine.rounds(2_000);
    assert_eq!((machine.state(), machine.bank(), machine.trial()), (State::Runs, 1, true), "it has answered nothing");
    assert_eq!(machine.command(Opcode::SelfTest, 8, 0, &[6]).result, MailboxResult::Failed, "no memory there");
    machine.round();
    assert!(machine.trial(), "what failed is not confirmed");
    assert_eq!(
        machine.command(Opcode::UpdateBegin, 128, 0, &[]).result,
        MailboxResult::Failed,
        "the bank to go back to"
    );
    let lent = machine.device.dma_alloc(4096).unwrap();
    lent.words().iter().zip((0..16).step_by(2)).for_each(|(word, n)| {
        let pattern = u64::from(pattern_word(n)) | u64::from(pattern_word(n + 1)) << 32;
        word.store(pattern, std::sync::atomic::Ordering::Relaxed);
    });
    let (low, high) = (lent.iova() as u32, (lent.iova() >> 32) as u32);
    assert_eq!(machine.command(Opcode::SelfTest, low, high, &[6]).result, MailboxResult::Ok);
    assert_eq!(machine.command(Opcode::Version, 0, 0, &[]).values[0], SECOND);
    machine.round();
    assert_eq!((machine.state(), machine.bank(), machine.trial()), (State::Runs, 1, false));
    assert_eq!(machine.get(&mgmt::FW_VERSION), SECOND);
    assert_eq!(machine.get(&mgmt::FW_EVENT) & 0xFF, EventCode::TrialConfirmed.code());
    assert_eq!(irq::INT_STATUS::MANAGEMENT.get(machine.get(&irq::INT_STATUS).into()), 1);
    machine.hang();
    assert_eq!((machine.bank(), machine.cause()), (1, ResetCause::Watchdog), "a bite after it goes nowhere");
    machine.settle();
    machine.send(&image(FIRST, 3));
    assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::Ok);
    machine.settle();
    assert_eq!((machine.bank(), machine.get(&mgmt::FW_VERSION)), (0, FIRST), "and back");
}

#[test]
fn power_up_runs_the_image_that_was_confirmed_last() {
    let mut machine = running();
    machine.send(&image(SECOND, 201));
    machine.command(Opcode::UpdateCommit, 0, 0, &[]);
    assert!(machine.trial());
    machine.power_cycle();
    runs_first(&mut machine);
    assert_eq!(machine.cause(), ResetCause::PowerUp);
    machine.send(&image(SECOND, 201));
    machine.command(Opcode::UpdateCommit, 0, 0, &[]);
    machine.settle();
    // In the middle of the next.
    machine.command(Opcode::UpdateBegin, 1_024, 0, &[]);
    machine.command(Opcode::UpdateData, 0, 0, &[0; 16]);
    machine.power_cycle();
    machine.settle();
    assert_eq!((machine.state(), machine.bank(), machine.trial()), (State::Runs, 1, false));
    assert_eq!((machine.get(&mgmt::FW_VERSION), machine.cause()), (SECOND, ResetCause::PowerUp));
    let bites = mgmt::FW_STATUS::BITES.get(machine.get(&mgmt::FW_STATUS).into());
    assert_eq!((bites, machine.host().kept), (0, 1));
}

#[test]
fn an_update_does_not_disturb_an_enabled_device() {
    let mut machine = running();
    assert_eq!(machine.enable(), 0);
    machine.send(&image(SECOND, 100));
    machine.command(Opcode::UpdateCommit, 0, 0, &[]);
    machine.settle();
    machine.command(Opcode::Nop, 0, 0, &[]);
    machine.round();
    assert_eq!((machine.bank(), machine.trial(), machine.get(&control::CTRL)), (1, false, 1));
    let march = mgmt::FW_SELFTEST::MARCH.get(machine.get(&mgmt::FW_SELFTEST).into());
    assert_eq!(march as u32, SelfTestOutcome::LeftOut.code());
}

#[test]
fn each_kind_of_bad_image_is_refused() {
    let good = image(SECOND, 100);
    // A header that says so, with the CRC made anew.
    let forged = |word: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        bytes[12..16].fill(0);
        let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    };
    let mut rotten = good.clone();
    rotten[99] ^= 0x10;
    let cases = [
        (ImageFault::Magic, forged(0, 0x4657_564A)),
        (ImageFault::Format, forged(1, 2)),
        (ImageFault::Size, forged(2, 400)),
        (ImageFault::Size, forged(2, 20_000)),
        (ImageFault::Crc, rotten),
        (ImageFault::MapVersion, forged(5, u32::from(MAP_MAJOR) + 1)),
    ];
    for (fault, bytes) in cases {
        let mut machine = running();
        machine.send(&bytes);
        refused(&mut machine, fault);
    }
    let mut machine = running();
    machine.command(Opcode::UpdateBegin, good.len() as u32, words(&good)[3], &[]);
    for (n, piece) in (0..).zip(words(&good)[..96].chunks(16)) {
        machine.command(Opcode::UpdateData, 64 * n, 0, piece);
    }
    refused(&mut machine, ImageFault::Incomplete);
    machine.command(Opcode::UpdateBegin, good.len() as u32, words(&good)[3] ^ 1, &[]);
    for (n, piece) in (0..).zip(words(&good).chunks(16)) {
        machine.command(Opcode::UpdateData, 64 * n, 0, piece);
    }
    refused(&mut machine, ImageFault::Crc);
}

fn refused(machine: &mut Machine, fault: ImageFault) {
    let boots = machine.boots;
    let answer = machine.command(Opcode::UpdateCommit, 0, 0, &[]);
    assert_eq!((answer.result, answer.values), (MailboxResult::BadImage, [fault.code(), 0, 0]));
    assert_eq!(machine.get(&mgmt::FW_EVENT) & 0xFF, EventCode::UpdateRefused.code());
    assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::NoUpdate, "forgotten");
    assert_eq!(machine.boots, boots);
    runs_first(machine);
    machine.hang();
    runs_first(machine);
}

#[test]
fn pieces_come_in_order_and_are_read_back() {
    let mut machine = running();
    machine.command(Opcode::UpdateBegin, 128, 0, &[]);
    let piece = |machine: &mut Machine, offset, words: &[u32]| {
        let answer = machine.command(Opcode::UpdateData, offset, 0, words);
        (answer.result, answer.values[0])
    };
    assert_eq!(piece(&mut machine, 4, &[1]), (MailboxResult::OutOfOrder, 0));
    machine.host().faults.flash = Some(8);
    assert_eq!(piece(&mut machine, 0, &[1, 2, 3]), (MailboxResult::Flash, 0));
    assert_eq!(machine.get(&mgmt::FW_EVENT) & 0xFF, EventCode::UpdateRefused.code());
    machine.host().faults.flash = None;
    assert_eq!(piece(&mut machine, 0, &[1, 2, 3]), (MailboxResult::Ok, 12));
    for offset in [0, 8, 11, 13, 16, u32::MAX, u32::MAX - 3] {
        assert_eq!(piece(&mut machine, offset, &[4]), (MailboxResult::OutOfOrder, 12));
    }
    assert_eq!(piece(&mut machine, 12, &[0; 16]), (MailboxResult::Ok, 76));
    assert_eq!(piece(&mut machine, 76, &[0; 16]), (MailboxResult::BadArgument, 76), "past the end");
    assert_eq!(piece(&mut machine, 76, &[0; 13]), (MailboxResult::Ok, 128));
    assert_eq!(piece(&mut machine, 128, &[0; 1]), (MailboxResult::BadArgument, 128));
    assert_eq!(machine.host().banks[1][..3], [1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A reset that was asked for, or a bite, after any number of commands of an update, COMMIT's rounds included.
    #[test]
    fn a_reset_in_the_middle_keeps_the_old_image(pieces in 0usize..8, rounds in 0u32..6, bite: bool) {
        let mut machine = running();
        let bytes = image(SECOND, 96);
        machine.command(Opcode::UpdateBegin, bytes.len() as u32, words(&bytes)[3], &[]);
        for (n, piece) in (0..).zip(words(&bytes).chunks(16)).take(pieces) {
            machine.command(Opcode::UpdateData, 64 * n, 0, piece);
        }
        if pieces == 7 && bite {
            machine.post(Opcode::UpdateCommit.code(), 0, [0, 0, kvcpu_mmio::firmware::KEY], &[]);
            machine.rounds(rounds);
            prop_assert!(machine.answer().is_none());
        }
        if bite {
            machine.hang();
        } else {
            machine.command(Opcode::Reset, 0, 0, &[]);
        }
        prop_assert_eq!(machine.cause(), if bite { ResetCause::Watchdog } else { ResetCause::Asked });
        runs_first(&mut machine);
        let piece = machine.command(Opcode::UpdateData, 64 * pieces as u32, 0, &[0; 16]);
        prop_assert_eq!(piece.result, MailboxResult::NoUpdate);
        prop_assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::NoUpdate);
        prop_assert_eq!(machine.boots, 2);
    }

    #[test]
    fn any_image_arrives_as_it_was_sent(words in 1usize..300, piece in 1usize..17) {
        let mut machine = running();
        let bytes = image(SECOND, words);
        let sent = common::words(&bytes);
        machine.command(Opcode::UpdateBegin, bytes.len() as u32, sent[3], &[]);
        let mut offset = 0;
        for piece in sent.chunks(piece) {
            offset = machine.command(Opcode::UpdateData, offset, 0, piece).values[0];
        }
        prop_assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::Ok);
        machine.settle();
        prop_assert_eq!((machine.bank(), machine.get(&mgmt::FW_VERSION)), (1, SECOND));
        prop_assert_eq!(&machine.host().banks[1][..sent.len()], &sent[..]);
        prop_assert!(images::verify(&bytes, MAP_MAJOR.into()).is_ok());
    }
}

#[test]
fn an_update_whose_host_fell_silent_is_forgotten() {
    let mut machine = running();
    machine.command(Opcode::UpdateBegin, 128, 0, &[]);
    machine.rounds(59_000);
    assert_eq!(machine.command(Opcode::UpdateData, 0, 0, &[0; 16]).result, MailboxResult::Ok);
    machine.rounds(59_000);
    assert_eq!(machine.state(), State::Updates, "a minute from the last piece");
    machine.rounds(1_001);
    assert_eq!(machine.state(), State::Runs);
    assert_eq!(machine.command(Opcode::UpdateData, 64, 0, &[0; 16]).result, MailboxResult::NoUpdate);
}

#[test]
fn a_trial_that_answers_nothing_for_a_minute_brings_the_old_bank_back() {
    let mut machine = running();
    machine.send(&image(SECOND, 201));
    machine.command(Opcode::UpdateCommit, 0, 0, &[]);
    machine.settle();
    machine.rounds(59_000);
    assert_eq!((machine.bank(), machine.trial(), machine.boots), (1, true, 2));
    machine.rounds(2_500);
    runs_first(&mut machine);
    assert_eq!((machine.state(), machine.cause()), (State::Runs, ResetCause::TrialFailed));
}

#[test]
fn a_commit_that_is_given_up_commits_nothing() {
    let mut machine = running();
    machine.send(&image(SECOND, 201));
    machine.post(Opcode::UpdateCommit.code(), 0, [0, 0, kvcpu_mmio::firmware::KEY], &[]);
    machine.rounds(2);
    machine.set(&mgmt::MBOX_COMMAND, 0);
    machine.rounds(100);
    assert_eq!((machine.boots, machine.state()), (1, State::Updates));
    assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, MailboxResult::Ok, "it may be given again");
}

/// The watchdog bites between SWAP and COMMIT's answer.
#[test]
fn a_bite_after_the_swap_starts_the_new_image_on_trial() {
    let mut machine = running();
    machine.send(&image(SECOND, 201));
    machine.post(Opcode::UpdateCommit.code(), 0, [0, 0, kvcpu_mmio::firmware::KEY], &[]);
    machine.host().faults.hangs_at_swap = true;
    while !machine.host().swap {
        machine.round();
    }
    assert!(machine.answer().is_none());
    machine.hang();
    assert_eq!(machine.answer().unwrap().result, MailboxResult::Interrupted);
    assert_eq!((machine.bank(), machine.trial(), machine.cause()), (1, true, ResetCause::Watchdog));
}

#[test]
fn a_trial_that_hangs_brings_the_old_bank_back() {
    for rounds in [0, 3, 15, 500] {
        let mut machine = running();
        machine.send(&image(SECOND, 201));
        machine.command(Opcode::UpdateCommit, 0, 0, &[]);
        machine.rounds(rounds);
        assert_eq!((machine.bank(), machine.trial()), (1, true));
        machine.hang();
        runs_first(&mut machine);
        assert_eq!((machine.state(), machine.cause()), (State::Runs, ResetCause::TrialFailed));
        assert_eq!(mgmt::FW_STATUS::BITES.get(machine.get(&mgmt::FW_STATUS).into()), 1);
    }
}

#[test]
fn a_trial_whose_self_test_fails_brings_the_old_bank_back() {
    for rot in [false, true] {
        let mut machine = running();
        machine.send(&image(SECOND, 201));
        machine.command(Opcode::UpdateCommit, 0, 0, &[]);
        if rot {
            machine.host().banks[1][50] ^= 1;
        } else {
            machine.host().faults.stuck = Some((64, 1, true));
        }
        machine.settle();
        assert_eq!((machine.state(), machine.trial(), machine.halted()), (State::Failed, true, true));
        machine.rounds(1_000);
        runs_first(&mut machine);
        assert_eq!(machine.cause(), ResetCause::TrialFailed);
        assert_eq!(machine.state(), if rot { State::Runs } else { State::Failed });
    }
}
