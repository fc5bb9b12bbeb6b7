//! The mailbox: every opcode, what is refused, floods and garbage.

mod common;

use common::{FIRST, Machine};
use kvcpu_firmware::{Firmware, Parameters};
use kvcpu_mmio::firmware::{
    EventCode, KEY, LOG_ENTRIES, LogEntry, MailboxResult, Opcode, Parameter, ResetCause, State,
};
use kvcpu_mmio::image;
use kvcpu_mmio::regs::control::MAP_MAJOR;
use kvcpu_mmio::regs::{control, irq, mgmt};
use kvcpu_mmio::{Bar, Geometry};
use proptest::prelude::*;

#[test]
fn every_opcode_is_answered() {
    let mut machine = Machine::running(Geometry::SMALL);
    let ok = MailboxResult::Ok;
    assert_eq!(machine.command(Opcode::Nop, 0, 0, &[]).result, ok);
    let version = machine.command(Opcode::Version, 0, 0, &[]);
    let header = image::verify(&common::image(FIRST, 150), MAP_MAJOR.into()).unwrap();
    assert_eq!((version.result, version.values), (ok, [FIRST, header.crc, MAP_MAJOR.into()]));
    for &(parameter, ..) in Parameter::ALL {
        let (least, most) = parameter.range();
        let default = Parameters::default().get(parameter);
        let get = |machine: &mut Machine| machine.command(Opcode::GetParam, parameter.code(), 0, &[]);
        assert_eq!(get(&mut machine).values, [default, least, most]);
        for value in [least, most] {
            assert_eq!(machine.command(Opcode::SetParam, parameter.code(), value, &[]).result, ok);
            assert_eq!(get(&mut machine).values[0], value);
        }
        for value in [most + 1, u32::MAX, least.wrapping_sub(1)] {
            let answer = machine.command(Opcode::SetParam, parameter.code(), value, &[]);
            assert_eq!(answer.result, MailboxResult::BadArgument);
            assert_eq!(get(&mut machine).values[0], most);
        }
    }
    for opcode in [Opcode::GetParam, Opcode::SetParam] {
        for number in [6, u32::MAX] {
            assert_eq!(machine.command(opcode, number, 0, &[]).result, MailboxResult::BadArgument);
        }
    }
    let no_update = MailboxResult::NoUpdate;
    assert_eq!(machine.command(Opcode::UpdateData, 0, 0, &[1]).result, no_update);
    assert_eq!(machine.command(Opcode::UpdateCommit, 0, 0, &[]).result, no_update);
    assert_eq!(machine.command(Opcode::UpdateAbort, 0, 0, &[]).result, no_update);
    for bytes in [0, 64, 66, 16_388, u32::MAX, u32::MAX - 3] {
        assert_eq!(machine.command(Opcode::UpdateBegin, bytes, 0, &[]).result, MailboxResult::BadArgument);
    }
    assert_eq!(machine.command(Opcode::UpdateBegin, 100, 0, &[]).result, ok);
    machine.round();
    assert_eq!(machine.state(), State::Updates);
    assert_eq!(machine.command(Opcode::UpdateAbort, 0, 0, &[]).result, ok);
    machine.round();
    assert_eq!(machine.state(), State::Runs);
    assert_eq!(machine.boots, 1);
    assert_eq!(machine.command(Opcode::Reset, 0, 0, &[]).result, ok);
    machine.settle();
    assert_eq!((machine.boots, machine.cause()), (2, ResetCause::Asked));
    machine.rounds(100);
    assert_eq!(machine.boots, 2, "the command is not carried out again");
    let value = machine.command(Opcode::GetParam, Parameter::LeastLevel.code(), 0, &[]).values[0];
    assert_eq!(value, 0, "parameters are forgotten");
}

#[test]
fn after_a_reset_that_was_asked_for_no_round_does_anything() {
    let mut machine = Machine::running(Geometry::SMALL);
    machine.post(Opcode::Reset.code(), 0, [0, 0, KEY], &[]);
    let mut firmware = Firmware::boot(machine.into_host());
    let device = firmware.platform().device.clone();
    while !firmware.halted() {
        firmware.round();
    }
    device.management_write32(Bar::Regs, mgmt::FW_HEARTBEAT.offset, 0xDEAD);
    let deadline = firmware.platform().deadline_us;
    firmware.platform_mut().us += 5_000;
    firmware.round();
    assert_eq!(device.management_read32(Bar::Regs, mgmt::FW_HEARTBEAT.offset), 0xDEAD);
    assert_eq!(firmware.platform().deadline_us, deadline);
}

