//! The one seam between the driver and whatever answers it: emulator, Verilated RTL, a vfio-user
//! socket or a real card.
//!
//! Leaves out PCI enumeration and configuration space; a backing that has them hides them behind
//! [`Backing::bus_master`] and [`Backing::reset`].

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::AtomicU64;

use crate::Bar;

/// Why a backing could not carry out an access. The device's own refusals are not here: they are
/// status codes and error registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackingError {
    /// The device does not answer any more (surprise removal, dead process, socket gone).
    Gone(String),
    /// The access lies outside the BAR or breaks its alignment and the transport refuses it.
    BadAccess {
        /// The BAR that was addressed.
        bar: Bar,
        /// Byte offset into it.
        offset: u32,
        /// What the transport objects to.
        reason: &'static str,
    },
    /// DMA memory could not be had or mapped.
    Dma(String),
    /// The backing has no such interrupt vector or cannot deliver interrupts.
    Irq(String),
    /// It was not done, this time; the device is still there. What to do is in the text.
    Busy(String),
    /// The operation exists only on other backings.
    Unsupported(&'static str),
}

impl fmt::Display for BackingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackingError::Gone(why) => write!(f, "device does not answer: {why}"),
            BackingError::BadAccess { bar, offset, reason } => {
                write!(f, "BAR{} offset {offset:#x}: {reason}", bar.index())
            }
            BackingError::Dma(why) => write!(f, "DMA memory: {why}"),
            BackingError::Irq(why) => write!(f, "interrupts: {why}"),
            BackingError::Busy(why) => f.write_str(why),
            BackingError::Unsupported(what) => write!(f, "this backing does not offer {what}"),
        }
    }
}

impl core::error::Error for BackingError {}

impl BackingError {
    /// What [`Backing::dma_free`] says of an address that it was not told by [`Backing::dma_alloc`].
    pub fn not_mapped(iova: u64) -> BackingError {
        BackingError::Dma(format!("nothing is mapped at {iova:#x}; unmap what dma_alloc returned, once"))
    }

    /// What [`Backing::irq_fd`] says of a vector beyond the last of `count`.
    pub fn no_vector(vector: u16, count: u16) -> BackingError {
        BackingError::Irq(format!("vector {vector} does not exist; the device has {count}"))
    }
}

/// Bytes that [`Backing::dma_alloc`] gives for so many that are asked for: whole pages of 4 KiB, at least one.
pub fn dma_bytes(asked: usize) -> Result<usize, BackingError> {
    let bytes = asked.max(1).checked_next_multiple_of(4096);
    bytes.ok_or_else(|| BackingError::Dma("size overflows; ask for less".into()))
}

/// Memory that both the host and the device address.
///
/// It is shared, so it is words of atomics: reading it while the device writes is a race the type
/// allows. Words are little-endian; byte 0 is the low byte of word 0. The address of the first
/// word is a multiple of 4096, so the memory can be given to O_DIRECT.
pub trait DmaMemory: Send + Sync + fmt::Debug {
    /// Bus address of the first byte, as the device sees it.
    fn iova(&self) -> u64;
    /// The memory itself, 8 bytes a word.
    fn words(&self) -> &[AtomicU64];
}

/// A device, or something that behaves like one.
///
/// Accesses are little-endian, naturally aligned, and never block for longer than the transport
/// needs. A backing is shared between threads; it serialises accesses itself.
pub trait Backing: Send + Sync {
    /// Reads 4 bytes.
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError>;
    /// Writes 4 bytes.
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError>;
    /// Reads 8 bytes in one access.
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError>;
    /// Writes 8 bytes in one access.
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError>;
    /// Allocates zeroed memory of at least `bytes` bytes (rounded up to 4 KiB) and maps it for
    /// the device.
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError>;
    /// Unmaps the memory at `iova`: the device's accesses to it fault from now on. The host may
    /// keep reading it for as long as it holds the handle.
    fn dma_free(&self, iova: u64) -> Result<(), BackingError>;
    /// The eventfd that MSI-X vector `vector` signals. Asking for it wires the vector up, which
    /// unmasks it. It stays owned by the backing, which keeps it open for as long as it lives.
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError>;
    /// Sets or clears Bus Master Enable; while clear, every device access to host memory faults.
    fn bus_master(&self, on: bool) -> Result<(), BackingError>;
    /// Function-level reset: registers take their reset values, all blocks and queues are gone,
    /// DMA mappings stay.
    fn reset(&self) -> Result<(), BackingError>;
    /// Lets simulated time pass, in device clocks, or fewer if there may be something to see. A backing in real time does nothing.
    fn advance(&self, cycles: u64) -> Result<(), BackingError>;
    /// What this backing is, for logs and reports: `emulator`, `rtl`, `vfio:0000:05:00.0`.
    fn name(&self) -> String;
}
