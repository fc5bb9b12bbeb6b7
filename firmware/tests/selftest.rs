//! The self-test on the emulator: the image, the march of the directory, DMA and CRC with memory that the driver lends.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

mod common;

use common::{Answer, Faults, Machine, Moment};
use kvcpu_mmio::firmware::{
    DETAIL_TIMEOUT, EventCode, KEY, MailboxResult, Opcode, Parameter, ResetCause, SelfTestOutcome, State, pattern_word,
};
use kvcpu_mmio::map::registers;
use kvcpu_mmio::queue::Status;
use kvcpu_mmio::regs::mgmt::{self, FW_SELFTEST};
use kvcpu_mmio::regs::{control, irq, rtbd, tier};
use kvcpu_mmio::{Access, Backing, Bar, DmaMemory, Field, Geometry};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

fn outcome(machine: &Machine, part: &Field) -> SelfTestOutcome {
    let code = part.get(machine.get(&mgmt::FW_SELFTEST).into());
    SelfTestOutcome::from_code(code as u32).unwrap()
}

fn no_bad_access(machine: &Machine) {
    let at = machine.get(&control::BAD_ACCESS_ADDR);
    assert_eq!(machine.get(&control::BAD_ACCESS_COUNT), 0, "BAD_ACCESS_ADDR {at:#x}");
}

fn directory_is_empty(machine: &Machine, geometry: Geometry) {
    assert_eq!(machine.get(&rtbd::RTBD_USED), 0);
    for offset in (0..geometry.entries() * 32).step_by(4) {
        assert_eq!(machine.device.read32(Bar::Rtbd, offset).unwrap(), 0, "BAR2+{offset:#x}");
    }
}

#[test]
fn boots_and_passes_the_march() {
    for geometry in [Geometry::SMALL, Geometry::TEST] {
        let mut machine = Machine::new(geometry);
        assert_eq!(machine.state(), State::Boots);
        machine.settle();
        assert_eq!(machine.state(), State::Runs);
        assert_eq!(outcome(&machine, &FW_SELFTEST::IMAGE), SelfTestOutcome::Passed);
        assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed);
        assert_eq!(outcome(&machine, &FW_SELFTEST::DMA), SelfTestOutcome::NotRun);
        assert_eq!(machine.get(&mgmt::FW_VERSION), common::FIRST);
        no_bad_access(&machine);
        directory_is_empty(&machine, geometry);
        assert_eq!(machine.enable(), 0);
    }
}

#[test]
fn a_stuck_bit_fails_the_march_with_its_offset() {
    let last = Geometry::SMALL.entries() * 32 - 4;
    for (offset, bits, high) in [(0, 1, true), (0x124, 1 << 31, false), (last, 0x8000, true), (last, 4, false)] {
        let mut machine = Machine::with(Geometry::SMALL, |host| host.faults.stuck = Some((offset, bits, high)));
        machine.settle();
        assert_eq!(machine.state(), State::Failed);
        assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Failed);
        assert_eq!(machine.get(&mgmt::FW_SELFTEST_DETAIL), offset);
        let heartbeat = machine.get(&mgmt::FW_HEARTBEAT);
        machine.rounds(10);
        assert_eq!(machine.get(&mgmt::FW_HEARTBEAT), heartbeat + 10);
        assert_eq!(machine.enable(), 0, "the march has ended");
    }
}

#[test]
fn an_address_that_reaches_another_word_fails_the_march() {
    for alias in [(0x20, 0x40), (0x400, 0), (0x1C, 0x18)] {
        let mut machine = Machine::with(Geometry::SMALL, |host| host.faults.alias = Some(alias));
        machine.settle();
        assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Failed);
        let at = machine.get(&mgmt::FW_SELFTEST_DETAIL);
        assert!(at == alias.0 || at == alias.1, "{alias:x?}: {at:#x}");
    }
}

#[test]
fn an_image_that_rots_fails_and_runs_on() {
    let mut machine = Machine::with(Geometry::SMALL, |host| host.banks[0][40] ^= 4);
    machine.settle();
    assert_eq!(machine.state(), State::Failed);
    assert_eq!(outcome(&machine, &FW_SELFTEST::IMAGE), SelfTestOutcome::Failed);
    assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed);
}

