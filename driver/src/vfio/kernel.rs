//! What the backing wants of the kernel, and the kernel's way of giving it: `vfio-ioctls` opens, looks regions up, and maps
//! memory; `ioctl.rs` does what it leaves out.
#![allow(unsafe_code, reason = "memory is given to a device, and vfio-ioctls lends its descriptor by number")]

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use iommufd_ioctls::{IommuFd, IommufdError};
use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{VFIO_PCI_MSIX_IRQ_INDEX, VFIO_REGION_INFO_FLAG_MMAP};
use vfio_ioctls::{VfioContainer, VfioDevice, VfioError, VfioIommufd, VfioOps};

use super::ioctl;
use super::memory::Pages;
use super::survey::{Interface, Survey, no_permission};
use super::{OpenError, PciAddress};

/// How often a reset is tried while something else holds the device, and the pause between.
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
    /// Resets the device; [`Errno::NOTTY`] if nothing can.
    fn reset(&self) -> Result<(), Errno>;
}

/// An open device.
pub(super) struct Opened {
    device: Device,
    mappings: Arc<dyn VfioOps>,
    interface: Interface,
}

impl Opened {
    /// Opens what was surveyed.
    pub(super) fn new(address: PciAddress, survey: &Survey) -> Result<Opened, OpenError> {
        let Survey { sysfs, interface, .. } = survey;
        let path = interface.path();
        let failed = |error: VfioError| refused(address, path, error);
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
        let device = Device { device: Some(device), group: sysfs.join("iommu_group") };
        Ok(Opened { device, mappings, interface: interface.clone() })
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

/// The device of `vfio-ioctls`, which looks its group up in sysfs again when it is dropped, and panics if that is gone with the
/// card. Then its descriptors stay open until the process ends.
struct Device {
    /// Taken when dropped.
    device: Option<VfioDevice>,
    /// Its group in sysfs.
    group: PathBuf,
}

impl Drop for Device {
    fn drop(&mut self) {
        if !self.group.exists() {
            std::mem::forget(self.device.take());
        }
    }
}

impl Kernel for Opened {
    fn device(&self) -> BorrowedFd<'_> {
        let number = self.device.device.as_ref().map_or(0, AsRawFd::as_raw_fd);
        // SAFETY: the device, which is there until it is dropped, keeps its descriptor open for as long.
        unsafe { BorrowedFd::borrow_raw(number) }
    }

    fn region(&self, index: u32) -> Region {
        let none = Region { offset: 0, bytes: 0, mappable: false };
        self.device.device.as_ref().map_or(none, |device| Region {
            offset: device.get_region_offset(index),
            bytes: device.get_region_size(index),
            mappable: device.get_region_flags(index) & VFIO_REGION_INFO_FLAG_MMAP != 0,
        })
    }

    fn vectors(&self) -> usize {
        let irq = self
            .device
            .device
            .as_ref()
            .and_then(|device| device.get_irq_info(VFIO_PCI_MSIX_IRQ_INDEX));
        irq.map_or(0, |irq| irq.count as usize)
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
        for _ in 0..RESET_TRIES {
            match ioctl::reset(self.device()) {
                // Something else looks at the device's configuration.
                Err(Errno::AGAIN) => std::thread::sleep(RESET_PAUSE),
                // Its function cannot be reset alone.
                Err(Errno::INVAL | Errno::NOTTY) => return self.hot_reset().map_err(unavailable),
                done => return done,
            }
        }
        Err(Errno::AGAIN)
    }
}

/// What the kernel said, if it did.
fn errno(error: &VfioError) -> Option<Errno> {
    use VfioError as E;
    let number = match error {
        E::OpenContainer(error) | E::OpenGroup(error, _) | E::OpenDeviceCdev(error) => error.raw_os_error()?,
        E::NewVfioIommufd(error) | E::IommufdIoctlError(error) => match error {
            IommufdError::OpenIommufd(error) => error.raw_os_error()?,
            IommufdError::IommuIoasAlloc(error)
            | IommufdError::IommuIoasMap(error)
            | IommufdError::IommuIoasUnmap(error) => error.errno(),
            _ => return None,
        },
        E::ContainerSetIOMMU(error)
        | E::GroupGetDeviceFD(error)
        | E::VfioDeviceGetInfo(error)
        | E::IommuDmaMap(error)
        | E::IommuDmaUnmap(error)
        | E::VfioDeviceBindIommufd(error)
        | E::VfioDeviceAttachIommufdPt(error) => error.errno(),
        _ => return None,
    };
    Some(Errno::from_raw_os_error(number))
}

/// Why opening failed; `path` stands for the device.
fn refused(address: PciAddress, path: &Path, error: VfioError) -> OpenError {
    use VfioError as E;
    let errno = errno(&error);
    let file = match &error {
        E::OpenContainer(_) => Path::new("/dev/vfio/vfio"),
        E::NewVfioIommufd(_) => Path::new("/dev/iommu"),
        _ => path,
    };
    match (&error, errno) {
        (E::OpenContainer(_) | E::OpenGroup(..) | E::OpenDeviceCdev(_) | E::NewVfioIommufd(_), Some(errno)) => {
            match errno {
                Errno::BUSY => return OpenError::Busy { address, path: file.into() },
                Errno::ACCESS | Errno::PERM => return no_permission(file),
                Errno::NOENT | Errno::NODEV | Errno::NXIO => return OpenError::NoVfio { path: file.into() },
                _ => {}
            }
        }
        // Of a second driver the kernel says that the device is busy, or, if both came by its own file, that its request is invalid
        // (vfio_df_open in drivers/vfio/vfio_main.c).
        (E::VfioDeviceBindIommufd(_), Some(Errno::BUSY | Errno::INVAL))
        | (E::GroupGetDeviceFD(_), Some(Errno::BUSY)) => {
            return OpenError::Busy { address, path: path.into() };
        }
        (E::ContainerSetIOMMU(_), Some(Errno::PERM)) => {
            return OpenError::UnsafeInterrupts { address, module: "vfio_iommu_type1" };
        }
        (E::VfioDeviceBindIommufd(_) | E::VfioDeviceAttachIommufdPt(_), Some(Errno::PERM)) => {
            return OpenError::UnsafeInterrupts { address, module: "iommufd" };
        }
        _ => {}
    }
    let mut why = match error {
        E::VfioExtension => "VFIO has no IOMMU to work with: modprobe vfio_iommu_type1".into(),
        error => error.to_string(),
    };
    if let Some(errno) = errno.filter(|errno| !why.contains(&errno.to_string())) {
        why = format!("{why}: {errno}");
    }
    OpenError::Kernel { address, why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::io;

    use super::*;

    fn said(error: VfioError) -> String {
        refused("05:00.0".parse().unwrap(), Path::new("/dev/vfio/7"), error).to_string()
    }

    fn io(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn refusals_name_their_remedy() {
        let busy = said(VfioError::OpenGroup(io(Errno::BUSY), "7".into()));
        assert!(busy.contains("another driver at work") && busy.contains("fuser -v /dev/vfio/7"), "{busy}");
        let denied = said(VfioError::OpenGroup(io(Errno::ACCESS), "7".into()));
        assert!(denied.contains("chown") && denied.contains("/dev/vfio/7") && denied.contains("udev"), "{denied}");
        let iommu = VfioError::NewVfioIommufd(IommufdError::OpenIommufd(io(Errno::ACCESS)));
        let denied = said(iommu);
        assert!(denied.contains("permission on /dev/iommu") && denied.contains("KERNEL==\"iommu\""), "{denied}");
        let missing = said(VfioError::OpenContainer(io(Errno::NOENT)));
        assert!(missing.contains("/dev/vfio/vfio") && missing.contains("modprobe vfio-pci"), "{missing}");
        assert!(said(VfioError::VfioExtension).contains("modprobe vfio_iommu_type1"));
        assert!(said(VfioError::GroupViable).contains("not viable"));
        let odd = said(VfioError::OpenGroup(io(Errno::MFILE), "7".into()));
        assert!(odd.contains("dmesg") && odd.contains("open files"), "{odd}");
    }

    #[test]
    fn a_descriptor_is_found_by_its_name() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let file = named.as_file().as_raw_fd();
        assert_eq!(descriptor_of(named.path()), Some(file));
        assert_eq!(descriptor_of(Path::new("/dev/vfio/no-such-group")), None);
    }
}