#[test]
fn a_command_that_is_taken_back_or_replaced_while_it_is_read_is_dropped() {
    let least = |value| [Parameter::LeastLevel.code(), value, KEY];
    let mut machine = Machine::running(Geometry::SMALL);
    let answered = machine.get(&mgmt::MBOX_STATUS);
    machine.post(Opcode::SetParam.code(), 0, least(7), &[]);
    machine.host().faults.tears = Some(0);
    machine.rounds(20);
    assert_eq!((machine.get(&mgmt::MBOX_STATUS), machine.get(&mgmt::THROTTLE)), (answered, 0));
    // What would be refused is not answered either: its argument may be another's.
    machine.post(Opcode::SetParam.code(), 0, [77, 0, 0], &[]);
    machine.host().faults.tears = Some(Opcode::Nop.code() | 0x1234 << 16);
    machine.rounds(20);
    assert_eq!(machine.get(&mgmt::MBOX_STATUS), 0x1234 << 16);
}

#[test]
fn a_bite_answers_a_standing_command_and_it_is_not_carried_out() {
    let mut machine = Machine::running(Geometry::SMALL);
    machine.post(Opcode::SetParam.code(), 0, [Parameter::LeastLevel.code(), 7, KEY], &[]);
    machine.hang();
    assert_eq!(machine.answer().map(|answer| answer.result), Some(MailboxResult::Interrupted));
    machine.settle();
    machine.rounds(20);
    assert_eq!(machine.get(&mgmt::THROTTLE), 0);
    assert_eq!(machine.answer().map(|answer| answer.result), Some(MailboxResult::Interrupted));
    // One that was answered stays so.
    machine.command(Opcode::Nop, 0, 0, &[]);
    machine.hang();
    assert_eq!(machine.answer().map(|answer| answer.result), Some(MailboxResult::Ok));
    // So does one that stood when it was not the watchdog: it is carried out.
    machine.settle();
    machine.host().reset = true;
    machine.post(Opcode::SetParam.code(), 0, [Parameter::LeastLevel.code(), 7, KEY], &[]);
    machine.pass(1);
    machine.settle();
    assert_eq!(machine.wait().result, MailboxResult::Ok);
}

#[test]
fn what_is_no_command_is_refused() {
    let mut machine = Machine::running(Geometry::SMALL);
    for opcode in 11..256 {
        machine.post(opcode, 0, [0, 0, KEY], &[]);
        assert_eq!(machine.wait().result, MailboxResult::UnknownOpcode, "{opcode}");
    }
    for &(opcode, ..) in Opcode::ALL {
        for length in 0..256 {
            let needed = match opcode {
                Opcode::UpdateData => length % 4 == 0 && (4..=64).contains(&length),
                Opcode::SelfTest => length == 4,
                _ => length == 0,
            };
            if needed {
                continue;
            }
            machine.post(opcode.code(), length, [0, 0, KEY], &[]);
            assert_eq!(machine.wait().result, MailboxResult::BadLength, "{opcode:?} {length}");
        }
        if opcode.needs_key() {
            let length = if matches!(opcode, Opcode::UpdateData | Opcode::SelfTest) { 4 } else { 0 };
            for key in [0, !KEY, KEY ^ 1] {
                machine.post(opcode.code(), length, [0, 0, key], &[8]);
                assert_eq!(machine.wait().result, MailboxResult::BadArgument, "{opcode:?}");
            }
        }
    }
    assert_eq!(machine.boots, 1);
}

#[test]
fn only_the_last_of_a_flood_is_answered() {
    let mut machine = Machine::running(Geometry::SMALL);
    for n in 0..1_000 {
        machine.post(Opcode::SetParam.code(), 0, [Parameter::LeastLevel.code(), n % 16, KEY], &[]);
    }
    machine.post(Opcode::GetParam.code(), 0, [Parameter::LeastLevel.code(), 0, 0], &[]);
    machine.round();
    let answer = machine.answer().expect("answered in the next round");
    assert_eq!((answer.result, answer.values), (MailboxResult::Ok, [0, 0, 15]));
    let heartbeat = machine.get(&mgmt::FW_HEARTBEAT);
    for _ in 0..1_000 {
        machine.post(Opcode::Nop.code(), 0, [0; 3], &[]);
        machine.round();
    }
    assert_eq!(machine.get(&mgmt::FW_HEARTBEAT), heartbeat + 1_000);
    assert_eq!(machine.command(Opcode::Log, 0, 0, &[]).values[2], 2, "nothing was logged");
}

