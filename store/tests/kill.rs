//! A process that writes blocks without pause is killed at random moments. Whatever the moment,
//! every slot is whole with exactly the bytes of its key, or reported torn or empty; and what was
//! reported as done before the kill is there.

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{DEADLINE, content, fetch, key, memory, seed};
use kvcpu_store::{BlockStore, T3File, T3Options};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROUNDS: u32 = 20;
const SLOTS: u32 = 24;
const FILE: &str = "KVCPU_KILL_TEST_FILE";
const WRITER: &str = "writer_for_the_kill_test";

/// Not a test: what the child process runs. Prints `S slot tag` before it submits a store,
/// `D slot 0` before a drop, and `A slot tag` once either is done.
#[test]
fn writer_for_the_kill_test() {
    let Ok(path) = std::env::var(FILE) else { return };
    let (mut tier, _) = T3File::open_with(&path, &options(&path)).expect("the file");
    let bytes = tier.block_bytes();
    let first = std::env::var("KVCPU_KILL_TEST_TAG").ok().and_then(|tag| tag.parse().ok()).unwrap_or(1);
    let mut rng = ChaCha8Rng::seed_from_u64(first);
    let (arena, handle) = memory(SLOTS as usize * bytes);
    let mut busy = [false; SLOTS as usize];
    let mut done = Vec::new();
    for tag in first.. {
        let slot = rng.random_range(0..SLOTS);
        if !busy[slot as usize] {
            busy[slot as usize] = true;
            if rng.random_ratio(1, 8) {
                say(format_args!("D {slot} 0"));
                tier.drop_slot(u64::from(slot), slot).expect("room");
            } else {
                let block = content(key(tag), bytes);
                arena.write(slot as usize * bytes, &block);
                say(format_args!("S {slot} {tag}"));
                let id = tag << 8 | u64::from(slot);
                tier.submit_store(id, slot, key(tag), &handle, slot as usize * bytes, crc32c::crc32c(&block))
                    .expect("room");
            }
        }
        tier.poll(&mut done).expect("an answer");
        for done in done.drain(..) {
            done.result.expect("stored");
            say(format_args!("A {} {}", done.id & 0xff, done.id >> 8));
            busy[(done.id & 0xff) as usize] = false;
        }
    }
}

/// One line in one write, so that the kill finds it said or not.
fn say(line: std::fmt::Arguments<'_>) {
    let line = format!("T3 {line}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(0); // the parent is gone
    }
}

/// Rounds differ in how the kernel writes, by the name of the file.
fn options(path: &str) -> T3Options {
    T3Options { direct: !path.ends_with("buffered"), depth: 16, ..T3Options::default() }
}

/// What a slot may hold, by what the child said: the tag last acknowledged (0: empty), and the one
/// under way when it died.
#[derive(Clone, Copy, Default)]
struct Said {
    acknowledged: u64,
    under_way: Option<u64>,
}

fn run_and_kill(path: &Path, first_tag: u64, lines: u32, said: &mut HashMap<u32, Said>) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([WRITER, "--exact", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .env("KVCPU_KILL_TEST_TAG", first_tag.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let (mut heard, mut last_tag) = (0, first_tag);
    while let Some(Ok(line)) = output.next() {
        // The harness may put its own words before ours.
        let Some((_, words)) = line.split_once("T3 ") else { continue };
        let words: Vec<&str> = words.split(' ').collect();
        let [what, slot, tag] = words[..] else { continue };
        let (slot, tag) = (slot.parse().expect("a slot"), tag.parse().expect("a tag"));
        last_tag = last_tag.max(tag);
        let entry = said.entry(slot).or_default();
        match what {
            "A" => *entry = Said { acknowledged: tag, under_way: None },
            _ => entry.under_way = Some(tag),
        }
        heard += 1;
        if heard == lines {
            child.kill().expect("SIGKILL"); // what the pipe still holds is read on
        }
    }
    child.wait().expect("its end");
    assert!(heard >= lines, "the child ended by itself after {heard} lines");
    last_tag + 1
}

#[test]
fn a_kill_at_any_moment_leaves_blocks_whole_or_absent() {
    let seed = seed("kill", "a_kill_at_any_moment_leaves_blocks_whole_or_absent");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut whole, mut torn, mut empty) = (0, 0, 0);
    for (name, block_bytes) in [("direct", 4096), ("buffered", 4096), ("large", 1 << 20), ("large-buffered", 1 << 20)] {
        let path = folder.path().join(name);
        let options = options(name);
        T3File::create_with(&path, block_bytes, SLOTS, &options)
            .expect("a file")
            .close(DEADLINE)
            .expect("closed");
        let (mut said, mut tag) = (HashMap::new(), 1);
        for round in 0..ROUNDS / 4 {
            let lines = rng.random_range(1..400);
            tag = run_and_kill(&path, tag, lines, &mut said);
            let (mut tier, recovery) = T3File::open_with(&path, &options).expect("a usable file");
            assert_eq!(recovery.missing, 0);
            let now: HashMap<u32, u64> = recovery.whole.iter().map(|block| (block.slot, block.key.tag)).collect();
            for slot in 0..SLOTS {
                let is_torn = recovery.torn.iter().any(|(torn, _)| *torn == slot);
                let entry = said.entry(slot).or_default();
                let found = now.get(&slot).copied().unwrap_or(0);
                let place = format!("{name}, round {round}, {lines} lines, slot {slot}");
                if is_torn {
                    assert!(entry.under_way.is_some(), "{place}: torn, and nothing was under way");
                } else {
                    let allowed = found == entry.acknowledged || Some(found) == entry.under_way;
                    assert!(allowed, "{place}: holds {found}, {} was acknowledged", entry.acknowledged);
                }
                if found > 0 {
                    fetch(&mut tier, slot, key(found)).expect("whole, with the bytes of its key");
                }
                *entry = Said { acknowledged: found, under_way: is_torn.then_some(0) };
            }
            whole += recovery.whole.len();
            torn += recovery.torn.len();
            empty += recovery.empty;
        }
    }
    println!("{ROUNDS} kills: {whole} slots whole, {torn} torn, {empty} empty");
}
