//! `kvctl mem claim`: claims, signed and shown.

use std::fs::OpenOptions as FileOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kvcpu_pager::container::OpenOptions;
use kvcpu_pager::{Claim, Container, SignedClaim};
use serde_json::json;

use super::{now_unix_s, secret};
use crate::cli::Error;
use crate::output::{Report, pairs};

/// Longest claim.
const MOST_HOURS: u64 = 24 * 366 * 10;

/// `kvctl mem claim ...`.
#[derive(Args, Clone, Debug)]
pub(super) struct ClaimArgs {
    /// The sealed file that it is for
    #[arg(required_unless_present = "show")]
    file: Option<PathBuf>,
    /// The owner's secret
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    key: Option<PathBuf>,
    /// Who
    #[arg(long, default_value = "")]
    identity: String,
    /// As what
    #[arg(long, default_value = "")]
    role: String,
    /// Of which department
    #[arg(long, default_value = "")]
    department: String,
    /// How much may be read
    #[arg(long, default_value_t = 0)]
    clearance: u8,
    /// Whose blocks
    #[arg(long, default_value_t = 0)]
    tenant: u8,
    /// Number, by which it can be revoked
    #[arg(long, default_value_t = 1)]
    serial: u64,
    /// Hours for which it holds
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=MOST_HOURS))]
    hours: u64,
    /// Write it here instead of to standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Show a claim instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "key", "output"])]
    show: Option<PathBuf>,
}

/// Carries it out.
pub(super) fn run(args: &ClaimArgs) -> Result<Box<dyn Report>, Error> {
    if let Some(file) = &args.show {
        return Ok(Box::new(Shown(read(file)?)));
    }
    let (Some(file), Some(secret)) = (&args.file, secret(args.key.as_deref())?) else {
        return Err("a claim is for a sealed file, signed with its owner's --key".into());
    };
    let container = Container::open(file, OpenOptions { secret: Some(&secret), ..OpenOptions::default() })?;
    let claim = Claim {
        identity: args.identity.clone(),
        role: args.role.clone(),
        department: args.department.clone(),
        clearance: args.clearance,
        tenant: args.tenant,
        arena: container.header().arena,
        not_after_unix_s: now_unix_s() + Duration::from_secs(3600 * args.hours).as_secs(),
        serial: args.serial,
    };
    let text = SignedClaim::sign(claim, &secret.signing_key())?.to_text()?;
    let written = args.output.as_ref().map(|output| {
        write_new(output, &text)?;
        Ok::<_, Error>(output.display().to_string())
    });
    Ok(Box::new(Signed { text, file: written.transpose()? }))
}

/// To a file that is not there yet: another claim is not lost.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let file = FileOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let there = error.kind() == ErrorKind::AlreadyExists;
        let remedy = if there { "; give another --output, or remove it first" } else { "" };
        format!("{}: {error}{remedy}", path.display()).into()
    })
}

/// A claim in a file.
pub(super) fn read(file: &PathBuf) -> Result<SignedClaim, Error> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    Ok(SignedClaim::from_text(text.trim()).map_err(|error| named(&error))?)
}

struct Signed {
    text: String,
    file: Option<String>,
}

impl Report for Signed {
    fn text(&self) -> String {
        self.file.clone().unwrap_or_else(|| self.text.clone())
    }

    fn json(&self) -> serde_json::Value {
        json!({ "command": "mem_claim", "claim": self.text, "file": self.file })
    }
}

struct Shown(SignedClaim);

impl Report for Shown {
    fn text(&self) -> String {
        let claim = self.0.claim();
        let left = claim.not_after_unix_s.saturating_sub(now_unix_s());
        pairs([
            ("identity", claim.identity.clone()),
            ("role", claim.role.clone()),
            ("department", claim.department.clone()),
            ("clearance", claim.clearance.to_string()),
            ("tenant", claim.tenant.to_string()),
            ("arena", claim.arena.to_string()),
            ("serial", claim.serial.to_string()),
            (
                "holds for",
                if left == 0 { "it has expired".into() } else { format!("{:.1} hours", left as f64 / 3600.0) },
            ),
        ])
    }

    fn json(&self) -> serde_json::Value {
        json!({ "command": "mem_claim", "claim": self.0.claim().to_json() })
    }
}
