//! Made traces: parameters, and that each workload is what its text says.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{HashMap, HashSet};
use std::path::Path;

use kvctl::trace::generate::{GenerateError, LogNormal, Mix, Params, Workload, generate};
use kvctl::trace::{ReadOptions, Trace, read_path, write};

/// `kvctl trace gen --workload mixed --seed 1 --requests 650`
fn sample_params() -> Params {
    Params::new(Workload::Mixed, 1, 650)
}

#[test]
fn the_sample_is_what_its_parameters_give() {
    let mut made = Vec::new();
    write(&generate(&sample_params()).unwrap(), &mut made).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/sample.jsonl");
    if std::env::var_os("KVCPU_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(made == kept, "samples/sample.jsonl is stale: KVCPU_BLESS=1 cargo test -p kvctl --test trace the_sample");
}

#[test]
fn the_sample_is_small_and_has_something_to_find() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/sample.jsonl");
    assert!(std::fs::metadata(&path).unwrap().len() < 400_000);
    let stat = read_path(&path, &ReadOptions::default()).unwrap().trace.stat();
    println!("{}", serde_json::to_string_pretty(&stat).unwrap());
    assert!((10_000..=15_000).contains(&stat.references), "{}", stat.references);
    assert!((50.0..=70.0).contains(&stat.max_hit_pct), "{}", stat.max_hit_pct);
}

#[test]
fn think_times_have_the_documented_percentiles() {
    let mut params = Params::new(Workload::Chat, 5, 8_000);
    // Without common text every return is a turn of the same conversation.
    params.chat.system.tokens = LogNormal { p10: 1.0, p50: 1.0, max: 1.0 };
    params.chat.first_tokens.p10 = 1500.0;
    let returns = generate(&params).unwrap().stat().return_ms.unwrap();
    assert!((38_000..46_000).contains(&returns.p10), "{returns:?}");
    assert!((115_000..131_000).contains(&returns.p50), "{returns:?}");
}