#[test]
fn an_enabled_device_is_left_alone() {
    let mut machine = Machine::running(Geometry::SMALL);
    assert_eq!(machine.enable(), 0);
    machine.hang();
    machine.settle();
    assert_eq!((machine.state(), machine.cause()), (State::Runs, ResetCause::Watchdog));
    assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::LeftOut);
    assert_eq!(machine.get(&control::CTRL), 1);
    no_bad_access(&machine);
}

#[test]
fn a_host_is_refused_during_the_march_and_not_after_it() {
    let mut machine = Machine::new(Geometry::TEST);
    while machine.state() != State::Tests {
        machine.round();
    }
    assert_eq!(machine.enable(), 9);
    machine.settle();
    assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed);
    directory_is_empty(&machine, Geometry::TEST);
    assert_eq!(machine.enable(), 0);
    directory_is_empty(&machine, Geometry::TEST);
}

#[test]
fn a_reset_of_the_device_begins_the_march_again_and_an_enable_ends_it() {
    for enable in [false, true] {
        let mut machine = Machine::new(Geometry::TEST);
        while machine.state() != State::Tests {
            machine.round();
        }
        machine.rounds(11);
        machine.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
        assert_eq!(machine.state(), State::None);
        if enable {
            assert_eq!(machine.enable(), 0);
        }
        machine.settle();
        let expected = if enable { SelfTestOutcome::LeftOut } else { SelfTestOutcome::Passed };
        assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), expected);
        assert_eq!(machine.get(&control::CTRL), enable.into());
        no_bad_access(&machine);
    }
}

#[test]
fn a_bite_during_the_march_does_not_leave_the_directory_in_maintenance() {
    let mut machine = Machine::new(Geometry::TEST);
    while machine.state() != State::Tests {
        machine.round();
    }
    machine.hang();
    machine.settle();
    assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed);
    assert_eq!(machine.enable(), 0);
}

/// Two blocks, the first with the pattern.
fn lend(machine: &Machine, shift: u32) -> Arc<dyn DmaMemory> {
    let memory = machine.device.dma_alloc(2 << shift).unwrap();
    for (n, word) in (0..(1 << shift) / 8).zip(memory.words()) {
        word.store(u64::from(pattern_word(2 * n)) | u64::from(pattern_word(2 * n + 1)) << 32, Relaxed);
    }
    memory
}

fn selftest(machine: &mut Machine, iova: u64, shift: u32) -> Answer {
    machine.command(Opcode::SelfTest, iova as u32, (iova >> 32) as u32, &[shift])
}

/// Everything that software can configure, but the single-shot command and the mailbox.
fn configuration(machine: &Machine) -> Vec<(&'static str, u32, u32)> {
    let mut found = vec![];
    for register in registers().filter(|r| r.bar == Bar::Regs && r.access == Access::RW) {
        if register.name.starts_with("CMD_") || register.name.starts_with("MBOX_") {
            continue;
        }
        for offset in (0..register.instances * register.stride.max(4)).step_by(register.stride.max(4) as usize) {
            for half in 0..register.bytes() / 4 {
                let at = register.offset + offset + 4 * half;
                found.push((register.name, at, machine.device.read32(Bar::Regs, at).unwrap()));
            }
        }
    }
    found
}

/// A configuration of which no value is a reset value.
fn configure(machine: &Machine) {
    for register in registers().filter(|r| r.bar == Bar::Regs && r.access == Access::RW) {
        let leave = ["CTRL", "RTBD_CTRL", "Q_CTRL", "SQ_DOORBELL", "CQ_DOORBELL", "SVC_ABORT", "INT_ENABLE"];
        if leave.contains(&register.name) || register.name.starts_with("MBOX_") || register.name.starts_with("CMD_") {
            continue;
        }
        machine.set(register, 0x5A5A_5A5A);
        if register.width == 64 {
            machine.at(register.offset + 4, 0xA5A5);
        }
    }
    machine.set(&irq::INT_ENABLE, 0x1FF);
    machine.get(&control::BAD_ACCESS_COUNT);
    machine.set(&control::ERR_STATUS, u32::MAX);
    machine.set(&irq::INT_STATUS, u32::MAX);
}

