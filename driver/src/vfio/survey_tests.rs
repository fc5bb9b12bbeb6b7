//! Everything that can be wrong with a card, in a sysfs and /dev of a temporary directory.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const CARD: &str = "0000:05:00.0";

/// A machine with a card that can be driven: IOMMU group 7, bound to vfio-pci.
struct Machine {
    directory: TempDir,
    root: Root,
}

impl Machine {
    fn new() -> Machine {
        let directory = TempDir::new().unwrap();
        let exists = |path: &Path| if path.exists() { Ok(()) } else { Err(Errno::NOENT) };
        let root = Root { path: directory.path().into(), access: exists };
        let machine = Machine { directory, root };
        machine.function(CARD, "0x1de5", "0x0a10", "0x058000", Some("vfio-pci"));
        machine.file("sys/kernel/iommu_groups/7/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
        machine.file("dev/vfio/vfio", "");
        machine.file("dev/vfio/7", "");
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A function in group 7.
    fn function(&self, address: &str, vendor: &str, device: &str, class: &str, driver: Option<&str>) {
        let at = format!("sys/bus/pci/devices/{address}");
        for (name, text) in [("vendor", vendor), ("device", device), ("class", class)] {
            self.file(&format!("{at}/{name}"), &format!("{text}\n"));
        }
        let group = self.path("sys/kernel/iommu_groups/7");
        fs::create_dir_all(group.join("devices")).unwrap();
        symlink(self.path(&at), group.join("devices").join(address)).unwrap();
        symlink(&group, self.path(&at).join("iommu_group")).unwrap();
        if let Some(driver) = driver {
            let drivers = self.path("sys/bus/pci/drivers").join(driver);
            fs::create_dir_all(&drivers).unwrap();
            symlink(drivers, self.path(&at).join("driver")).unwrap();
        }
    }

    fn iommufd(&self) {
        fs::create_dir_all(self.path(&format!("sys/bus/pci/devices/{CARD}/vfio-dev/vfio3"))).unwrap();
        self.file("dev/vfio/devices/vfio3", "");
        self.file("dev/iommu", "");
    }

    fn survey(&self) -> Result<Survey, OpenError> {
        Survey::of(&self.root, CARD.parse().unwrap())
    }

    /// The error, and what it says.
    fn refused(&self) -> (OpenError, String) {
        let error = self.survey().unwrap_err();
        let text = error.to_string();
        (error, text)
    }
}

fn denied(_: &Path) -> Result<(), Errno> {
    Err(Errno::ACCESS)
}

#[test]
fn a_card_by_the_container() {
    let machine = Machine::new();
    let survey = machine.survey().unwrap();
    assert_eq!(survey.interface, Interface::Container { group: machine.path("dev/vfio/7") });
    assert_eq!(survey.files, [machine.path("dev/vfio/7")]);
    assert_eq!(survey.reserved, [0xFEE0_0000..=0xFEEF_FFFF]);
    assert!(survey.sysfs.ends_with(CARD));
}

#[test]
fn iommufd_is_taken_where_it_is_whole_and_ours() {
    let mut machine = Machine::new();
    machine.iommufd();
    let device = machine.path("dev/vfio/devices/vfio3");
    let survey = machine.survey().unwrap();
    assert_eq!(survey.files, [machine.path("dev/vfio/7"), device.clone()], "another driver may have come by the group");
    assert_eq!(survey.interface, Interface::Iommufd { device });
    machine.root.access = |path| if path.ends_with("dev/iommu") { Err(Errno::ACCESS) } else { Ok(()) };
    assert!(matches!(machine.survey().unwrap().interface, Interface::Container { .. }), "no permission on /dev/iommu");
    machine.root.access = |_| Ok(());
    fs::remove_file(machine.path("dev/iommu")).unwrap();
    assert!(matches!(machine.survey().unwrap().interface, Interface::Container { .. }), "no /dev/iommu");
}

#[test]
fn no_such_device_names_those_there_are() {
    let machine = Machine::new();
    let error = Survey::of(&machine.root, "06:00.0".parse().unwrap()).unwrap_err();
    assert!(matches!(error, OpenError::NoDevice { .. }));
    assert!(error.to_string().contains("there is a KV-CPU at 0000:05:00.0"), "{error}");
    fs::remove_dir_all(machine.path("sys/bus/pci/devices")).unwrap();
    let (_, text) = machine.refused();
    assert!(text.contains("no PCI device 0000:05:00.0") && text.contains("rescan"), "{text}");
}

#[test]
fn another_device_is_told_from_ours() {
    let machine = Machine::new();
    machine.function("0000:06:00.0", "0x8086", "0x10d3", "0x020000", Some("vfio-pci"));
    let error = Survey::of(&machine.root, "06:00.0".parse().unwrap()).unwrap_err();
    assert!(matches!(error, OpenError::OtherDevice { vendor: 0x8086, device: 0x10D3, .. }));
    assert!(error.to_string().contains("1de5:0a10"), "{error}");
}

#[test]
fn without_an_iommu_it_says_how_to_switch_it_on() {
    let machine = Machine::new();
    fs::remove_file(machine.path("sys/bus/pci/devices").join(CARD).join("iommu_group")).unwrap();
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NoIommu { .. }));
    assert!(text.contains("intel_iommu=on"), "{text}");
}

