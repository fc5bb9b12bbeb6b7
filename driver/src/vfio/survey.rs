//! What sysfs and /dev say of a card before it is opened: nearly all that can be wrong is seen here, and said with its remedy.
//!
//! Sources: Documentation/driver-api/vfio.rst, Documentation/ABI/testing/sysfs-bus-pci, sysfs-kernel-iommu_groups and
//! sysfs-devices-vfio-dev of Linux.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use kvcpu_mmio::map::{PCI_DEVICE, PCI_VENDOR};
use rustix::fs::Access;
use rustix::io::Errno;

use super::{OpenError, PciAddress};

/// The driver of cards that user space drives.
pub(super) const VFIO_PCI: &str = "vfio-pci";
/// Drivers that leave their device's DMA to the group's owner (`driver_managed_dma` in Linux).
const HARMLESS: [&str; 3] = [VFIO_PCI, "pci-stub", "pcieport"];
/// The name of a group behind which no IOMMU is: VFIO makes it up if its parameter `enable_unsafe_noiommu_mode` is set.
const NO_IOMMU: &str = "vfio-noiommu";
/// Class of a PCI bridge, in the upper bits of `class`; a bridge does not keep its group from being used.
const BRIDGE: u32 = 0x0604;

/// Where sysfs and /dev are found, and how permission is asked for.
pub(super) struct Root {
    /// `/`.
    pub(super) path: PathBuf,
    /// Whether a file may be read and written.
    pub(super) access: fn(&Path) -> Result<(), Errno>,
}

impl Root {
    /// The running system's.
    pub(super) fn system() -> Root {
        Root { path: "/".into(), access: |path| rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) }
    }

    /// Checks that a device file is there and ours.
    fn check(&self, path: &Path) -> Result<(), OpenError> {
        match (self.access)(path) {
            Ok(()) => Ok(()),
            Err(Errno::ACCESS | Errno::PERM) => Err(no_permission(path)),
            Err(_) => Err(OpenError::NoVfio { path: path.into() }),
        }
    }
}

/// The error of a file that is not ours.
pub(super) fn no_permission(path: &Path) -> OpenError {
    OpenError::NoPermission { path: path.into(), user: rustix::process::getuid().as_raw() }
}

/// A kernel interface to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// A file for the IOMMU group, and one container of mappings.
    Container {
        /// `/dev/vfio/7`.
        group: PathBuf,
    },
    /// A file for the device, and /dev/iommu for the mappings.
    Iommufd {
        /// `/dev/vfio/devices/vfio0`.
        device: PathBuf,
    },
}

impl Interface {
    /// The file that stands for the device.
    pub(super) fn path(&self) -> &Path {
        match self {
            Interface::Container { group: path } | Interface::Iommufd { device: path } => path,
        }
    }
}

/// A card that can be opened, as far as can be seen.
#[derive(Debug)]
pub(super) struct Survey {
    /// Its directory in sysfs.
    pub(super) sysfs: PathBuf,
    /// How it is opened.
    pub(super) interface: Interface,
    /// The files that a driver of it holds open, by either interface.
    pub(super) files: Vec<PathBuf>,
    /// Bus addresses that are not for mappings: those of interrupts, and what firmware has kept.
    pub(super) reserved: Vec<RangeInclusive<u64>>,
}

