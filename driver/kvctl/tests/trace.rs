//! Reading, checking, measuring and making traces.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use kvctl::trace::generate::{Params, Workload, generate};
use kvctl::trace::{
    BadKind, BadReason, FIRST_BAD_KEPT, LINE_LIMIT_BYTES, NO_PARENT, ReadOptions, Reading, TraceError, read, read_path,
    write,
};

use proptest::prelude::*;

const GOOD: &str = concat!(
    r#"{"timestamp": 0, "input_length": 1200, "output_length": 5, "hash_ids": [7, 8, 9]}"#,
    "\n",
    r#"{"timestamp": 40, "input_length": 1600, "output_length": 6, "hash_ids": [7, 8, 10, 11]}"#,
    "\n",
);
const SKIP: ReadOptions = ReadOptions { skip_bad: true, limit: None };

fn strict(text: impl AsRef<[u8]>) -> Result<Reading, TraceError> {
    read(text.as_ref(), &ReadOptions::default())
}

/// The reason for which a line after [`GOOD`] is refused; checks its number and that skipping leaves the good ones.
fn refused(line: &str) -> BadReason {
    let text = format!("{GOOD}{line}");
    let TraceError::Line(bad) = strict(&text).unwrap_err() else { panic!("not a bad line: {line}") };
    assert_eq!(bad.line, 3);
    assert!(bad.to_string().starts_with("line 3: "), "{bad}");
    let after = r#"{"timestamp": 99, "input_length": 9, "output_length": 1, "hash_ids": [70]}"#;
    let skipping = read(format!("{text}\n{after}\n").as_bytes(), &SKIP).unwrap();
    assert_eq!(skipping.trace.len(), 3, "{bad}");
    assert_eq!(skipping.trace.unique(), 6, "a refused line leaves no block behind: {bad}");
    assert_eq!(skipping.skipped.total, 1);
    bad.reason
}

#[test]
fn a_good_trace_is_read_as_it_stands() {
    let Reading { trace, skipped } = strict(GOOD).unwrap();
    assert_eq!((trace.len(), trace.references(), trace.unique(), skipped.total), (2, 7, 5, 0));
    let (request, ids) = trace.iter().last().unwrap();
    assert_eq!((request.timestamp_ms, request.input_tokens, request.output_tokens), (40, 1600, 6));
    assert_eq!(ids, [7, 8, 10, 11]);
    let dense = trace.dense();
    assert_eq!(dense.chain(1), [0, 1, 3, 4]);
    assert_eq!(dense.parents(), [NO_PARENT, 0, 1, 1, 3]);
    assert_eq!(dense.keys(), [7, 8, 9, 10, 11]);
}

#[test]
fn blank_lines_and_further_fields_and_whole_floats_are_let_through() {
    let text =
        "\n{\"timestamp\": 3.0, \"input_length\": 5, \"type\": \"x\", \"output_length\": 0, \"hash_ids\": [1]}\r\n\n";
    let trace = strict(text).unwrap().trace;
    assert_eq!(trace.requests()[0].timestamp_ms, 3);
}

#[test]
fn a_missing_newline_at_the_end_is_no_fault() {
    assert_eq!(strict(GOOD.trim_end()).unwrap().trace.len(), 2);
}

