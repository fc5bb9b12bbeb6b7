//! The simulated board as a program: it ends when it is told to, and leaves no link to a terminal that is another's by then.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, when its link is there.
fn started(link: &Path) -> Child {
    let mut board = Command::new(env!("CARGO_BIN_EXE_board"))
        .arg("--link")
        .arg(link)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = String::new();
    BufReader::new(board.stdout.as_mut().unwrap()).read_line(&mut terminal).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_link(link).is_ok_and(|target| target == Path::new(terminal.trim())) {
        assert!(Instant::now() < deadline, "no link to {terminal}");
        std::thread::sleep(Duration::from_millis(10));
    }
    board
}

fn end(board: &mut Child, signal: Signal) {
    kill(Pid::from_raw(board.id() as i32), signal).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = board.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            board.kill().unwrap();
            panic!("it goes on after {signal}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{signal}: {status}");
}

#[test]
fn it_ends_when_it_is_told_to_and_takes_its_link_along() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("board");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut board = started(&link);
        end(&mut board, signal);
        assert!(!link.is_symlink(), "{signal}: the link is still there");
    }
    // A link that leads elsewhere by then is not its own.
    let mut board = started(&link);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    end(&mut board, Signal::SIGTERM);
    assert!(link.is_symlink());
}
