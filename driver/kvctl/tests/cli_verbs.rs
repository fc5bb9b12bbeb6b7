//! Every verb once as it is meant, and once as it is not.

mod cli_common;

use cli_common::{kvctl, kvctl_at, session};
use serde_json::json;

#[test]
fn usage_errors_end_with_2_and_say_what_there_is() {
    kvctl(&["--device", "toaster", "telemetry"]).refused(2, "there are: emulator, emulator+fw, rtl");
    kvctl(&["--device", "vfio:5", "telemetry"]).refused(2, "lspci -D");
    kvctl(&["--deadline", "soon", "telemetry"]).refused(2, "5s, 500ms");
    kvctl(&["--deadline", "0s", "telemetry"]).refused(2, "try 5s");
    kvctl(&["frobnicate"]).refused(2, "unrecognized subcommand");
    kvctl(&["hot"]).refused(2, "required");
    kvctl(&["hot", "1:2:3:4"]).refused(2, "tenant:request:tag");
    kvctl(&["hot", "300:1:1"]).refused(2, "8 bits");
    kvctl(&["hot", "1", "--range", "0"]).refused(2, "0 is not in");
    kvctl(&["hot", "--request", "0"]).refused(2, "--range");
    kvctl(&["hot", "1", "--request", "1"]).refused(2, "cannot be used with");
    kvctl(&["selftest", "--only", "nothing"]).refused(2, "identity");
}

#[test]
fn without_an_rtl_device_the_remedy_is_named() {
    let remedy = if cfg!(feature = "rtl") { "--geometry test" } else { "--features rtl" };
    kvctl_at("full", &["--device", "rtl", "telemetry"]).refused(1, remedy);
}

#[test]
fn without_a_card_the_remedy_is_named() {
    kvctl(&["--device", "vfio:fffe:fe:1f.7", "telemetry"]).refused(1, "there is no PCI device fffe:fe:1f.7; ");
}

#[test]
fn regs_list_shows_the_map_and_parses_as_json() {
    let said = kvctl(&["regs", "list", "scratch"]).good();
    assert!(said.out.contains("SCRATCH") && said.out.contains("BAR0+0x000c"), "{}", said.out);
    let all = kvctl(&["regs", "list", "--json"]).good().json();
    let names: Vec<_> = all["registers"].as_array().expect("array").iter().map(|r| r["name"].clone()).collect();
    assert!(names.contains(&json!("SQ_DOORBELL")) && names.len() > 100);
    let one = kvctl(&["--json", "regs", "list", "BAD_ACCESS_COUNT"]).good().json();
    assert_eq!(one["registers"][0]["access"], "RC");
    kvctl(&["regs", "list", "nothing-like-it"]).refused(1, "regs list");
}

#[test]
fn regs_read_takes_fields_instances_and_elements() {
    let value = kvctl(&["regs", "read", "CAP_RTBD.ENTRIES_LOG2", "TIER_HIGH@2", "CNT_HITS[3]", "--json"])
        .good()
        .json();
    let registers = value["registers"].as_array().expect("array");
    assert_eq!(registers[0]["value"], 10);
    assert_eq!(registers[0]["fields"][0]["name"], "ENTRIES_LOG2");
    assert_eq!(registers[1]["path"], "TIER_HIGH@2");
    assert_eq!(registers[1]["hex"], "0x1ffff");
    assert_eq!(registers[2]["element"], 3);
    assert!(kvctl(&["regs", "read", "BAD_ACCESS_COUNT"]).good().out.contains("RC, read clears"));
    kvctl(&["regs", "read", "SCRATHC"]).refused(2, "did you mean SCRATCH?");
    kvctl(&["regs", "read", "STATUS.NO"]).refused(2, "it has READY");
    kvctl(&["regs", "read", "TIER_HIGH@4"]).refused(2, "instances 0 to 3");
    kvctl(&["regs", "read", "SQ_DOORBELL"]).refused(1, "write-only");
    kvctl(&["regs", "read", "AGENT_ACK[7]"]).refused(1, "geometry");
}

