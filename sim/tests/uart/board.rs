//! The whole board at its pins.

use crate::seed;
use kvcpu_mmio::geometry::Geometry;
use kvcpu_mmio::regs::{control, rtbd};
use kvcpu_sim::uart::Board;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Clocks in which an answer has come: 10 bytes on the line, and what the device takes after a reset.
const PATIENCE: u64 = 200_000;
/// Clocks of silence that end a command, as `hdl/src/export.rs` has it.
const IDLE: u64 = 0x1_0000;
const BAR2: u32 = 0x80_0000;

/// Sends a command, and takes so many bytes.
fn ask(board: &mut Board, bytes: &[u8], answer: usize) -> Vec<u8> {
    board.send(bytes);
    let end = board.clocks() + PATIENCE;
    let mut heard = Vec::new();
    while heard.len() < answer || board.waiting() > 0 {
        assert!(board.clocks() < end, "{bytes:x?}: {heard:x?} and nothing more");
        board.run(8).unwrap();
        heard.extend(std::iter::from_fn(|| board.take()));
    }
    heard
}

fn head(code: u8, address: u32, words: u8) -> Vec<u8> {
    [&[code, words], &(address / 4).to_be_bytes()[..]].concat()
}

fn read(board: &mut Board, address: u32) -> u32 {
    let answer = ask(board, &head(2, address, 1), 4);
    u32::from_be_bytes(answer.try_into().unwrap())
}

fn write(board: &mut Board, address: u32, words: &[u32]) {
    let words_bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    ask(board, &[head(1, address, words.len() as u8), words_bytes].concat(), 0);
}

fn board() -> Board {
    Board::new(seed("board")).unwrap()
}

#[test]
fn registers_answer_over_the_line() {
    let mut board = board();
    assert_eq!(read(&mut board, control::MAGIC.offset), control::MAGIC_VALUE);
    write(&mut board, control::SCRATCH.offset, &[0x1234_5678]);
    assert_eq!(read(&mut board, control::SCRATCH.offset), 0x1234_5678);
    // All of them at once, as one 8-byte access each two.
    let burst = ask(&mut board, &head(2, control::MAGIC.offset, 4), 16);
    let words: Vec<u32> = burst.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
    assert_eq!((words[0], words[3]), (control::MAGIC_VALUE, 0x1234_5678), "{words:x?}");
    assert_eq!(read(&mut board, control::BAD_ACCESS_COUNT.offset), 0, "no bad access");
}

#[test]
fn bar2_is_the_directory_and_elsewhere_is_nothing() {
    let mut board = board();
    let entries = Geometry::SMALL.entries();
    write(&mut board, rtbd::RTBD_CTRL.offset, &[rtbd::RTBD_CTRL::MAINT.mask() as u32]);
    let words: Vec<u32> = (0..8).map(|word| 0x0101_0101 * (word + 1)).collect();
    write(&mut board, BAR2 + 32 * (entries - 1), &words);
    for (at, word) in (0..).zip(words) {
        assert_eq!(read(&mut board, BAR2 + 32 * (entries - 1) + 4 * at), word);
    }
    for nothing in [0x1_0000, 0x7F_FFFC, 0xA0_0000, 0x100_0000, 0x8000_0000, 0xFFFF_FFFC] {
        write(&mut board, nothing, &[0]);
        assert_eq!(read(&mut board, nothing), u32::MAX, "{nothing:#x}");
    }
    assert_eq!(read(&mut board, control::BAD_ACCESS_COUNT.offset), 0, "the device is not asked there");
}

#[test]
fn a_command_that_was_cut_off_is_forgotten() {
    let mut board = board();
    let mut rng = ChaCha8Rng::seed_from_u64(seed("a_command_that_was_cut_off"));
    let whole = [head(1, control::SCRATCH.offset, 2), vec![7; 8]].concat();
    for _ in 0..4 {
        let cut = rng.random_range(1..whole.len());
        ask(&mut board, &whole[..cut], 0);
        board.run(IDLE + 1000).unwrap();
        assert_eq!(read(&mut board, control::MAGIC.offset), control::MAGIC_VALUE, "{cut} bytes");
    }
}

#[test]
fn bytes_that_come_while_the_device_is_at_work_are_kept() {
    let mut board = board();
    // A reset takes the device 17,000 clocks, as long as 200 bytes; 640 come, and the last word counts.
    write(&mut board, control::CTRL.offset, &[control::CTRL::RESET.mask() as u32]);
    for value in 0..64 {
        write(&mut board, control::SCRATCH.offset, &[value]);
    }
    assert_eq!(read(&mut board, control::SCRATCH.offset), 63);
}
