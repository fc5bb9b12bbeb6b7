//! Commands on single blocks, ranges and requests: docs/commands.md.

use std::collections::BTreeSet;

use kvcpu_mmio::queue::{Cqe, Key, Opcode, Scope, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::command::plain;
use super::moves::Failed;
use super::{Block, Model};

/// Largest `retain`: 20 bits of 16 steps.
const MAX_RETAIN: u64 = (1 << 20) - 1;

/// What a scoped command met.
#[derive(Default)]
struct Tally {
    affected: u32,
    in_use: bool,
    room_failed: bool,
    ghosts: bool,
}

impl Model {
    pub(crate) fn scoped(&mut self, opcode: Opcode, sqe: &Sqe) -> Cqe {
        if let Some(status) = self.refusal(opcode, sqe) {
            return plain(status);
        }
        let mut tally = Tally::default();
        if sqe.scope == Scope::Request.code() {
            self.each_of_request(opcode, sqe, &mut tally);
        } else {
            for key in self.named(sqe) {
                self.apply(opcode, sqe, key, &mut tally);
            }
        }
        let status = match tally {
            Tally { affected: 1.., .. } => Status::Ok,
            Tally { ghosts: true, .. } if opcode == Opcode::Release => Status::Ok,
            Tally { in_use: true, .. } => Status::InUse,
            Tally { room_failed: true, .. } => Status::MoveFailed,
            _ => Status::NotFound,
        };
        let cqe = if sqe.scope == Scope::Single.code() { self.located(status, sqe.key) } else { plain(status) };
        Cqe { value: tally.affected, ..cqe }
    }

    /// The entries that are named, without order by index.
    fn named(&self, sqe: &Sqe) -> Vec<Key> {
        let of_request = |key: &&Key| (key.tenant, key.request) == (sqe.key.tenant, sqe.key.request);
        match Scope::from_code(sqe.scope) {
            Some(Scope::Single) => self.blocks.contains_key(&sqe.key).then_some(sqe.key).into_iter().collect(),
            Some(Scope::Range) => {
                let last = Key { tag: sqe.key.tag + u64::from(sqe.count - 1), ..sqe.key };
                self.blocks.range(sqe.key..=last).map(|(key, _)| *key).collect()
            }
            _ => self.blocks.keys().filter(of_request).copied().collect(),
        }
    }

    /// All entries of a request in ascending index. Freeing an entry may bring one from the stash into the same
    /// slot, which is then still to come.
    fn each_of_request(&mut self, opcode: Opcode, sqe: &Sqe, tally: &mut Tally) {
        let mut seen = BTreeSet::new();
        for index in 0..self.slots.len() {
            while let Some(key) = self.slots[index]
                && (key.tenant, key.request) == (sqe.key.tenant, sqe.key.request)
                && seen.insert(key)
            {
                self.apply(opcode, sqe, key, tally);
            }
        }
    }

    /// What is refused as a whole.
    fn refusal(&self, opcode: Opcode, sqe: &Sqe) -> Option<Status> {
        let placed: Vec<Block> = self.named(sqe).iter().map(|key| self.blocks[key]).filter(Block::placed).collect();
        match opcode {
            Opcode::Share if placed.iter().any(|block| block.refcount == 255) => Some(Status::RefcountOverflow),
            Opcode::Unshare if placed.iter().any(|block| block.refcount == 0) => Some(Status::RefcountUnderflow),
            Opcode::Demote => {
                let tier = usize::from(sqe.tier);
                let single = sqe.scope == Scope::Single.code();
                if self.tiers.get(tier).is_none_or(|tier| tier.limit == 0)
                    || single && placed.iter().any(|block| block.tier >= tier)
                {
                    return Some(Status::InvalidTier);
                }
                None
            }
            _ => None,
        }
    }

    /// The command on one entry.
    fn apply(&mut self, opcode: Opcode, sqe: &Sqe, key: Key, tally: &mut Tally) {
        let Some(block) = self.blocks.get(&key).copied() else { return };
        if !block.placed() {
            tally.ghosts = true;
            match opcode {
                Opcode::Prefetch => self.hint(key, sqe.argument),
                Opcode::Release => self.free_entry(key),
                _ => {}
            }
            return;
        }
        match opcode {
            Opcode::Evict | Opcode::Demote => return self.push_down(opcode, sqe, key, tally),
            Opcode::Release => return self.release(key, tally),
            Opcode::Prefetch => {
                self.hint(key, sqe.argument);
                if self.wanted_up(&self.blocks[&key]) {
                    self.settle_own();
                    self.begin_need();
                    self.promote(key, false);
                }
            }
            _ => self.mark(opcode, sqe, key),
        }
        tally.affected += 1;
    }

    fn hint(&mut self, key: Key, target: u32) {
        let block = self.block(key);
        block.target = target;
        block.flags |= EntryFlags::TARGET_VALID;
    }

    /// The commands that only change the entry.
    fn mark(&mut self, opcode: Opcode, sqe: &Sqe, key: Key) {
        let until = (u64::from(self.now) + u64::from(sqe.argument)).div_ceil(16).min(MAX_RETAIN) as u32;
        let block = self.block(key);
        match opcode {
            Opcode::Hot => block.flags |= EntryFlags::HOT,
            Opcode::Unhot => block.flags -= EntryFlags::HOT,
            Opcode::Share => block.refcount += 1,
            Opcode::Unshare => block.refcount -= 1,
            Opcode::Dead => {
                block.flags -= EntryFlags::HOT | EntryFlags::RETAINED | EntryFlags::TARGET_VALID;
                block.flags |= EntryFlags::DEAD;
                block.retain = 0;
            }
            Opcode::Retain => {
                let earlier = if block.is(EntryFlags::RETAINED) { block.retain } else { 0 };
                block.retain = until.max(earlier);
                block.flags |= EntryFlags::RETAINED;
            }
            _ => unreachable!("{opcode:?} is handled elsewhere"),
        }
    }

    fn push_down(&mut self, opcode: Opcode, sqe: &Sqe, key: Key, tally: &mut Tally) {
        self.settle_own();
        self.await_block(key);
        let block = self.blocks[&key];
        let named = (opcode == Opcode::Demote).then_some(usize::from(sqe.tier));
        if named.is_some_and(|tier| block.tier >= tier) {
            return;
        }
        if block.held() {
            tally.in_use = true;
            return;
        }
        match self.demote(key, named) {
            Ok(()) => tally.affected += 1,
            Err(Failed) => tally.room_failed = true,
        }
    }

    fn release(&mut self, key: Key, tally: &mut Tally) {
        self.await_block(key);
        let block = self.blocks[&key];
        if block.refcount > 0 {
            tally.in_use = true;
            return;
        }
        self.tiers[block.tier].used -= 1;
        self.retire(&block);
        self.free_entry(key);
        tally.affected += 1;
    }
}
