//! Reading line by line: cut lines, parse numbers, hand each request to the checker.
//!
//! The common line takes one pass of `serde_json` into a flat record. Only a line that fails is parsed again, into a
//! free-form value, to find out what to say about it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{Builder, Candidate};
use super::error::{BadKind, BadLine, BadReason, TraceError};
use super::{Trace, open};

/// A line longer than this is refused unread; a prompt of a million blocks is a fifth of it.
pub const LINE_LIMIT_BYTES: usize = 64 << 20;
/// How many bad lines are kept with their reasons; the rest are only counted.
pub const FIRST_BAD_KEPT: usize = 8;
/// The longest prompt or answer believed, in tokens.
const TOKENS_MAX: u64 = 1 << 31;
/// The latest timestamp believed: milliseconds that an `f64` still counts exactly.
const TIMESTAMP_MAX_MS: u64 = 1 << 53;

/// How to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Leave bad lines out and count them, instead of stopping at the first.
    pub skip_bad: bool,
    /// Stop after this many good requests.
    pub limit: Option<usize>,
}

/// Lines left out because they were bad.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// How many.
    pub total: u64,
    /// How many of each kind.
    pub by_kind: BTreeMap<BadKind, u64>,
    /// The first few, in order.
    pub first: Vec<BadLine>,
}

impl Skipped {
    fn add(&mut self, bad: BadLine) {
        self.total += 1;
        *self.by_kind.entry(bad.reason.kind()).or_default() += 1;
        if self.first.len() < FIRST_BAD_KEPT {
            self.first.push(bad);
        }
    }
}

/// A trace that was read, and what was left out of it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The good requests.
    pub trace: Trace,
    /// The bad lines; none unless [`ReadOptions::skip_bad`].
    pub skipped: Skipped,
}

/// Reads a trace from a file, plain or compressed.
pub fn read_path(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Reading, TraceError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| TraceError::Open { path: path.to_owned(), source })?;
    read(file, options)
}

/// Reads a trace from any source of bytes, plain or compressed.
pub fn read(input: impl Read, options: &ReadOptions) -> Result<Reading, TraceError> {
    let broken = |after_line| move |source| TraceError::Read { after_line, source };
    let mut input = open::unpack(input).map_err(broken(0))?;
    let mut builder = Builder::default();
    let mut skipped = Skipped::default();
    let mut line = Vec::new();
    let mut number = 0;
    while options.limit.is_none_or(|limit| builder.len() < limit) {
        let cut = next_line(&mut input, &mut line).map_err(broken(number))?;
        let reason = match cut {
            Cut::End => break,
            Cut::TooLong => Some(BadReason::TooLong { limit_bytes: LINE_LIMIT_BYTES }),
            Cut::Whole | Cut::Unterminated if line.trim_ascii().is_empty() => None,
            Cut::Whole | Cut::Unterminated => match parse(&line, cut == Cut::Unterminated) {
                Err(reason) => Some(reason),
                Ok(request) if !builder.fits(request.ids.len()) => {
                    return Err(TraceError::TooLarge { line: number + 1 });
                }
                Ok(request) => builder.push(&request).err(),
            },
        };
        number += 1;
        match reason.map(|reason| BadLine { line: number, reason }) {
            None => {}
            Some(bad) if options.skip_bad => skipped.add(bad),
            Some(bad) => return Err(bad.into()),
        }
    }
    if builder.len() == 0 {
        return Err(TraceError::Empty { skipped });
    }
    Ok(Reading { trace: builder.finish(), skipped })
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// With a newline.
    Whole,
    /// With the end of input.
    Unterminated,
    /// It did not within the limit; it was passed over.
    TooLong,
    /// There is no further line.
    End,
}

fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Cut> {
    line.clear();
    let read = input.take(LINE_LIMIT_BYTES as u64 + 1).read_until(b'\n', line)?;
    if read == 0 {
        Ok(Cut::End)
    } else if line.last() == Some(&b'\n') {
        Ok(Cut::Whole)
    } else if read > LINE_LIMIT_BYTES {
        *line = Vec::new();
        input.skip_until(b'\n')?;
        Ok(Cut::TooLong)
    } else {
        Ok(Cut::Unterminated)
    }
}

/// The fields of a line; others are ignored.
#[derive(Deserialize)]
struct Record {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
    hash_ids: Vec<u64>,
}

fn parse(line: &[u8], last: bool) -> Result<Candidate, BadReason> {
    let record = match serde_json::from_slice::<Record>(line) {
        Ok(record) => record,
        Err(_) => diagnose(line, last)?,
    };
    Ok(Candidate {
        timestamp_ms: bounded("timestamp", record.timestamp, TIMESTAMP_MAX_MS, "milliseconds up to 2^53")?,
        input_tokens: bounded("input_length", record.input_length, TOKENS_MAX, "at most 2^31 tokens")? as u32,
        output_tokens: bounded("output_length", record.output_length, TOKENS_MAX, "at most 2^31 tokens")? as u32,
        ids: record.hash_ids,
    })
}

fn bounded(field: &'static str, value: u64, max: u64, expected: &'static str) -> Result<u64, BadReason> {
    if value <= max { Ok(value) } else { Err(BadReason::BadNumber { field, value: value.to_string(), expected }) }
}

/// Finds out why a line did not parse. Whole numbers written as floats (`27.0`) are let through here.
fn diagnose(line: &[u8], last: bool) -> Result<Record, BadReason> {
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        if last && error.is_eof() { BadReason::Truncated { bytes: line.len() } } else { malformed(&error) }
    })?;
    let Value::Object(object) = value else {
        return Err(BadReason::Malformed { column: 1, message: "not an object".to_owned() });
    };
    let field = |field| object.get(field).ok_or(BadReason::MissingField { field });
    let number = |name| whole(name, field(name)?);
    let (timestamp, input_length, output_length) =
        (number("timestamp")?, number("input_length")?, number("output_length")?);
    let Value::Array(ids) = field("hash_ids")? else {
        return Err(bad_number("hash_ids", field("hash_ids")?, "an array of whole numbers from 0 to 2^64 - 1"));
    };
    let hash_ids = ids.iter().map(|id| whole("hash_ids", id)).collect::<Result<_, _>>()?;
    // A duplicated field parses as a value but not as a record; all else has been told apart above.
    if let Err(error) = serde_json::from_slice::<Record>(line)
        && error.to_string().contains("duplicate field")
    {
        return Err(malformed(&error));
    }
    Ok(Record { timestamp, input_length, output_length, hash_ids })
}

fn malformed(error: &serde_json::Error) -> BadReason {
    let text = error.to_string();
    // The parser counts lines within what it was given, which is always one.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    BadReason::Malformed { column: error.column(), message }
}

fn whole(field: &'static str, value: &Value) -> Result<u64, BadReason> {
    let exact = |f: f64| (0.0..=TIMESTAMP_MAX_MS as f64).contains(&f) && f.fract() == 0.0;
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|&f| exact(f)).map(|f| f as u64))
        .ok_or_else(|| bad_number(field, value, "a whole number, not negative"))
}

fn bad_number(field: &'static str, value: &Value, expected: &'static str) -> BadReason {
    const SHOWN: usize = 40;
    let mut text = value.to_string();
    if text.chars().count() > SHOWN {
        text = text.chars().take(SHOWN).chain(['…']).collect();
    }
    BadReason::BadNumber { field, value: text, expected }
}
