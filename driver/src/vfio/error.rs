//! Why a card cannot be opened, each with what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use kvcpu_mmio::BackingError;
use kvcpu_mmio::map::{PCI_DEVICE, PCI_VENDOR};

use super::PciAddress;
use super::survey::VFIO_PCI;

/// Why there is no card to drive at an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No function has this address.
    #[error("there is no PCI device {address}; {}", others(found))]
    NoDevice {
        /// The address.
        address: PciAddress,
        /// The KV-CPUs that there are.
        found: Vec<String>,
    },
    /// The function is none of ours.
    #[error(
        "PCI device {address} is {vendor:04x}:{device:04x} and no KV-CPU ({PCI_VENDOR:04x}:{PCI_DEVICE:04x}); `lspci -Dd {PCI_VENDOR:04x}:` lists those"
    )]
    OtherDevice {
        /// The address.
        address: PciAddress,
        /// Its vendor.
        vendor: u16,
        /// Its device id.
        device: u16,
    },
    /// No IOMMU translates for the device.
    #[error(
        "no IOMMU translates for {address} (its iommu_group in sysfs is missing, or named vfio-noiommu), so nothing keeps its DMA in bounds; switch the IOMMU on in the firmware (VT-d, AMD-Vi) and boot with intel_iommu=on (Intel)"
    )]
    NoIommu {
        /// The address.
        address: PciAddress,
    },
    /// The function has another driver, or none.
    #[error(
        "{address} {}; as root: modprobe {VFIO_PCI}; echo {VFIO_PCI} > /sys/bus/pci/devices/{address}/driver_override; {}echo {address} > /sys/bus/pci/drivers_probe",
        bound(driver.as_deref()),
        unbind(*address, driver.as_deref())
    )]
    NotBound {
        /// The address.
        address: PciAddress,
        /// The driver it has.
        driver: Option<String>,
    },
    /// Others of the group have drivers of the host.
    #[error(
        "IOMMU group {group} of {address} is shared with {}; bind those to {VFIO_PCI} too, or unbind them, or plug the card where it has a group of its own",
        list(others)
    )]
    NotViable {
        /// The address.
        address: PciAddress,
        /// Its group.
        group: u32,
        /// Address and driver of those others.
        others: Vec<(String, String)>,
    },
    /// The kernel does not give the group away, for others that are in it.
    #[error(
        "the IOMMU group of {address} is in use by a driver of the host; bind all that `ls /sys/bus/pci/devices/{address}/iommu_group/devices` lists to {VFIO_PCI}, or unbind them"
    )]
    GroupInUse {
        /// The address.
        address: PciAddress,
    },
    /// The kernel shows no way to the device.
    #[error("{} does not exist; load VFIO (modprobe {VFIO_PCI}), and mount /dev if it is not", path.display())]
    NoVfio {
        /// What is missing.
        path: PathBuf,
    },
    /// The way to the device is not ours to go.
    #[error(
        "no permission on {}; as root: chown {user} {}, or for good a rule in /etc/udev/rules.d: {}, GROUP=\"kvcpu\", MODE=\"0660\"",
        path.display(), path.display(), udev(path)
    )]
    NoPermission {
        /// The file.
        path: PathBuf,
        /// Who lacks it.
        user: u32,
    },
    /// Another driver has it.
    #[error("{address} has another driver at work; one at a time: as root, {} names it", fuser(files))]
    Busy {
        /// The address.
        address: PciAddress,
        /// What it may hold open, by either interface.
        files: Vec<PathBuf>,
    },
    /// Another driver has it, or it cannot be switched on: the kernel says the same of both.
    #[error(
        "the kernel finds it invalid to open {address}: it has another driver at work (as root, {} names it; end that), or a BAR without an address (`dmesg` names it, and in /sys/bus/pci/devices/{address}/resource it starts at 0 and ends elsewhere; remove and rescan the device, or boot with pci=realloc)",
        fuser(files)
    )]
    BusyOrUnplaced {
        /// The address.
        address: PciAddress,
        /// What that driver may hold open, by either interface.
        files: Vec<PathBuf>,
    },
    /// The host cannot keep the device's interrupts in bounds.
    #[error(
        "the IOMMU of {address} does not remap interrupts; switch that on in the firmware, or, if the card is trusted: echo Y > /sys/module/{module}/parameters/allow_unsafe_interrupts"
    )]
    UnsafeInterrupts {
        /// The address.
        address: PciAddress,
        /// Who refuses.
        module: &'static str,
    },
    /// A BAR is missing or too small.
    #[error(
        "BAR{bar} of {address} has {found} bytes and {needed} are needed; load the KV-CPU's bitstream, then remove and rescan the device"
    )]
    SmallBar {
        /// The address.
        address: PciAddress,
        /// Which.
        bar: u8,
        /// Its size; 0 if there is none.
        found: u64,
        /// What it should have.
        needed: u64,
    },
    /// A BAR cannot be mapped.
    #[error("BAR{bar} of {address} cannot be mapped: {why}; it takes Linux 4.16 or later and pages of 4 KiB")]
    Unmappable {
        /// The address.
        address: PciAddress,
        /// Which.
        bar: u8,
        /// What the system says.
        why: String,
    },
    /// It stopped answering meanwhile.
    #[error("{address}: {source}; look at the link with lspci -vv, then rescan")]
    Device {
        /// The address.
        address: PciAddress,
        /// What was seen.
        source: BackingError,
    },
    /// The kernel refuses for another reason.
    #[error("the kernel does not give {address} away: {why}; `dmesg` says more")]
    Kernel {
        /// The address.
        address: PciAddress,
        /// What it says.
        why: String,
    },
}

fn others(found: &[String]) -> String {
    match found {
        [] => format!(
            "nor is there a KV-CPU: is it powered, does `lspci -d {PCI_VENDOR:04x}:` show it? A card programmed after boot takes echo 1 > /sys/bus/pci/rescan"
        ),
        found => format!("there is a KV-CPU at {}", found.join(", ")),
    }
}

fn bound(driver: Option<&str>) -> impl fmt::Display {
    match driver {
        Some(driver) => format!("belongs to the driver {driver}"),
        None => "has no driver".into(),
    }
}

fn unbind(address: PciAddress, driver: Option<&str>) -> impl fmt::Display {
    driver.map_or(String::new(), |_| format!("echo {address} > /sys/bus/pci/devices/{address}/driver/unbind; "))
}

fn list(others: &[(String, String)]) -> impl fmt::Display {
    let named = others.iter().map(|(address, driver)| format!("{address} (driver {driver})"));
    named.collect::<Vec<_>>().join(", ")
}

/// The command that names who holds one of `files` open.
fn fuser(files: &[PathBuf]) -> impl fmt::Display {
    let files = files.iter().map(|file| format!(" {}", file.display()));
    format!("`fuser -v{}`", files.collect::<String>())
}

/// How udev knows a device file: those that are for all devices are of the kernel's class `misc`.
fn udev(path: &Path) -> &'static str {
    if path.ends_with("dev/iommu") {
        r#"SUBSYSTEM=="misc", KERNEL=="iommu""#
    } else if path.ends_with("dev/vfio/vfio") {
        r#"SUBSYSTEM=="misc", KERNEL=="vfio""#
    } else if path.components().any(|part| part.as_os_str() == "devices") {
        r#"SUBSYSTEM=="vfio-dev""#
    } else {
        r#"SUBSYSTEM=="vfio""#
    }
}
