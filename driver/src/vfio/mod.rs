//! A card in a slot, or a device in a virtual machine, through Linux VFIO. `docs/bringup.md`.
//!
//! ```text
//!  register access ─► BAR0, BAR2 mapped (BAR4 for reading) ──► the card
//!  bus_master, is it still there ─► configuration space ──┐
//!  dma_alloc: huge pages ─► map at a bus address ─────────┼─► the kernel: container and group, or iommufd
//!  irq_fd: eventfd ─► MSI-X vector ───────────────────────┤
//!  reset: function, else its bus ─────────────────────────┘
//! ```
//!
//! The MSI-X table is the kernel's: it is shown, and not written. A card that vanished reads all ones; every such word is checked
//! against configuration space, and after that no access reaches for the card any more.

mod address;
mod bar;
mod config_space;
mod error;
mod ioctl;
mod kernel;
mod memory;
mod refusal;
mod survey;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock};

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::BAR0_BYTES;
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory};
use rustix::io::Errno;
use vfio_bindings::bindings::vfio::VFIO_PCI_CONFIG_REGION_INDEX;

pub use self::address::{AddressError, PciAddress};
pub use self::error::OpenError;

use self::bar::{Mapping, Protection, Word};
use self::config_space::ConfigSpace;
use self::kernel::{Kernel, Opened};
use self::memory::{Memory, Pages};
use self::refusal::{not_reset, unmapped};
use self::survey::{Root, Survey};
use crate::device::lock;
use crate::eventfd;
use crate::iova::IovaSpace;

/// What is mapped for the device, and where there is room.
struct Mappings {
    space: IovaSpace,
    memories: BTreeMap<u64, Arc<Memory>>,
}

/// A card.
// BARs are unmapped first: the kernel closes a device when nothing of it is mapped any more.
pub struct Vfio {
    address: PciAddress,
    registers: Mapping,
    directory: Mapping,
    table: Mapping,
    mappings: Mutex<Mappings>,
    /// Eventfds by vector, once one was asked for.
    vectors: Mutex<Vec<Option<OwnedFd>>>,
    /// Why the card is not there any more.
    gone: OnceLock<String>,
    kernel: Box<dyn Kernel>,
}

impl std::fmt::Debug for Vfio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vfio").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Vfio {
    /// Opens the card at `address`. It is ours until dropped; the kernel resets it before and after, if it can be reset.
    pub fn open(address: PciAddress) -> Result<Vfio, OpenError> {
        let survey = Survey::of(&Root::system(), address)?;
        tracing::debug!(%address, interface = ?survey.interface, "opening");
        let kernel = Opened::new(address, &survey)?;
        Vfio::new(address, Box::new(kernel), IovaSpace::new(&survey.reserved))
    }

    fn new(address: PciAddress, kernel: Box<dyn Kernel>, space: IovaSpace) -> Result<Vfio, OpenError> {
        let config = config_space(&*kernel);
        // Memory decoding, without which a mapped access is the end of the process.
        let on = config
            .check()
            .and_then(|()| config.command())
            .and_then(|command| config.set_command(command));
        on.map_err(|source| OpenError::Device { address, source })?;
        // How large BAR2 has to be, the driver knows when it has read the geometry.
        let registers = map(address, &*kernel, Bar::Regs, BAR0_BYTES, Protection::Writable)?;
        let directory = map(address, &*kernel, Bar::Rtbd, 1, Protection::Writable)?;
        let table = map(address, &*kernel, Bar::Msix, BAR4_BYTES, Protection::ReadOnly)?;
        Ok(Vfio {
            address,
            registers,
            directory,
            table,
            mappings: Mutex::new(Mappings { space, memories: BTreeMap::new() }),
            vectors: Mutex::default(),
            gone: OnceLock::new(),
            kernel,
        })
    }

    fn mapping(&self, bar: Bar) -> &Mapping {
        match bar {
            Bar::Regs => &self.registers,
            Bar::Rtbd => &self.directory,
            Bar::Msix => &self.table,
        }
    }

    /// Fails if the card was found gone before.
    fn there(&self) -> Result<(), BackingError> {
        match self.gone.get() {
            Some(why) => Err(BackingError::Gone(why.clone())),
            None => Ok(()),
        }
    }

    /// Remembers that the card is gone, if that is what the error says.
    fn note<T>(&self, result: Result<T, BackingError>) -> Result<T, BackingError> {
        if let Err(BackingError::Gone(why)) = &result {
            let why = self.gone.get_or_init(|| why.clone());
            tracing::warn!(address = %self.address, why, "the card is gone");
        }
        result
    }

    fn read<T: Word>(&self, bar: Bar, offset: u32) -> Result<T, BackingError> {
        self.there()?;
        let value = self.mapping(bar).read::<T>(offset).ok_or_else(|| bad_access(bar, offset))?;
        if value.is_all_ones() {
            self.note(config_space(&*self.kernel).check())?;
        }
        Ok(value)
    }

    fn write<T: Word>(&self, bar: Bar, offset: u32, value: T) -> Result<(), BackingError> {
        self.there()?;
        if bar == Bar::Msix {
            return Err(BackingError::Unsupported("writes to the MSI-X table, which is the kernel's"));
        }
        self.mapping(bar).write(offset, value).ok_or_else(|| bad_access(bar, offset))
    }
}

