//! QEMU, a kernel and a shell for the guest, as Debian packages unpacked in a cache: nothing is installed.
//!
//! ```text
//!  the host's mirror ─► apt with a state of its own ─► .deb files ─► ~/.cache/kvcpu/guest/prefix
//! ```
//!
//! The cache is the user's and not the checkout's, so that a fresh clone fetches nothing again.

use crate::process::{run_until, works};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where kernel and shell come from.
const SUITE: &str = "trixie";
/// Where QEMU does: 10.1 is the first with `vfio-user-pci`.
const QEMU_SUITE: &str = "trixie-backports";
const QEMU_LEAST: (u32, u32) = (10, 1);
/// Stands for the kernel that is current.
const KERNEL: &str = "linux-image-cloud-amd64";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is unpacked.
pub(super) struct Prefix(PathBuf);

impl Prefix {
    /// What is in the cache, fetched now if it is not. `None` if the mirror is out of reach.
    pub(super) fn get(deadline: Instant) -> Result<Option<Prefix>> {
        let cache = cache()?;
        let prefix = Prefix(cache.join("guest/prefix"));
        if !prefix.0.exists() {
            // Whole or not at all, whoever else fetches at the same time.
            let making = cache.join(format!("guest.{}", std::process::id()));
            let made = fetch(&making, deadline);
            if matches!(made, Ok(true)) && std::fs::rename(&making, cache.join("guest")).is_ok() {
                println!("guest: packages are in {}", cache.display());
            } else {
                // There may be nothing: what went wrong first is what is told.
                let removed = std::fs::remove_dir_all(&making);
                if !made? {
                    return Ok(None);
                }
                removed.with_context(|| format!("cannot remove {}", making.display()))?;
                ensure!(prefix.0.exists(), "cannot make {}", prefix.0.display());
            }
        }
        prefix.check()?;
        Ok(Some(prefix))
    }

    /// A program of the prefix, run with the prefix's own libraries.
    fn program(&self, path: &str) -> Command {
        let libraries = self.0.join("usr/lib/x86_64-linux-gnu");
        let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(&libraries).arg(self.0.join(path));
        command
    }

    /// QEMU, told where its firmware is.
    pub(super) fn qemu(&self) -> Command {
        let mut command = self.program("usr/bin/qemu-system-x86_64");
        for folder in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(self.0.join(folder));
        }
        command
    }

    /// A static busybox, for the guest and for this host.
    pub(super) fn busybox(&self) -> PathBuf {
        self.0.join("usr/bin/busybox")
    }

    /// The kernel's compressed image.
    pub(super) fn kernel(&self) -> Result<PathBuf> {
        only(&self.0.join("boot"), "vmlinuz-")
    }

    /// The kernel's modules.
    pub(super) fn modules(&self) -> Result<PathBuf> {
        only(&self.0.join("usr/lib/modules"), "")
    }

    fn check(&self) -> Result<()> {
        let said = self.program("usr/bin/qemu-system-x86_64").arg("--version").output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.split_whitespace().nth(3).unwrap_or_default();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        ensure!(
            version >= QEMU_LEAST,
            "QEMU {}.{} or later is needed, and {} says: {said}; remove ~/.cache/kvcpu/guest to fetch it anew",
            QEMU_LEAST.0,
            QEMU_LEAST.1,
            self.0.display()
        );
        Ok(())
    }
}

/// The only file or folder of a folder whose name begins so.
fn only(folder: &Path, begin: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot look into {}", folder.display()))?;
    let found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin)))
        .collect();
    match &found[..] {
        [one] => Ok(one.clone()),
        _ => {
            bail!(
                "{} has {} of {begin}*, not one; remove ~/.cache/kvcpu/guest to fetch it anew",
                folder.display(),
                found.len()
            )
        }
    }
}

