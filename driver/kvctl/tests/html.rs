//! The HTML report of a replay: every section is there, its numbers are the report's, nothing is fetched, and nothing
//! from outside becomes markup.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use kvctl::replay::{Args, Report, SAMPLE, replay};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// Replays with `words` on a fresh emulator and returns the report and its page.
fn replayed(page: &Path, words: &[&str]) -> (Report, String) {
    let words = ["kvctl", "--html", page.to_str().unwrap()].into_iter().chain(words.iter().copied());
    let args = Line::try_parse_from(words).unwrap().args;
    let emulator = Emulator::new(Geometry::FULL).unwrap();
    let report = replay(&args, Arc::new(emulator), Duration::from_secs(60)).unwrap();
    (report, std::fs::read_to_string(page).unwrap())
}

/// The HTML of one section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let open = format!("<section id=\"{id}\">");
    let (_, rest) = page.split_once(&open).unwrap_or_else(|| panic!("no section {id}"));
    rest.split_once("</section>").unwrap().0
}

/// What the page must have, whatever was replayed.
fn check_page(page: &str) {
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    let addresses = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http://", "https://", "<script", "<link", "<img", "@import", "url(", "src="] {
        assert!(!addresses.contains(outside), "the page reaches for {outside}");
    }
    for tag in ["section", "svg", "table", "figure", "div", "span", "td", "th", "tr", "p"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}> is not closed as often as opened");
    }
    for id in
        ["headline", "hits", "curve", "moves", "occupancy", "shootdowns", "latency", "policies", "numbers", "command"]
    {
        assert!(!section(page, id).is_empty());
    }
    assert!(!page.contains("NaN"));
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_page_shows_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let (report, page) = replayed(&folder.path().join("page.html"), &[]);
    check_page(&page);
    let headline = section(&page, "headline");
    let hit_pct = format!("<b>{:.2} %</b>", report.hit_pct);
    let gap = format!("<b>{:.1} %</b>", report.gap_closed_pct.unwrap());
    for number in [hit_pct, gap, "<b>0</b>".to_string(), thousands(report.references), thousands(report.blocks_checked)]
    {
        assert!(headline.contains(&number), "{number}");
    }
    for t in 1..4 {
        assert!(headline.contains(&format!("<td>T{t}</td><td>{}</td>", thousands(report.capacity_by_tier[t].into()))));
        assert!(headline.contains(&format!("<td>{}</td>", thousands(report.hits_by_tier[t]))));
    }
    let policies = section(&page, "policies");
    for b in &report.baselines {
        let capacity = thousands(b.capacity_blocks as u64);
        let row = format!("<td>{}</td><td>{capacity}</td><td>{:.2}</td>", b.policy, b.hit_pct);
        assert!(policies.contains(&row), "{row}");
        // The replayed capacity is one of the curve's.
        assert!(section(&page, "curve").contains(&format!("<td>{:.2}</td>", b.hit_pct)), "{}", b.policy);
    }
    assert!(section(&page, "shootdowns").contains(&thousands(report.shootdowns_needed)));
    assert!(section(&page, "numbers").contains(&report.bytes_moved.to_string()));
    for id in ["hits", "curve", "moves", "occupancy", "shootdowns", "latency"] {
        assert_eq!(section(&page, id).matches("<svg role=\"img\"").count(), 1, "{id}");
    }
}

#[test]
fn a_trace_path_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("a<&>\"b'.jsonl");
    std::fs::write(&trace, SAMPLE).unwrap();
    let options = ["--t1", "300", "--limit", "50", "--metadata-only", "--no-baselines"];
    let words: Vec<_> = std::iter::once(trace.to_str().unwrap()).chain(options).collect();
    let (report, page) = replayed(&folder.path().join("page.html"), &words);
    check_page(&page);
    assert!(report.trace.ends_with("a<&>\"b'.jsonl"));
    assert!(page.contains("a&lt;&amp;&gt;&quot;b&#39;.jsonl") && !page.contains("a<&>"));
    assert!(section(&page, "moves").contains("No bytes were moved"));
    assert!(section(&page, "policies").contains("The baselines were not run"));
}

#[test]
fn one_request_that_fits_makes_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let (report, page) = replayed(&folder.path().join("page.html"), &["--limit", "1", "--t1", "4096"]);
    check_page(&page);
    assert_eq!(report.hits, 0);
    assert!(section(&page, "latency").contains("No decision was taken"));
}

#[test]
fn a_replay_without_moves_has_the_devices_curve_point_of_its_own_capacity() {
    let folder = tempfile::tempdir().unwrap();
    let (report, page) = replayed(&folder.path().join("page.html"), &["--t1", "512", "--metadata-only"]);
    let row = section(&page, "curve").split_once("<td>device").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(row.contains(&format!("<td>{:.2}</td>", report.hit_pct)), "{row}");
}

#[test]
fn oracle_hints_are_named_where_their_hits_are() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--t1", "512", "--metadata-only", "--no-baselines", "--hints", "dead,next-use"];
    let (report, page) = replayed(&folder.path().join("page.html"), &words);
    assert_eq!(report.hints, "dead,next-use coverage=1 noise=1 seed=1 (oracle)");
    for id in ["headline", "curve", "numbers"] {
        assert!(section(&page, id).contains(&report.hints), "{id}");
    }
    let row = section(&page, "curve").split_once("<td>device").unwrap().1.split_once("</tr>").unwrap().0;
    assert!(row.contains(&format!("<td>{:.2}</td>", report.hit_pct)), "{row}");
}
