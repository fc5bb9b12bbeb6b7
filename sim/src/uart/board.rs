//! The simulated board, clock by clock: the line at its pins, and the card's memory.

use super::line::{Heard, Listener, Sender};
use crate::card::Card;
use crate::ports::{In, MasterPorts, Out, PortError, Wires};
use crate::slave::{Slave, Timing};
use crate::{Model, design};
use kvcpu_mmio::Geometry;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use thiserror::Error;

/// The design: what `hdl/src/export.rs` calls the board of few clocks a bit.
const DESIGN: &str = "kvcpu_uart";
/// Its clocks a bit.
pub const BIT_CLOCKS: u32 = 8;
/// Length of a reset.
const RESET_CLOCKS: u32 = 16;
/// What the card's memory is like: latency in clocks, rests in 65,536ths of clocks.
const CARD: (std::ops::RangeInclusive<u32>, u16) = (10..=30, 6_554);

/// Why there is no board, or why it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The design is not there.
    #[error("hdl/rtl holds no {DESIGN}.v; `cargo xtask verilog` makes it")]
    NoDesign,
    /// It has other ports.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// The device broke AXI's rules.
    #[error("clock {clock}: {why}")]
    Rules {
        /// When.
        clock: u64,
        /// How.
        why: String,
    },
}

/// The board of the geometry [`Geometry::SMALL`], out of reset.
pub struct Board {
    model: Model,
    wires: Wires,
    reset: In,
    rx: In,
    tx: Out,
    slave: Slave,
    card: Card,
    sender: Sender,
    listener: Listener,
    heard: VecDeque<u8>,
}

impl Board {
    /// A new one. The seed is that of all that is random: what memories hold at first, the latency of the card's.
    pub fn new(seed: u64) -> Result<Board, BoardError> {
        let design = design(DESIGN).ok_or(BoardError::NoDesign)?;
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        let timing = Timing { latency: CARD.0, rest: CARD.1, lull: 0 };
        let mut board = Board {
            wires: Wires::new(design),
            reset: Wires::input(design, "reset")?,
            rx: Wires::input(design, "rx")?,
            tx: Wires::output(design, "tx")?,
            slave: Slave::new("m_card", MasterPorts::of(design, "m_card_")?, timing, stream(1)),
            card: Card::new(&Geometry::SMALL, None, stream(2).next_u64()),
            sender: Sender::new(BIT_CLOCKS, 1.0),
            listener: Listener::new(BIT_CLOCKS),
            heard: VecDeque::new(),
            model: Model::new(design, stream(0).next_u32()),
        };
        board.slave.reset(&mut board.wires);
        board.wires.set(board.reset, true);
        board.wires.set(board.rx, true);
        for _ in 0..RESET_CLOCKS {
            board.model.clock(&board.wires.inputs, &mut board.wires.outputs);
        }
        board.wires.set(board.reset, false);
        Ok(board)
    }

    /// Bytes for the line.
    pub fn send(&mut self, bytes: &[u8]) {
        self.sender.send(bytes);
    }

    /// Bytes that are still to be sent.
    pub fn waiting(&self) -> usize {
        self.sender.waiting()
    }

    /// The next byte that came from the line.
    pub fn take(&mut self) -> Option<u8> {
        self.heard.pop_front()
    }

    /// Whether nothing is on the line in either direction.
    pub fn is_quiet(&self) -> bool {
        self.sender.waiting() == 0 && self.listener.is_quiet()
    }

    /// Clocks since the simulation began.
    pub fn clocks(&self) -> u64 {
        self.model.clocks()
    }

    /// Lets clocks pass.
    pub fn run(&mut self, clocks: u64) -> Result<(), BoardError> {
        for _ in 0..clocks {
            self.wires.set(self.rx, self.sender.level());
            self.model.clock(&self.wires.inputs, &mut self.wires.outputs);
            if let Some(Heard::Byte(byte)) = self.listener.hear(self.wires.is(self.tx)) {
                self.heard.push_back(byte);
            }
            let clock = self.model.clocks();
            let taken = self.slave.clock(&mut self.wires, clock, &mut self.card);
            taken.map_err(|why| BoardError::Rules { clock, why })?;
        }
        Ok(())
    }
}
