//! The serial backing against a board made of the emulator and a plain reader of the protocol, which can be told to misbehave.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvcpu_driver::mmio::regs::{control, tier};
use kvcpu_driver::mmio::{Backing, BackingError, Bar, Geometry, Register};
use kvcpu_driver::uart::{OpenError, Uart};
use kvcpu_driver::{Commands, Device};
use kvcpu_emulator::Emulator;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const BAUD: u32 = 1_000_000;
/// Silence that ends a command, as the hardware has it.
const IDLE: Duration = Duration::from_millis(100);
/// How long an answer may take where one is waited for in vain; and where it comes, on a machine however busy.
const IMPATIENT: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(30);

/// What the board does with the next read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Manner {
    #[default]
    Good,
    /// It answers with so many bytes only.
    Short(usize),
    /// It answers after this time.
    Late(Duration),
    /// It answers, says more some time later, and is good then.
    Talks,
    /// It says something all the time.
    Babbles,
    /// It answers every read with zeros.
    Stranger,
    /// It takes no notice of anything.
    Deaf,
}

/// The board's side of a terminal.
struct Board {
    path: PathBuf,
    manner: Arc<Mutex<Manner>>,
    /// Commands that were carried out: code, words, byte address.
    seen: Arc<Mutex<Vec<(u8, u8, u32)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    fn new() -> Board {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = PathBuf::from(ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap());
        let (manner, seen, stop) = (Arc::default(), Arc::default(), Arc::default());
        let parts = (Arc::clone(&manner), Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&terminal, &parts.0, &parts.1, &parts.2));
        Board { path, manner, seen, stop, thread: Some(thread) }
    }

    fn be(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn open(&self) -> Uart {
        Uart::open_within(&self.path, BAUD, PATIENT).unwrap()
    }

    fn open_impatiently(&self) -> Uart {
        self.open_within(IMPATIENT)
    }

    fn open_within(&self, patience: Duration) -> Uart {
        Uart::open_within(&self.path, BAUD, patience).unwrap()
    }

    fn unplug(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.unplug();
    }
}

/// Whether there is something to read within this time.
fn has_bytes(terminal: &OwnedFd, time: Duration) -> bool {
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
    let mut fds = [PollFd::new(terminal, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&time)).unwrap();
    ready > 0 && fds[0].revents().contains(PollFlags::IN)
}

fn serve(terminal: &OwnedFd, manner: &Mutex<Manner>, seen: &Mutex<Vec<(u8, u8, u32)>>, stop: &AtomicBool) {
    let device = Emulator::new(Geometry::TEST).unwrap();
    let (mut command, mut last) = (Vec::new(), Instant::now());
    let say = |bytes: &[u8]| {
        // Nobody need have the terminal open.
        let _ = rustix::io::write(terminal, bytes);
    };
    while !stop.load(Ordering::Relaxed) {
        let mut bytes = [0; 256];
        let count = match has_bytes(terminal, Duration::from_millis(1)) {
            true => rustix::io::read(terminal, &mut bytes).unwrap_or(0),
            false => {
                std::thread::sleep(Duration::from_millis(1));
                0
            }
        };
        let now = *manner.lock().unwrap();
        match now {
            Manner::Babbles => say(b"login: "),
            Manner::Deaf => continue,
            _ => {}
        }
        if last.elapsed() > IDLE {
            command.clear();
        }
        if count > 0 {
            last = Instant::now();
        }
        for byte in &bytes[..count] {
            command.push(*byte);
            let Some(answer) = carry_out(&device, &command, seen) else { continue };
            command.clear();
            match now {
                _ if answer.is_empty() => {}
                Manner::Stranger => say(&vec![0; answer.len()]),
                Manner::Short(bytes) => say(&answer[..bytes]),
                Manner::Late(time) => {
                    std::thread::sleep(time);
                    say(&answer);
                }
                Manner::Talks => {
                    say(&answer);
                    std::thread::sleep(Duration::from_millis(20));
                    say(b"?");
                    *manner.lock().unwrap() = Manner::Good;
                }
                _ => say(&answer),
            }
        }
    }
}

