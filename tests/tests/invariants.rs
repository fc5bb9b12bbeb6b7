//! What holds on random streams whatever the policy is, told from the device alone: who is protected stays, a refused
//! command changes nothing, a full directory loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvcpu_driver::{Commands, Device, Entry};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Key, Opcode, Status};
use kvcpu_mmio::regs::luf;
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use kvcpu_tests::check;
use kvcpu_tests::rig::text;
use kvcpu_tests::setup::status;
use kvcpu_tests::stream::{self, Kind, Op, Scenario};

type Picture = BTreeMap<Key, Entry>;

fn picture<B: Backing + 'static>(device: &Device<B>) -> Result<Picture, String> {
    device
        .entries()
        .map(|entry| entry.map(|entry| (entry.key, entry)).map_err(text))
        .collect()
}

fn placed(entry: &Entry) -> bool {
    entry.state != EntryState::Ghost
}

/// Runs the commands of a stream and shows `look` each with the pictures before and after.
fn watch(
    scenario: &Scenario,
    ops: &[Op],
    look: impl Fn(&kvcpu_mmio::queue::Sqe, Status, &Picture, &Picture) -> Result<(), String>,
) -> Result<(), String> {
    let emulator = Emulator::new(scenario.geometry).map_err(|error| error.to_string())?;
    let device = Device::probe(Arc::new(emulator)).map_err(text)?;
    device.configure(scenario.config.clone()).map_err(text)?;
    let mut commands = device.single_shot();
    let mut before = Picture::new();
    for op in ops {
        let Op::Command(sqe) = op else { continue };
        let cqe = commands.execute(*sqe).map_err(text)?;
        let after = picture(&device)?;
        look(sqe, status(&cqe), &before, &after).map_err(|error| format!("{error}\nafter {sqe:?} -> {cqe:?}"))?;
        before = after;
    }
    match device.read(&luf::LUF_VIOLATIONS).map_err(text)? {
        0 => Ok(()),
        violations => Err(format!("{violations} frames were reused too early")),
    }
}

fn metadata(stream: u64, seed: u64) -> (Scenario, Vec<Op>) {
    let kind = Kind { t3: true, length: 300, ..Kind::default() };
    stream::scenario(&mut check::rng(stream, seed), kind)
}

#[test]
fn pinned_shared_and_retained_blocks_are_never_moved_down_or_dropped() {
    check::streams(
        ("invariants", "pinned_shared_and_retained_blocks_are_never_moved_down_or_dropped"),
        60,
        |seed| metadata(20, seed),
        |scenario, ops| {
            watch(scenario, ops, |sqe, _, before, after| {
                let released = sqe.opcode == Opcode::Release.code();
                for (key, was) in before.iter().filter(|(_, was)| placed(was)) {
                    let is = after.get(key).filter(|entry| placed(entry));
                    let still_retained = is.is_some_and(|is| is.flags.contains(EntryFlags::RETAINED));
                    let pinned = was.flags.contains(EntryFlags::HOT);
                    // RELEASE frees what is pinned or retained, but not what is shared; a sweep may end a retention first.
                    let held = was.refcount > 0 || !released && (pinned || still_retained);
                    if held && is.is_none_or(|is| is.tier > was.tier) {
                        return Err(format!("{was:?} became {is:?}"));
                    }
                }
                Ok(())
            })
        },
    );
}

#[test]
fn a_command_that_is_refused_at_once_changes_nothing() {
    let at_once = [
        Status::InvalidOpcode,
        Status::InvalidField,
        Status::InvalidTier,
        Status::DirectoryFull,
        Status::WrongTenant,
        Status::StepBackward,
        Status::RefcountOverflow,
        Status::RefcountUnderflow,
        Status::MetadataOnly,
        Status::InUse,
    ];
    check::streams(
        ("invariants", "a_command_that_is_refused_at_once_changes_nothing"),
        60,
        |seed| metadata(21, seed),
        |scenario, ops| {
            watch(scenario, ops, |_, status, before, after| {
                let same = !at_once.contains(&status) || before == after;
                if same { Ok(()) } else { Err(format!("{status:?} changed something")) }
            })
        },
    );
}

#[test]
fn blocks_leave_only_where_a_command_or_an_eviction_says_so() {
    check::streams(
        ("invariants", "blocks_leave_only_where_a_command_or_an_eviction_says_so"),
        60,
        |seed| metadata(22, seed),
        |scenario, ops| {
            watch(scenario, ops, |sqe, status, before, after| {
                let lost = before.iter().filter(|(key, was)| placed(was) && !after.contains_key(key)).count();
                let released = sqe.opcode == Opcode::Release.code() && status == Status::Ok;
                // The victim of an INSERT may become a ghost, and its slot the new block's.
                let slot_reused = sqe.opcode == Opcode::Insert.code() && status == Status::Ok;
                if lost > usize::from(slot_reused) && !released {
                    return Err(format!("{lost} blocks are gone without a trace"));
                }
                // A block keeps its frame unless it changes its tier; several moves may bring it back.
                let one_move = sqe.scope == 0 && sqe.opcode != Opcode::StepAdvance.code();
                let torn = before.iter().find(|(key, was)| {
                    let is = after.get(key).filter(|is| placed(is) && placed(was) && is.tier == was.tier);
                    one_move && is.is_some_and(|is| is.frame != was.frame)
                });
                torn.map_or(Ok(()), |torn| Err(format!("{torn:?} changed its frame")))
            })
        },
    );
}
