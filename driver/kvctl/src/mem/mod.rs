//! `kvctl mem`: sealed files (`docs/tza.md`), and memory that is filled from them by page faults (`docs/pager.md`).

mod bench;
mod claim;
mod contents;
mod map;
mod pages;
mod seal;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_pager::container::{Fault, OpenOptions};
use kvcpu_pager::keys::KeyError;
use kvcpu_pager::{Container, OwnerSecret};
use serde_json::json;

use crate::cli::Error;
use crate::device::DeviceArgs;
use crate::output::{Output, Report};

/// `kvctl mem ...`.
#[derive(Args, Debug)]
pub struct MemArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make an owner's secret, in a new file
    Key {
        /// The file
        file: PathBuf,
    },
    /// Sign a claim: who may read a tenant's blocks of a sealed file, and until when
    Claim(claim::ClaimArgs),
    /// Seal a file: its blocks compressed, and encrypted with a key
    Seal(seal::SealArgs),
    /// Read every block of a sealed file and say which are damaged
    Verify(Sealed),
    /// Show what a sealed file holds: tensors by name, or the file
    List(Sealed),
    /// Map a sealed file under a budget and touch it, with live counters
    Map(map::MapArgs),
    /// Measure what a fault takes, beside the kernel's own
    Bench(bench::BenchArgs),
}

/// A sealed file, and its owner's secret.
#[derive(Args, Clone, Debug)]
struct Sealed {
    /// The file
    file: PathBuf,
    /// The owner's secret, for one that is encrypted
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Sealed {
    fn open(&self) -> Result<Container, Error> {
        let secret = secret(self.key.as_deref())?;
        let opened = Container::open(&self.file, OpenOptions { secret: secret.as_ref(), ..OpenOptions::default() });
        opened.map_err(|error| match error.fault() {
            Some(Fault::KeyNeeded) => format!("{error} with --key").into(),
            _ => error.into(),
        })
    }
}

/// Carries out a verb. A file with damage ends with exit code 1.
pub fn run(args: &MemArgs, device: &DeviceArgs, output: Output) -> Result<ExitCode, Error> {
    match &args.verb {
        Verb::Key { file } => {
            OwnerSecret::random()?.write(file).map_err(not_replaced)?;
            output.show(&Made { what: "mem_key", file: file.display().to_string() })?;
        }
        Verb::Claim(args) => output.show(&*claim::run(args)?)?,
        Verb::Seal(args) => output.show(&seal::run(args)?)?,
        Verb::List(sealed) => output.show(&contents::list(sealed)?)?,
        Verb::Verify(sealed) => {
            let verified = contents::verify(sealed)?;
            output.show(&verified)?;
            return Ok(if verified.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Verb::Map(args) => output.show(&map::run(args, device)?)?,
        Verb::Bench(args) => output.show(&bench::run(args)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what to do about a key file that is there already.
fn not_replaced(error: KeyError) -> Error {
    match &error {
        KeyError::File { error: cause, .. } if cause.kind() == ErrorKind::AlreadyExists => {
            format!("{error}; give another: what this one sealed is lost without it").into()
        }
        _ => error.into(),
    }
}

/// A file that was made.
struct Made {
    what: &'static str,
    file: String,
}

impl Report for Made {
    fn text(&self) -> String {
        format!("{}: keep it secret, and keep it: without it what it sealed is lost", self.file)
    }

    fn json(&self) -> serde_json::Value {
        json!({ "command": self.what, "file": self.file })
    }
}

fn secret(file: Option<&Path>) -> Result<Option<OwnerSecret>, Error> {
    Ok(file.map(OwnerSecret::read).transpose()?)
}

/// Seconds of Unix time.
fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A bar of bytes.
fn bar(bytes: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(what)
}

/// A number of bytes: `4096`, `64K`, `16M`, `2G`.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text
        .trim_end_matches(['i', 'B'])
        .split_at_checked(text.trim_end_matches(['i', 'B']).len().saturating_sub(1))
    {
        Some((digits, "K" | "k")) => (digits, 10),
        Some((digits, "M" | "m")) => (digits, 20),
        Some((digits, "G" | "g")) => (digits, 30),
        _ => (text, 0),
    };
    let number = crate::cli::parse::number(digits)?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is more than 64 bits hold"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_have_binary_suffixes() {
        let sizes = ["4096", "64K", "64KiB", "16m", "2G"].map(super::bytes);
        assert_eq!(sizes, [4096, 64 << 10, 64 << 10, 16 << 20, 2 << 30].map(Ok));
        for wrong in ["", "K", "12X", "-4K", "99999999999G"] {
            assert!(super::bytes(wrong).is_err(), "{wrong}");
        }
    }
}