#[test]
fn dma_and_crc_pass_with_lent_memory_and_all_is_put_back() {
    for (geometry, shift) in [(Geometry::SMALL, 6), (Geometry::SMALL, 12), (Geometry::TEST, 16)] {
        let mut machine = Machine::running(geometry);
        configure(&machine);
        let before = configuration(&machine);
        let memory = lend(&machine, shift);
        let answer = selftest(&mut machine, memory.iova(), shift);
        assert_eq!(answer.result, MailboxResult::Ok, "{answer:x?}");
        assert_eq!(answer.values, [0b01_01_01_01, 0, 0]);
        assert_eq!(configuration(&machine), before);
        assert_eq!(machine.get(&control::CTRL), 0);
        assert_eq!(machine.get(&irq::INT_STATUS), 0, "no interrupt for the driver");
        assert_eq!(machine.get(&control::ERR_STATUS), 0);
        no_bad_access(&machine);
        let blocks: Vec<u64> = memory.words().iter().map(|word| word.load(Relaxed)).collect();
        let block = (1 << shift) / 8;
        assert_eq!(blocks[..block], blocks[block..2 * block]);
        machine.round();
        assert_eq!(machine.state(), State::Runs);
    }
}

#[test]
fn a_buffer_or_a_crc_that_is_another_fails() {
    let mut machine = Machine::running(Geometry::SMALL);
    let before = configuration(&machine);
    let memory = lend(&machine, 8);
    memory.words()[7].fetch_xor(1 << 50, Relaxed);
    let answer = selftest(&mut machine, memory.iova(), 8);
    assert_eq!((answer.result, answer.values[0]), (MailboxResult::Failed, 0b10_01_01_01));
    machine.round();
    assert_eq!(machine.state(), State::Failed);
    memory.words()[7].fetch_xor(1 << 50, Relaxed);
    assert_eq!(selftest(&mut machine, memory.iova(), 8).result, MailboxResult::Ok);
    machine.round();
    assert_eq!((machine.state(), machine.get(&mgmt::FW_SELFTEST_DETAIL)), (State::Runs, 0));
    machine.host().faults = Faults { crc: 0x100, ..Faults::default() };
    let answer = selftest(&mut machine, memory.iova(), 8);
    assert_eq!((answer.result, answer.values[0]), (MailboxResult::Failed, 0b10_01_01_01));
    assert_eq!(configuration(&machine), before);
}

#[test]
fn a_copy_that_faults_or_does_not_end_fails() {
    let mut machine = Machine::running(Geometry::SMALL);
    let before = configuration(&machine);
    let memory = lend(&machine, 8);
    machine.host().faults.deaf = true;
    let start = machine.host().us;
    let answer = selftest(&mut machine, memory.iova(), 8);
    assert_eq!((answer.values[0], answer.values[1]), (0b00_10_01_01, DETAIL_TIMEOUT));
    assert!((1_000_000..1_100_000).contains(&(machine.host().us - start)));
    assert_eq!((machine.boots, machine.get(&control::CTRL)), (1, 0), "the watchdog was fed");
    // A completion of another's command is none.
    machine.host().faults = Faults { cid: 4, ..Faults::default() };
    let answer = selftest(&mut machine, memory.iova(), 8);
    assert_eq!((answer.values[0], answer.values[1]), (0b00_10_01_01, DETAIL_TIMEOUT));
    machine.host().faults = Faults::default();
    machine.device.dma_free(memory.iova()).unwrap();
    let answer = selftest(&mut machine, memory.iova(), 8);
    assert_eq!((answer.values[0], answer.values[1]), (0b00_10_01_01, Status::DmaFault.code().into()));
    assert_eq!(configuration(&machine), before);
}

#[test]
fn lent_memory_must_fit() {
    let mut machine = Machine::running(Geometry::SMALL);
    let bad = MailboxResult::BadArgument;
    for (iova, shift) in [(0x1000, 5), (0x1000, 13), (0x1000, 32), (0x1000, u32::MAX), (0x1004, 8), (u64::MAX - 511, 8)]
    {
        assert_eq!(selftest(&mut machine, iova, shift).result, bad, "{iova:#x} {shift}");
    }
    machine.post(Opcode::SelfTest.code(), 4, [0, 1, KEY ^ 1], &[8]);
    assert_eq!(machine.wait().result, bad);
    assert_eq!(machine.enable(), 0);
    assert_eq!(selftest(&mut machine, 0x1000, 8).result, MailboxResult::Enabled);
}

