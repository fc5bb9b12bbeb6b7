//! Device and model side by side: each command goes to both, and whatever the device shows is compared.
//!
//! Left out of the comparison: what the map calls volatile, except that entries, which are volatile only while
//! a move is under way, are compared after a FENCE.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kvcpu_driver::{Config, Counters, Device, DriverError, Entry, QueuePair, SingleShot, sqe};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::{Cqe, Key, Opcode, ResultFlags, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryState;
use kvcpu_mmio::regs::{hepc, luf};
use kvcpu_mmio::{Backing, Geometry};

use crate::buffer::Buffer;
use crate::model::{Block, Model};
use crate::t3::T3;

mod restart;

pub use restart::{Restart, Stop};

/// Clocks in which a device without work makes a step ready.
const EARLY: u64 = 3_000;

/// How commands reach the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// CMD_SQE and CMD_GO.
    SingleShot,
    /// A queue pair.
    Ring,
}

enum Way<B: Backing + 'static> {
    SingleShot(SingleShot<B>),
    Ring(Box<QueuePair<B>>),
}

/// A device, its model, and the bytes that every block should hold.
pub struct Rig<B: Backing + 'static> {
    /// The device.
    pub device: Device<B>,
    /// What it should do.
    pub model: Model,
    /// Where T3's blocks are.
    pub t3: Arc<T3>,
    way: Way<B>,
    buffer: Buffer,
    /// How often each block was written: its content follows from key and number.
    written: BTreeMap<Key, u64>,
    writes: u64,
    /// Commands of one doorbell, on the ring path.
    pub doorbell: usize,
    /// Whether it runs beside another device, with which what registers and entries read is compared: then only what has to be
    /// selected first is compared with the model.
    pub beside: bool,
    /// The tenant of the queue, if it belongs to one.
    tenant: Option<u8>,
}

/// The bytes of a block: its key, the number of the write, and what follows from them.
pub fn content(key: Key, write: u64, bytes: usize) -> Vec<u8> {
    let mut state = key.tag ^ u64::from(key.request) << 40 ^ u64::from(key.tenant) << 56 ^ write << 20;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        out.extend_from_slice(&(mixed ^ mixed >> 27).to_le_bytes());
    }
    out
}

