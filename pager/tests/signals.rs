//! Signals, forks, nested faults, reads by the kernel: what a process may do with arenas and what becomes of it. Each case that may end a process is
//! run in one of its own: this program again.
#![allow(unsafe_code, reason = "signals, forks and pointers are what is tested")]

mod common;

use common::{Numbered, peek, word};
use kvcpu_pager::codec::Scratch;
use kvcpu_pager::{Action, Arena, Options, Source, SourceError};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Names the case that a child is to run.
const CASE: &str = "KVCPU_PAGER_CASE";

/// Runs a test of this program in a process of its own, in which `is_child` holds.
fn child(test: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CASE, test);
    command.output().expect("it runs")
}

fn is_child(test: &str) -> bool {
    std::env::var(CASE).is_ok_and(|case| case == test)
}

fn small(source: impl Source + 'static) -> Arena {
    Arena::new(Box::new(source), Options { block_bytes: 4096, fault_around: 0, ..Options::default() })
        .expect("an arena")
}

#[test]
fn a_touch_of_a_poisoned_block_ends_the_process_by_sigbus() {
    if is_child("a_touch_of_a_poisoned_block_ends_the_process_by_sigbus") {
        let source = Numbered::new(1 << 16);
        *source.fails.lock().expect("whole") = Some((2, SourceError::Checksum));
        let arena = small(source);
        assert_eq!(peek(&arena, 0), word(0));
        println!("before");
        peek(&arena, 2 << 12);
        println!("after");
        return;
    }
    let output = child("a_touch_of_a_poisoned_block_ends_the_process_by_sigbus");
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("before") && !said.contains("after"), "{said}");
}

static FOREIGN: AtomicU32 = AtomicU32::new(0);

extern "C" fn foreign(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    FOREIGN.fetch_add(1, SeqCst);
    // SAFETY: the kernel gives a siginfo. One that was sent is done with; a page that stays missing would be asked for for ever.
    unsafe {
        if (*info).si_code > 0 {
            libc::_exit(77);
        }
    }
}

#[test]
fn signals_of_others_go_to_the_handler_that_was_there() {
    if is_child("signals_of_others_go_to_the_handler_that_was_there") {
        // SAFETY: an action with a handler of the signature that SA_SIGINFO asks for.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = foreign as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
        }
        let source = Numbered::new(1 << 16);
        *source.fails.lock().expect("whole") = Some((2, SourceError::Checksum));
        let arena = small(source);
        assert_eq!((peek(&arena, 0), FOREIGN.load(SeqCst)), (word(0), 0));
        // SAFETY: it sends a signal to this thread.
        unsafe { libc::raise(libc::SIGBUS) };
        assert_eq!(FOREIGN.load(SeqCst), 1, "one that was sent");
        assert_eq!(peek(&arena, 4096), word(4096));
        // A file that is shorter than its mapping.
        let file = tempfile::tempfile().expect("a file");
        file.set_len(4096).expect("room");
        // SAFETY: a mapping of a file of this test's.
        let page = unsafe {
            use std::os::fd::AsRawFd;
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        file.set_len(0).expect("it shrinks");
        // SAFETY: mapped; the signal that it ends in is what is tested.
        unsafe { page.cast::<u8>().read_volatile() };
        return;
    }
    let output = child("signals_of_others_go_to_the_handler_that_was_there");
    assert_eq!(output.status.code(), Some(77), "the page of a file that shrank: {output:?}");
}

/// A source whose fill touches another arena, or its own block.
struct Touches {
    other: OnceLock<Arena>,
    own: OnceLock<usize>,
}

impl Source for &'static Touches {
    fn bytes(&self) -> u64 {
        1 << 16
    }

    fn fill(&self, block: u64, out: &mut [u8], _: &mut Scratch) -> Result<(), SourceError> {
        if let Some(other) = self.other.get() {
            let found = peek(other, block * 4096);
            out[..8].copy_from_slice(&found.to_le_bytes());
        }
        if let Some(own) = self.own.get() {
            let own: *const u8 = std::ptr::with_exposed_provenance(*own);
            // SAFETY: the block that is being filled, of an arena that lives.
            out[0] = unsafe { own.add(block as usize * 4096).read_volatile() };
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "touches"
    }
}

#[test]
fn a_fill_may_touch_another_arena() {
    let source: &'static Touches = Box::leak(Box::new(Touches { other: OnceLock::new(), own: OnceLock::new() }));
    assert!(source.other.set(small(Numbered::new(1 << 16))).is_ok());
    let arena = small(source);
    (0..16).for_each(|page| assert_eq!(peek(&arena, page << 12), word(page << 12)));
}

#[test]
fn a_fill_that_touches_its_own_block_does_not_hang() {
    if is_child("a_fill_that_touches_its_own_block_does_not_hang") {
        let source: &'static Touches = Box::leak(Box::new(Touches { other: OnceLock::new(), own: OnceLock::new() }));
        let arena = small(source);
        source.own.set(arena.as_ptr().expose_provenance()).expect("once");
        peek(&arena, 0);
        return;
    }
    let output = child("a_fill_that_touches_its_own_block_does_not_hang");
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
}

#[test]
fn a_forked_child_has_no_arena_and_its_parent_has() {
    let arena = small(Numbered::new(1 << 16));
    assert_eq!(peek(&arena, 0), word(0));
    // SAFETY: the child does nothing but touch and end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // Zeros in place of the source's bytes would be the worst that could come.
        peek(&arena, 4096);
        // SAFETY: it ends this process.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: the child's number, and room for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "{status:#x}");
    assert_eq!(peek(&arena, 4096), word(4096));
}

#[test]
fn the_kernel_reads_what_is_pinned() {
    let source = Numbered::new(1 << 16);
    let arena = small(source);
    let mut file = tempfile::tempfile().expect("a file");
    let error = common::write_from(&arena, 0..4096, &mut file).expect_err("nothing is there");
    assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
    let pin = arena.pin(0..1 << 16).expect("room");
    common::write_from(&arena, 0..1 << 16, &mut file).expect("it is pinned");
    drop(pin);
    assert_eq!(common::read_word(&mut file, 5 << 12), word(5 << 12));
}

#[test]
fn a_callback_may_have_a_block_tried_again() {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    struct Third;
    impl Source for Third {
        fn bytes(&self) -> u64 {
            4096
        }

        fn fill(&self, _: u64, out: &mut [u8], _: &mut Scratch) -> Result<(), SourceError> {
            out.fill(9);
            if TRIED.fetch_add(1, SeqCst) < 2 { Err(SourceError::Io(libc::EIO)) } else { Ok(()) }
        }

        fn name(&self) -> &str {
            "third"
        }
    }
    let options = Options { on_fault: Some(Box::new(|_| Action::Retry)), block_bytes: 4096, ..Options::default() };
    let arena = Arena::new(Box::new(Third), options).expect("an arena");
    assert_eq!((peek(&arena, 0), TRIED.load(SeqCst)), (u64::from_le_bytes([9; 8]), 3));
}

#[test]
fn many_arenas_come_and_go() {
    for round in 0..3 {
        let arenas: Vec<Arena> = (0..100).map(|_| small(Numbered::new(1 << 16))).collect();
        for (n, arena) in (0..).zip(&arenas) {
            assert_eq!(peek(arena, (n % 16) << 12), word((n % 16) << 12), "{round}");
        }
    }
}
