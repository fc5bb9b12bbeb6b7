//! The DMA engine: block transfers with CRC-32C, and its error registers. `docs/moves.md`, DMA.

use crate::bus::BusFault;
use crate::core::Core;
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::control::ERR_STATUS;
use kvcpu_mmio::regs::dma::DMA_ERR;

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DmaFault {
    Iova(u64),
    BusMasterOff(u64),
    Crc,
    T3,
}

impl DmaFault {
    /// The status a command reports for it.
    pub(crate) fn status(self) -> Status {
        match self {
            DmaFault::Crc => Status::CrcError,
            _ => Status::DmaFault,
        }
    }
}

/// An end of a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Location {
    /// A bus address: T0, T2, staging slots, buffers.
    Bus(u64),
    /// A frame of the card memory.
    Card(u32),
}

#[derive(Default)]
pub(crate) struct Dma {
    pub(crate) shift: u32,
    pub(crate) metadata_only: bool,
    pub(crate) err: u32,
    pub(crate) err_iova: u64,
    pub(crate) err_key: Key,
    /// T1, frame by frame; a frame never written takes no memory and reads 0.
    card: Vec<Box<[u64]>>,
    buffer: Vec<u64>,
    check: Vec<u64>,
}

impl Dma {
    pub(crate) fn begin(&mut self, shift: u32, card_frames: u32, metadata_only: bool) {
        let words = if metadata_only { 0 } else { 1 << (shift - 3) };
        (self.shift, self.metadata_only) = (shift, metadata_only);
        self.card = vec![Box::default(); if metadata_only { 0 } else { card_frames as usize }];
        self.buffer = vec![0; words];
        self.check = vec![0; words];
    }

    pub(crate) fn end(&mut self) {
        (self.card, self.buffer, self.check) = Default::default();
    }

    pub(crate) fn clear_errors(&mut self) {
        (self.err, self.err_iova, self.err_key) = (0, 0, Key::default());
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        1 << self.shift
    }
}

impl Core {
    pub(crate) fn host_read(&self, iova: u64, out: &mut [u64]) -> Result<(), DmaFault> {
        if !self.irq.bus_master {
            return Err(DmaFault::BusMasterOff(iova));
        }
        self.bus.read(iova, out).map_err(|BusFault { iova }| DmaFault::Iova(iova))
    }

    pub(crate) fn host_write(&self, iova: u64, data: &[u64]) -> Result<(), DmaFault> {
        if !self.irq.bus_master {
            return Err(DmaFault::BusMasterOff(iova));
        }
        self.bus.write(iova, data).map_err(|BusFault { iova }| DmaFault::Iova(iova))
    }

    /// Notes a failed access in the error registers.
    pub(crate) fn note_fault(&mut self, fault: &DmaFault) {
        let bit = match *fault {
            DmaFault::Iova(iova) => {
                self.dma.err_iova = iova;
                DMA_ERR::IOVA_FAULT
            }
            DmaFault::BusMasterOff(iova) => {
                self.dma.err_iova = iova;
                DMA_ERR::BUS_MASTER_OFF
            }
            DmaFault::Crc => DMA_ERR::CRC,
            DmaFault::T3 => DMA_ERR::T3,
        };
        self.dma.err |= bit.mask() as u32;
        self.raise_error(&ERR_STATUS::DMA);
    }

    /// Notes a failed transfer of a block.
    pub(crate) fn note_block_fault(&mut self, fault: &DmaFault, key: Key) {
        self.dma.err_key = key;
        self.note_fault(fault);
    }

    /// Where the bytes of a frame are. T3 frames are the host's and have no place here.
    pub(crate) fn location(&self, tier: usize, frame: u32) -> Location {
        if tier == 1 {
            Location::Card(frame)
        } else {
            Location::Bus(self.tiers[tier].base.wrapping_add(u64::from(frame) << self.dma.shift))
        }
    }

    fn load(&self, from: Location, out: &mut [u64]) -> Result<(), DmaFault> {
        match from {
            Location::Bus(iova) => self.host_read(iova, out),
            Location::Card(frame) => {
                match &self.dma.card[frame as usize] {
                    block if block.is_empty() => out.fill(0),
                    block => out.copy_from_slice(block),
                }
                Ok(())
            }
        }
    }

    fn store(&mut self, to: Location, data: &[u64]) -> Result<(), DmaFault> {
        match to {
            Location::Bus(iova) => self.host_write(iova, data),
            Location::Card(frame) => {
                let block = &mut self.dma.card[frame as usize];
                if block.is_empty() {
                    *block = data.into();
                } else {
                    block.copy_from_slice(data);
                }
                Ok(())
            }
        }
    }

    /// Copies a block and returns its CRC-32C, computed on what was read and checked on what
    /// arrived. `expected` is the CRC the source is known to have.
    pub(crate) fn transfer(&mut self, from: Location, to: Location, expected: Option<u32>) -> Result<u32, DmaFault> {
        let mut buffer = std::mem::take(&mut self.dma.buffer);
        let mut check = std::mem::take(&mut self.dma.check);
        let result = self.load(from, &mut buffer).and_then(|()| {
            let crc = crc32c::crc32c(bytemuck::cast_slice(&buffer));
            if expected.is_some_and(|expected| expected != crc) {
                return Err(DmaFault::Crc);
            }
            self.store(to, &buffer)?;
            self.load(to, &mut check)?;
            let arrived = crc32c::crc32c(bytemuck::cast_slice(&check));
            if arrived == crc { Ok(crc) } else { Err(DmaFault::Crc) }
        });
        (self.dma.buffer, self.dma.check) = (buffer, check);
        result
    }
}