/// A driver error as text, with its causes.
pub fn text(error: DriverError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

impl<B: Backing + 'static> Rig<B> {
    /// Configures the device behind `backing` and enables it.
    pub fn new(backing: Arc<B>, config: &Config, path: Path) -> Result<Rig<B>, String> {
        let device = Device::probe(backing).map_err(text)?;
        let t3 = T3::new();
        device.set_t3_backend(t3.backend());
        device.configure(config.clone()).map_err(text)?;
        let way = match path {
            Path::SingleShot => Way::SingleShot(device.single_shot()),
            Path::Ring => Way::Ring(Box::new(device.queue_pair(1).map_err(text)?)),
        };
        let buffer = Buffer::new(&device, config.block_bytes())?;
        let model = Model::new(*device.geometry(), config);
        let tenant = config.queue.tenant.filter(|_| path == Path::Ring);
        Ok(Rig {
            device,
            model,
            t3,
            way,
            buffer,
            written: BTreeMap::new(),
            writes: 0,
            doorbell: usize::MAX,
            beside: false,
            tenant,
        })
    }

    /// The geometry.
    pub fn geometry(&self) -> Geometry {
        *self.device.geometry()
    }

    /// The queue, on the ring path.
    pub fn queue(&mut self) -> Option<&mut QueuePair<B>> {
        match &mut self.way {
            Way::Ring(queue) => Some(queue),
            Way::SingleShot(_) => None,
        }
    }

    /// Where the memory is that COPY reads and writes.
    pub(crate) fn buffer(&self) -> Range<u64> {
        self.buffer.all()
    }

    fn submit(&mut self, sqes: &[Sqe]) -> Result<Vec<Cqe>, String> {
        let mut out = Vec::new();
        match &mut self.way {
            Way::SingleShot(way) => {
                for sqe in sqes {
                    let command = way.prepare(*sqe).map_err(text)?;
                    // Half of the steps are there early enough to be made ready.
                    if sqe.opcode == Opcode::StepAdvance.code() && sqe.argument.is_multiple_of(2) {
                        self.device.backing().advance(EARLY).map_err(|error| error.to_string())?;
                    }
                    out.push(command.go().map_err(text)?);
                }
            }
            Way::Ring(queue) => {
                let mut rest = sqes;
                while rest.len() > self.doorbell {
                    let count = queue.submit_batch(&rest[..self.doorbell]).map_err(text)?;
                    rest = &rest[count..];
                    if count == 0 {
                        queue.wait(1, &mut out).map_err(text)?;
                    }
                }
                queue.run(rest, &mut out).map_err(text)?;
            }
        }
        Ok(out)
    }

    /// Carries commands out on both sides, in one batch, and compares the completions. Blocks that were
    /// inserted get their bytes.
    pub fn run(&mut self, sqes: &[Sqe]) -> Result<Vec<Cqe>, String> {
        let cqes = self.submit(sqes)?;
        if cqes.len() != sqes.len() {
            return Err(format!("{} completions for {} commands", cqes.len(), sqes.len()));
        }
        for (number, (sqe, cqe)) in sqes.iter().zip(&cqes).enumerate() {
            let failed = self.model.counters.moves_failed;
            let mut expected = self.model.execute(sqe, self.tenant);
            // A device that takes its time says where a block goes, and learns later that it did not arrive.
            if self.model.counters.moves_failed > failed && is_in_flight(cqe) {
                (expected.tier, expected.frame) = (cqe.tier, cqe.frame);
            }
            let (found, expected) = (seen(sqe, cqe), seen(sqe, &expected));
            if found != expected {
                return Err(format!(
                    "command {number} of the batch: {sqe:?}\n  device {}\n  model  {}",
                    describe(&found),
                    describe(&expected)
                ));
            }
        }
        let inserted = sqes.iter().filter(|sqe| sqe.opcode == Opcode::Insert.code());
        for key in inserted.map(|sqe| sqe.key).collect::<Vec<_>>() {
            if self.model.blocks.get(&key).is_some_and(Block::placed) && !self.model.metadata_only {
                self.fill(key)?;
            }
        }
        Ok(cqes)
    }

    /// One command.
    pub fn one(&mut self, sqe: Sqe) -> Result<Cqe, String> {
        Ok(self.run(&[sqe])?[0])
    }

    /// COPY IN of fresh bytes. A block that is in T3 by now keeps what it has: nothing is known of it.
    fn fill(&mut self, key: Key) -> Result<(), String> {
        self.writes += 1;
        let bytes = content(key, self.writes, self.buffer.bytes);
        let iova = self.buffer.put(&bytes)?;
        let cqe = self.one(sqe::copy_in(key, iova, bytes.len() as u32))?;
        if cqe.status == Status::Ok.code() {
            self.written.insert(key, self.writes);
        } else {
            self.written.remove(&key);
        }
        if cqe.status == Status::Ok.code() && cqe.value != crc32c::crc32c(&bytes) {
            return Err(format!("COPY IN of {key:?} answers CRC {:#x}", cqe.value));
        }
        Ok(())
    }

    /// COPY OUT of a block, compared with what was written.
    pub fn read_back(&mut self, key: Key) -> Result<Cqe, String> {
        let iova = self.buffer.clear();
        let cqe = self.one(sqe::copy_out(key, iova, self.buffer.bytes as u32))?;
        if cqe.status != Status::Ok.code() {
            return Ok(cqe);
        }
        let found = self.buffer.take()?;
        let Some(&write) = self.written.get(&key) else { return Ok(cqe) };
        let expected = content(key, write, self.buffer.bytes);
        if found != expected || cqe.value != crc32c::crc32c(&expected) {
            return Err(format!("{key:?} ({:?}) reads back other bytes", self.model.blocks.get(&key)));
        }
        Ok(cqe)
    }

    /// Serves T3 and invalidations until the device asks for nothing more.
    pub fn serve_all(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            if !self.device.service().map_err(text)?.any() {
                return Ok(());
            }
        }
        Err("the device does not stop asking to be served".into())
    }

    /// FENCE, then everything is compared: registers, lists, entries.
    pub fn compare(&mut self) -> Result<(), String> {
        self.one(sqe::fence())?;
        self.t3.requests.store(0, Ordering::SeqCst);
        if self.beside {
            self.compare_lists()?;
            return self.compare_guard();
        }
        self.compare_entries()?;
        self.compare_lists()?;
        self.compare_registers()?;
        invariants(self)
    }

    fn compare_registers(&self) -> Result<(), String> {
        let (device, model) = (&self.device, &self.model);
        let counters = device.counters().map_err(text)?;
        let counters = Counters { decision_hist: [0; 16], decision_max: 0, ..counters };
        same("counters", &counters, &model.counters)?;
        same("occupancy", &device.occupancy().map_err(text)?, &model.occupancy())?;
        let read = |register| device.read(register).map_err(text);
        same("STEP", &read(&hepc::STEP)?, &model.now.into())?;
        self.compare_guard()?;
        same("INV_EPOCH", &read(&luf::INV_EPOCH)?, &model.epoch.into())?;
        same("LUF_VIOLATIONS", &read(&luf::LUF_VIOLATIONS)?, &0)?;
        Ok(())
    }

    fn compare_guard(&self) -> Result<(), String> {
        let guard = &self.model.guard;
        let read = |register| self.device.read(register).map_err(text);
        same("ACCESS_CLOCK", &read(&hepc::ACCESS_CLOCK)?, &self.model.time.clock.into())?;
        let state = hepc::GUARD_STATE::ACTIVE.set(0, guard.active() as u64);
        let state = hepc::GUARD_STATE::CHOICE.set(state, guard.choice as u64);
        same("GUARD_STATE", &read(&hepc::GUARD_STATE)?, &state)?;
        same("GUARD_CAPACITY", &read(&hepc::GUARD_CAPACITY)?, &guard.capacity)?;
        for (policy, hits) in guard.hits.iter().enumerate() {
            self.device.write(&hepc::GUARD_SELECT, policy as u64).map_err(text)?;
            same(&format!("GUARD_HITS of policy {policy}"), &read(&hepc::GUARD_HITS)?, hits)?;
        }
        Ok(())
    }

    fn compare_lists(&self) -> Result<(), String> {
        for tier in 0..TIERS {
            let select = hepc::LIST_SELECT::TIER.mask() & (tier as u64) << hepc::LIST_SELECT::TIER.lsb;
            self.compare_list(&format!("victim list {tier}"), select, &self.model.victims[tier])?;
        }
        self.compare_list("prefetch list", hepc::LIST_SELECT::PREFETCH.mask(), &self.model.candidates)
    }

    fn compare_list<'l>(
        &self,
        name: &str,
        select: u64,
        list: impl IntoIterator<Item = &'l crate::model::Listed>,
    ) -> Result<(), String> {
        let mut found = Vec::new();
        for position in 0.. {
            self.device.write(&hepc::LIST_SELECT, select | position).map_err(text)?;
            let index = self.device.read(&hepc::LIST_INDEX).map_err(text)?;
            let rank = self.device.read(&hepc::LIST_RANK).map_err(text)?;
            if index == u64::from(u32::MAX) {
                break;
            }
            found.push((rank, index as usize));
        }
        let count = self.device.read(&hepc::LIST_COUNT).map_err(text)?;
        same(&format!("LIST_COUNT of {name}"), &count, &(found.len() as u64))?;
        let expected: Vec<_> = list.into_iter().map(|line| (line.rank, line.index)).collect();
        same(name, &found, &expected)
    }

    fn compare_entries(&self) -> Result<(), String> {
        for index in 0..self.geometry().slots() {
            let entry = self.device.entry(index).map_err(text)?;
            match self.model.at(index as usize) {
                None => same(&format!("entry {index}"), &entry.state, &EntryState::Free)?,
                Some((key, block)) => same(&format!("entry {index}"), &entry, &as_entry(index, key, block))?,
            }
        }
        Ok(())
    }

    /// Every block whose bytes are known is read back; those in T3 are looked up where T3 keeps them.
    pub fn read_back_all(&mut self) -> Result<(), String> {
        if self.model.metadata_only {
            return Ok(());
        }
        self.one(sqe::fence())?;
        for (key, write) in self.written.clone() {
            let Some(block) = self.model.blocks.get(&key).copied().filter(Block::placed) else { continue };
            if block.tier != 3 {
                self.read_back(key)?;
            } else if self.t3.slot(block.frame) != Some((key, content(key, write, self.buffer.bytes))) {
                return Err(format!("T3 slot {} does not hold {key:?}", block.frame));
            }
        }
        Ok(())
    }
}