fn bad_access(bar: Bar, offset: u32) -> BackingError {
    BackingError::BadAccess { bar, offset, reason: "a mapped BAR has whole words at multiples of their size, and ends" }
}

fn config_space(kernel: &dyn Kernel) -> ConfigSpace<'_> {
    ConfigSpace { device: kernel.device(), offset: kernel.region(VFIO_PCI_CONFIG_REGION_INDEX).offset }
}

fn map(
    address: PciAddress,
    kernel: &dyn Kernel,
    bar: Bar,
    needed: u32,
    protection: Protection,
) -> Result<Mapping, OpenError> {
    let region = kernel.region(bar.index().into());
    let (bar, needed) = (bar.index(), u64::from(needed));
    if region.bytes < needed {
        return Err(OpenError::SmallBar { address, bar, found: region.bytes, needed });
    }
    let failed = |why: String| OpenError::Unmappable { address, bar, why };
    if !region.mappable {
        return Err(failed("the kernel keeps it for itself".into()));
    }
    Mapping::new(kernel.device(), region.offset, region.bytes as usize, protection)
        .map_err(|error| failed(error.to_string()))
}

impl Backing for Vfio {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.read(bar, offset)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.write(bar, offset, value)
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.read(bar, offset)
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.write(bar, offset, value)
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.there()?;
        let pages = Pages::new(bytes).map_err(|error| BackingError::Dma(format!("{bytes} bytes: {error}")))?;
        let (bytes, alignment) = (pages.bytes(), pages.alignment());
        let mut mappings = lock(&self.mappings);
        let iova = mappings.space.allocate(bytes as u64, alignment as u64);
        let iova = iova.ok_or_else(|| BackingError::Dma(format!("no bus addresses for {bytes} bytes; free some")))?;
        if let Err(error) = self.kernel.map(iova, &pages) {
            mappings.space.free(iova);
            return Err(unmapped(bytes, error));
        }
        tracing::debug!(bytes, iova, huge = pages.is_huge(), "mapped");
        let memory = Arc::new(Memory { iova, pages });
        mappings.memories.insert(iova, memory.clone());
        Ok(memory)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        let mut mappings = lock(&self.mappings);
        let memory = mappings.memories.get(&iova).ok_or_else(|| BackingError::not_mapped(iova))?;
        let unmapped = self.kernel.unmap(iova, &memory.pages);
        unmapped.map_err(|error| BackingError::Dma(format!("unmapping {iova:#x}: {error}")))?;
        mappings.memories.remove(&iova);
        mappings.space.free(iova);
        Ok(())
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        let mut vectors = lock(&self.vectors);
        if let Some(Some(fd)) = vectors.get(usize::from(vector)) {
            return Ok(fd.as_raw_fd());
        }
        self.there()?;
        let count = self.kernel.vectors().min(VECTORS.into());
        if usize::from(vector) >= count {
            return Err(BackingError::no_vector(vector, count as u16));
        }
        let fd = eventfd::new()?;
        // The first time all vectors are allocated: how many there are can be changed later only by taking them all away, which
        // would lose what they signal meanwhile. Those without an eventfd stay masked.
        let set = if vectors.is_empty() {
            let all: Vec<_> = (0..count).map(|each| (each == usize::from(vector)).then(|| fd.as_fd())).collect();
            self.kernel.set_vectors(0, &all)
        } else {
            self.kernel.set_vectors(vector, &[Some(fd.as_fd())])
        };
        set.map_err(|error| match error {
            Errno::NOSPC => BackingError::Irq(format!("the host has no {count} vectors left; see /proc/interrupts")),
            error => BackingError::Irq(format!("vector {vector}: {error}; `dmesg` says more")),
        })?;
        vectors.resize_with(count, || None);
        Ok(vectors[usize::from(vector)].insert(fd).as_raw_fd())
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.there()?;
        self.note(config_space(&*self.kernel).bus_master(on))
    }

    fn reset(&self) -> Result<(), BackingError> {
        self.there()?;
        let config = config_space(&*self.kernel);
        let command = self.note(config.check().and_then(|()| config.command()))?;
        let reset = self.kernel.reset();
        // The kernel restores configuration space, interrupts with it; what is made sure of is what was said here, also after a
        // reset that failed on its way.
        self.note(config.check().and_then(|()| config.set_command(command)))?;
        reset.map_err(not_reset)
    }

    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        Ok(())
    }

    fn name(&self) -> String {
        format!("vfio:{}", self.address)
    }
}

#[cfg(test)]
mod tests;