#[test]
fn regs_write_writes_and_tells_why_a_value_did_not_stay() {
    let said = session(&["--json"], "regs write WEIGHTS.WF 0x21\nregs read WEIGHTS.WF WEIGHTS.WR").good();
    let read = &said.lines()[1]["registers"];
    assert_eq!((&read[0]["value"], &read[1]["value"]), (&json!(0x21), &json!(1)));
    kvctl(&["regs", "write", "MAGIC", "1"]).refused(1, "--force");
    kvctl(&["regs", "write", "MAGIC", "1", "--force"]).good();
    kvctl(&["regs", "write", "PREFETCH_TIER.TIER", "4"]).refused(1, "does not fit into the 2 bits");
    kvctl(&["regs", "write", "SCRATCH", "0x100000000"]).refused(1, "32 bits");
    kvctl(&["regs", "write", "SCRATCH", "many"]).refused(2, "not a number");
    session(&[], "fence\nregs write BLOCK_SHIFT 13").refused(1, "locked while enabled");
}

#[test]
fn regs_dump_leaves_out_what_cannot_be_read() {
    let dump = kvctl(&["regs", "dump", "--json"]).good().json();
    let paths: Vec<_> = dump["registers"].as_array().expect("array").iter().map(|r| r["path"].clone()).collect();
    assert!(paths.contains(&json!("TIER_HIGH@3")) && paths.contains(&json!("CNT_MOVE_BYTES[15]")));
    assert!(!paths.contains(&json!("SQ_DOORBELL@0")));
    assert!(kvctl(&["regs", "dump", "--changed"]).good().out.contains("CAP_ENGINES"));
}

/// Every command, in an order in which each succeeds.
const STORY: &str = "\
step 3            # a comment
insert 1:7:1 --depth 2 --prefix --read-only
insert 1:7:2 --parent 1
lookup 1:7:1
touch 1:7:0x2 --parent 1
copy in 1:7:1 --fill 0x5a
evict 1:7:1
demote 1:7:1 --tier 3
fence
prefetch 1:7:1 --step 9
demote 1:7:1 --tier 2
copy out 1:7:1
hot 1:7:1 --range 2
unhot --request 1:7
share 1:7:1
unshare 1:7:1
retain 1:7:1 --steps 5
dead 1:7:1
submit 0x04 --key 1:7:1
nop
weights --wr 9 --evict-thresh 77 --high 1:200 --low 1:100 --lookahead 3:8
telemetry
release --request 1:7
config
";

#[test]
fn a_session_knows_every_command_by_ring_and_by_registers() {
    for way in [&["--json"][..], &["--json", "--single-shot"]] {
        let said = session(way, STORY).good();
        let lines = said.lines();
        assert_eq!(lines.len(), STORY.lines().count());
        let of = |command: &str, nth: usize| {
            lines
                .iter()
                .filter(|line| line["command"] == command)
                .nth(nth)
                .unwrap_or_else(|| panic!("{command}"))
                .clone()
        };
        assert_eq!(of("step", 0)["step"], 3);
        assert_eq!(of("insert", 0)["placement"]["tier"], 1);
        assert_eq!(of("lookup", 0)["result"], "placed");
        assert_eq!(of("touch", 0)["key"]["text"], "1:7:0x2");
        let placement = of("evict", 0)["placement"].clone();
        assert_eq!(placement["tier"], 2);
        assert_eq!(of("demote", 0)["placement"]["tier"], 3);
        assert_eq!(of("copy_in", 0)["crc32c"], of("copy_out", 0)["crc32c"], "bytes survived T3");
        assert!(of("copy_out", 0)["head"].as_str().expect("bytes").starts_with("5a5a"));
        assert_eq!(of("hot", 0)["blocks"], 2);
        assert_eq!(of("unhot", 0)["target"]["scope"], "request");
        assert_eq!(of("submit", 0)["status_name"], "Ok");
        assert_eq!(of("weights", 0)["wr"], 9);
        assert_eq!(of("weights", 0)["tiers"][1]["high"], 200);
        assert_eq!(of("telemetry", 0)["counters"]["refused"], 0);
        assert_eq!(of("telemetry", 0)["enabled"], true);
        assert_eq!(of("release", 0)["blocks"], 2);
        assert_eq!(of("config", 0)["tiers"][1]["high"], 200, "what `weights` set stays configured");
    }
    session(&[], STORY).good();
}