#[test]
fn a_host_may_reset_or_enable_the_device_during_the_test() {
    let memory = |machine: &Machine| lend(machine, 12).iova();
    let mut machine = Machine::running(Geometry::SMALL);
    let iova = memory(&machine);
    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    while machine.get(&control::CTRL) == 0 {
        machine.round();
        assert!(machine.answer().is_none());
    }
    assert_eq!(machine.state(), State::Tests);
    machine.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
    let reset = configuration(&machine);
    machine.rounds(2_000);
    assert_eq!(configuration(&machine), reset, "nothing is put back into a device that was reset");
    assert_eq!((machine.get(&mgmt::MBOX_STATUS), machine.state()), (0, State::Runs));
    assert_eq!(selftest(&mut machine, iova, 12).result, MailboxResult::Ok);

    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    machine.rounds(3);
    assert_eq!(machine.enable(), 0, "the firmware still makes its own CRC");
    assert_eq!(machine.wait().result, MailboxResult::Enabled);
    assert_eq!(machine.get(&control::CTRL), 1);
}

/// A host resets the device at each moment of a test in turn, and configures it as soon as a status is shown.
#[test]
fn whenever_a_host_resets_the_device_what_it_configures_stays() {
    let state = |machine: &Machine| (machine.state(), machine.get(&control::CTRL));
    for access in 0.. {
        let mut machine = Machine::running(Geometry::SMALL);
        let iova = lend(&machine, 6).iova();
        machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[6]);
        machine.host().faults = Faults { reset_before: Some(access), ..Faults::default() };
        while machine.answer().is_none() && machine.host().faults.reset_before.is_some() {
            machine.round();
        }
        if machine.host().faults.reset_before.is_some() {
            assert!(access > 200, "{access}");
            break;
        }
        // The round in which it came has shown a status, or this one does.
        machine.round();
        assert_eq!(state(&machine), (State::Runs, 0), "{access}");
        configure(&machine);
        let host = configuration(&machine);
        machine.rounds(20);
        assert_eq!(configuration(&machine), host, "{access}");
        assert_eq!(machine.get(&irq::INT_STATUS), 0, "{access}");
    }
}

/// A host that knows nothing of firmware, and so waits for nothing, is not disturbed by one that does nothing to the device.
#[test]
fn a_host_need_not_wait_for_firmware_that_is_idle() {
    for access in 0.. {
        let mut machine = Machine::running(Geometry::SMALL);
        machine.host().faults =
            Faults { reset_before: Some(access), configures: Some((5, Moment::AtOnce)), ..Faults::default() };
        machine.round();
        if machine.host().faults.reset_before.is_some() {
            assert!(access > 10, "{access}");
            break;
        }
        machine.rounds(5);
        assert_eq!((machine.get(&tier::TIER_FRAMES), machine.state()), (5, State::Runs), "{access}");
    }
}

/// In the middle of a test, of a boot, and of a look at the guard.
#[test]
fn what_a_host_configures_once_a_status_is_shown_stays() {
    let prepare: [fn(&mut Machine); 3] = [
        |machine| {
            machine.settle();
            let iova = lend(machine, 6).iova();
            machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[6]);
        },
        |_| {},
        |machine| {
            machine.settle();
            assert_eq!(machine.enable(), 0);
            machine.command(Opcode::SetParam, Parameter::TuningWindow.code(), 4, &[]);
            machine.round();
            (0..8).for_each(|tag| machine.insert(tag));
        },
    ];
    for (number, prepare) in prepare.into_iter().enumerate() {
        for access in (0..).step_by(if number == 1 { 5 } else { 1 }) {
            let mut machine = Machine::new(Geometry::SMALL);
            prepare(&mut machine);
            let configures = Some((5, Moment::Shown));
            machine.host().faults = Faults { reset_before: Some(access), configures, ..Faults::default() };
            machine.rounds(2);
            machine.settle();
            if machine.host().faults.reset_before.is_some() {
                assert!(access > 50, "{number}: {access}");
                break;
            }
            machine.rounds(5);
            machine.settle();
            assert_eq!((machine.get(&tier::TIER_FRAMES), machine.state()), (5, State::Runs), "{number}: {access}");
        }
    }
}

