//! `cargo xtask ci`: every check and test of the project, in steps with names and timings.
//!
//! `./test.sh` calls it, having seen to the C compiler that Rust needs to link; all else that a
//! bare machine lacks is installed by the first step. Cheap steps come first; output is streamed.

use crate::fpga::baseline;
use crate::process::{cargo, run_until, works};
use crate::{capi, edges, firmware, guest, litex, pcie, python, regs, rtl, testplan, uapi, workspace};
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Steps to run, all by default
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(STEPS.map(|s| s.name)))]
    steps: Vec<String>,
    /// Go on after a failed step and report all failures at the end
    #[arg(long)]
    keep_going: bool,
    /// Time for all steps together, with room for a machine that is busy; what still runs then is killed
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

/// One step: its name on the command line, what it does, and how.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(Instant) -> Result<()>,
    /// Set, the step runs beside the others once the one of this name is over: most steps leave a core idle for long.
    beside_after: Option<&'static str>,
}

const SETUP: &str = "setup";
const BUILD: &str = "build";
const TEST: &str = "test";

const STEPS: [Step; 20] = [
    step(SETUP, "what the machine must have", setup),
    step("fmt", "cargo fmt --all --check", fmt),
    step("regs", "mmio/gen is what the register map says", |_| regs::check()),
    step("uapi", "the ioctls' C header is what mmio/src/uapi.rs says", |_| uapi::check()),
    step("capi", "the pager's C header is what pager/capi/src says", |_| capi::check()),
    step("edges", "who may import whom", |_| edges::check()),
    step("testplan", "every register block has its tests", |_| testplan::check()),
    step("rtl", "hdl/rtl is what hdl/src gives, and clean in three tools", rtl::check),
    step("core", "the management core's Verilog, for what is built next", firmware::managed::make),
    step("clippy", "cargo clippy, warnings are errors", clippy),
    step("doc", "cargo doc, warnings are errors", doc),
    step(BUILD, "the tests and what they run, for the next", build),
    step(TEST, "cargo test --workspace --release, kvctl with the RTL", test),
    step("synth", "size and speed against constraints/baseline.toml", baseline::check).beside(SETUP),
    step("pcie", "PCIe boards against their generated cores", pcie::check_all).beside(SETUP),
    step("firmware", "firmware/image is what firmware/ gives", |_| firmware::run(true)).beside(SETUP),
    step("loom", "the ring under every interleaving", loom).beside(SETUP),
    step("guest", "the Linux path in a virtual machine", |deadline| guest::stages(None, deadline)).beside(BUILD),
    step("litex", "LiteX's server and client at the simulated board", litex::check).beside(BUILD),
    // Its kvctl, without the RTL, takes the place of the one that the tests and the guest run.
    step("demo", "the README's first command, cargo run --release", demo).beside(TEST),
];

const fn step(name: &'static str, about: &'static str, run: fn(Instant) -> Result<()>) -> Step {
    Step { name, about, run, beside_after: None }
}

impl Step {
    const fn beside(self, after: &'static str) -> Step {
        Step { beside_after: Some(after), ..self }
    }
}

/// How a step ended, and how long it took.
struct Ended {
    name: &'static str,
    result: Result<()>,
    time: Duration,
}

/// What both workers know of each other.
#[derive(Default)]
struct Progress {
    ended: Mutex<Vec<Ended>>,
    has_ended: Condvar,
}

impl Progress {
    fn ended(&self) -> MutexGuard<'_, Vec<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs steps one after the other, each when what it comes after is over, until one has failed, of whichever worker.
    fn work(&self, steps: &[&Step], all: &[&Step], keep_going: bool, deadline: Instant) {
        for step in steps {
            let waits_for = |ended: &Vec<Ended>| {
                let after = all.iter().find(|other| step.beside_after == Some(other.name));
                after.is_some_and(|after| ended.iter().all(|ended| ended.name != after.name))
            };
            let is_over = |ended: &Vec<Ended>| !keep_going && ended.iter().any(|ended| ended.result.is_err());
            let ended = self
                .has_ended
                .wait_while(self.ended(), |ended| waits_for(ended) && !is_over(ended))
                .unwrap_or_else(PoisonError::into_inner);
            if is_over(&ended) {
                return;
            }
            drop(ended);
            println!("\n==> {}: {}", step.name, step.about);
            let start = Instant::now();
            let result = if start >= deadline {
                Err(anyhow!("no time left to start it"))
            } else {
                std::panic::catch_unwind(|| (step.run)(deadline)).unwrap_or_else(|_| Err(anyhow!("it panicked")))
            };
            let time = start.elapsed();
            println!("==> {} {} in {:.1} s", step.name, verdict(&result), time.as_secs_f64());
            if let Err(error) = &result {
                eprintln!("error: step {}: {error:#}", step.name);
            }
            self.ended().push(Ended { name: step.name, result, time });
            self.has_ended.notify_all();
        }
    }
}

