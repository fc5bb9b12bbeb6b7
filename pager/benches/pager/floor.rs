//! The floor: a handler of SIGBUS that does nothing but one ioctl.
#![allow(unsafe_code, reason = "a signal handler and ioctls, as few as there can be")]

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

/// Numbers of `linux/userfaultfd.h`.
const UFFDIO_API: libc::c_ulong = 0xC018_AA3F;
const UFFDIO_REGISTER: libc::c_ulong = 0xC020_AA00;
const UFFDIO_COPY: libc::c_ulong = 0xC028_AA03;
const UFFDIO_ZEROPAGE: libc::c_ulong = 0xC020_AA04;
const SIGBUS_FEATURE: u64 = 1 << 7;

static FD: AtomicI32 = AtomicI32::new(-1);
/// The page that is copied; 0: the page of zeros.
static FROM: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(4096);

extern "C" fn handler(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let bytes = BYTES.load(Relaxed) as u64;
    // SAFETY: the kernel gives a siginfo; the ioctls have their structures.
    unsafe {
        let to = (*info).si_addr() as u64 & !(bytes - 1);
        match FROM.load(Relaxed) {
            0 => libc::ioctl(FD.load(Relaxed), UFFDIO_ZEROPAGE, &raw mut *&mut [to, bytes, 0, 0]),
            from => libc::ioctl(FD.load(Relaxed), UFFDIO_COPY, &raw mut *&mut [to, from as u64, bytes, 0, 0]),
        };
    }
}

/// Memory that is filled so.
pub(crate) struct Floor {
    start: usize,
    bytes: usize,
}

impl Floor {
    pub(crate) fn new(bytes: usize) -> Floor {
        // SAFETY: a userfaultfd and a mapping of this bench's.
        unsafe {
            let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | 1) as libc::c_int;
            assert!(fd >= 0, "userfaultfd");
            assert_eq!(libc::ioctl(fd, UFFDIO_API, &raw mut *&mut [0xAA_u64, SIGBUS_FEATURE, 0]), 0);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let start = libc::mmap(std::ptr::null_mut(), bytes + (2 << 20), libc::PROT_READ, flags, -1, 0) as usize;
            let start = start.next_multiple_of(2 << 20);
            assert_eq!(libc::ioctl(fd, UFFDIO_REGISTER, &raw mut *&mut [start as u64, bytes as u64, 1, 0]), 0);
            FD.store(fd, Relaxed);
            Floor { start, bytes }
        }
    }

    /// Calls `touch` with the memory missing, and the handler in place that fills so many bytes from `from`, or zeros.
    pub(crate) fn with(&self, from: Option<&[u8]>, block_bytes: usize, touch: impl FnOnce(*const u8)) {
        FROM.store(from.map_or(0, |from| from.as_ptr() as usize), Relaxed);
        BYTES.store(block_bytes, Relaxed);
        // SAFETY: an action with a handler of its signature, put back afterwards; the mapping is this bench's.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::madvise(self.start as *mut libc::c_void, self.bytes, libc::MADV_DONTNEED);
            libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before);
            touch(std::ptr::with_exposed_provenance(self.start));
            libc::sigaction(libc::SIGBUS, &raw const before, std::ptr::null_mut());
        }
    }
}
