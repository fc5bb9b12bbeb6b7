//! Runs `kvctl policy` in the process, and makes small traces.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Write as _;

use clap::Parser;
use kvctl::device::DeviceArgs;
use kvctl::policy::{Args, PolicyError, Row, policy};
use kvctl::replay::SAMPLE;
use kvctl::trace::{ReadOptions, Trace, read};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

pub(crate) fn try_rows(line: &str) -> Result<Vec<Row>, PolicyError> {
    let args = Line::parse_from(std::iter::once("policy").chain(line.split_whitespace())).args;
    policy(&args, &DeviceArgs::default()).map(|sweep| sweep.rows())
}

pub(crate) fn rows(line: &str) -> Vec<Row> {
    try_rows(line).unwrap()
}

/// The hits of one policy, by capacity.
pub(crate) fn hits(rows: &[Row], policy: &str) -> Vec<u64> {
    rows.iter().filter(|row| row.policy == policy).map(|row| row.hits).collect()
}

pub(crate) fn device_hits(line: &str) -> Vec<u64> {
    hits(&rows(&format!("--no-baselines {line}")), "device")
}

/// JSONL of one request a second for each chain.
pub(crate) fn jsonl(chains: &[&[u64]]) -> String {
    chains.iter().enumerate().fold(String::new(), |mut text, (second, ids)| {
        let (ms, tokens) = (second * 1000, ids.len());
        writeln!(text, r#"{{"timestamp":{ms},"input_length":{tokens},"output_length":1,"hash_ids":{ids:?}}}"#).unwrap();
        text
    })
}

pub(crate) fn trace(chains: &[&[u64]]) -> Trace {
    read(jsonl(chains).as_bytes(), &ReadOptions::default()).unwrap().trace
}

pub(crate) fn sample() -> Trace {
    read(SAMPLE, &ReadOptions::default()).unwrap().trace
}
