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
use std::thread::JoinHandle;
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
    #[arg(long, default_value_t = 45)]
    minutes: u64,
}

/// One step: its name on the command line, what it does, and how.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(Instant) -> Result<()>,
}

/// Tests leave a core idle for long, and synthesis takes one: it runs beside them, so that it is over with them.
const TEST: &str = "test";
const SYNTH: &str = "synth";

const STEPS: [Step; 19] = [
    Step { name: "setup", about: "what the machine must have", run: setup },
    Step { name: "fmt", about: "cargo fmt --all --check", run: fmt },
    Step { name: "regs", about: "mmio/gen is what the register map says", run: |_| regs::check() },
    Step { name: "uapi", about: "the ioctls' C header is what mmio/src/uapi.rs says", run: |_| uapi::check() },
    Step { name: "capi", about: "the pager's C header is what pager/capi/src says", run: |_| capi::check() },
    Step { name: "edges", about: "who may import whom", run: |_| edges::check() },
    Step { name: "testplan", about: "every register block has its tests", run: |_| testplan::check() },
    Step { name: "rtl", about: "hdl/rtl is what hdl/src gives, and clean in three tools", run: rtl::check },
    Step { name: "core", about: "the management core's Verilog, for what is built next", run: firmware::managed::make },
    Step { name: "clippy", about: "cargo clippy, warnings are errors", run: clippy },
    Step { name: "doc", about: "cargo doc, warnings are errors", run: doc },
    Step { name: TEST, about: "cargo test --workspace --release, kvctl with the RTL", run: test },
    Step { name: SYNTH, about: "size and speed against constraints/baseline.toml", run: baseline::check },
    // After the tests, which build what these two run.
    Step { name: "guest", about: "the Linux path in a virtual machine", run: |deadline| guest::stages(None, deadline) },
    Step { name: "litex", about: "LiteX's server and client at the simulated board", run: litex::check },
    Step { name: "pcie", about: "PCIe boards against their generated cores", run: pcie::check_all },
    Step { name: "firmware", about: "firmware/image is what firmware/ gives", run: |_| firmware::run(true) },
    Step { name: "loom", about: "the ring under every interleaving", run: loom },
    Step { name: "demo", about: "the README's first command, cargo run --release", run: demo },
];

/// Runs the chosen steps; fails if one fails.
fn run_steps(steps: &[&Step], keep_going: bool, deadline: Instant) -> Result<()> {
    let mut report = Vec::new();
    let mut failed = Vec::new();
    let mut beside: Option<JoinHandle<Result<()>>> = None;
    for (number, step) in steps.iter().enumerate() {
        println!("\n==> [{}/{}] {}: {}", number + 1, steps.len(), step.name, step.about);
        let start = Instant::now();
        if step.name == TEST && steps.iter().any(|step| step.name == SYNTH) {
            beside = Some(std::thread::spawn(move || baseline::check(deadline)));
        }
        let result = if start >= deadline {
            Err(anyhow!("no time left to start it"))
        } else if step.name == SYNTH
            && let Some(synth) = beside.take()
        {
            synth.join().unwrap_or_else(|_| Err(anyhow!("it panicked")))
        } else {
            (step.run)(deadline)
        };
        let seconds = start.elapsed().as_secs_f64();
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("==> {} {verdict} in {seconds:.1} s", step.name);
        report.push(format!("  {:<10} {verdict:<7} {seconds:>8.1} s", step.name));
        if let Err(error) = result {
            eprintln!("error: step {}: {error:#}", step.name);
            failed.push(step.name);
            if !keep_going {
                break;
            }
        }
    }
    // What a failed step left running is not left behind.
    if let Some(synth) = beside {
        let _ = synth.join();
    }
    for step in &steps[report.len()..] {
        report.push(format!("  {:<10} not run", step.name));
    }
    println!("\nci:\n{}", report.join("\n"));
    if !failed.is_empty() {
        let first = failed[0];
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

// In the profile of the tests, and with their features, so that the designs are compiled once.
fn clippy(deadline: Instant) -> Result<()> {
    let arguments = "clippy --release --workspace --features kvctl/rtl --all-targets -- -D warnings";
    run_until(&mut cargo_at_root(arguments)?, deadline)
}

fn doc(deadline: Instant) -> Result<()> {
    let mut command = cargo_at_root("doc --release --workspace --no-deps")?;
    command.env("RUSTDOCFLAGS", with_flags("RUSTDOCFLAGS", "-D warnings"));
    // Another set of features than with tests, so the designs would be compiled again.
    run_until(command.env("KVCPU_BINDINGS_ONLY", "1"), deadline)
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

    const GOOD: Step = Step { name: "good", about: "", run: good };
    const BAD: Step = Step { name: "bad", about: "", run: bad };
    const WORSE: Step = Step { name: "worse", about: "", run: bad };

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
