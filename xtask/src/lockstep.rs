//! `cargo xtask lockstep`: emulator and RTL under the same random streams, without end. What comes after `--` goes to the program,
//! whose `--help` says more.

use crate::process::{cargo, run as run_command};
use crate::workspace;
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build the RTL so that a difference leaves a waveform; it is slower
    #[arg(long)]
    waveform: bool,
    /// Arguments of the program: --kind, --seed, --commands, --streams, --minutes, --out
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", "kvcpu-tests", "--bin", "lockstep"]);
    if options.waveform {
        command.args(["--features", "trace"]);
    }
    run_command(command.arg("--").args(&options.arguments).current_dir(workspace::root()?))
}