fn verdict(result: &Result<()>) -> &'static str {
    if result.is_ok() { "ok" } else { "FAILED" }
}

/// Runs the chosen steps, with a second worker for those that run beside the others; fails if one fails.
fn run_steps(steps: &[&Step], keep_going: bool, deadline: Instant) -> Result<()> {
    let (beside, first): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| step.beside_after.is_some());
    let progress = Progress::default();
    std::thread::scope(|scope| {
        scope.spawn(|| progress.work(&beside, steps, keep_going, deadline));
        progress.work(&first, steps, keep_going, deadline);
    });
    let ended = progress.ended();
    println!("\nci:");
    for step in steps {
        match ended.iter().find(|ended| ended.name == step.name) {
            Some(Ended { result, time, .. }) => {
                println!("  {:<10} {:<7} {:>8.1} s", step.name, verdict(result), time.as_secs_f64());
            }
            None => println!("  {:<10} not run", step.name),
        }
    }
    let failed: Vec<&str> = ended.iter().filter(|ended| ended.result.is_err()).map(|ended| ended.name).collect();
    if let Some(first) = failed.first() {
        bail!("ci failed at: {}; again with `cargo xtask ci {first}`", failed.join(", "));
    }
    Ok(())
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen = |step: &&Step| options.steps.is_empty() || options.steps.iter().any(|name| name == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(chosen).collect();
    run_steps(&steps, options.keep_going, Instant::now() + Duration::from_secs(60 * options.minutes))
}

/// A cargo command in the workspace's root.
fn cargo_at_root(arguments: &str) -> Result<Command> {
    let mut command = cargo();
    command
        .args(arguments.split_whitespace())
        .current_dir(workspace::root()?)
        .stdin(Stdio::null());
    Ok(command)
}

/// The variable's value with `flags` added.
fn with_flags(variable: &str, flags: &str) -> OsString {
    let mut value = std::env::var_os(variable).unwrap_or_default();
    if !value.is_empty() {
        value.push(" ");
    }
    value.push(flags);
    value
}

/// Installs what is missing. `gcc` and `libc6-dev` are seen to by test.sh too; here for those who
/// call `cargo xtask ci` with a prebuilt xtask or after removing them.
fn setup(deadline: Instant) -> Result<()> {
    if !works(Command::new("cc").arg("--version")) {
        apt_install(&["gcc", "libc6-dev"], deadline)?;
    }
    // Verilator compiles C++; without the headers of g++ there is a compiler that finds no standard library. clang++ is faster.
    let tools = [
        ("verilator", "--version"),
        ("g++", "--version"),
        ("clang++", "--version"),
        ("iverilog", "-V"),
        ("yosys", "-V"),
    ];
    if tools.iter().any(|(tool, probe)| !works(Command::new(tool).arg(probe))) {
        apt_install(&["verilator", "g++", "clang", "iverilog", "yosys"], deadline)?;
    }
    if !python::is_there() {
        apt_install(&["python3-venv"], deadline)?;
    }
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !works(cargo().args([probe, "--version"])) {
            let mut rustup = Command::new("rustup");
            rustup.args(["component", "add", component]);
            run_until(&mut rustup, deadline)
                .with_context(|| format!("`cargo {probe}` is missing and rustup cannot add it"))?;
        }
    }
    println!("setup: C and C++ compiler, Verilator, Icarus Verilog, Yosys, Python, rustfmt and clippy are there");
    Ok(())
}

