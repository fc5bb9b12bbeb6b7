//! Emulator and RTL side by side under the same stream, each with memory and T3 of its own, and each beside the model.
//!
//! Completions are compared as they come; at each `Op::Compare`, which fences: every register that the map does not call volatile, every
//! directory entry word for word, the bytes that T3 holds, the words of host memory that each has read and written, INT_STATUS and the
//! messages sent. The bytes of the other tiers are read back by COPY and compared with what was written.

use kvcpu_emulator::Emulator;
use kvcpu_mmio::backing::Backing;
use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::queue::{Cqe, ResultFlags};
use kvcpu_mmio::regs::{hepc, luf, tier};
use kvcpu_mmio::{Access, Bar, Block, Geometry};
use kvcpu_sim::{Rtl, RtlOptions};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::bus::Bus;
use crate::check;
use crate::interrupts;
use crate::rig::is_in_flight;
use crate::stream::{self, Kind, Op, Player, Scenario};

/// The kinds of stream that both devices are run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stream {
    /// No block has bytes.
    Metadata,
    /// Blocks have bytes, in T0 to T2.
    Bytes,
    /// The host answers for T3, late.
    T3,
    /// The bus, T3 and Bus Master Enable fail and are mended, in the middle of moves too.
    Faults,
    /// Mostly accesses: clocks and history get long.
    History,
}

impl Stream {
    /// All of them.
    pub const ALL: [Stream; 5] = [Stream::Metadata, Stream::Bytes, Stream::T3, Stream::Faults, Stream::History];

    /// The stream of a seed. A shorter one is the beginning of a longer one.
    pub fn make(self, seed: u64, length: usize, geometry: Geometry) -> (Scenario, Vec<Op>) {
        let any = Kind { length, ..Kind::default() };
        let (number, kind) = match self {
            Stream::Metadata => (11, Kind { t3: true, ..any }),
            Stream::Bytes => (12, Kind { bytes: true, ..any }),
            Stream::T3 => (13, Kind { bytes: true, t3: true, ..any }),
            Stream::Faults => (14, Kind { bytes: true, t3: true, faults: true, ..any }),
            Stream::History => (15, Kind { t3: true, history: true, ..any }),
        };
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(number, seed), kind, geometry);
        // Real time, of which a simulation may take any amount: what ends one that stands still is a count of clocks.
        scenario.config.deadline = Duration::from_secs(600);
        (scenario, ops)
    }

    /// Latencies and back-pressure of the RTL's surroundings, short enough for all to happen at once.
    pub fn timing(seed: u64) -> RtlOptions {
        let clocks_per_access = [0, 4, 32][seed as usize % 3];
        RtlOptions {
            seed,
            host_latency: 2..=40,
            card_latency: 2..=20,
            lulls: 0.001,
            clocks_per_access,
            ..RtlOptions::default()
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Metadata => "metadata",
            Stream::Bytes => "bytes",
            Stream::T3 => "t3",
            Stream::Faults => "faults",
            Stream::History => "history",
        })
    }
}

/// Both devices, and what was compared.
pub struct Lockstep {
    emulator: Player<Emulator>,
    emulator_bus: Arc<Bus>,
    rtl: Player<Rtl>,
    rtl_bus: Arc<Bus>,
    geometry: Geometry,
    uses_staging: bool,
    /// Transfers of several bursts may have failed since the last comparison: how many of them reached memory is a matter of time.
    words_unknown: bool,
    traces: [String; 2],
    /// Commands that both completed.
    pub commands: u64,
    /// Comparisons of everything.
    pub comparisons: u64,
}

/// Runs a stream on both; commands compared.
pub fn run(scenario: &Scenario, ops: &[Op], options: RtlOptions) -> Result<u64, String> {
    let mut lockstep = Lockstep::new(scenario, options)?;
    for op in ops {
        lockstep.play(op)?;
    }
    lockstep.end()?;
    Ok(lockstep.commands)
}

impl Lockstep {
    /// Sets both up.
    pub fn new(scenario: &Scenario, options: RtlOptions) -> Result<Lockstep, String> {
        let geometry = scenario.geometry;
        let (emulator, emulator_bus) = Bus::emulator(geometry);
        let (rtl, rtl_bus) = Bus::rtl(geometry, options);
        let emulator = Player::new(emulator, scenario)?;
        let mut rtl = Player::new(rtl, scenario).map_err(|error| format!("rtl: {error}"))?;
        rtl.rig.beside = true;
        let uses_staging = scenario.config.tiers[3].limit > 0 && !scenario.config.metadata_only;
        let lockstep = Lockstep {
            emulator,
            emulator_bus,
            rtl,
            rtl_bus,
            geometry,
            uses_staging,
            words_unknown: false,
            traces: Default::default(),
            commands: 0,
            comparisons: 0,
        };
        lockstep.begin_interrupts()?;
        Ok(lockstep)
    }

    fn begin_interrupts(&self) -> Result<(), String> {
        interrupts::begin(self.emulator.rig.device.backing().as_ref())?;
        interrupts::begin(self.rtl.rig.device.backing().as_ref())
    }