#[test]
fn a_group_without_an_iommu_is_none() {
    let machine = Machine::new();
    // As VFIO makes it: the file is not that of a group that an IOMMU has.
    fs::rename(machine.path("dev/vfio/7"), machine.path("dev/vfio/noiommu-7")).unwrap();
    machine.file("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NoIommu { .. }), "{text}");
    assert!(text.contains("vfio-noiommu") && text.contains("intel_iommu=on"), "{text}");
    // Other names are only names.
    fs::rename(machine.path("dev/vfio/noiommu-7"), machine.path("dev/vfio/7")).unwrap();
    machine.file("sys/kernel/iommu_groups/7/name", "smmu\n");
    assert!(machine.survey().is_ok());
}

#[test]
fn another_driver_is_named_with_the_commands_that_bind() {
    let machine = Machine::new();
    let driver = machine.path("sys/bus/pci/devices").join(CARD).join("driver");
    fs::remove_file(&driver).unwrap();
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NotBound { driver: None, .. }));
    assert!(text.contains("has no driver") && text.contains("driver_override") && !text.contains("unbind"), "{text}");
    symlink(machine.path("sys/bus/pci/drivers/xdma"), &driver).unwrap();
    let (_, text) = machine.refused();
    assert!(text.contains("driver xdma"), "{text}");
    let commands = [
        "modprobe vfio-pci",
        "echo vfio-pci > /sys/bus/pci/devices/0000:05:00.0/driver_override",
        "echo 0000:05:00.0 > /sys/bus/pci/devices/0000:05:00.0/driver/unbind",
        "echo 0000:05:00.0 > /sys/bus/pci/drivers_probe",
    ];
    let places: Vec<_> = commands.map(|command| text.find(command).unwrap()).into();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn others_of_the_group_are_named_unless_harmless() {
    let machine = Machine::new();
    machine.function("0000:00:1c.0", "0x8086", "0xa110", "0x060400", Some("pcieport"));
    machine.function("0000:05:00.1", "0x10ee", "0x7028", "0x070001", None);
    machine.function("0000:05:00.2", "0x10ee", "0x7028", "0x070001", Some("vfio-pci"));
    machine.function("0000:05:00.4", "0x104c", "0x8240", "0x060401", Some("some-bridge"));
    assert!(machine.survey().is_ok());
    machine.function("0000:05:00.3", "0x8086", "0x10d3", "0x020000", Some("e1000e"));
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NotViable { group: 7, .. }));
    assert!(text.contains("shared with 0000:05:00.3 (driver e1000e);"), "{text}");
}

#[test]
fn without_vfio_it_says_what_is_missing() {
    let machine = Machine::new();
    fs::remove_file(machine.path("dev/vfio/7")).unwrap();
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NoVfio { path } if path == machine.path("dev/vfio/7")));
    assert!(text.contains("modprobe vfio-pci"), "{text}");
}

#[test]
fn without_permission_it_names_the_file() {
    let mut machine = Machine::new();
    machine.root.access = |path| if path.ends_with("7") { denied(path) } else { Ok(()) };
    let (error, text) = machine.refused();
    assert!(matches!(error, OpenError::NoPermission { path, .. } if path == machine.path("dev/vfio/7")));
    assert!(text.contains("chown") && text.contains("udev") && text.contains("SUBSYSTEM==\"vfio\""), "{text}");
    machine.root.access = |path| if path.ends_with("vfio/vfio") { denied(path) } else { Ok(()) };
    let (_, text) = machine.refused();
    assert!(text.contains("dev/vfio/vfio") && text.contains(r#"SUBSYSTEM=="misc", KERNEL=="vfio", GROUP"#), "{text}");
    // A kernel with iommufd alone.
    machine.iommufd();
    for file in ["dev/vfio/vfio", "dev/vfio/7"] {
        fs::remove_file(machine.path(file)).unwrap();
    }
    machine.root.access = |path| match path.exists() {
        true if path.ends_with("dev/iommu") => Ok(()),
        true => denied(path),
        false => Err(Errno::NOENT),
    };
    let (_, text) = machine.refused();
    assert!(text.contains("dev/vfio/devices/vfio3") && text.contains("SUBSYSTEM==\"vfio-dev\""), "{text}");
}

#[test]
fn the_running_system_is_asked_too() {
    let root = Root::system();
    assert_eq!((root.access)(Path::new("/dev/null")), Ok(()));
    assert_eq!((root.access)(Path::new("/dev/vfio/no-such-group")), Err(Errno::NOENT));
}
