//! Python packages in environments of their own in the build directory, so that nothing of the machine changes. Versions are the same
//! everywhere: those of xtask/python.txt, which has the packages that others need, too.

use crate::process::{run_until, works};
use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Versions of all packages.
const VERSIONS: &str = "xtask/python.txt";

/// The folder of the programs of an environment that has these packages; it is made if it is not there, or has others.
pub(crate) fn environment(environment: &Path, packages: &[&str], deadline: Instant) -> Result<PathBuf> {
    let programs = environment.join("bin");
    let stamp = environment.join("packages");
    let versions = workspace::root()?.join(VERSIONS);
    let pinned = std::fs::read_to_string(&versions).with_context(|| format!("cannot read {}", versions.display()))?;
    for package in packages {
        ensure!(has_version(&pinned, package), "{VERSIONS} has no version of {package}");
    }
    let wanted = format!("{}\n{pinned}", packages.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
        return Ok(programs);
    }
    ensure!(is_there(), "python3 with its module venv is missing; `apt-get install python3-venv`");
    eprintln!("installing {} in {}", packages.join(", "), environment.display());
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(environment).stdin(Stdio::null());
    run_until(&mut make, deadline)?;
    let mut install = Command::new(programs.join("python"));
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint"])
        .arg(&versions)
        .args(packages)
        .stdin(Stdio::null());
    run_until(&mut install, deadline).with_context(|| format!("pip could not install {}", packages.join(", ")))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(programs)
}

/// Whether `versions` has a line for a package.
fn has_version(versions: &str, package: &str) -> bool {
    versions
        .lines()
        .any(|line| line.split_once("==").is_some_and(|(name, _)| name == package))
}

/// Whether an environment can be made.
pub(crate) fn is_there() -> bool {
    works(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_one_version() {
        let text = std::fs::read_to_string(workspace::root().unwrap().join(VERSIONS)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for (number, line) in lines.iter().enumerate() {
            let (name, _) = line.split_once("==").unwrap_or_else(|| panic!("{line}"));
            assert!(has_version(&text, name) && !has_version(&lines[number + 1..].join("\n"), name), "{name}");
        }
        assert!(!has_version(&text, "yowasp"), "a part of a name is no name");
    }

    #[test]
    fn a_package_without_a_version_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let error = environment(folder.path(), &["no-such-package"], Instant::now()).unwrap_err().to_string();
        assert!(error.contains("no version of no-such-package"), "{error}");
    }
}