    /// One operation on both.
    pub fn play(&mut self, op: &Op) -> Result<(), String> {
        let failed = self.emulator.rig.model.counters.moves_failed;
        let expected = self.emulator.play(&self.emulator_bus, op);
        let found = self.rtl.play(&self.rtl_bus, op);
        let clocks = self.clocks();
        // A String takes whatever is written.
        let _ = writeln!(self.traces[0], "{op:?}\n    {expected:x?}");
        let _ = writeln!(self.traces[1], "{op:?}\n    {found:x?} clock {clocks}");
        let expected = expected.map_err(|error| format!("emulator: {error}"))?;
        let found = found.map_err(|error| format!("rtl: {error}"))?;
        let moves_failed = self.emulator.rig.model.counters.moves_failed > failed;
        if let Some((a, b)) = expected.iter().zip(&found).find(|(a, b)| !agree(a, b, moves_failed)) {
            return Err(format!("completions differ\n  emulator {a:?}\n  rtl      {b:?}"));
        }
        self.commands += expected.len() as u64;
        let model = &self.emulator.rig.model;
        let frames_torn = model.memory.iter().any(|memory| memory.torn);
        self.words_unknown |= model.buffer.torn || model.block_bytes > stream::ONE_BURST && frames_torn;
        match op {
            Op::Compare => self.compare()?,
            Op::Restart(_) => {
                // How far what was under way had come is a matter of time.
                self.emulator_bus.take_words();
                self.rtl_bus.take_words();
                self.begin_interrupts()?;
                // It is configured anew, and has done nothing yet. What commands and transfers left behind stands where they ended.
                self.compare_registers(&[&hepc::BLOCK, &luf::BLOCK, &tier::BLOCK])?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The rest of the stream, and a last comparison.
    pub fn end(&mut self) -> Result<(), String> {
        self.emulator.end(&self.emulator_bus).map_err(|error| format!("emulator: {error}"))?;
        self.rtl.end(&self.rtl_bus).map_err(|error| format!("rtl: {error}"))?;
        self.compare()
    }

    /// Clocks of the RTL so far.
    pub fn clocks(&self) -> u64 {
        self.rtl.rig.device.backing().clocks()
    }

    /// Every operation with its completions: those of the emulator, those of the RTL.
    pub fn into_traces(self) -> [String; 2] {
        self.traces
    }

    fn compare(&mut self) -> Result<(), String> {
        self.comparisons += 1;
        // When a host acknowledges an invalidation is a matter of time; that it does is not.
        self.emulator.rig.serve_all()?;
        self.rtl.rig.serve_all()?;
        self.compare_registers(&BLOCKS.each_ref())?;
        for offset in (0..self.geometry.entries() * 32).step_by(8) {
            self.compare_entry_words(offset)?;
        }
        let (expected, found) = (self.emulator.rig.t3.contents(), self.rtl.rig.t3.contents());
        if expected != found {
            return Err("T3 holds other bytes".into());
        }
        interrupts::compare(self.emulator.rig.device.backing().as_ref(), self.rtl.rig.device.backing().as_ref())?;
        if self.uses_staging {
            // Which staging slot and ring entry a T3 move gets is a matter of time.
            return Ok(());
        }
        let (expected, found) = (self.emulator_bus.take_words(), self.rtl_bus.take_words());
        if std::mem::take(&mut self.words_unknown) {
            return Ok(());
        }
        if let Some(word) = expected.symmetric_difference(&found).next() {
            let who = if found.contains(word) { "only the RTL" } else { "only the emulator" };
            return Err(format!("{who} had this word of host memory: {word:x?}"));
        }
        Ok(())
    }

    fn compare_registers(&self, blocks: &[&Block]) -> Result<(), String> {
        for block in blocks.iter().filter(|block| block.bar == Bar::Regs) {
            let registers = block.registers.iter().filter(|register| {
                // What is missing reads 0 and counts as a bad access on both sides alike.
                !register.volatile && !matches!(register.access, Access::Reserved | Access::RC)
            });
            for register in registers {
                for instance in 0..block.instances {
                    for word in 0..register.elements * register.bytes() / 4 {
                        let offset = register.offset + instance * block.stride + 4 * word;
                        self.compare_word(block.bar, offset, register.name)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Two words of the directory in one access, which is faster; apart if they differ, to say which.
    fn compare_entry_words(&self, offset: u32) -> Result<(), String> {
        let emulator = self.emulator.rig.device.backing().read64(Bar::Rtbd, offset);
        let rtl = self.rtl.rig.device.backing().read64(Bar::Rtbd, offset);
        if emulator.map_err(|error| error.to_string())? == rtl.map_err(|error| error.to_string())? {
            return Ok(());
        }
        self.compare_word(Bar::Rtbd, offset, "directory")?;
        self.compare_word(Bar::Rtbd, offset + 4, "directory")?;
        Err(format!("directory at {offset:#x}: eight bytes differ, and four and four do not"))
    }

    fn compare_word(&self, bar: Bar, offset: u32, name: &str) -> Result<(), String> {
        let expected = self
            .emulator
            .rig
            .device
            .backing()
            .read32(bar, offset)
            .map_err(|error| error.to_string())?;
        let found = self.rtl.rig.device.backing().read32(bar, offset).map_err(|error| error.to_string())?;
        if expected == found {
            return Ok(());
        }
        Err(format!("{name} at {bar:?} {offset:#x}\n  emulator {expected:#x}\n  rtl      {found:#x}"))
    }
}

/// Whether two completions say the same. Where a block was on its way may differ, and with it, if a move failed, where it is.
fn agree(emulator: &Cqe, rtl: &Cqe, moves_failed: bool) -> bool {
    let place_unknown = moves_failed && is_in_flight(rtl);
    let stable = |cqe: &Cqe| {
        let (tier, frame) = if place_unknown { (0, 0) } else { (cqe.tier, cqe.frame) };
        Cqe { flags: cqe.flags & !ResultFlags::IN_FLIGHT.bits(), tier, frame, ..*cqe }
    };
    stable(emulator) == stable(rtl)
}