#[test]
fn a_sequence_is_answered_once_and_a_reset_of_the_device_forgets_it() {
    let mut machine = Machine::running(Geometry::SMALL);
    machine.command(Opcode::SetParam, Parameter::LeastLevel.code(), 3, &[]);
    let log = |machine: &mut Machine| machine.command(Opcode::Log, u32::MAX, 0, &[]).values[2];
    let next = log(&mut machine);
    machine.rounds(50);
    assert_eq!(log(&mut machine), next);
    machine.post(Opcode::SetParam.code(), 0, [Parameter::LeastLevel.code(), 5, KEY], &[]);
    machine.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
    machine.rounds(50);
    assert_eq!(machine.get(&mgmt::MBOX_STATUS), 0);
    assert_eq!(machine.get(&mgmt::THROTTLE), 0x33);
    assert_eq!(log(&mut machine), next);
}

#[test]
fn the_log_holds_the_last_events() {
    let mut machine = Machine::running(Geometry::SMALL);
    for n in 0..100 {
        machine.command(Opcode::SetParam, Parameter::LeastLevel.code(), n % 16, &[]);
    }
    let next = 102;
    let (mut from, mut found) = (0, vec![]);
    loop {
        let answer = machine.command(Opcode::Log, from, 0, &[]);
        let [first, given, told] = answer.values;
        assert_eq!((told, answer.data.len() as u32), (next, 4 * given));
        if given == 0 {
            assert_eq!(first, next);
            break;
        }
        for (n, words) in (first..).zip(answer.data.chunks_exact(4)) {
            found.push((n, LogEntry::from_words(words.try_into().unwrap())));
        }
        from = first + given;
    }
    assert_eq!(found.len() as u32, LOG_ENTRIES);
    for (n, (number, entry)) in (next - LOG_ENTRIES..).zip(&found) {
        assert_eq!((*number, u32::from(entry.count)), (n, n + 1));
        assert_eq!(u32::from(entry.code), EventCode::ParameterChanged.code());
        assert_eq!(entry.words, [Parameter::LeastLevel.code(), (n - 2) % 16]);
    }
    assert!(found.is_sorted_by_key(|(_, entry)| entry.ms));
    assert_eq!(machine.get(&irq::INT_STATUS), 0);
}

/// A write to the mailbox: register from MBOX_COMMAND on, value. Commands are often ones that there are.
fn write() -> impl Strategy<Value = (u32, u32)> {
    let command = (0u32..13, prop::sample::select(vec![0u32, 4, 64, 65]), 0u32..4)
        .prop_map(|(opcode, length, sequence)| (0, opcode | length << 8 | sequence << 16));
    prop_oneof![command, (0u32..20, any::<u32>()), (0u32..20, 0u32..16)]
}

proptest! {
    #[test]
    fn garbage_changes_nothing(writes in prop::collection::vec(write(), 1..200), every in 1usize..5) {
        let mut machine = Machine::running(Geometry::SMALL);
        let banks = machine.host().banks.clone();
        let start = machine.get(&mgmt::FW_HEARTBEAT);
        let mut rounds = 0;
        for (n, (register, value)) in writes.iter().enumerate() {
            prop_assume!(*value != KEY);
            machine.at(mgmt::MBOX_COMMAND.offset + 4 * register, *value);
            if n % every == 0 {
                machine.round();
                rounds += 1;
            }
        }
        prop_assert_eq!(machine.get(&mgmt::FW_HEARTBEAT), start + rounds);
        prop_assert_eq!((machine.boots, machine.state(), machine.bank()), (1, State::Runs, 0));
        prop_assert_eq!(machine.host().writes_to_flash, 0);
        prop_assert!(machine.host().banks == banks);
        machine.post(0, 0, [0; 3], &[]);
        machine.rounds(2);
        for &(parameter, ..) in Parameter::ALL {
            let value = machine.command(Opcode::GetParam, parameter.code(), 0, &[]).values[0];
            prop_assert_eq!(value, Parameters::default().get(parameter));
        }
    }
}
