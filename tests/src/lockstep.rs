//! Emulator and RTL side by side under the same stream, each with memory and T3 of its own, and each beside the model.
//!
//! Completions are compared as they come; at each `Op::Compare`, which fences: every register that the map does not call volatile, every
//! directory entry word for word, the bytes that T3 holds, and the words of host memory that each has read and written. The bytes of the
//! other tiers are read back by COPY and compared with what was written.

use kvcpu_emulator::Emulator;
use kvcpu_mmio::backing::Backing;
use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::queue::{Cqe, ResultFlags};
use kvcpu_mmio::{Access, Bar, Geometry};
use kvcpu_sim::{Rtl, RtlOptions};
use std::sync::Arc;

use crate::bus::Bus;
use crate::rig::is_in_flight;
use crate::stream::{Op, Player, Scenario};

/// Both devices, and what was compared.
pub struct Lockstep {
    emulator: Player<Emulator>,
    emulator_bus: Arc<Bus>,
    rtl: Player<Rtl>,
    rtl_bus: Arc<Bus>,
    geometry: Geometry,
    uses_staging: bool,
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
        let rtl = Player::new(rtl, scenario).map_err(|error| format!("rtl: {error}"))?;
        let uses_staging = scenario.config.tiers[3].limit > 0 && !scenario.config.metadata_only;
        Ok(Lockstep { emulator, emulator_bus, rtl, rtl_bus, geometry, uses_staging, commands: 0, comparisons: 0 })
    }

    /// One operation on both.
    pub fn play(&mut self, op: &Op) -> Result<(), String> {
        let failed = self.emulator.rig.model.counters.moves_failed;
        let expected = self.emulator.play(&self.emulator_bus, op).map_err(|error| format!("emulator: {error}"))?;
        let found = self.rtl.play(&self.rtl_bus, op).map_err(|error| format!("rtl: {error}"))?;
        let moves_failed = self.emulator.rig.model.counters.moves_failed > failed;
        if let Some((a, b)) = expected.iter().zip(&found).find(|(a, b)| !agree(a, b, moves_failed)) {
            return Err(format!("completions differ\n  emulator {a:?}\n  rtl      {b:?}"));
        }
        self.commands += expected.len() as u64;
        if matches!(op, Op::Compare) {
            self.compare()?;
        }
        Ok(())
    }

    /// The rest of the stream, and a last comparison.
    pub fn end(&mut self) -> Result<(), String> {
        self.emulator.end(&self.emulator_bus).map_err(|error| format!("emulator: {error}"))?;
        self.rtl.end(&self.rtl_bus).map_err(|error| format!("rtl: {error}"))?;
        self.compare()
    }

    fn compare(&mut self) -> Result<(), String> {
        self.comparisons += 1;
        self.compare_registers()?;
        for offset in (0..self.geometry.entries() * 32).step_by(4) {
            self.compare_word(Bar::Rtbd, offset, "directory")?;
        }
        let (expected, found) = (self.emulator.rig.t3.contents(), self.rtl.rig.t3.contents());
        if expected != found {
            return Err("T3 holds other bytes".into());
        }
        if self.uses_staging {
            // Which staging slot and ring entry a T3 move gets is a matter of time.
            return Ok(());
        }
        let (expected, found) = (self.emulator_bus.take_words(), self.rtl_bus.take_words());
        if let Some(word) = expected.symmetric_difference(&found).next() {
            let who = if found.contains(word) { "only the RTL" } else { "only the emulator" };
            return Err(format!("{who} had this word of host memory: {word:x?}"));
        }
        Ok(())
    }

    fn compare_registers(&self) -> Result<(), String> {
        for block in BLOCKS.iter().filter(|block| block.bar == Bar::Regs) {
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
