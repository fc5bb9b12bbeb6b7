//! Runs the built `kvctl` and looks at what it said.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a run said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Said {
    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }

    /// One object a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object a line"))
            .collect()
    }

    /// It failed with `code`, and one line on standard error holds `text`.
    pub(crate) fn refused(&self, code: i32, text: &str) {
        assert_eq!(self.code, code, "{} {}", self.out, self.err);
        let lines = self.err.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines, 1, "{text:?} in one line of: {}", self.err);
        if code == 1 {
            assert_eq!(self.err.lines().count(), 1, "one line: {}", self.err);
        }
    }

    pub(crate) fn good(self) -> Said {
        assert_eq!(self.code, 0, "{} {}", self.out, self.err);
        self
    }
}

/// `kvctl --geometry test ARGS`, not run yet.
pub(crate) fn command(args: &[&str]) -> Command {
    command_at("test", args)
}

fn command_at(geometry: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvctl"));
    command.args(["--geometry", geometry]).args(args).env_remove("RUST_LOG");
    command
}

/// Runs `kvctl --geometry test ARGS`.
pub(crate) fn kvctl(args: &[&str]) -> Said {
    kvctl_at("test", args)
}

/// Runs it on a device of this geometry.
pub(crate) fn kvctl_at(geometry: &str, args: &[&str]) -> Said {
    command_at(geometry, args).stdin(Stdio::null()).output().expect("it runs").into()
}

/// Runs a shell session on these lines.
pub(crate) fn session(args: &[&str], lines: &str) -> Said {
    let mut child = command(&[&["shell"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // It may end before it has read everything.
    let _ = child.stdin.take().expect("piped").write_all(lines.as_bytes());
    child.wait_with_output().expect("it ends").into()
}
