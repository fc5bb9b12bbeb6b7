//! `cargo xtask guest`: the whole Linux path in a virtual machine. `docs/guest.md`.
//!
//! ```text
//!  kvctl serve ◄─ vfio-user ─ QEMU: virtual IOMMU ─ kernel: vfio-pci ─ kvctl --device vfio:0000:00:05.0
//!   emulator, then RTL                                              └─ /dev/cuse ─ kvctl uapi ─ a C program
//! ```
//!
//! The guest's init (`tests/guest/init.sh`) runs the stages and says on the console how each began and ended; this follows it, kills the
//! server when it is told to, and prints what was done and how long it took.

mod image;
mod machine;
mod packages;
mod programs;

use crate::workspace;
use anyhow::{Context, Result, anyhow, bail, ensure};
use image::Image;
use machine::{DeviceServer, Guest};
use packages::Prefix;
use programs::Programs;
use std::path::Path;
use std::time::{Duration, Instant};

/// For all of it, with nothing in the cache.
const BY_HAND: Duration = Duration::from_secs(1800);
/// For a guest, from its power-on to its end.
const ONE_GUEST: Duration = Duration::from_secs(600);
/// What the guest's lines for this begin with.
const MARK: &str = "guest: ";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this device: emulator or rtl; by default both at once
    #[arg(long, value_parser = ["emulator", "rtl"])]
    device: Option<String>,
}

/// Runs it by hand.
pub(crate) fn run(options: &Options) -> Result<()> {
    stages(options.device.as_deref(), Instant::now() + BY_HAND)
}

/// Boots a guest for each device and follows its stages.
pub(crate) fn stages(only: Option<&str>, deadline: Instant) -> Result<()> {
    let begin = Instant::now();
    let root = workspace::root()?;
    let target = workspace::metadata(&root)?.target_directory.into_std_path_buf();
    let folder = target.join("guest");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let Some(prefix) = Prefix::get(deadline)? else {
        println!("guest: SKIPPED: QEMU and the kernel could not be fetched, and the Linux path was not tested");
        return Ok(());
    };
    let programs = Programs::build(&root, &target, deadline)?;
    let image = Image::make(&folder, &prefix, &programs, &root.join("tests/guest/init.sh"))?;
    println!("guest: packages, programs and image there after {:.0} s", begin.elapsed().as_secs_f64());
    // Side by side: a guest and its server wait for each other most of the time.
    let devices = ["emulator", "rtl"].into_iter().filter(|device| only.is_none_or(|only| only == *device));
    let end = deadline.min(Instant::now() + ONE_GUEST);
    let guest = |device| {
        one(device, &programs.kvctl, &prefix, &image, &folder, end)
            .with_context(|| format!("the guest with the {device}; consoles and logs are in {}", folder.display()))
    };
    std::thread::scope(|scope| {
        let guests: Vec<_> = devices.map(|device| scope.spawn(move || guest(device))).collect();
        let ended: Vec<Result<()>> = guests
            .into_iter()
            .map(|guest| guest.join().unwrap_or_else(|_| Err(anyhow!("panicked; its message is above"))))
            .collect();
        ended.into_iter().try_for_each(|result| result)
    })?;
    println!("guest: all stages passed, {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// A guest, from power-on to its end.
fn one(device: &str, kvctl: &Path, prefix: &Prefix, image: &Image, folder: &Path, deadline: Instant) -> Result<()> {
    let begin = Instant::now();
    let mut server = Some(DeviceServer::start(kvctl, device, folder)?);
    let booted = server.as_ref().context("it was started")?;
    let mut guest = Guest::boot(prefix, image, booted, folder.join(format!("{device}.log")))?;
    let (mut passed, mut stage, mut ended) = (0, begin, false);
    let mut failed = Vec::new();
    while let Some(line) = guest.line(deadline)? {
        let Some(said) = line.strip_prefix(MARK) else { continue };
        match said.split_once(' ').unwrap_or((said, "")) {
            ("booted", _) => println!("guest: {device}: booted in {:.1} s", begin.elapsed().as_secs_f64()),
            ("begin", _) => stage = Instant::now(),
            ("kill-server", _) => server.take().context("the server was killed already")?.kill(),
            ("ok", name) => {
                passed += 1;
                println!("guest: {device}: {name} passed, {:.1} s", stage.elapsed().as_secs_f64());
            }
            ("fail", what) => {
                println!("guest: {device}: FAILED: {what}");
                failed.push(what.to_owned());
            }
            ("end", _) => ended = true,
            (_, _) => println!("{line}"),
        }
    }
    let status = guest.status()?;
    // QEMU 11.1 aborts when it lets go of a device whose server is gone, which is after the guest's last word.
    ensure!(status.success() || (ended && server.is_none()), "QEMU ended: {status}");
    ensure!(ended, "it stopped after {passed} stages without having come to its end");
    if !failed.is_empty() {
        bail!("{} stages failed: {}", failed.len(), failed.join("; "));
    }
    println!("guest: {device}: {passed} stages, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
