//! What the kernel refuses, said with its cause and its remedy: opening the device, mapping memory, a reset.
//!
//! Source of which request fails with what: drivers/vfio (group.c, device_cdev.c, vfio_main.c, pci/vfio_pci_core.c) and
//! drivers/pci/setup-res.c of Linux.

use std::path::Path;

use iommufd_ioctls::IommufdError;
use kvcpu_mmio::BackingError;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use vfio_ioctls::VfioError;

use super::survey::{Survey, no_permission};
use super::{OpenError, PciAddress};

/// What the kernel said, if it did.
pub(super) fn errno(error: &VfioError) -> Option<Errno> {
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

/// Why what was surveyed could not be opened.
pub(super) fn refused(address: PciAddress, survey: &Survey, error: VfioError) -> OpenError {
    use VfioError as E;
    let errno = errno(&error);
    let file = match &error {
        E::OpenContainer(_) => Path::new("/dev/vfio/vfio"),
        E::NewVfioIommufd(_) => Path::new("/dev/iommu"),
        _ => survey.interface.path(),
    };
    let files = || survey.files.clone();
    match (&error, errno) {
        (E::OpenContainer(_) | E::OpenGroup(..) | E::OpenDeviceCdev(_) | E::NewVfioIommufd(_), Some(errno)) => {
            match errno {
                Errno::BUSY => return OpenError::Busy { address, files: files() },
                Errno::ACCESS | Errno::PERM => return no_permission(file),
                Errno::NOENT | Errno::NODEV | Errno::NXIO => return OpenError::NoVfio { path: file.into() },
                _ => {}
            }
        }
        // Which devices those are, the survey would have said: they came since, or their drivers pass for harmless there.
        (E::GroupViable | E::GroupSetContainer, _) => return OpenError::GroupInUse { address },
        (E::VfioDeviceBindIommufd(_) | E::GroupGetDeviceFD(_), Some(Errno::BUSY)) => {
            return OpenError::Busy { address, files: files() };
        }
        // vfio_df_open says so of a second driver if both came by the device's own file, and pci_enable_resources, which binding
        // ends in, of a BAR that has no address.
        (E::VfioDeviceBindIommufd(_), Some(Errno::INVAL)) => {
            return OpenError::BusyOrUnplaced { address, files: files() };
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

/// Why memory could not be mapped.
pub(super) fn unmapped(bytes: usize, error: Errno) -> BackingError {
    let why = match error {
        Errno::NOMEM => {
            let limit = getrlimit(Resource::Memlock).current;
            let limit = limit.map_or("not limited".into(), |limit| format!("{} KiB", limit >> 10));
            format!(
                "more than this process may lock ({limit}); raise it: ulimit -l unlimited, or LimitMEMLOCK=infinity in its systemd unit"
            )
        }
        Errno::NOSPC => "too many mappings; free some, or raise dma_entry_limit of the module vfio_iommu_type1".into(),
        error => format!("{error}; `dmesg` says more"),
    };
    BackingError::Dma(format!("mapping {bytes} bytes: {why}"))
}

/// Why a card that still answers was not reset.
pub(super) fn not_reset(error: Errno) -> BackingError {
    match error {
        Errno::NOTTY => BackingError::Unsupported(
            "a reset: the function has none of its own, and others of its bus are not in its IOMMU group",
        ),
        Errno::AGAIN => BackingError::Busy(
            "a reset was not done: the device or its bus was busy with something else; it is still there, try again"
                .into(),
        ),
        error => {
            BackingError::Busy(format!("a reset failed: {error}; it is still there, `dmesg` says more; try again"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::io;

    use super::super::survey::Interface;
    use super::*;

    fn said(error: VfioError) -> String {
        let survey = Survey {
            sysfs: "/sys/bus/pci/devices/0000:05:00.0".into(),
            interface: Interface::Container { group: "/dev/vfio/7".into() },
            files: vec!["/dev/vfio/7".into(), "/dev/vfio/devices/vfio3".into()],
            reserved: Vec::new(),
        };
        refused("05:00.0".parse().unwrap(), &survey, error).to_string()
    }

    fn io(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    /// What binding the device to iommufd fails with.
    fn bind(errno: Errno) -> VfioError {
        VfioError::VfioDeviceBindIommufd(io(errno).into())
    }

    #[test]
    fn refusals_name_their_remedy() {
        let denied = said(VfioError::OpenGroup(io(Errno::ACCESS), "7".into()));
        assert!(denied.contains("chown") && denied.contains("/dev/vfio/7") && denied.contains("udev"), "{denied}");
        let iommu = VfioError::NewVfioIommufd(IommufdError::OpenIommufd(io(Errno::ACCESS)));
        let denied = said(iommu);
        assert!(denied.contains("permission on /dev/iommu") && denied.contains("KERNEL==\"iommu\""), "{denied}");
        let missing = said(VfioError::OpenContainer(io(Errno::NOENT)));
        assert!(missing.contains("/dev/vfio/vfio") && missing.contains("modprobe vfio-pci"), "{missing}");
        assert!(said(VfioError::VfioExtension).contains("modprobe vfio_iommu_type1"));
        let unsafe_interrupts = said(bind(Errno::PERM));
        assert!(unsafe_interrupts.contains("/sys/module/iommufd/parameters"), "{unsafe_interrupts}");
        let odd = said(VfioError::OpenGroup(io(Errno::MFILE), "7".into()));
        assert!(odd.contains("dmesg") && odd.contains("open files"), "{odd}");
    }

    #[test]
    fn another_driver_is_looked_for_at_both_interfaces() {
        for error in [
            VfioError::OpenGroup(io(Errno::BUSY), "7".into()),
            VfioError::GroupGetDeviceFD(io(Errno::BUSY).into()),
            bind(Errno::BUSY),
        ] {
            let busy = said(error);
            assert!(busy.contains("another driver at work"), "{busy}");
            assert!(busy.contains("`fuser -v /dev/vfio/7 /dev/vfio/devices/vfio3`"), "{busy}");
        }
    }

    #[test]
    fn what_may_be_either_of_two_names_both() {
        let either = said(bind(Errno::INVAL));
        assert!(either.contains("another driver at work"), "{either}");
        assert!(either.contains("`fuser -v /dev/vfio/7 /dev/vfio/devices/vfio3`"), "{either}");
        assert!(either.contains("BAR without an address") && either.contains("dmesg"), "{either}");
        assert!(either.contains("/sys/bus/pci/devices/0000:05:00.0/resource"), "{either}");
        assert!(either.contains("rescan") && either.contains("pci=realloc"), "{either}");
    }

    #[test]
    fn a_group_in_use_is_listed() {
        for error in [VfioError::GroupViable, VfioError::GroupSetContainer] {
            let group = said(error);
            assert!(group.contains("`ls /sys/bus/pci/devices/0000:05:00.0/iommu_group/devices`"), "{group}");
            assert!(group.contains("vfio-pci") && group.contains("unbind"), "{group}");
        }
    }
}