/// The answer to a command that has all come.
fn carry_out(device: &Emulator, command: &[u8], seen: &Mutex<Vec<(u8, u8, u32)>>) -> Option<Vec<u8>> {
    let &[code, words, a, b, c, d, ref data @ ..] = command else { return None };
    let address = 4 * u32::from_be_bytes([a, b, c, d]);
    let is_write = code == 1;
    if is_write && data.len() < 4 * usize::from(words) {
        return None;
    }
    seen.lock().unwrap().push((code, words, address));
    let (bar, offset) = match address {
        0..0x1_0000 => (Bar::Regs, address),
        0x80_0000..0xA0_0000 => (Bar::Rtbd, address - 0x80_0000),
        _ => return Some(if is_write { Vec::new() } else { vec![0xFF; 4 * usize::from(words)] }),
    };
    let word = |at: usize| u32::from_be_bytes(data[4 * at..4 * at + 4].try_into().unwrap());
    let value = match (is_write, words) {
        (true, 1) => device.write32(bar, offset, word(0)).map(|()| None).unwrap(),
        (true, 2) => device
            .write64(bar, offset, u64::from(word(0)) | u64::from(word(1)) << 32)
            .map(|()| None)
            .unwrap(),
        (false, 1) => Some(device.read32(bar, offset).unwrap().into()),
        (false, 2) => Some(device.read64(bar, offset).unwrap()),
        _ => panic!("{words} words at once"),
    };
    let answer: Vec<u8> = value.map_or(Vec::new(), |value: u64| {
        [value as u32, (value >> 32) as u32].iter().flat_map(|word| word.to_be_bytes()).collect()
    });
    Some(answer.into_iter().take(if is_write { 0 } else { 4 * usize::from(words) }).collect())
}

fn magic(uart: &Uart) -> Result<u32, BackingError> {
    uart.read32(Bar::Regs, control::MAGIC.offset)
}

