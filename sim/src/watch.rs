//! Outputs watched from clock to clock, where a waveform would be too much.

use crate::Design;
use crate::ports::{Out, PortError, Wires};

/// What outputs were from a clock on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first clock in which they were so.
    pub clock: u64,
    /// The outputs' values, in the order in which they were named.
    pub values: Vec<u64>,
}

/// Outputs that are watched, and what was seen of them.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    ports: Vec<Out>,
    seen: Vec<Seen>,
}

impl Watch {
    pub(crate) fn new(design: &'static Design, ports: &[&str]) -> Result<Watch, PortError> {
        let ports = ports.iter().map(|port| Wires::output(design, port)).collect::<Result<_, _>>()?;
        Ok(Watch { ports, seen: Vec::new() })
    }

    /// After a clock.
    pub(crate) fn clock(&mut self, wires: &Wires, clock: u64) {
        if self.ports.is_empty() {
            return;
        }
        let same = |seen: &Seen| seen.values.iter().zip(&self.ports).all(|(value, port)| *value == wires.get(*port));
        if !self.seen.last().is_some_and(same) {
            self.seen
                .push(Seen { clock, values: self.ports.iter().map(|port| wires.get(*port)).collect() });
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}
