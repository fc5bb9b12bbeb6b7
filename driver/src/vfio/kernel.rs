//! What the backing wants of the kernel, and the kernel's way of giving it: `vfio-ioctls` opens, looks regions up, and maps
//! memory; `ioctl.rs` does what it leaves out.
#![allow(unsafe_code, reason = "memory is given to a device, and vfio-ioctls lends its descriptor by number")]

use std::fs::OpenOptions;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use iommufd_ioctls::IommuFd;
use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{VFIO_PCI_MSIX_IRQ_INDEX, VFIO_REGION_INFO_FLAG_MMAP};
use vfio_ioctls::{VfioContainer, VfioDevice, VfioError, VfioIommufd, VfioOps};

use super::ioctl;
use super::memory::Pages;
use super::refusal::{errno, refused};
use super::survey::{Interface, Survey};
use super::{OpenError, PciAddress};

/// How often a reset is tried while something else holds the device or its bus, and the pause between.
const RESET_TRIES: usize = 20;
const RESET_PAUSE: Duration = Duration::from_millis(10);

/// Part of the device's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) mappable: bool,
}

/// The kernel's part in driving a card.
pub(super) trait Kernel: Send + Sync {
    /// The device's file: its regions are parts of it.
    fn device(&self) -> BorrowedFd<'_>;
    /// A region, by the numbers of linux/vfio.h.
    fn region(&self, index: u32) -> Region;
    /// How many MSI-X vectors there are.
    fn vectors(&self) -> usize;
    /// Maps memory for the device.
    fn map(&self, iova: u64, pages: &Pages) -> Result<(), Errno>;
    /// Ends that: after it, accesses fault.
    fn unmap(&self, iova: u64, pages: &Pages) -> Result<(), Errno>;
    /// Sets the eventfds of vectors, as [`ioctl::set_vectors`].
    fn set_vectors(&self, start: u16, fds: &[Option<BorrowedFd<'_>>]) -> Result<(), Errno>;
    /// Resets the device; [`Errno::NOTTY`] if nothing can, [`Errno::AGAIN`] if something else held it or its bus all the time.
    fn reset(&self) -> Result<(), Errno>;
}

/// An open device.
pub(super) struct Opened {
    device: Caught<VfioDevice>,
    mappings: Arc<dyn VfioOps>,
    interface: Interface,
}

impl Opened {
    /// Opens what was surveyed.
    pub(super) fn new(address: PciAddress, survey: &Survey) -> Result<Opened, OpenError> {
        let Survey { sysfs, interface, .. } = survey;
        let path = interface.path();
        let failed = |error: VfioError| refused(address, survey, error);
        let (mappings, device): (Arc<dyn VfioOps>, VfioDevice) = match interface {
            Interface::Container { .. } => {
                let container = Arc::new(VfioContainer::new(None).map_err(failed)?);
                let device = VfioDevice::new(sysfs, container.clone(), true).map_err(failed)?;
                (container, device)
            }
            Interface::Iommufd { .. } => {
                let file = OpenOptions::new().read(true).write(true).open(path);
                let file = file.map_err(|error| failed(VfioError::OpenDeviceCdev(error)))?;
                let iommu = IommuFd::new().map_err(|error| failed(VfioError::NewVfioIommufd(error)))?;
                let iommu = Arc::new(VfioIommufd::new(Arc::new(iommu), None, None).map_err(failed)?);
                let device = VfioDevice::new_from_fd(file, iommu.clone(), true).map_err(failed)?;
                (iommu, device)
            }
        };
        Ok(Opened { device: Caught::new(device), mappings, interface: interface.clone() })
    }

    fn hot_reset(&self) -> Result<(), Errno> {
        match &self.interface {
            Interface::Iommufd { .. } => ioctl::hot_reset(self.device(), None),
            Interface::Container { group } => {
                let group = descriptor_of(group).ok_or(Errno::NOTTY)?;
                ioctl::hot_reset(self.device(), Some(group))
            }
        }
    }
}

/// Resets the function, or its bus if the function cannot be reset alone.
///
/// Both only try the locks they need, and give up with EAGAIN or EBUSY (pci_try_reset_function; vfio_pci_dev_set_hot_reset and the
/// pci_reset_bus in it): something else looks at the configuration of the device, or of one on its bus. Nothing was reset then.
fn reset_with(function: impl Fn() -> Result<(), Errno>, bus: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    let mut alone = true;
    for _ in 0..RESET_TRIES {
        let tried = if alone { function() } else { bus().map_err(unavailable) };
        match tried {
            // Not asked again: a function that only does not get ready after it takes a minute to say so.
            Err(Errno::INVAL | Errno::NOTTY) if alone => alone = false,
            Err(Errno::AGAIN | Errno::BUSY) => std::thread::sleep(RESET_PAUSE),
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// What the kernel says of a bus that cannot be reset, or whose other functions are not ours: in one word.
fn unavailable(error: Errno) -> Errno {
    match error {
        Errno::NODEV | Errno::INVAL | Errno::PERM => Errno::NOTTY,
        other => other,
    }
}

/// The number of a group's descriptor, which `vfio-ioctls` keeps to itself. A group can be opened once, so it is the one descriptor of
/// this process that has its name.
fn descriptor_of(path: &Path) -> Option<RawFd> {
    let mut open = std::fs::read_dir("/proc/self/fd").ok()?.flatten();
    let group = open.find(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path))?;
    group.file_name().to_str()?.parse().ok()
}

/// Something whose end may panic, which nobody is told: there is nothing to be done about it.
///
/// It is for the device of `vfio-ioctls`. That closes the device, and then looks its group up in sysfs again, to leave the
/// container. Of a card that was pulled, the kernel has waited for the close to take it out of sysfs, so between the two the group
/// may vanish, and no look before tells.
struct Caught<T>(ManuallyDrop<T>);

impl<T> Caught<T> {
    fn new(held: T) -> Caught<T> {
        Caught(ManuallyDrop::new(held))
    }
}

impl<T> Drop for Caught<T> {
    fn drop(&mut self) {
        // SAFETY: it is taken here only, and `self` is not used again.
        let held = unsafe { ManuallyDrop::take(&mut self.0) };
        // Safe for unwinding: what it owns ends with it, also then. What it shares with us is the container, whose lock it does not
        // hold where it panics; all we do with that afterwards is to close it, which takes the group out of it too.
        if catch_unwind(AssertUnwindSafe(|| drop(held))).is_err() {
            tracing::warn!("the panic above is caught and harms nothing: the card went away while it was closed");
        }
    }
}

impl Kernel for Opened {
    fn device(&self) -> BorrowedFd<'_> {
        // SAFETY: the device keeps its descriptor open until it is dropped, which the borrow of `self` does not allow.
        unsafe { BorrowedFd::borrow_raw(self.device.0.as_raw_fd()) }
    }

    fn region(&self, index: u32) -> Region {
        let device = &self.device.0;
        Region {
            offset: device.get_region_offset(index),
            bytes: device.get_region_size(index),
            mappable: device.get_region_flags(index) & VFIO_REGION_INFO_FLAG_MMAP != 0,
        }
    }

    fn vectors(&self) -> usize {
        self.device.0.get_irq_info(VFIO_PCI_MSIX_IRQ_INDEX).map_or(0, |irq| irq.count as usize)
    }

    fn map(&self, iova: u64, pages: &Pages) -> Result<(), Errno> {
        // SAFETY: the pages are used through atomics only; whoever has them holds them until they are unmapped.
        let mapped = unsafe { self.mappings.vfio_dma_map(iova, pages.bytes(), pages.start().as_ptr().cast()) };
        mapped.map_err(|error| errno(&error).unwrap_or(Errno::INVAL))
    }

    fn unmap(&self, iova: u64, pages: &Pages) -> Result<(), Errno> {
        let unmapped = self.mappings.vfio_dma_unmap(iova, pages.bytes());
        unmapped.map_err(|error| errno(&error).unwrap_or(Errno::INVAL))
    }

    fn set_vectors(&self, start: u16, fds: &[Option<BorrowedFd<'_>>]) -> Result<(), Errno> {
        ioctl::set_vectors(self.device(), start, fds)
    }

    fn reset(&self) -> Result<(), Errno> {
        reset_with(|| ioctl::reset(self.device()), || self.hot_reset())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// The answers of a kernel, one a request, and how many requests there were.
    fn reset_of(function: &[Errno], bus: &[Errno]) -> (Result<(), Errno>, usize, usize) {
        let answer = |answers: &RefCell<Vec<Errno>>, asked: &Cell<usize>| {
            asked.set(asked.get() + 1);
            answers.borrow_mut().pop().map_or(Ok(()), Err)
        };
        let queue = |answers: &[Errno]| RefCell::new(answers.iter().rev().copied().collect());
        let (functions, buses) = (queue(function), queue(bus));
        let (function, bus) = (Cell::new(0), Cell::new(0));
        let done = reset_with(|| answer(&functions, &function), || answer(&buses, &bus));
        (done, function.get(), bus.get())
    }

    #[test]
    fn a_reset_waits_for_what_holds_the_device_or_its_bus() {
        assert_eq!(reset_of(&[], &[]), (Ok(()), 1, 0));
        assert_eq!(reset_of(&[Errno::AGAIN, Errno::AGAIN], &[]), (Ok(()), 3, 0));
        assert_eq!(reset_of(&[Errno::AGAIN, Errno::NOTTY], &[Errno::BUSY, Errno::AGAIN]), (Ok(()), 2, 3));
    }

    #[test]
    fn a_reset_gives_up_in_the_end() {
        let busy = [Errno::BUSY; RESET_TRIES];
        assert_eq!(reset_of(&busy, &[]), (Err(Errno::AGAIN), RESET_TRIES, 0));
        assert_eq!(reset_of(&[Errno::INVAL], &busy), (Err(Errno::AGAIN), 1, RESET_TRIES - 1));
    }

    #[test]
    fn a_reset_that_nothing_offers_is_not_tried_again() {
        for bus in [Errno::NODEV, Errno::INVAL, Errno::PERM, Errno::NOTTY] {
            assert_eq!(reset_of(&[Errno::INVAL], &[bus]), (Err(Errno::NOTTY), 1, 1));
        }
        assert_eq!(reset_of(&[Errno::IO], &[]), (Err(Errno::IO), 1, 0));
        assert_eq!(reset_of(&[Errno::NOTTY], &[Errno::IO]), (Err(Errno::IO), 1, 1));
    }

    #[test]
    fn a_panic_of_what_is_dropped_ends_there() {
        /// As `VfioDevice` after its card was pulled.
        struct Pulled {
            _held: Rc<()>,
        }
        impl Drop for Pulled {
            fn drop(&mut self) {
                panic!("this panic is part of the test");
            }
        }
        let held = Rc::new(());
        drop(Caught::new(Pulled { _held: held.clone() }));
        assert_eq!(Rc::strong_count(&held), 1, "what it held is let go of");
    }

    #[test]
    fn a_descriptor_is_found_by_its_name() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let file = named.as_file().as_raw_fd();
        assert_eq!(descriptor_of(named.path()), Some(file));
        assert_eq!(descriptor_of(Path::new("/dev/vfio/no-such-group")), None);
    }
}
