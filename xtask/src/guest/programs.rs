//! The programs of the guest, built here, and the libraries that they load.

use crate::process::{cargo, run_until};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

pub(super) struct Programs {
    /// With the RTL in it; both on this host, as the server, and in the guest.
    pub(super) kvctl: PathBuf,
    /// The C program of the ioctls.
    pub(super) uapi: PathBuf,
}

impl Programs {
    pub(super) fn build(root: &Path, target: &Path, deadline: Instant) -> Result<Programs> {
        // With a test, as those bring features of dependencies with them: so after the tests there is nothing to do.
        let mut kvctl = cargo();
        kvctl.current_dir(root).args([
            "build",
            "--quiet",
            "--release",
            "--workspace",
            "--features",
            "kvctl/rtl",
            "--bin",
            "kvctl",
            "--test",
            "cli_rtl",
        ]);
        run_until(&mut kvctl, deadline)?;
        let uapi = target.join("guest/uapi");
        let mut c = Command::new("cc");
        c.current_dir(root)
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I", "driver/uapi/include", "-o"]);
        run_until(c.arg(&uapi).arg("tests/guest/uapi.c"), deadline)?;
        Ok(Programs { kvctl: target.join("release/kvctl"), uapi })
    }

    /// What both load, dynamic linker included, each at the place where it is looked for.
    pub(super) fn libraries(&self) -> Result<Vec<PathBuf>> {
        let said = Command::new("ldd").args([&self.kvctl, &self.uapi]).output().context("cannot run ldd")?;
        ensure!(said.status.success(), "ldd: {}", String::from_utf8_lossy(&said.stderr));
        let mut libraries = loaded(&String::from_utf8_lossy(&said.stdout));
        libraries.sort();
        libraries.dedup();
        ensure!(!libraries.is_empty(), "ldd names no library of {}", self.kvctl.display());
        Ok(libraries)
    }
}

/// The paths in what ldd says: `name => path (address)`, and `path (address)` for the dynamic linker.
fn loaded(said: &str) -> Vec<PathBuf> {
    let words = said.split_whitespace();
    words
        .filter(|word| word.starts_with('/') && !word.ends_with(':'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_names_addresses_and_headings() {
        let said = "/work/kvctl:\n\tlinux-vdso.so.1 (0x00007f7e59a72000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x2)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(loaded(said), expected);
    }
}
