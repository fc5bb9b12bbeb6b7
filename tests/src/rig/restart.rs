//! The device begins anew: at rest, or with commands and transfers under way.

use kvcpu_driver::Config;
use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Opcode, Sqe};
use kvcpu_mmio::regs::control;

use super::{Rig, Way, text};
use crate::model::Model;
use crate::raw;

/// How it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// CTRL.ENABLE is cleared.
    Disable,
    /// CTRL.RESET is written.
    Reset,
    /// A function-level reset.
    FunctionLevel,
}

/// A stop, and what is under way when it comes.
#[derive(Clone, Debug)]
pub struct Restart {
    /// How it is stopped.
    pub stop: Stop,
    /// Commands that it is given before, as many as are taken at once; nobody waits for them. A COPY gets the address of the buffer.
    pub commands: Vec<Sqe>,
    /// How often so many clocks pass, or fewer if the device says something, before it is stopped.
    pub looks: u32,
    /// The clocks.
    pub clocks: u64,
}

impl<B: Backing + 'static> Rig<B> {
    /// Stops both sides, and configures them anew: empty.
    pub fn restart(&mut self, restart: &Restart, config: &Config) -> Result<(), String> {
        self.forget(&restart.commands)?;
        for _ in 0..restart.looks {
            self.device.backing().advance(restart.clocks).map_err(|error| error.to_string())?;
        }
        match restart.stop {
            Stop::Disable => self.device.disable(),
            Stop::Reset => self.device.write(&control::CTRL, control::CTRL::RESET.mask()),
            Stop::FunctionLevel => self.device.reset(),
        }
        .map_err(text)?;
        // A queue is off its rings before there is another.
        let was_ring = matches!(self.way, Way::Ring(_));
        self.way = Way::SingleShot(self.device.single_shot());
        self.device.configure(config.clone()).map_err(text)?;
        if was_ring {
            self.way = Way::Ring(Box::new(self.device.queue_pair(1).map_err(text)?));
        }
        self.t3.clear();
        self.model = Model::new(*self.device.geometry(), config);
        self.written.clear();
        Ok(())
    }

    /// Gives the device commands that nobody waits for.
    fn forget(&mut self, sqes: &[Sqe]) -> Result<(), String> {
        let mut placed = Vec::with_capacity(sqes.len());
        for sqe in sqes {
            let is_copy = sqe.opcode == Opcode::Copy.code();
            placed.push(if is_copy { Sqe { iova: self.buffer.clear(), ..*sqe } } else { *sqe });
        }
        match &mut self.way {
            Way::Ring(queue) => queue.submit_batch(&placed).map(drop).map_err(text),
            Way::SingleShot(_) => {
                placed.first().into_iter().for_each(|sqe| raw::start(&self.device, *sqe));
                Ok(())
            }
        }
    }
}