#[test]
fn malformed_json_is_refused_with_its_column() {
    let BadReason::Malformed { column, .. } = refused(r#"{"timestamp": 50, nonsense}"#) else { panic!() };
    assert_eq!(column, 19);
    assert!(matches!(refused("[1, 2]"), BadReason::Malformed { .. }));
    let twice = r#"{"timestamp": 50, "timestamp": 51, "input_length": 5, "output_length": 1, "hash_ids": [7]}"#;
    assert!(matches!(refused(twice), BadReason::Malformed { .. }));
}

#[test]
fn a_cut_last_line_is_told_from_malformed_json() {
    let TraceError::Line(bad) = strict(&GOOD[..GOOD.len() - 9]).unwrap_err() else { panic!() };
    assert_eq!((bad.line, bad.reason.kind()), (2, BadKind::Truncated));
    // The same text with lines after it was not cut but wrong.
    assert_eq!(refused(&format!("{}\n", r#"{"timestamp": 50, "input_le"#)).kind(), BadKind::Malformed);
}

#[test]
fn missing_fields_are_named() {
    let fields = [("timestamp", "50"), ("input_length", "5"), ("output_length", "1"), ("hash_ids", "[7]")];
    for (missing, _) in fields {
        let rest: Vec<_> = fields.iter().filter(|f| f.0 != missing).map(|(k, v)| format!("\"{k}\": {v}")).collect();
        assert_eq!(refused(&format!("{{{}}}", rest.join(", "))), BadReason::MissingField { field: missing });
    }
}

#[test]
fn absurd_numbers_are_named() {
    for (field, timestamp, input, output, ids) in [
        ("timestamp", "-1", "5", "1", "[7]"),
        ("timestamp", "1.5", "5", "1", "[7]"),
        ("timestamp", "18446744073709551615", "5", "1", "[7]"),
        ("input_length", "50", "-5", "1", "[7]"),
        ("input_length", "50", "2147483649", "1", "[7]"),
        ("input_length", "50", "null", "1", "[7]"),
        ("output_length", "50", "5", "1e300", "[7]"),
        ("output_length", "50", "5", "\"1\"", "[7]"),
        ("hash_ids", "50", "5", "1", "7"),
        ("hash_ids", "50", "5", "1", "[-7]"),
    ] {
        let line = format!(
            "{{\"timestamp\": {timestamp}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": {ids}}}"
        );
        let BadReason::BadNumber { field: named, .. } = refused(&line) else { panic!("{line}") };
        assert_eq!(named, field, "{line}");
    }
}

fn line(timestamp: u64, input: u64, ids: &[u64]) -> String {
    format!("{{\"timestamp\": {timestamp}, \"input_length\": {input}, \"output_length\": 1, \"hash_ids\": {ids:?}}}")
}

#[test]
fn lengths_and_blocks_must_agree() {
    assert_eq!(refused(&line(50, 9, &[])), BadReason::EmptyIds { input_tokens: 9 });
    assert_eq!(refused(&line(50, 0, &[7])), BadReason::MoreIdsThanTokens { blocks: 1, input_tokens: 0 });
    assert_eq!(refused(&line(50, 2, &[7, 8, 9])), BadReason::MoreIdsThanTokens { blocks: 3, input_tokens: 2 });
}

#[test]
fn a_block_keeps_its_parent() {
    let conflict = |id, parent, expected| BadReason::NotPrefixClosed { id, parent, expected };
    assert_eq!(refused(&line(50, 99, &[8])), conflict(8, None, Some(7)));
    assert_eq!(refused(&line(50, 99, &[7, 8, 11])), conflict(11, Some(8), Some(10)));
    assert_eq!(refused(&line(50, 99, &[60, 61, 7])), conflict(7, Some(61), None));
    assert_eq!(refused(&line(50, 99, &[7, 60, 61, 60])), BadReason::RepeatedId { id: 60 });
    assert_eq!(refused(&line(50, 99, &[7, 8, 7])), BadReason::RepeatedId { id: 7 });
}

#[test]
fn time_runs_forward() {
    assert_eq!(refused(&line(39, 99, &[7])), BadReason::OutOfOrder { timestamp_ms: 39, previous_ms: 40 });
    assert!(strict(format!("{GOOD}{}", line(40, 99, &[7]))).is_ok());
}

#[test]
fn an_endless_line_is_refused_without_being_kept() {
    let long = std::io::repeat(b' ').take(LINE_LIMIT_BYTES as u64 + 100);
    let text = || GOOD.as_bytes().chain(std::io::repeat(b' ').take(LINE_LIMIT_BYTES as u64 + 100));
    let TraceError::Line(bad) = read(text(), &ReadOptions::default()).unwrap_err() else { panic!() };
    assert_eq!((bad.line, bad.reason.kind()), (3, BadKind::TooLong));
    let more = format!("\n{}\n", line(50, 99, &[7]));
    let reading = read(GOOD.as_bytes().chain(long).chain(more.as_bytes()), &SKIP).unwrap();
    assert_eq!((reading.trace.len(), reading.skipped.total), (3, 1));
}

#[test]
fn skipped_lines_are_counted_by_kind_and_the_first_are_kept() {
    let bad = "nonsense\n".repeat(20) + &line(1, 9, &[]) + "\n";
    let reading = read(format!("{bad}{GOOD}").as_bytes(), &SKIP).unwrap();
    assert_eq!(reading.skipped.total, 21);
    assert_eq!(reading.skipped.by_kind[&BadKind::Malformed], 20);
    assert_eq!(reading.skipped.by_kind[&BadKind::EmptyIds], 1);
    assert_eq!(reading.skipped.first.len(), FIRST_BAD_KEPT);
    let json = serde_json::to_value(&reading.skipped).unwrap();
    assert_eq!(json["by_kind"]["malformed"], 20);
    assert_eq!(json["first"][0]["reason"]["kind"], "malformed");
}

#[test]
fn a_limit_stops_before_what_comes_after() {
    let options = ReadOptions { limit: Some(2), ..Default::default() };
    assert_eq!(read(format!("{GOOD}nonsense").as_bytes(), &options).unwrap().trace.len(), 2);
}

#[test]
fn nothing_to_read_is_an_error() {
    assert!(matches!(strict(""), Err(TraceError::Empty { .. })));
    let Err(TraceError::Empty { skipped }) = read(&b"x\ny\n"[..], &SKIP) else { panic!() };
    assert_eq!(skipped.total, 2);
    let error = read_path("/nonexistent/trace.jsonl", &SKIP).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/trace.jsonl"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn packing_is_told_by_content_not_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let zstd = zstd::encode_all(GOOD.as_bytes(), 1).unwrap();
    // Two members one after the other are one trace.
    let members = GOOD.split_inclusive('\n').flat_map(|line| gzip(line.as_bytes())).collect();
    for bytes in [GOOD.as_bytes().to_vec(), gzip(GOOD.as_bytes()), members, zstd] {
        let path = folder.path().join("misnamed.zip");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_path(&path, &ReadOptions::default()).unwrap().trace.references(), 7);
    }
}

#[test]
fn a_cut_archive_is_an_error_even_when_skipping() {
    let text: String = (0..2000).map(|i| line(i, 99, &[i]) + "\n").collect();
    for packed in [gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
        let error = read(&packed[..packed.len() / 2], &SKIP).unwrap_err();
        assert!(matches!(error, TraceError::Read { .. }), "{error}");
    }
}

#[test]
fn the_conversation_trace_is_read_whole_and_fast() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let path = std::env::var_os("KVCPU_TRACES")
        .map_or(beside, Into::into)
        .join("mooncake_conversation.jsonl");
    if !path.is_file() {
        // Past the capture of the test harness: a skipped check must show.
        let message = format!("SKIPPED: {}: trace not found; set KVCPU_TRACES to its folder\n", path.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    }
    let start = Instant::now();
    let trace = read_path(&path, &ReadOptions::default()).unwrap().trace;
    let took = start.elapsed();
    println!("read in {took:?}");
    assert_eq!((trace.len(), trace.references(), trace.unique()), (12_031, 288_500, 182_790));
    let stat = trace.stat();
    println!("{}", serde_json::to_string_pretty(&stat).unwrap());
    assert!((stat.max_hit_pct - 36.64).abs() < 0.01, "{}", stat.max_hit_pct);
    let returns = stat.return_ms.unwrap();
    assert_eq!((returns.p10 / 1000, returns.p50 / 1000), (42, 123));
    let mut text = Vec::new();
    write(&trace, &mut text).unwrap();
    assert!(text == std::fs::read(&path).unwrap(), "written as it was read, byte for byte");
    if !cfg!(debug_assertions) {
        assert!(took < Duration::from_millis(500), "{took:?} for a 3 MB trace");
    }
}

#[test]
fn stat_measures_what_it_says() {
    // Chains 1-2-3, 1-2-4, 5, 1-2-3: hits 0 + 2 + 0 + 3.
    let rows = [line(0, 99, &[1, 2, 3]), line(10, 99, &[1, 2, 4]), line(20, 99, &[5]), line(50, 99, &[1, 2, 3])];
    let stat = strict(rows.join("\n")).unwrap().trace.stat();
    assert_eq!((stat.requests, stat.references, stat.unique, stat.duration_ms), (4, 10, 5, 50));
    assert_eq!((stat.max_hits, stat.max_hit_pct), (5, 50.0));
    assert_eq!((stat.roots, stat.branch_points), (2, 1));
    // Used deepest first: 3 2 1 | 4 2 1 | 5 | 3 2 1. Block 2 comes back after {1, 4}, block 1 after {4, 2}; then 3
    // after {2, 1, 4, 5}, 2 after {1, 5, 3}, 1 after {5, 3, 2}.
    let distances = stat.reuse_distance_blocks.unwrap();
    assert_eq!((distances.count, distances.p10, distances.p50, distances.p90), (5, 2, 3, 4));
    // The third request is new; the second comes 10 ms after the first, the fourth 50 ms after.
    let returns = stat.return_ms.unwrap();
    assert_eq!((returns.count, returns.p10, returns.p90), (2, 10, 50));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn made_traces_are_valid_and_depend_on_the_seed_alone(
        workload in 0..Workload::ALL.len(), seed: u64, requests in 1..300_usize,
    ) {
        let params = Params::new(Workload::ALL[workload], seed, requests);
        let trace = generate(&params).unwrap();
        prop_assert_eq!(trace.len(), requests);
        let mut text = Vec::new();
        write(&trace, &mut text).unwrap();
        // Reading checks order, prefixes and numbers.
        prop_assert_eq!(&strict(&text).unwrap().trace, &trace);
        prop_assert_eq!(&generate(&params).unwrap(), &trace);
        for (request, ids) in trace.iter() {
            prop_assert_eq!(ids.len(), request.input_tokens.div_ceil(params.block_tokens) as usize);
        }
        // More of the same is a continuation.
        let longer = generate(&Params { requests: requests + 50, ..params }).unwrap();
        for ((a, ids), (b, more)) in trace.iter().zip(longer.iter()) {
            prop_assert_eq!((a.timestamp_ms, ids), (b.timestamp_ms, more));
        }
    }

    #[test]
    fn any_bytes_give_a_trace_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = strict(&bytes);
        let _ = read(&bytes[..], &SKIP);
    }

    #[test]
    fn any_damage_to_a_line_gives_a_trace_or_an_error(at in 0..GOOD.len(), byte: u8) {
        let mut text = GOOD.as_bytes().to_vec();
        text[at] = byte;
        let _ = read(&text[..], &SKIP);
    }
}