/// Whether the block of a completion was on its way.
pub(crate) fn is_in_flight(cqe: &Cqe) -> bool {
    cqe.flags & ResultFlags::IN_FLIGHT.bits() != 0
}

/// A completion without what depends on the path or on time, or is checked apart (a block's CRC).
fn seen(sqe: &Sqe, cqe: &Cqe) -> Cqe {
    let value = if sqe.opcode == Opcode::Copy.code() { 0 } else { cqe.value };
    let flags = cqe.flags & !ResultFlags::IN_FLIGHT.bits();
    Cqe { flags, value, sq_head: 0, qid: 0, cid: 0, phase: false, ..*cqe }
}

fn describe(cqe: &Cqe) -> String {
    let status = Status::from_code(cqe.status);
    let flags = ResultFlags::from_bits_retain(cqe.flags);
    format!("{status:?} value {:#x} tier {} frame {} {flags:?}", cqe.value, cqe.tier, cqe.frame)
}

/// A block of the model as the driver would read it.
fn as_entry(index: u32, key: Key, block: &Block) -> Entry {
    Entry {
        index,
        key,
        state: block.state,
        flags: block.flags,
        tier: block.tier as u8,
        frame: block.frame as u16,
        score: block.score as u16,
        access: block.access,
        target: block.target,
        depth: block.depth as u16,
        frequency: block.frequency as u8,
        refcount: block.refcount as u8,
        child: block.child as u8,
        retain: block.retain,
        out: block.out,
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, device: &T, model: &T) -> Result<(), String> {
    if device == model {
        return Ok(());
    }
    Err(format!("{what}\n  device {device:?}\n  model  {model:?}"))
}

/// What holds whatever was commanded, told from the device alone.
fn invariants<B: Backing + 'static>(rig: &Rig<B>) -> Result<(), String> {
    let mut owners = BTreeMap::new();
    let mut used = [0; TIERS];
    for entry in rig.device.entries() {
        let entry = entry.map_err(text)?;
        if entry.state == EntryState::Ghost {
            continue;
        }
        used[usize::from(entry.tier)] += 1;
        if let Some(other) = owners.insert((entry.tier, entry.frame), entry.key) {
            return Err(format!("{other:?} and {:?} share frame {} of T{}", entry.key, entry.frame, entry.tier));
        }
    }
    let occupancy = rig.device.occupancy().map_err(text)?;
    for (tier, of) in occupancy.tiers.iter().enumerate() {
        same(&format!("blocks in T{tier}"), &of.used, &used[tier])?;
        let frames = rig.model.tiers[tier].frames;
        same(&format!("used + free + quarantined of T{tier}"), &(of.used + of.free + of.quarantined), &frames)?;
    }
    Ok(())
}