impl Survey {
    /// Looks at the function at `address`.
    pub(super) fn of(root: &Root, address: PciAddress) -> Result<Survey, OpenError> {
        let devices = root.path.join("sys/bus/pci/devices");
        let sysfs = devices.join(address.to_string());
        if !sysfs.is_dir() {
            return Err(OpenError::NoDevice { address, found: all(&devices) });
        }
        match ids(&sysfs) {
            Some((PCI_VENDOR, PCI_DEVICE)) => {}
            Some((vendor, device)) => return Err(OpenError::OtherDevice { address, vendor, device }),
            None => return Err(OpenError::NoDevice { address, found: all(&devices) }),
        }
        let group = target(&sysfs.join("iommu_group")).and_then(|name| name.parse().ok());
        // Most groups have no name.
        let name = fs::read_to_string(sysfs.join("iommu_group/name")).unwrap_or_default();
        let group = group.filter(|_| name.trim() != NO_IOMMU);
        let Some(group) = group else { return Err(OpenError::NoIommu { address }) };
        let driver = target(&sysfs.join("driver"));
        if driver.as_deref() != Some(VFIO_PCI) {
            return Err(OpenError::NotBound { address, driver });
        }
        let others = in_the_way(&sysfs, address);
        if !others.is_empty() {
            return Err(OpenError::NotViable { address, group, others });
        }
        let group = root.path.join("dev/vfio").join(group.to_string());
        let device = names(&sysfs.join("vfio-dev")).pop();
        let device = device.map(|name| root.path.join("dev/vfio/devices").join(name));
        let files = [Some(&group), device.as_ref()].into_iter().flatten();
        let files = files.filter(|file| file.exists()).cloned().collect();
        let interface = interface(root, group, device)?;
        let reserved = fs::read_to_string(sysfs.join("iommu_group/reserved_regions")).unwrap_or_default();
        let reserved = reserved.lines().filter_map(range).collect();
        Ok(Survey { sysfs, interface, files, reserved })
    }
}

/// Chooses iommufd if the kernel has it and it is ours to use, else the container.
fn interface(root: &Root, group: PathBuf, device: Option<PathBuf>) -> Result<Interface, OpenError> {
    let iommu = root.path.join("dev/iommu");
    // What keeps iommufd from being used, if the kernel has it.
    let mut denied = None;
    if let Some(device) = device.filter(|device| device.exists() && iommu.exists()) {
        match root.check(&iommu).and_then(|()| root.check(&device)) {
            Ok(()) => return Ok(Interface::Iommufd { device }),
            Err(error) => denied = Some(error),
        }
    }
    let container = root.path.join("dev/vfio/vfio");
    match root.check(&container).and_then(|()| root.check(&group)) {
        Ok(()) => Ok(Interface::Container { group }),
        // A kernel without groups is asked for what it has.
        Err(error @ OpenError::NoVfio { .. }) => Err(denied.unwrap_or(error)),
        Err(error) => Err(error),
    }
}

/// Others of the group whose drivers keep it from being used: address and driver.
fn in_the_way(sysfs: &Path, address: PciAddress) -> Vec<(String, String)> {
    let devices = sysfs.join("iommu_group/devices");
    let own = address.to_string();
    let others = names(&devices).into_iter().filter(|name| *name != own);
    let driven = others.filter_map(|name| {
        let driver = target(&devices.join(&name).join("driver"))?;
        let class = number(&devices.join(&name).join("class")).unwrap_or(0);
        let harmless = HARMLESS.contains(&driver.as_str()) || class >> 8 == BRIDGE;
        (!harmless).then_some((name, driver))
    });
    driven.collect()
}

/// All KV-CPUs of the system.
fn all(devices: &Path) -> Vec<String> {
    let is_ours = |name: &String| ids(&devices.join(name)) == Some((PCI_VENDOR, PCI_DEVICE));
    names(devices).into_iter().filter(is_ours).collect()
}

fn ids(sysfs: &Path) -> Option<(u16, u16)> {
    let id = |file: &str| u16::try_from(number(&sysfs.join(file))?).ok();
    Some((id("vendor")?, id("device")?))
}

/// A file that holds one number, as `0x1de5`.
fn number(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// The last part of what a symbolic link names.
fn target(link: &Path) -> Option<String> {
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_owned())
}

/// What is in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A line of `reserved_regions`: first, last, kind.
fn range(line: &str) -> Option<RangeInclusive<u64>> {
    let mut ends = line.split_whitespace().map(|end| u64::from_str_radix(end.strip_prefix("0x")?, 16).ok());
    Some(ends.next()??..=ends.next()??)
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
