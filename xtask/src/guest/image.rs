//! What the guest boots: the kernel as ELF, and a RAM disk with a shell, modules, programs and the script of stages.

use super::packages::Prefix;
use super::programs::Programs;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Modules in the order in which they are loaded.
const MODULES: [&str; 6] = [
    "virt/lib/irqbypass.ko",
    "drivers/vfio/vfio.ko",
    "drivers/vfio/vfio_iommu_type1.ko",
    "drivers/vfio/pci/vfio-pci-core.ko",
    "drivers/vfio/pci/vfio-pci.ko",
    "fs/fuse/cuse.ko",
];

/// Kernel and RAM disk.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) disk: PathBuf,
}

impl Image {
    /// Makes both in `folder`; the programs go into /bin of the guest, `script` is its init.
    pub(super) fn make(folder: &Path, prefix: &Prefix, programs: &Programs, script: &Path) -> Result<Image> {
        let image = Image { kernel: folder.join("vmlinux"), disk: folder.join("initrd") };
        let compressed = fs::read(prefix.kernel()?)?;
        fs::write(&image.kernel, unpacked(&compressed)?)?;

        let root = folder.join("root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        for below in ["bin", "dev", "proc", "sys", "tmp", "modules"] {
            fs::create_dir_all(root.join(below))?;
        }
        install(&prefix.busybox(), &root.join("bin/busybox"))?;
        install(script, &root.join("init"))?;
        install(&programs.kvctl, &root.join("bin/kvctl"))?;
        install(&programs.uapi, &root.join("bin/uapi"))?;
        for library in programs.libraries()? {
            let to = root.join(library.strip_prefix("/")?);
            fs::create_dir_all(to.parent().context("a library is in a folder")?)?;
            install(&library, &to)?;
        }
        let modules = prefix.modules()?.join("kernel");
        for (number, module) in MODULES.iter().enumerate() {
            let name = Path::new(module).file_name().context("a module has a name")?.to_string_lossy();
            let to = root.join("modules").join(format!("{number}-{name}"));
            let packed = modules.join(format!("{module}.xz"));
            let mut unpack = Command::new(prefix.busybox());
            let bytes = unpack.args(["unxz", "-c"]).arg(&packed).output().context("cannot run busybox")?;
            ensure!(bytes.status.success(), "cannot unpack {}", packed.display());
            fs::write(&to, bytes.stdout)?;
        }
        archive(prefix, &root, &image.disk)?;
        Ok(image)
    }
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The ELF image in a bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length), zstd compressed.
fn unpacked(image: &[u8]) -> Result<Vec<u8>> {
    let word = |at: usize| -> Result<usize> {
        let bytes = image.get(at..at + 4).context("the kernel's header is cut off")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    let setup_sectors = usize::from(*image.get(0x1F1).context("the kernel's header is cut off")?);
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    // Its last four bytes are its unpacked size.
    let length = word(0x24C)?.checked_sub(4).context("the kernel has no payload")?;
    let payload = image.get(start..start + length).context("the kernel's payload is cut off")?;
    zstd::decode_all(payload).context("the kernel's payload is not zstd")
}

/// The folder as a newc archive.
fn archive(prefix: &Prefix, root: &Path, to: &Path) -> Result<()> {
    let list = Command::new(prefix.busybox()).args(["find", "."]).current_dir(root).output()?;
    let file = fs::File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let mut cpio = Command::new(prefix.busybox());
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(root);
    let mut child = cpio.stdin(Stdio::piped()).stdout(file).stderr(Stdio::null()).spawn()?;
    child.stdin.take().context("cpio has an input")?.write_all(&list.stdout)?;
    ensure!(child.wait()?.success(), "cpio failed");
    Ok(())
}
