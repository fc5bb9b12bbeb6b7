//! `kvctl trace`: make a trace, measure one. `docs/traces.md` has the format and the distributions.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Error;
use crate::output::{self, Output, Report, to_json};
use crate::trace::generate::{Params, Workload, generate};
use crate::trace::{Percentiles, ReadOptions, Skipped, TraceStat, read, read_path, write};

/// `kvctl trace ...`.
#[derive(Args, Debug)]
pub(super) struct TraceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a trace; the same parameters give the same bytes everywhere
    Gen(Box<GenArgs>),
    /// Measure a trace: reuse, distances, the shape of its prefixes
    Stat {
        /// Trace in Mooncake JSONL, plain, .gz or .zst; `-` is standard input
        trace: PathBuf,
        /// Pass over bad lines, and count them
        #[arg(long)]
        skip_bad: bool,
        /// Read only so many requests
        #[arg(long, value_name = "REQUESTS")]
        limit: Option<usize>,
    },
}

#[derive(Args, Debug)]
struct GenArgs {
    /// chat, agent, rag, mixed, drift, batch, scan or loop
    #[arg(long)]
    workload: Option<Workload>,
    /// Seed
    #[arg(long)]
    seed: Option<u64>,
    /// Number of requests
    #[arg(long)]
    requests: Option<usize>,
    /// Tokens of a block
    #[arg(long, value_name = "TOKENS")]
    block_tokens: Option<u32>,
    /// Sessions arriving a second
    #[arg(long, value_name = "RATE")]
    sessions_per_s: Option<f64>,
    /// A session ends when its context is longer than this
    #[arg(long, value_name = "TOKENS")]
    context_tokens_max: Option<u32>,
    /// All parameters, as --print-params prints them; options given beside it win
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Print the parameters as JSON and make nothing
    #[arg(long)]
    print_params: bool,
    /// Write to this file; .gz and .zst pack it. Standard output if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Carries out a verb.
pub(super) fn run(args: &TraceArgs, output: Output) -> Result<(), Error> {
    match &args.verb {
        Verb::Gen(args) => make(args, output),
        Verb::Stat { trace, skip_bad, limit } => {
            let options = ReadOptions { skip_bad: *skip_bad, limit: *limit };
            let reading = match trace.as_os_str() == "-" {
                true => read(std::io::stdin().lock(), &options)?,
                false => read_path(trace, &options)?,
            };
            let (name, stat) = (trace.display().to_string(), reading.trace.stat());
            Ok(output.show(&Measured { name, stat, skipped: reading.skipped })?)
        }
    }
}

fn params(args: &GenArgs) -> Result<Params, Error> {
    let mut params = match &args.params {
        None => Params::default(),
        Some(file) => {
            let text =
                std::fs::read_to_string(file).map_err(|e| format!("{}: {e}; name a readable file", file.display()))?;
            serde_json::from_str(&text)
                .map_err(|e| format!("{}: {e}; `kvctl trace gen --print-params` prints a good one", file.display()))?
        }
    };
    params.workload = args.workload.unwrap_or(params.workload);
    params.seed = args.seed.unwrap_or(params.seed);
    params.requests = args.requests.unwrap_or(params.requests);
    params.block_tokens = args.block_tokens.unwrap_or(params.block_tokens);
    params.sessions_per_s = args.sessions_per_s.unwrap_or(params.sessions_per_s);
    params.context_tokens_max = args.context_tokens_max.unwrap_or(params.context_tokens_max);
    params.check()?;
    Ok(params)
}

fn make(args: &GenArgs, output: Output) -> Result<(), Error> {
    let params = params(args)?;
    if args.print_params {
        let text = if output.json { to_json(&params).to_string() } else { serde_json::to_string_pretty(&params)? };
        return Ok(output.line(&text)?);
    }
    let trace = generate(&params)?;
    let Some(file) = &args.output else {
        if output.json {
            return Err("the trace itself would mix with --json on standard output; add --output FILE".into());
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        return match write(&trace, &mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        };
    };
    save(&trace, file).map_err(|e| format!("{}: {e}; name a writable file", file.display()))?;
    let made = Made {
        file: file.display().to_string(),
        requests: trace.len(),
        references: trace.references(),
        unique: trace.unique(),
        params,
    };
    Ok(output.show(&made)?)
}

/// Writes the trace, packed as the file's name says.
fn save(trace: &crate::trace::Trace, file: &Path) -> std::io::Result<()> {
    let out = BufWriter::new(File::create(file)?);
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            write(trace, &mut out)?;
            out.finish()?.flush()
        }
        Some("zst") => {
            let mut out = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            write(trace, &mut out)?;
            out.finish()?.flush()
        }
        _ => {
            let mut out = out;
            write(trace, &mut out)?;
            out.flush()
        }
    }
}

/// A trace that was made.
struct Made {
    file: String,
    requests: usize,
    references: usize,
    unique: usize,
    params: Params,
}

impl Report for Made {
    fn text(&self) -> String {
        let Made { file, requests, references, unique, params } = self;
        let (workload, seed) = (params.workload, params.seed);
        format!("{file}: {workload}, seed {seed}: {requests} requests, {references} references to {unique} blocks")
    }

    fn json(&self) -> Value {
        let Made { file, requests, references, unique, params } = self;
        json!({
            "file": file, "requests": requests, "references": references, "unique": unique,
            "params": to_json(params),
        })
    }
}

/// A trace that was measured.
struct Measured {
    name: String,
    stat: TraceStat,
    skipped: Skipped,
}

impl Report for Measured {
    fn text(&self) -> String {
        let s = &self.stat;
        let mut rows = vec![
            ("trace", self.name.clone()),
            ("requests", s.requests.to_string()),
            ("references", s.references.to_string()),
            ("distinct blocks", s.unique.to_string()),
            ("duration", format!("{:.1} s", s.duration_ms as f64 / 1e3)),
            ("tokens in", s.input_tokens.to_string()),
            ("tokens out", s.output_tokens.to_string()),
            ("most hits possible", format!("{} ({:.1}%)", s.max_hits, s.max_hit_pct)),
            ("roots", s.roots.to_string()),
            ("branch points", s.branch_points.to_string()),
        ];
        if self.skipped.total > 0 {
            rows.push(("bad lines skipped", self.skipped.total.to_string()));
        }
        rows.extend(self.skipped.first.iter().map(|bad| ("", bad.to_string())));
        let mut table = output::table(&["", "samples", "p10", "p50", "p90"]);
        let distributions = [
            ("blocks of a prompt", s.chain_blocks),
            ("reuse distance, blocks", s.reuse_distance_blocks),
            ("time to return, ms", s.return_ms),
        ];
        for (name, of) in distributions {
            let Some(Percentiles { count, p10, p50, p90 }) = of else { continue };
            table.add_row([name.to_owned(), count.to_string(), p10.to_string(), p50.to_string(), p90.to_string()]);
        }
        format!("{}\n{table}", output::pairs(rows))
    }

    fn json(&self) -> Value {
        let mut object = to_json(&self.stat);
        object["trace"] = self.name.clone().into();
        object["skipped"] = to_json(&self.skipped);
        object
    }
}
