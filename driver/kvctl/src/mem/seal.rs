//! `kvctl mem seal`: a file into a `.tza` container.

use std::path::PathBuf;

use clap::Args;
use kvcpu_pager::container::WriterOptions;
use kvcpu_pager::seal::Form;
use kvcpu_pager::{BlockSize, Encoder, Requirement, SealOptions, SealReport, seal_file};
use serde_json::json;

use super::{bar, bytes, secret};
use crate::cli::Error;
use crate::output::{Report, pairs};

/// `kvctl mem seal ...`.
#[derive(Args, Clone, Debug)]
pub(super) struct SealArgs {
    /// The file; tensors of safetensors and GGUF files are known by name afterwards
    file: PathBuf,
    /// The sealed file
    #[arg(long, short)]
    output: PathBuf,
    /// The owner's secret (`kvctl mem key`); without one nothing is encrypted
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Bytes of a block, 4K to 2M
    #[arg(long, value_parser = bytes, default_value = "64K")]
    block_bytes: u64,
    /// zstd's level
    #[arg(long, default_value_t = Encoder::DEFAULT_LEVEL, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// Do not compress
    #[arg(long, conflicts_with = "level")]
    raw: bool,
    /// The tenant whose blocks they are
    #[arg(long, default_value_t = 0)]
    tenant: u8,
    /// Claims are required, with at least this clearance
    #[arg(long, requires = "key")]
    clearance: Option<u8>,
    /// And of this department
    #[arg(long, requires = "clearance")]
    department: Option<String>,
}

/// Carries it out.
pub(super) fn run(args: &SealArgs) -> Result<SealedFile, Error> {
    if args.output.exists() {
        return Err(format!("{}: it exists; give another --output, or remove it first", args.output.display()).into());
    }
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", args.file.display());
    if !std::fs::metadata(&args.file).map_err(|error| named(&error))?.is_file() {
        // Of anything else the length is not known, and none of it would be sealed.
        return Err(named(&"it is no regular file; give one").into());
    }
    let secret = secret(args.key.as_deref())?;
    let writer = WriterOptions {
        block_size: BlockSize::new(args.block_bytes)?,
        level: (!args.raw).then_some(args.level),
        secret: secret.as_ref(),
        owner: None,
    };
    let department = args.department.clone();
    let requirement = args.clearance.map(|clearance| Requirement { clearance, department });
    let options = SealOptions { writer, tenant: args.tenant, requirement };
    let bar = bar(0, "sealed");
    let report = seal_file(&args.file, &args.output, &options, |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    Ok(SealedFile { file: args.output.display().to_string(), encrypted: secret.is_some(), report: report? })
}

/// What was sealed.
pub(super) struct SealedFile {
    file: String,
    encrypted: bool,
    report: SealReport,
}

impl SealedFile {
    fn form(&self) -> &'static str {
        match self.report.form {
            Form::Safetensors => "safetensors",
            Form::Gguf => "gguf",
            Form::Other => "other",
        }
    }
}

impl Report for SealedFile {
    fn text(&self) -> String {
        let summary = &self.report.summary;
        let ratio = summary.total_bytes as f64 / (summary.stored_bytes as f64).max(1.0);
        let fault = self.report.fault.as_ref().map_or_else(String::new, |fault| format!(", as {fault}"));
        pairs([
            ("sealed", self.file.clone()),
            ("is", format!("{}{fault}, {} named parts", self.form(), self.report.regions)),
            (
                "bytes",
                format!("{} in {} blocks, {} of them zeros", summary.total_bytes, summary.blocks, summary.zero_blocks),
            ),
            (
                "stored",
                format!(
                    "{} bytes, 1 to {ratio:.2}; {} blocks compressed",
                    summary.stored_bytes, summary.compressed_blocks
                ),
            ),
            ("encrypted", if self.encrypted { "yes" } else { "no" }.into()),
        ])
    }

    fn json(&self) -> serde_json::Value {
        let summary = &self.report.summary;
        json!({
            "command": "mem_seal",
            "file": self.file,
            "form": self.form(),
            "fault": self.report.fault,
            "regions": self.report.regions,
            "encrypted": self.encrypted,
            "total_bytes": summary.total_bytes,
            "blocks": summary.blocks,
            "zero_blocks": summary.zero_blocks,
            "compressed_blocks": summary.compressed_blocks,
            "stored_bytes": summary.stored_bytes,
            "file_bytes": summary.file_bytes,
        })
    }
}