/// The text of the error that says that the board does not answer.
fn gone<T: std::fmt::Debug>(result: Result<T, BackingError>) -> String {
    match result {
        Err(BackingError::Gone(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_access_is_one_command() {
    let board = Board::new();
    let uart = board.open();
    // What it takes to find the line is another thing.
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    board.seen.lock().unwrap().clear();
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    uart.write64(Bar::Regs, tier::TIER_BASE.offset, 0x0102_0304_0506_0000).unwrap();
    assert_eq!(uart.read64(Bar::Regs, tier::TIER_BASE.offset), Ok(0x0102_0304_0506_0000));
    assert_eq!(uart.read32(Bar::Rtbd, 0x20), Ok(0));
    let base = tier::TIER_BASE.offset;
    assert_eq!(*board.seen.lock().unwrap(), [(2, 1, 0), (1, 2, base), (2, 2, base), (2, 1, 0x80_0020)]);
    board.seen.lock().unwrap().clear();
    for refused in
        [uart.read32(Bar::Regs, 2).map(u64::from), uart.read64(Bar::Regs, 4), uart.read64(Bar::Rtbd, 0x20_0000)]
    {
        assert!(matches!(refused, Err(BackingError::BadAccess { .. })), "{refused:?}");
    }
    assert!(matches!(uart.write32(Bar::Msix, 0, 1), Err(BackingError::Unsupported(_))));
    assert_eq!(*board.seen.lock().unwrap(), [], "what is refused is not sent");
}

#[test]
fn a_device_is_probed_and_takes_single_commands() {
    let board = Board::new();
    let device = Device::probe(Arc::new(board.open())).unwrap();
    assert_eq!(*device.geometry(), Geometry::TEST);
    device.single_shot().nop().unwrap();
    assert_eq!(device.backing().bus_master(false), Ok(()));
    assert!(matches!(device.backing().bus_master(true), Err(BackingError::Unsupported(_))));
    assert!(matches!(device.reset(), Err(kvcpu_driver::DriverError::Backing(BackingError::Unsupported(_)))));
}

#[test]
fn an_answer_that_does_not_come_is_told_and_the_next_access_is_right() {
    let board = Board::new();
    let uart = board.open_impatiently();
    for manner in [Manner::Short(0), Manner::Short(3), Manner::Late(IMPATIENT + Duration::from_millis(50))] {
        board.be(manner);
        let why = gone(magic(&uart));
        assert!(why.contains(&board.path.display().to_string()) && why.contains("1000000 baud"), "{why}");
        board.be(Manner::Good);
        assert_eq!(
            uart.read32(Bar::Regs, control::MAP_VERSION.offset),
            Ok(control::MAP_VERSION.reset as u32),
            "{manner:?}"
        );
        assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE), "{manner:?}");
    }
}

#[test]
fn an_answer_that_comes_a_second_late_is_not_taken_for_the_next_one() {
    let (magic, version) = (&control::MAGIC, &control::MAP_VERSION);
    for [first, second] in [[magic, version], [version, magic], [magic, magic]] {
        let board = Board::new();
        let uart = board.open_impatiently();
        let value = |register: &Register| {
            if register.offset == magic.offset { control::MAGIC_VALUE } else { register.reset as u32 }
        };
        assert_eq!(uart.read32(Bar::Regs, first.offset), Ok(value(first)));
        board.be(Manner::Late(IMPATIENT + Duration::from_secs(1)));
        gone(uart.read32(Bar::Regs, first.offset));
        board.be(Manner::Good);
        assert_eq!(uart.read32(Bar::Regs, second.offset), Ok(value(second)));
        assert_eq!(uart.read32(Bar::Regs, version.offset), Ok(value(version)));
    }
}

#[test]
fn what_is_missing_of_an_answer_is_counted_to_its_end() {
    let board = Board::new();
    let uart = board.open_impatiently();
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    board.be(Manner::Short(3));
    let why = gone(uart.read64(Bar::Regs, tier::TIER_BASE.offset));
    assert!(why.contains("5 bytes missing after 1s"), "{why}");
}

#[test]
fn a_board_that_is_none_is_told_so() {
    let board = Board::new();
    board.be(Manner::Stranger);
    let why = gone(magic(&board.open_within(Duration::from_millis(10))));
    assert!(why.contains("reads 0x0 and not") && why.contains("is there a KV-CPU"), "{why}");
}

#[test]
fn bytes_that_nobody_asked_for_do_not_shift_answers() {
    let board = Board::new();
    let uart = board.open();
    board.be(Manner::Talks);
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    while *board.manner.lock().unwrap() != Manner::Good {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(uart.read32(Bar::Regs, control::MAP_VERSION.offset), Ok(control::MAP_VERSION.reset as u32));
    board.be(Manner::Babbles);
    let why = gone((0..100).try_for_each(|_| {
        std::thread::sleep(Duration::from_millis(5));
        magic(&uart).map(drop)
    }));
    assert!(why.contains("keeps sending"), "{why}");
}

#[test]
fn writes_into_the_void_are_noticed_in_the_end() {
    let board = Board::new();
    let uart = board.open_impatiently();
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    board.be(Manner::Deaf);
    let writes: Result<(), BackingError> =
        (0..65).try_for_each(|value| uart.write32(Bar::Regs, control::SCRATCH.offset, value));
    assert!(gone(writes).contains("does not answer"));
    board.be(Manner::Good);
    for value in 0..200 {
        uart.write32(Bar::Regs, control::SCRATCH.offset, value).unwrap();
    }
    assert_eq!(uart.read32(Bar::Regs, control::SCRATCH.offset), Ok(199));
}

#[test]
fn a_port_that_goes_away_is_told_at_once_and_each_time() {
    let mut board = Board::new();
    let uart = board.open();
    assert_eq!(magic(&uart), Ok(control::MAGIC_VALUE));
    board.unplug();
    for _ in 0..2 {
        assert!(gone(magic(&uart)).contains("was unplugged"));
        assert!(gone(uart.write32(Bar::Regs, control::SCRATCH.offset, 1)).contains("plug it in"));
    }
    let failed = Uart::open(&board.path, BAUD).unwrap_err();
    assert!(matches!(failed, OpenError::NoPort(_)), "{failed:?}");
}

#[test]
fn a_port_has_one_user_and_is_a_port() {
    let board = Board::new();
    let uart = board.open();
    assert!(matches!(Uart::open(&board.path, BAUD), Err(OpenError::Busy(_))));
    drop(uart);
    drop(board.open());
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Uart::open(file.path(), BAUD), Err(OpenError::NoSerial(_))));
}