#[test]
fn senseless_parameters_are_named() {
    let named = |change: fn(&mut Params)| {
        let mut params = Params::new(Workload::Rag, 1, 10);
        change(&mut params);
        let Err(GenerateError::Parameter { name, .. }) = generate(&params) else { panic!("accepted") };
        name
    };
    assert_eq!(named(|p| p.requests = 0), "requests");
    assert_eq!(named(|p| p.block_tokens = 0), "block_tokens");
    assert_eq!(named(|p| p.sessions_per_s = f64::NAN), "sessions_per_s");
    assert_eq!(named(|p| p.chat.turns_mean = 0.0), "chat.turns_mean");
    assert_eq!(named(|p| p.rag.documents = 1), "rag.documents");
    assert_eq!(named(|p| p.agent.tool_tokens.p10 = 1e9), "agent.tool_tokens");
    assert_eq!(named(|p| p.batch.jobs_per_s = 0.0), "batch.jobs_per_s");
    assert_eq!(named(|p| p.scan.page_tokens.max = 1.0), "scan.page_tokens");
    assert_eq!(named(|p| p.r#loop.prompts = 0), "loop.prompts");
    assert_eq!(named(|p| p.r#loop.period_ms = 0), "loop.period_ms");
    assert_eq!(named(|p| p.drift.birth_ms = 20.0), "drift.birth_ms");
    assert_eq!(named(|p| p.mix = Mix { chat: 0.0, agent: 0.0, rag: 0.0 }), "mix");
}

#[test]
fn parameters_go_through_json_and_default_where_silent() {
    let params: Params = serde_json::from_str(r#"{"workload": "agent", "agent": {"steps_mean": 30.0}}"#).unwrap();
    assert_eq!((params.workload, params.agent.steps_mean, params.block_tokens), (Workload::Agent, 30.0, 512));
    let text = serde_json::to_string(&params).unwrap();
    assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
    assert!(serde_json::from_str::<Params>(r#"{"sed": 3}"#).is_err());
    let params: Params = serde_json::from_str(r#"{"workload": "loop", "loop": {"prompts": 7}}"#).unwrap();
    assert_eq!((params.workload, params.r#loop.prompts, params.r#loop.period_ms), (Workload::Loop, 7, 360_000));
}

#[test]
fn every_workload_goes_by_its_name() {
    for workload in Workload::ALL {
        assert_eq!(workload.name().parse(), Ok(workload));
        assert_eq!(serde_json::to_value(workload).unwrap(), workload.name());
        let error = "chatter".parse::<Workload>().unwrap_err().to_string();
        assert!(error.contains(workload.name()), "{error}");
    }
}

/// When each block is used, in milliseconds.
fn uses(trace: &Trace) -> HashMap<u64, Vec<u64>> {
    let mut uses: HashMap<u64, Vec<u64>> = HashMap::new();
    for (request, ids) in trace.iter() {
        for &id in ids {
            uses.entry(id).or_default().push(request.timestamp_ms);
        }
    }
    uses
}

/// A workload without the chat beside it, but for one request in the beginning, whose blocks are not returned to.
fn beside_alone(workload: Workload, requests: usize) -> Trace {
    let mut params = Params::new(workload, 3, requests);
    params.sessions_per_s = 1e-6;
    params.chat.turns_mean = 1.0;
    generate(&params).unwrap()
}

/// Of the 300 blocks that the first third of the requests uses most, the share that the last third uses at all.
fn still_used_pct(workload: Workload) -> usize {
    let mut params = Params::new(workload, 3, 9_000);
    // System prompts so short that they are a part of the first document's first block.
    params.rag.system.tokens = LogNormal { p10: 1.0, p50: 1.0, max: 1.0 };
    let trace = generate(&params).unwrap();
    let mut counts: HashMap<u64, usize> = HashMap::new();
    trace
        .iter()
        .take(3_000)
        .flat_map(|(_, ids)| ids)
        .for_each(|&id| *counts.entry(id).or_default() += 1);
    let mut popular: Vec<_> = counts.into_iter().collect();
    popular.sort_unstable_by_key(|&(id, count)| (std::cmp::Reverse(count), id));
    let late: HashSet<u64> = trace.iter().skip(6_000).flat_map(|(_, ids)| ids.iter().copied()).collect();
    // A session asks more than ten questions once in 59,000 times.
    assert!(popular[299].1 > 10, "popular is more than one session: {}", popular[299].1);
    popular[..300].iter().filter(|(id, _)| late.contains(id)).count() / 3
}

#[test]
fn in_drift_what_was_popular_is_forgotten() {
    assert_eq!(still_used_pct(Workload::Drift), 0);
    assert!(still_used_pct(Workload::Rag) > 90, "{}", still_used_pct(Workload::Rag));
}

#[test]
fn in_drift_there_is_news_from_the_beginning() {
    let trace = generate(&Params::new(Workload::Drift, 3, 9_000)).unwrap();
    let blocks = |part: &[kvctl::trace::Request]| part.iter().map(|request| request.blocks()).sum::<usize>();
    let (first, last) = (blocks(&trace.requests()[..900]), blocks(&trace.requests()[8_100..]));
    assert!(first > last / 2 && first < last * 2, "{first} {last}");
    // Nobody talks of anything: the question is asked all the same.
    let mut silent = Params::new(Workload::Drift, 3, 100);
    silent.drift.birth_ms = 1e9;
    assert_eq!(generate(&silent).unwrap().len(), 100);
}

#[test]
fn in_batch_high_counts_mean_nothing_afterwards() {
    let trace = beside_alone(Workload::Batch, 5_000);
    let uses = uses(&trace);
    let spans = uses.values().filter(|at| at.len() > 1).map(|at| (at.len(), at[at.len() - 1] - at[0]));
    let (counts, spans): (Vec<_>, Vec<_>) = spans.unzip();
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    assert!((7.0..11.0).contains(&mean), "{mean}");
    let longest = spans.iter().max().unwrap();
    assert!(*longest < 240_000, "{longest} ms of a trace of {:?}", trace.requests().last());
    let within_a_minute = spans.iter().filter(|&&ms| ms < 60_000).count();
    assert!(within_a_minute * 100 > spans.len() * 98, "{within_a_minute} of {}", spans.len());
    // Beside chat, too, jobs are most of the references.
    let both = generate(&Params::new(Workload::Batch, 3, 5_000)).unwrap();
    let jobs = trace.references() as f64 / trace.stat().duration_ms as f64;
    let all = both.references() as f64 / both.stat().duration_ms as f64;
    assert!((0.5..0.8).contains(&(jobs / all)), "{jobs} of {all}");
}

#[test]
fn in_scan_most_references_are_to_blocks_used_once() {
    let trace = generate(&Params::new(Workload::Scan, 3, 10_000)).unwrap();
    let once = uses(&trace).values().filter(|at| at.len() == 1).count();
    assert!(once * 2 > trace.references(), "{once} of {}", trace.references());
    let pages = beside_alone(Workload::Scan, 1_000);
    assert_eq!(pages.unique(), pages.references(), "a page shares nothing and does not return");
}

#[test]
fn in_loop_every_block_of_the_set_returns_after_the_period() {
    let trace = beside_alone(Workload::Loop, 1_501);
    let period_ms = u64::from(Params::default().r#loop.period_ms);
    let uses = uses(&trace);
    let first = trace.ids(&trace.requests()[0]);
    for (id, at) in uses.iter().filter(|(id, _)| !first.contains(id)) {
        assert_eq!(at.len(), 5, "block {id} in five rounds");
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] == period_ms), "block {id} at {at:?}");
    }
    // In between the whole set was used: that much must fit, or least recently used gets nothing of it.
    let set = (uses.len() - first.len()) as u64;
    assert!((6_000..9_000).contains(&set), "{set}");
    let distances = trace.stat().reuse_distance_blocks.unwrap();
    assert!(distances.p10 + 200 > set && distances.p90 < set, "{distances:?} in a set of {set}");
}
