//! A model check of the microprogram, as its folder in hdl/formal declares it: `micro.toml`. What is checked is in
//! hdl/src/check.
//!
//! ```text
//! hdl/micro/*.rs ─► mutant's edit ─► control words ─► every way they can go ─► what holds, what was met; or a counterexample
//! ```

use crate::process::{cargo, run, run_until};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the check says first if it has found one.
const COUNTEREXAMPLE: &str = "counterexample: ";

/// A micro.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// What is checked, in a line.
    pub(super) about: String,
    /// How much of it.
    pub(super) extent: String,
    /// What must be noticed.
    pub(super) mutants: Vec<Mutant>,
}

/// An edit of the microprogram that breaks it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutant {
    /// What is broken, in a line.
    name: String,
    /// The file of hdl/micro.
    file: String,
    /// Text that stands once in it.
    old: String,
    /// What takes its place.
    new: String,
}

impl Check {
    /// Reads it from its folder; None if that is of another kind.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("micro.toml");
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let check: Self = toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
        ensure!(!check.mutants.is_empty(), "{}: a check needs a mutant that fails it", path.display());
        Ok(Some(check))
    }
}

/// The program that checks, and where.
pub(super) struct Checker {
    program: PathBuf,
    /// hdl/micro.
    micro: PathBuf,
    /// Where checks are worked on.
    work: PathBuf,
    /// When all have to end.
    deadline: Instant,
}

impl Checker {
    /// Compiles the program.
    pub(super) fn get(root: &Path, deadline: Instant) -> Result<Self> {
        let target = workspace::metadata(root)?.target_directory.into_std_path_buf();
        run(cargo().args(["build", "--quiet", "--release", "-p", "kvcpu-hdl", "--bin", "check"]))?;
        let (program, work) = (target.join("release/check"), target.join("formal/work"));
        Ok(Self { program, micro: root.join("hdl/micro"), work, deadline })
    }

    /// That a check holds, and that all is met that must be.
    pub(super) fn hold(&self, name: &str) -> Result<Duration> {
        let (time, ended, said) = self.run(name, "hold", None)?;
        ended.map(|()| time).with_context(|| format!("does not hold: {said}"))
    }

    /// That a check notices a mutant.
    pub(super) fn catch(&self, name: &str, number: usize, mutant: &Mutant) -> Result<Duration> {
        let what = format!("mutant{number}");
        let folder = self.work.join(name).join(&what).join("micro");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for entry in std::fs::read_dir(&self.micro)? {
            let path = entry?.path();
            if let Some(file) = path.file_name().filter(|_| path.is_file()) {
                std::fs::copy(&path, folder.join(file))?;
            }
        }
        std::fs::write(folder.join(&mutant.file), mutant.apply(&self.micro)?)?;
        let (time, ended, said) = self.run(name, &what, Some(&folder))?;
        match ended {
            Ok(()) => bail!("mutant `{}` is not caught", mutant.name),
            Err(_) if said.starts_with(COUNTEREXAMPLE) => Ok(time),
            Err(error) => Err(error).with_context(|| format!("mutant `{}` could not be checked: {said}", mutant.name)),
        }
    }

    /// Runs the check: the time it took, how it ended, and what it said, which stays in log.txt.
    fn run(&self, name: &str, what: &str, micro: Option<&Path>) -> Result<(Duration, Result<()>, String)> {
        let folder = self.work.join(name).join(what);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = folder.join("log.txt");
        let file = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .arg(name)
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file)
            .env("RUST_BACKTRACE", "0");
        if let Some(micro) = micro {
            command.arg("--micro").arg(micro);
        }
        let start = Instant::now();
        let ended = run_until(&mut command, self.deadline);
        Ok((start.elapsed(), ended, std::fs::read_to_string(&log).unwrap_or_default()))
    }
}

impl Mutant {
    /// The text of its file with the edit made.
    pub(super) fn apply(&self, micro: &Path) -> Result<String> {
        let path = micro.join(&self.file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let found = text.matches(&self.old).count();
        ensure!(found == 1, "mutant `{}`: its old text stands {found} times in {}, not once", self.name, self.file);
        Ok(text.replacen(&self.old, &self.new, 1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    #[test]
    fn a_mutant_edits_text_that_stands_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), "fn f() { g(); g(); h(); }").unwrap();
        let mutant = |old: &str| Mutant { name: "m".into(), file: "a.rs".into(), old: old.into(), new: String::new() };
        assert_eq!(mutant("h();").apply(folder.path()).unwrap(), "fn f() { g(); g();  }");
        assert!(mutant("g();").apply(folder.path()).unwrap_err().to_string().contains("stands 2 times"));
    }
}
