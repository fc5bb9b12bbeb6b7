//! Card memory that is hardware too: a design of `hdl/rtl` in place of the simulation's own, and for SDRAM the chip behind it.
//!
//! ```text
//!  device m_card_* ◄─► s_card_* design sdram_* ◄── register, of data in ──► Chip
//! ```
//!
//! All ports of both designs are registers at their outputs, so a clock of one after a clock of the other is a clock of both.

use crate::ports::Wires;
use crate::sdram::{Chip, Pins, Sheet};
use crate::{Design, Model};

/// The outputs of a controller that a chip looks at.
const PINS: [&str; 10] = ["cke", "csn", "rasn", "casn", "wen", "ba", "a", "dqm", "dq_oe", "dq_out"];

/// A chip at the end of its wires.
struct Wired {
    chip: Chip,
    /// Places of `PINS` among the outputs, and of `sdram_dq_in` among the inputs.
    pins: [usize; 10],
    dq_in: usize,
    /// The board's register between them, beside the pads.
    captured: u16,
}

/// The memory.
pub(crate) struct Memory {
    model: Model,
    inputs: Vec<u64>,
    outputs: Vec<u64>,
    reset: usize,
    /// From an output of the device to an input of the memory, and the other way round.
    from_device: Vec<(usize, usize)>,
    to_device: Vec<(usize, usize)>,
    wired: Option<Wired>,
    /// What a chip was told wrong in a reset.
    broken: Option<String>,
}

impl Memory {
    /// Joins the design's `s_card_*` to the device's `m_card_*`; `None` if it lacks one of them, so is no card memory.
    pub(crate) fn new(device: &'static Design, design: &'static Design, seed: u64) -> Option<Memory> {
        let join = |inputs: bool| {
            let ports = device.side(!inputs).enumerate();
            let theirs = ports.filter_map(|(place, port)| Some((place, port.name.strip_prefix("m_card_")?)));
            theirs
                .map(|(place, name)| Some((place, place_of(design, inputs, &format!("s_card_{name}"))?)))
                .collect::<Option<Vec<_>>>()
        };
        let wired = match place_of(design, true, "sdram_dq_in") {
            Some(dq_in) => {
                let mut pins = [0; PINS.len()];
                for (place, name) in pins.iter_mut().zip(PINS) {
                    *place = place_of(design, false, &format!("sdram_{name}"))?;
                }
                Some(Wired { chip: Chip::new(Sheet::AT_70_MHZ, seed), pins, dq_in, captured: 0 })
            }
            None => None,
        };
        let count = |inputs| design.side(inputs).count();
        let mut memory = Memory {
            from_device: join(true)?,
            to_device: join(false)?,
            reset: place_of(design, true, "reset")?,
            inputs: vec![0; count(true)],
            outputs: vec![0; count(false)],
            model: Model::new(design, seed as u32),
            wired,
            broken: None,
        };
        // Registers are noise before their first clock, of which the chip, whose power comes later, sees nothing.
        memory.inputs[memory.reset] = 1;
        memory.model.clock(&memory.inputs, &mut memory.outputs);
        Some(memory)
    }

    /// With the device, for so many clocks. A chip goes on where it is, but what it held is lost.
    pub(crate) fn reset(&mut self, wires: &mut Wires, clocks: u32) {
        self.inputs.fill(0);
        self.inputs[self.reset] = 1;
        for clock in 0..clocks {
            let result = self.step();
            self.broken = self.broken.take().or(result.err());
            // At the first edge the pins have what was decided before.
            if let Some(wired) = &mut self.wired
                && clock == 0
            {
                wired.chip.neglect();
            }
        }
        self.inputs[self.reset] = 0;
        self.offer(wires);
    }

    /// After a clock of the device: the same clock here, and what it shows in the next.
    pub(crate) fn clock(&mut self, wires: &mut Wires) -> Result<(), String> {
        for (device, here) in &self.from_device {
            self.inputs[*here] = wires.outputs[*device];
        }
        self.step()?;
        self.offer(wires);
        self.broken.take().map_or(Ok(()), Err)
    }

    fn step(&mut self) -> Result<(), String> {
        self.model.clock(&self.inputs, &mut self.outputs);
        if let Some(wired) = &mut self.wired {
            let [cke, csn, rasn, casn, wen, bank, address, mask, oe, data] = wired.pins.map(|pin| self.outputs[pin]);
            let command = csn << 3 | rasn << 2 | casn << 1 | wen;
            let data = (oe == 1).then_some(data as u16);
            let pins = Pins { cke: cke == 1, command, bank, address, mask, data };
            self.inputs[wired.dq_in] = wired.captured.into();
            wired.captured = wired.chip.clock(&pins).map_err(|broken| broken.to_string())?;
        }
        Ok(())
    }

    fn offer(&mut self, wires: &mut Wires) {
        self.model.outputs(&mut self.outputs);
        for (device, here) in &self.to_device {
            wires.inputs[*device] = self.outputs[*here];
        }
    }
}

fn place_of(design: &'static Design, inputs: bool, name: &str) -> Option<usize> {
    design.side(inputs).position(|port| port.name == name)
}
