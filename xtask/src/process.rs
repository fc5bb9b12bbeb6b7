//! Running other programs: output streamed, never swallowed, and an end to every wait.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The cargo that runs us, or the one on PATH.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether `command` starts and succeeds; its output is dropped. For probing what is installed.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs `command` with its output going to ours; fails unless it ends with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// As [`run`], but the command and all it started are killed at `deadline`.
pub(crate) fn run_until(command: &mut Command, deadline: Instant) -> Result<()> {
    let shown = shown(command);
    let mut child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{shown}`"))? {
            if !status.success() {
                bail!("`{shown}` failed: {status}");
            }
            return Ok(());
        }
        if Instant::now() >= deadline {
            kill_tree(&mut child);
            bail!("`{shown}` was still running when the time was up; killed");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As [`run_until`], for the tools that `setup` installs: gives what one said on both its outputs, or fails with it.
pub(crate) fn listen_until(command: &mut Command, deadline: Instant) -> Result<String> {
    // A file, as a pipe that nobody empties while it is waited for would hold the tool up.
    let mut file = tempfile::tempfile().context("no room for a temporary file")?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    let end = run_until(command, deadline);
    let mut said = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut said)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    match end {
        Ok(()) => Ok(said),
        Err(error) if error.is::<std::io::Error>() => bail!("{error:#}; `./test.sh setup` installs it"),
        Err(error) => bail!("{error:#}\n{said}"),
    }
}

/// Runs a tool that must have nothing to say.
pub(crate) fn quiet(command: &mut Command, deadline: Instant) -> Result<()> {
    let said = listen_until(command, deadline)?;
    ensure!(said.trim().is_empty(), "`{}` said:\n{said}", shown(command));
    Ok(())
}

/// The command line for messages, with the variables it sets.
fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={:?}", name.display(), value.to_string_lossy()));
        }
    }
    let program = std::path::Path::new(command.get_program());
    words.push(program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned());
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Kills a child and its descendants. Between listing and killing a process may start another, so
/// the list is made again until it is empty.
fn kill_tree(child: &mut Child) {
    let root = child.id();
    for _ in 0..20 {
        let below = descendants(root);
        if below.is_empty() {
            break;
        }
        for pid in below {
            // It may have ended meanwhile, which is what is wanted.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The living processes that descend from `root`, from /proc.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(proc) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pairs: Vec<(u32, u32)> = proc
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // `pid (name) state ppid ...`; the name may hold anything, so start after the last ')'.
            let mut rest = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let state = rest.next()?;
            let parent = rest.next()?.parse().ok()?;
            (state != "Z").then_some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let above = found[next];
        found.extend(pairs.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"]).env("X", "1")).unwrap_err().to_string();
        assert!(error.contains("X=\"1\" sh -c exit 3") && error.contains("exit status: 3"), "{error}");
        let error = run(&mut Command::new("/no/such/program")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `program`");
    }

    #[test]
    fn what_outlives_its_deadline_is_killed_with_its_children() {
        let start = Instant::now();
        let seconds = format!("300.{}", std::process::id()); // tells this test's sleepers from others'
        let mut command = Command::new("sh");
        command.args(["-c", &format!("sleep {seconds} & sleep {seconds}")]);
        let error = run_until(&mut command, start + Duration::from_millis(300)).unwrap_err().to_string();
        assert!(error.contains("still running"), "{error}");
        let alive = || {
            std::fs::read_dir("/proc").unwrap().any(|entry| {
                let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
                line.windows(seconds.len()).any(|w| w == seconds.as_bytes())
            })
        };
        while alive() {
            // A killed process takes a moment to vanish.
            assert!(start.elapsed() < Duration::from_secs(60), "a descendant is still alive");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_tool_that_is_to_be_quiet_is_heard_and_does_not_outlive_its_deadline() {
        let far = Instant::now() + Duration::from_secs(60);
        let shell = |script: &str, deadline| quiet(Command::new("sh").args(["-c", script]), deadline);
        shell("true", far).unwrap();
        // More than a pipe holds.
        let heard = shell("echo warned; head -c 100000 /dev/zero >&2", far).unwrap_err().to_string();
        assert!(heard.contains("said:\nwarned") && heard.len() > 100_000);
        let failed = shell("echo why >&2; exit 3", far).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3") && failed.ends_with("why\n"), "{failed}");
        let late = shell("echo begun; exec sleep 1000", Instant::now() + Duration::from_millis(300))
            .unwrap_err()
            .to_string();
        assert!(late.contains("still running") && late.ends_with("begun\n"), "{late}");
        let missing = quiet(&mut Command::new("/no/such/program"), far).unwrap_err().to_string();
        assert!(missing.contains("cannot start `program`") && missing.contains("setup"), "{missing}");
    }

    #[test]
    fn probing_says_whether_a_program_works() {
        assert!(works(&mut Command::new("true")));
        assert!(!works(&mut Command::new("false")));
        assert!(!works(&mut Command::new("/no/such/program")));
    }
}