#[test]
fn a_failing_line_is_named_and_ends_the_session_unless_told_otherwise() {
    let bad = "insert 1\nhot 99\nlookup 1\nbogus\nsubmit 0x42\nstep 5\nstep 4\nsubmit 0 --reserved7 1\n";
    let said = session(&["--json"], bad);
    said.refused(1, "line 2: Hot of 0/0/0x0000000000000063 refused: NotFound");
    assert_eq!(said.lines().len(), 2);
    assert_eq!(said.lines()[1]["line"], 2);
    let said = session(&["--json", "--keep-going"], bad);
    assert_eq!(said.code, 1);
    let errors: Vec<_> = said.lines().iter().filter_map(|l| l["error"].as_str().map(str::to_owned)).collect();
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(errors[1].contains("unrecognized subcommand 'bogus'"));
    assert!(errors[2].contains("opcode 0x42 refused: InvalidOpcode"));
    assert!(errors[3].contains("StepBackward"));
    assert!(errors[4].contains("InvalidField"));
    kvctl(&["shell", "/nowhere/at-all"]).refused(1, "name a readable file");
}

#[test]
fn config_is_checked_against_the_geometry_and_changes_the_device() {
    let lines = "config --t1 8+8 --t2 0 --t3 0 --agents 1\nregs read TIER_FRAMES@1\nconfig --t1 0 --t0 4\ninsert 1\ninsert 1 --tier 0";
    let said = session(&["--json", "--keep-going"], lines);
    let lines = said.lines();
    assert_eq!(lines[1]["registers"][0]["value"], 16);
    assert_eq!(lines[2]["prefetch_tier"], 0);
    assert!(lines[3]["error"].as_str().expect("T1 is off").contains("InvalidTier"));
    assert_eq!(lines[4]["placement"]["tier"], 0);
    session(&[], "config --t1 5000").refused(1, "the directory has 1024 entries");
    session(&[], "config --block-shift 40").refused(1, "the device has 6 to 21");
    session(&[], "config --t1 lots").refused(1, "is not a number");
}

#[test]
fn one_shot_commands_answer_or_say_what_to_do() {
    assert_eq!(kvctl(&["insert", "5", "--json"]).good().json()["placement"]["frame"], 0);
    assert_eq!(kvctl(&["lookup", "0x5", "--json"]).good().json()["result"], "miss");
    let said = kvctl(&["release", "5", "--json"]);
    said.refused(1, "insert the block first");
    assert!(said.json()["error"].as_str().expect("text").contains("NotFound"));
    assert_eq!(kvctl(&["weights", "--json"]).good().json()["wf"], 24);
    kvctl(&["weights", "--high", "1:200000"]).refused(1, "at most");
    kvctl(&["weights", "--high", "9:1"]).refused(2, "no tier 9");
    assert_eq!(kvctl(&["telemetry", "--json"]).good().json()["enabled"], false);
    assert!(kvctl(&["telemetry"]).good().out.contains("ERR_STATUS"));
}

#[test]
fn copy_moves_whole_blocks_between_files_and_the_device() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let data: Vec<u8> = (0..4096u32).map(|n| (n * 7) as u8).collect();
    std::fs::write(path("in"), &data).expect("written");
    std::fs::write(path("short"), &data[..100]).expect("written");
    let lines = format!("insert 1\ncopy in 1 {}\nevict 1\ncopy out 1 {}\n", path("in"), path("out"));
    session(&[], &lines).good();
    assert_eq!(std::fs::read(path("out")).expect("there"), data);
    session(&[], &format!("insert 1\ncopy in 1 {}", path("short"))).refused(1, "a block has 4096");
    session(&[], &format!("insert 1\ncopy in 1 {}", path("none"))).refused(1, "name a readable file");
    session(&[], "copy out 1").refused(1, "NotFound");
}