/// Fetches and unpacks the packages into a folder; `false` if the mirror is out of reach.
fn fetch(folder: &Path, deadline: Instant) -> Result<bool> {
    let apt = Apt::new(folder)?;
    if let Err(error) = apt.update(deadline) {
        println!("guest: {error:#}");
        return Ok(false);
    }
    apt.fetch(deadline)?;
    apt.unpack(&folder.join("prefix"), deadline)?;
    Ok(true)
}

/// The user's cache (XDG Base Directory Specification).
fn cache() -> Result<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME says where a cache may be")?.join("kvcpu"))
}

/// apt with lists, state and cache of its own, which knows of no installed package.
struct Apt {
    root: PathBuf,
}

impl Apt {
    fn new(cache: &Path) -> Result<Apt> {
        if !works(Command::new("apt-get").arg("--version")) || !works(Command::new("dpkg-deb").arg("--version")) {
            bail!("the guest is made of Debian packages, and there is no apt-get or dpkg-deb");
        }
        let root = cache.join("apt");
        for folder in ["lists/partial", "archives/partial"] {
            std::fs::create_dir_all(root.join(folder)).with_context(|| format!("cannot make {}", root.display()))?;
        }
        let mirror = mirror()?;
        let line = |suite| format!("deb [arch=amd64 signed-by={KEYRING}] {mirror} {suite} main\n");
        std::fs::write(root.join("status"), "")?;
        std::fs::write(root.join("sources.list"), line(SUITE) + &line(QEMU_SUITE))?;
        let at = root.display();
        let config = format!(
            "Dir::State \"{at}\";\nDir::State::lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
             Dir::Cache \"{at}\";\nDir::Cache::archives \"{at}/archives\";\nDir::Etc::sourcelist \"{at}/sources.list\";\n\
             Dir::Etc::sourceparts \"-\";\nAPT::Install-Recommends \"false\";\nAPT::Architecture \"amd64\";\n\
             APT::Sandbox::User \"\";\nDebug::NoLocking \"true\";\n"
        );
        std::fs::write(root.join("apt.conf"), config)?;
        Ok(Apt { root })
    }

    fn get(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("apt-get");
        command
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .args(["-qq", "-o", "Acquire::Retries=2"])
            .args(arguments);
        command.stdin(Stdio::null()).current_dir(self.root.join("archives"));
        command
    }

    fn update(&self, deadline: Instant) -> Result<()> {
        // Without the option a list that could not be had is a warning.
        run_until(&mut self.get(&["update", "--error-on=any"]), deadline).context("the mirror is out of reach")
    }

    fn fetch(&self, deadline: Instant) -> Result<()> {
        let install = ["install", "-y", "--download-only", "-t", QEMU_SUITE, "qemu-system-x86", "busybox-static"];
        run_until(&mut self.get(&install), deadline).context("cannot fetch QEMU")?;
        // The name stands for one with the version in it, which is all that is wanted of what that needs.
        let mut depends = Command::new("apt-cache");
        depends
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .args(["depends", "-t", SUITE, KERNEL]);
        let said = depends.output().context("cannot run apt-cache")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let image = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with("linux-image-")))
            .with_context(|| format!("apt-cache does not say which kernel {KERNEL} is: {said}"))?;
        run_until(&mut self.get(&["download", image]), deadline).context("cannot fetch the kernel")
    }

    fn unpack(&self, prefix: &Path, deadline: Instant) -> Result<()> {
        std::fs::create_dir_all(prefix)?;
        for entry in std::fs::read_dir(self.root.join("archives"))? {
            let package = entry?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                run_until(unpack.arg("-x").arg(&package).arg(prefix), deadline)?;
            }
        }
        Ok(())
    }
}

/// The Debian mirror that this host uses.
fn mirror() -> Result<String> {
    let said = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"])
        .output()
        .context("cannot run apt-get")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.lines()
        .filter_map(|line| line.strip_suffix(" main"))
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
        .context("apt has no Debian mirror in its sources; `apt-get update` with one")
}