#[test]
fn whenever_a_host_resets_the_device_the_march_is_made_whole() {
    for access in (0..).step_by(7) {
        let mut machine = Machine::new(Geometry::SMALL);
        machine.host().faults.reset_before = Some(access);
        machine.settle();
        if machine.host().faults.reset_before.is_some() {
            assert!(access > 2_000, "{access}");
            break;
        }
        machine.rounds(2);
        machine.settle();
        assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed, "{access}");
        no_bad_access(&machine);
        directory_is_empty(&machine, Geometry::SMALL);
        assert_eq!(machine.enable(), 0, "{access}");
    }
}

/// The driver writes 0 to MBOX_COMMAND, or another command, after each number of rounds.
#[test]
fn a_test_that_is_given_up_ends_and_puts_back_what_it_found() {
    for rounds in 0.. {
        let mut machine = Machine::running(Geometry::SMALL);
        configure(&machine);
        let before = configuration(&machine);
        let memory = lend(&machine, 12);
        let iova = memory.iova();
        machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
        machine.rounds(rounds);
        if machine.answer().is_some() {
            assert!(rounds > 16, "{rounds}");
            break;
        }
        if rounds % 2 == 0 {
            machine.set(&mgmt::MBOX_COMMAND, 0);
            machine.round();
        } else {
            assert_eq!(machine.command(Opcode::Nop, 0, 0, &[]).result, MailboxResult::Ok);
        }
        assert_eq!((machine.state(), machine.get(&control::CTRL)), (State::Runs, 0), "{rounds}");
        // From here on the memory may be gone.
        machine.device.dma_free(iova).unwrap();
        assert_eq!(configuration(&machine), before, "{rounds}");
        machine.rounds(1_100);
        assert_eq!(configuration(&machine), before, "{rounds}");
        assert_eq!(machine.get(&irq::INT_STATUS), 0, "{rounds}");
        no_bad_access(&machine);
    }
}

#[test]
fn a_test_that_a_bite_ends_leaves_the_device_off() {
    let mut machine = Machine::running(Geometry::SMALL);
    let iova = lend(&machine, 12).iova();
    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    while machine.get(&control::CTRL) == 0 {
        machine.round();
    }
    machine.hang();
    assert_eq!((machine.wait().result, machine.get(&control::CTRL)), (MailboxResult::Interrupted, 0));
    machine.settle();
    assert_eq!(outcome(&machine, &FW_SELFTEST::MARCH), SelfTestOutcome::Passed);
    // A device that the host enabled meanwhile is the host's.
    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    machine.round();
    machine.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    assert_eq!(machine.enable(), 0);
    machine.hang();
    assert_eq!((machine.wait().result, machine.get(&control::CTRL)), (MailboxResult::Interrupted, 1));
}

#[test]
fn a_test_that_a_bite_ended_is_not_made_again() {
    let mut machine = Machine::running(Geometry::SMALL);
    let memory = lend(&machine, 12);
    let iova = memory.iova();
    machine.post(Opcode::SelfTest.code(), 4, [iova as u32, (iova >> 32) as u32, KEY], &[12]);
    machine.rounds(3);
    machine.hang();
    machine.device.dma_free(iova).unwrap();
    assert_eq!(machine.wait().result, MailboxResult::Interrupted);
    machine.settle();
    machine.rounds(100);
    assert_eq!((machine.state(), machine.get(&control::CTRL)), (State::Runs, 0));
    assert_eq!(outcome(&machine, &FW_SELFTEST::DMA), SelfTestOutcome::NotRun);
}

#[test]
fn the_log_tells_of_boot_and_self_test() {
    let mut machine = Machine::running(Geometry::SMALL);
    let log = machine.command(Opcode::Log, 0, 0, &[]);
    assert_eq!(log.values, [0, 2, 2]);
    assert_eq!(log.data[1], EventCode::Boot.code() | 1 << 16);
    assert_eq!(log.data[2..4], [0, common::FIRST]);
    assert_eq!(log.data[5], EventCode::SelfTest.code() | 2 << 16);
    assert_eq!(log.data[6..8], [0b01_01, 0]);
    assert_eq!(machine.get(&irq::INT_STATUS), 0, "neither raises MANAGEMENT");
}