/// Installs Debian packages without asking questions.
pub(crate) fn apt_install(packages: &[&str], deadline: Instant) -> Result<()> {
    let remedy = format!("install them by hand: apt-get install {}", packages.join(" "));
    if !works(Command::new("apt-get").arg("--version")) {
        bail!("{} are missing and there is no apt-get; {remedy}", packages.join(", "));
    }
    let sudo = if nix::unistd::geteuid().is_root() {
        None
    } else if works(Command::new("sudo").arg("--version")) {
        Some("sudo")
    } else {
        bail!("{} are missing, and neither root nor sudo to install them; {remedy}", packages.join(", "));
    };
    for arguments in [&["update"][..], &[&["install", "-y", "--no-install-recommends"], packages].concat()] {
        let mut command = Command::new(sudo.unwrap_or("env"));
        if sudo.is_some() {
            command.arg("env");
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        run_until(&mut command, deadline).with_context(|| remedy.clone())?;
    }
    Ok(())
}

fn fmt(deadline: Instant) -> Result<()> {
    run_until(&mut cargo_at_root("fmt --all --check")?, deadline).context("remedy: cargo fmt --all")
}

// In the profile of the tests, and with their features, so that build scripts and macros of dependencies are compiled once.
fn clippy(deadline: Instant) -> Result<()> {
    let arguments = "clippy --release --workspace --features kvctl/rtl --all-targets -- -D warnings";
    // What a build script of ours makes under clippy, cargo does not use for anything else: the designs would be compiled twice.
    run_until(cargo_at_root(arguments)?.env("KVCPU_BINDINGS_ONLY", "1"), deadline)
}

fn doc(deadline: Instant) -> Result<()> {
    let mut command = cargo_at_root("doc --release --workspace --no-deps")?;
    command.env("RUSTDOCFLAGS", with_flags("RUSTDOCFLAGS", "-D warnings"));
    // Documentation needs no compiled designs either.
    run_until(command.env("KVCPU_BINDINGS_ONLY", "1"), deadline)
}

fn build(deadline: Instant) -> Result<()> {
    run_until(&mut cargo_at_root("test --workspace --features kvctl/rtl --release --no-run")?, deadline)
}

fn test(deadline: Instant) -> Result<()> {
    let arguments = "test --workspace --features kvctl/rtl --release --no-fail-fast";
    run_until(cargo_at_root(arguments)?.env(firmware::managed::WANTED, "1"), deadline)
}

fn loom(deadline: Instant) -> Result<()> {
    let mut command = cargo_at_root("test --release -p kvcpu-ring --test loom")?;
    command.env("RUSTFLAGS", with_flags("RUSTFLAGS", "--cfg loom"));
    // A directory of its own, or each change of RUSTFLAGS would rebuild everything.
    run_until(command.env("CARGO_TARGET_DIR", "target/loom"), deadline)
}

fn demo(deadline: Instant) -> Result<()> {
    run_until(&mut cargo_at_root("run --release")?, deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(_: Instant) -> Result<()> {
        Ok(())
    }

    fn bad(_: Instant) -> Result<()> {
        bail!("broken")
    }

    const GOOD: Step = step("good", "", good);
    const BAD: Step = step("bad", "", bad);
    const WORSE: Step = step("worse", "", bad);

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn good_steps_make_a_good_run() {
        assert!(run_steps(&[&GOOD, &GOOD], false, soon()).is_ok());
    }

    #[test]
    fn the_first_failure_ends_the_run_unless_told_to_go_on() {
        let error = run_steps(&[&GOOD, &BAD, &WORSE], false, soon()).unwrap_err().to_string();
        assert!(error.contains("failed at: bad;") && error.contains("cargo xtask ci bad"), "{error}");
        let error = run_steps(&[&BAD, &GOOD, &WORSE], true, soon()).unwrap_err().to_string();
        assert!(error.contains("failed at: bad, worse;"), "{error}");
    }

    #[test]
    fn a_step_beside_the_others_runs_after_what_it_needs_if_that_is_chosen() {
        let beside = step("beside", "", good).beside("good");
        assert!(run_steps(&[&GOOD, &beside], false, soon()).is_ok());
        assert!(run_steps(&[&beside], false, soon()).is_ok());
        let error = run_steps(&[&BAD, &step("beside", "", bad).beside("bad")], false, soon()).unwrap_err();
        assert!(error.to_string().contains("failed at: bad;"), "{error}");
        let error = run_steps(&[&GOOD, &step("beside", "", bad).beside("good")], false, soon()).unwrap_err();
        assert!(error.to_string().contains("failed at: beside;"), "{error}");
    }

    #[test]
    fn every_step_beside_the_others_names_one_that_is_before_it_and_not_beside() {
        for (number, step) in STEPS.iter().enumerate() {
            let names = |other: &Step| step.beside_after == Some(other.name) && other.beside_after.is_none();
            assert!(step.beside_after.is_none() || STEPS[..number].iter().any(names), "{}", step.name);
        }
    }

    #[test]
    fn a_step_that_cannot_start_in_time_fails() {
        assert!(run_steps(&[&GOOD], false, Instant::now()).is_err());
    }

    #[test]
    fn flags_are_added_to_what_the_caller_set() {
        assert_eq!(with_flags("KVCPU_NO_SUCH_VARIABLE", "--cfg loom"), "--cfg loom");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(with_flags("PATH", "x"), format!("{path} x").as_str());
    }
}