#[test]
fn traces_are_made_measured_and_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"] {
        let file = dir.path().join(name).display().to_string();
        let made =
            kvctl(&["trace", "gen", "--workload", "chat", "--seed", "3", "--requests", "40", "-o", &file, "--json"]);
        let made = made.good().json();
        let stat = kvctl(&["trace", "stat", &file, "--json"]).good().json();
        assert_eq!((&stat["requests"], &stat["references"]), (&json!(40), &made["references"]));
        assert!(kvctl(&["trace", "stat", &file]).good().out.contains("most hits possible"));
        let replay = kvctl(&["replay", &file, "--metadata-only", "--t1", "64", "--no-baselines", "--json"]);
        assert_eq!(replay.good().json()["requests"], 40);
    }
    let plain = std::fs::read_to_string(dir.path().join("t.jsonl")).expect("there");
    let out = kvctl(&["trace", "gen", "--workload", "chat", "--seed", "3", "--requests", "40"])
        .good()
        .out;
    assert_eq!(out, plain, "the same seed, the same bytes");
    let params = dir.path().join("params.json").display().to_string();
    std::fs::write(&params, kvctl(&["trace", "gen", "--print-params"]).good().out).expect("written");
    kvctl(&["trace", "gen", "--params", &params, "--requests", "5"]).good();
    let bad = dir.path().join("bad.jsonl").display().to_string();
    std::fs::write(&bad, format!("{}\nnot json\n", plain.lines().next().expect("a line"))).expect("written");
    kvctl(&["trace", "stat", &bad]).refused(1, "line 2");
    assert_eq!(kvctl(&["trace", "stat", &bad, "--skip-bad", "--json"]).good().json()["skipped"]["total"], 1);
    kvctl(&["trace", "stat", "/nowhere/at-all"]).refused(1, "/nowhere/at-all");
    kvctl(&["trace", "gen", "--requests", "0"]).refused(1, "requests");
    kvctl(&["trace", "gen", "--json"]).refused(1, "--output");
    kvctl(&["trace", "gen", "--params", &bad]).refused(1, "--print-params");
}

#[test]
fn t3_check_counts_slots_and_sees_damage() {
    use kvcpu_store::{BlockStore, HeapMemory, Key, T3File, T3Options};
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("t3");
    let options = T3Options { direct: false, ..T3Options::default() };
    let mut store = T3File::create_with(&file, 4096, 8, &options).expect("created");
    let memory: std::sync::Arc<dyn kvcpu_mmio::DmaMemory> = HeapMemory::new(4096);
    let crc = crc32c::crc32c(&[0; 4096]);
    for slot in 0..3 {
        let key = Key { tenant: 1, request: 2, tag: slot.into() };
        store.submit_store(slot.into(), slot, key, &memory, 0, crc).expect("taken");
    }
    let mut done = Vec::new();
    while done.len() < 3 {
        store.wait(std::time::Duration::from_secs(5), &mut done).expect("works");
    }
    let offset = store.layout().slot_offset(1) + 5000;
    drop(store);
    let name = file.display().to_string();
    let good = kvctl(&["t3", "check", &name, "--json", "--list"]).good().json();
    assert_eq!((&good["whole"], &good["torn"], &good["empty"]), (&json!(3), &json!(0), &json!(5)));
    assert_eq!(good["blocks"][2]["tag"], 2);
    let mut bytes = std::fs::read(&file).expect("there");
    bytes[offset as usize] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let said = kvctl(&["t3", "check", &name]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("slot 1 is torn"), "{}", said.out);
    kvctl(&["t3", "check", "/nowhere/at-all"]).refused(1, "/nowhere/at-all");
}

#[test]
fn selftest_passes_on_the_emulator_and_parses_as_json() {
    let report = kvctl(&["selftest", "--json"]).good().json();
    assert_eq!((&report["failed"], &report["not_available"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(report["passed"], report["rows"].as_array().expect("rows").len());
    assert!(kvctl(&["selftest", "--only", "identity"]).good().out.contains("1 passed"));
}
