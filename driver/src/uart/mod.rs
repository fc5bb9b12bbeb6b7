//! A board at a serial port, through LiteX's uartbone protocol. `docs/uart.md`.
//!
//! ```text
//!  read32, read64 ───► a command, its answer awaited ─┐
//!  write32, write64 ─► a command, no answer ──────────┼─► line: one access at a time ─► serial port, 8N1
//!  every 64th write ─► a read of nothing ─────────────┘
//! ```
//!
//! It leaves out what the board cannot: DMA memory, interrupts, bus mastering, a reset from outside. Accesses arrive in the order in which they were made. A write
//! is not answered, so that it was lost shows in the next read, or the 64th write after it at the latest. At first, after an answer that did not come, and after
//! bytes that nobody asked for, the line is left in silence until the board has forgotten what it may have begun, and then asked for words whose values are known,
//! until it answers with them: an answer that comes late is not taken for another's.

mod error;
mod line;
mod port;
mod protocol;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES};
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory};

pub use self::error::OpenError;

use self::line::Line;
use crate::device::lock;

/// Bits a second where nothing else is said: what litex_server takes too.
pub const DEFAULT_BAUD: u32 = 115_200;
/// How long an answer may take: a register access takes a board microseconds, a simulated one some milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

const NO_BUS_MASTER: &str = "bus mastering (a serial line leads to no host memory)";
const NO_DMA: &str = "DMA memory (a serial line leads to no host memory)";
const NO_INTERRUPTS: &str = "interrupts (a serial line carries none; poll INT_STATUS)";
const NO_RESET: &str = "a function-level reset (over a serial line CTRL.RESET is all there is)";
const NO_MSIX: &str = "an MSI-X table (that belongs to a PCIe endpoint)";
const UNALIGNED: &str = "it is not aligned to its size, and a serial line carries whole words only";
const OUTSIDE: &str = "it lies outside the BAR";

/// A board at a serial port.
#[derive(Debug)]
pub struct Uart {
    path: PathBuf,
    line: Mutex<Line>,
}

impl Uart {
    /// Opens the port for this process alone, at so many bits a second. Says nothing to the board yet.
    pub fn open(path: &Path, baud: u32) -> Result<Uart, OpenError> {
        Uart::open_within(path, baud, PATIENCE)
    }

    /// As [`open`](Uart::open), with a board that takes so long for an answer at most.
    pub fn open_within(path: &Path, baud: u32, patience: Duration) -> Result<Uart, OpenError> {
        Ok(Uart { path: path.to_owned(), line: Mutex::new(Line::open(path, baud, patience)?) })
    }

    fn read<const WORDS: usize>(&self, bar: Bar, offset: u32) -> Result<[u32; WORDS], BackingError> {
        let address = address(bar, offset, 4 * WORDS as u32)?;
        lock(&self.line).read(address)
    }

    fn write(&self, bar: Bar, offset: u32, words: &[u32]) -> Result<(), BackingError> {
        let address = address(bar, offset, 4 * words.len() as u32)?;
        lock(&self.line).write(address, words)
    }
}

/// Where an access goes, if the line can carry it.
fn address(bar: Bar, offset: u32, bytes: u32) -> Result<u32, BackingError> {
    let (base, size) = match bar {
        Bar::Regs => (protocol::BAR0, BAR0_BYTES),
        Bar::Rtbd => (protocol::BAR2, BAR2_BYTES),
        Bar::Msix => return Err(BackingError::Unsupported(NO_MSIX)),
    };
    if !offset.is_multiple_of(bytes) {
        return Err(BackingError::BadAccess { bar, offset, reason: UNALIGNED });
    }
    // Aligned, so it does not cross the end either.
    if offset >= size {
        return Err(BackingError::BadAccess { bar, offset, reason: OUTSIDE });
    }
    Ok(base + offset)
}

impl Backing for Uart {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        let [word] = self.read(bar, offset)?;
        Ok(word)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.write(bar, offset, &[value])
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        let [low, high] = self.read(bar, offset)?;
        Ok(u64::from(low) | u64::from(high) << 32)
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.write(bar, offset, &[value as u32, (value >> 32) as u32])
    }

    fn dma_alloc(&self, _bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        Err(BackingError::Unsupported(NO_DMA))
    }

    fn dma_free(&self, _iova: u64) -> Result<(), BackingError> {
        Err(BackingError::Unsupported(NO_DMA))
    }

    fn irq_fd(&self, _vector: u16) -> Result<i32, BackingError> {
        Err(BackingError::Unsupported(NO_INTERRUPTS))
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        if on { Err(BackingError::Unsupported(NO_BUS_MASTER)) } else { Ok(()) }
    }

    fn reset(&self) -> Result<(), BackingError> {
        Err(BackingError::Unsupported(NO_RESET))
    }

    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        Ok(())
    }

    fn name(&self) -> String {
        format!("uart:{}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_cannot_carry_is_refused_before_it_is_tried() {
        assert_eq!(address(Bar::Rtbd, 0x1F_FFF8, 8), Ok(0x9F_FFF8));
        for (bar, offset, bytes) in
            [(Bar::Regs, 2, 4), (Bar::Regs, 4, 8), (Bar::Rtbd, BAR2_BYTES, 4), (Bar::Regs, 0x1_0000, 8)]
        {
            assert!(matches!(address(bar, offset, bytes), Err(BackingError::BadAccess { .. })), "{offset:#x}");
        }
        assert_eq!(address(Bar::Msix, 0, 4), Err(BackingError::Unsupported(NO_MSIX)));
    }
}
