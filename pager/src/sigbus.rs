//! SIGBUS: which arena it is of, and whose it is if of none.
//!
//! The kernel raises it in the thread that touched a missing page of an arena, or a protected one, as asked for by UFFD_FEATURE_SIGBUS. The
//! handler runs on that thread, at that instruction, on its stack (it needs some 64 KiB of it), and when it returns the instruction is made again.
//! It is not asynchronous: what it must not do is take what its own thread may hold where it touches arenas, so it takes no lock and no heap.
//!
//! A fill may itself touch an arena, so the signal is not blocked meanwhile. Signals of others are handed to the action that was there before.
#![allow(unsafe_code, reason = "a signal handler, and the table that it reads")]

use crate::arena::{Cause, Core};
use crate::error::PagerError;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Arenas at the most.
pub(crate) const MOST: usize = 256;

/// An arena in the table.
struct Place {
    core: AtomicPtr<Core>,
    start: AtomicUsize,
    bytes: AtomicUsize,
    /// Handlers that look at it.
    looking: AtomicU32,
}

static TABLE: [Place; MOST] = [const {
    Place {
        core: AtomicPtr::new(null_mut()),
        start: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        looking: AtomicU32::new(0),
    }
}; MOST];
/// The action before this one.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
/// Places that were ever given out: those after them need not be looked at.
static GIVEN: AtomicUsize = AtomicUsize::new(0);
/// Held while places are given out.
static PLACES: Mutex<()> = Mutex::new(());

/// An arena's place in the table, until dropped.
pub(crate) struct Registered {
    place: &'static Place,
    core: Arc<Core>,
}

/// Has faults of an arena served by the threads that touch it.
pub(crate) fn register(core: &Arc<Core>) -> Result<Registered, PagerError> {
    install()?;
    let _held = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let free = TABLE.iter().position(|place| place.core.load(Ordering::Acquire).is_null());
    let free = free.ok_or(PagerError::Arenas { most: MOST })?;
    let place = &TABLE[free];
    place.start.store(core.mapping.start(), Ordering::Relaxed);
    place.bytes.store(core.mapping.bytes(), Ordering::Relaxed);
    place.core.store(Arc::as_ptr(core).cast_mut(), Ordering::Release);
    GIVEN.fetch_max(free + 1, Ordering::Release);
    Ok(Registered { place, core: core.clone() })
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.place.core.store(null_mut(), Ordering::SeqCst);
        // A handler that has found it is done before the arena goes. One that never returned, as a callback left it by siglongjmp(3), may be
        // anywhere in it: then the arena stays.
        let until = Instant::now() + self.core.deadline;
        while self.place.looking.load(Ordering::SeqCst) > 0 {
            if Instant::now() >= until {
                std::mem::forget(self.core.clone());
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// Installs the handler, once in a process.
fn install() -> Result<(), PagerError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let mut action: libc::sigaction = unsafe_zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_RESTART;
        let mut before = unsafe_zeroed();
        // SAFETY: both are actions; the handler has the signature that SA_SIGINFO asks for.
        let read = unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) };
        // Before the handler can run.
        let _ = BEFORE.set(before);
        // SAFETY: as above.
        let set = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, null_mut()) };
        if read < 0 || set < 0 {
            Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL))
        } else {
            Ok(())
        }
    });
    installed.map_err(|errno| PagerError::Memory { what: "a handler of SIGBUS", errno })
}

fn unsafe_zeroed() -> libc::sigaction {
    // SAFETY: the structure is integers, for which zeros are values: no flags, no mask, the default action.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a siginfo, and this thread's errno is its own.
    let (address, errno) = unsafe { ((*info).si_addr() as usize, *libc::__errno_location()) };
    // SAFETY: the kernel gives the context of the instruction that was interrupted.
    let served = serve(address, unsafe { is_write(context) });
    // SAFETY: as above: what was interrupted may be about to look at it.
    unsafe { *libc::__errno_location() = errno };
    if !served {
        chain(signal, info, context);
    }
}

/// Whether the touch was a write, or may have been.
///
/// # Safety
///
/// The context is that of a signal handler.
#[cfg(target_arch = "x86_64")]
unsafe fn is_write(context: *mut libc::c_void) -> bool {
    // Bit 1 of a page fault's error code: Intel SDM, volume 3, 4.7.
    // SAFETY: as the caller says.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_ERR as usize] & 2 != 0 }
}

/// The same where the context does not tell.
///
/// # Safety
///
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn is_write(_: *mut libc::c_void) -> bool {
    true
}

/// Serves a fault at an address; `false` if it is of no arena, or cannot be served.
fn serve(address: usize, write: bool) -> bool {
    for place in TABLE.iter().take(GIVEN.load(Ordering::Acquire)) {
        let start = place.start.load(Ordering::Relaxed);
        if address.wrapping_sub(start) >= place.bytes.load(Ordering::Relaxed) {
            continue;
        }
        place.looking.fetch_add(1, Ordering::SeqCst);
        let core = place.core.load(Ordering::SeqCst);
        // SAFETY: not null, it is an arena that `Registered` keeps, whose drop waits until nobody looks.
        let served = unsafe { core.as_ref() }.and_then(|core| {
            let block = core.block_at(address)?;
            core.counting.faults.add(1);
            let offset = address - core.mapping.start();
            Some(core.serve(block, Cause::Touch { offset, write }).is_ok())
        });
        place.looking.fetch_sub(1, Ordering::SeqCst);
        if let Some(served) = served {
            return served;
        }
    }
    false
}

/// Hands the signal on to the action that was there before.
fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.get();
    let action = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    let with_info = before.is_some_and(|before| before.sa_flags & libc::SA_SIGINFO != 0);
    // SAFETY: the kernel gives a siginfo.
    let was_sent = unsafe { (*info).si_code <= 0 };
    match action {
        libc::SIG_IGN if was_sent => {}
        // The instruction is made again, and the signal ends the process; one that was sent by a process would be lost, so it is sent again.
        libc::SIG_DFL | libc::SIG_IGN => {
            let default = unsafe_zeroed();
            // SAFETY: the default action.
            unsafe {
                libc::sigaction(libc::SIGBUS, &raw const default, null_mut());
                if was_sent {
                    libc::raise(signal);
                }
            }
        }
        _ if with_info => {
            // SAFETY: who set the action with SA_SIGINFO gave a function of this signature.
            let action: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(action) };
            action(signal, info, context);
        }
        _ => {
            // SAFETY: who set it without gave a function that takes the signal.
            let action: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(action) };
            action(signal);
        }
    }
}
