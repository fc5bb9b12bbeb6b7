//! userfaultfd(2): missing pages and write protection of one range, by the ioctls of `linux/userfaultfd.h` that the pager needs.
//!
//! The ioctls are safe to call from a signal handler. Those that fill a page do so under the kernel's page-table lock: another thread sees
//! all of a page or none of it.
#![allow(unsafe_code, reason = "the kernel is spoken to by numbers and structures that its header defines")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::PagerError;

/// `UFFD_API`.
const API: u64 = 0xAA;
/// `UFFD_USER_MODE_ONLY`: faults of the kernel are not told of, which needs no privilege.
const USER_MODE_ONLY: libc::c_int = 1;
/// `UFFD_FEATURE_*`.
const FEATURE_WRITE_PROTECT: u64 = 1 << 0;
const FEATURE_SIGBUS: u64 = 1 << 7;
const FEATURE_POISON: u64 = 1 << 14;
/// `UFFDIO_REGISTER_MODE_*`.
const REGISTER_MISSING: u64 = 1 << 0;
const REGISTER_WRITE_PROTECT: u64 = 1 << 1;
/// `UFFDIO_COPY_MODE_WP`.
const COPY_WRITE_PROTECTED: u64 = 1 << 1;
/// `UFFDIO_WRITEPROTECT_MODE_WP`.
const PROTECT: u64 = 1 << 0;
/// `UFFD_EVENT_PAGEFAULT` and the flags of its message.
const EVENT_PAGEFAULT: u8 = 0x12;
const FAULT_WRITE_PROTECT: u64 = 1 << 1;

/// `_IOWR` and `_IOR` of the type `UFFDIO`.
const fn number(direction: u64, nr: u64, size: usize) -> libc::c_ulong {
    direction << 30 | (size as u64) << 16 | API << 8 | nr
}
const READ_WRITE: u64 = 3;
const READ: u64 = 2;

const IOCTL_API: libc::c_ulong = number(READ_WRITE, 0x3F, size_of::<Api>());
const IOCTL_REGISTER: libc::c_ulong = number(READ_WRITE, 0x00, size_of::<Register>());
const IOCTL_WAKE: libc::c_ulong = number(READ, 0x02, size_of::<Range>());
const IOCTL_COPY: libc::c_ulong = number(READ_WRITE, 0x03, size_of::<Copy>());
const IOCTL_ZEROPAGE: libc::c_ulong = number(READ_WRITE, 0x04, size_of::<Filled>());
const IOCTL_WRITEPROTECT: libc::c_ulong = number(READ_WRITE, 0x06, size_of::<Protect>());
const IOCTL_POISON: libc::c_ulong = number(READ_WRITE, 0x08, size_of::<Filled>());
/// `USERFAULTFD_IOC_NEW` of /dev/userfaultfd.
const IOCTL_NEW: libc::c_ulong = API << 8;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    len: u64,
}

#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

/// `uffdio_zeropage` and `uffdio_poison`, which are alike.
#[repr(C)]
struct Filled {
    range: Range,
    mode: u64,
    done: i64,
}

#[repr(C)]
struct Protect {
    range: Range,
    mode: u64,
}

/// `uffd_msg` of a page fault.
#[repr(C)]
struct Message {
    event: u8,
    reserved: [u8; 7],
    flags: u64,
    address: u64,
    more: u64,
}

/// How faults are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// SIGBUS in the thread that touched the page.
    Signal,
    /// A message, and the thread waits; faults of the kernel too.
    Messages,
}

/// A fault that was told of by a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) address: usize,
    /// A write to a protected page, not a missing one.
    pub(crate) protected: bool,
}

/// A userfaultfd.
#[derive(Debug)]
pub(crate) struct Uffd {
    fd: OwnedFd,
    /// UFFDIO_POISON is there (Linux 6.6).
    poison: bool,
}

/// The error number of the last call.
fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

impl Uffd {
    /// Opens one.
    pub(crate) fn open(delivery: Delivery) -> Result<Uffd, PagerError> {
        let fd = match delivery {
            Delivery::Signal => Uffd::create(USER_MODE_ONLY),
            Delivery::Messages => Uffd::create(0).or_else(|first| Uffd::of_device().map_err(|_| first)),
        };
        let fd = fd.map_err(|errno| match (errno, delivery) {
            (libc::EPERM, Delivery::Messages) => PagerError::KernelFaults,
            (errno, _) => PagerError::Userfaultfd { errno },
        })?;
        let wanted = match delivery {
            Delivery::Signal => FEATURE_SIGBUS | FEATURE_WRITE_PROTECT,
            Delivery::Messages => FEATURE_WRITE_PROTECT,
        };
        // The kernel takes one UFFDIO_API a descriptor, and refuses features that it has not got: so the optional one is asked for alone first.
        if let Some(uffd) = Uffd::agree(fd, wanted | FEATURE_POISON, true) {
            return Ok(uffd);
        }
        let fd = match delivery {
            Delivery::Signal => Uffd::create(USER_MODE_ONLY),
            Delivery::Messages => Uffd::create(0).or_else(|_| Uffd::of_device()),
        };
        let fd = fd.map_err(|errno| PagerError::Userfaultfd { errno })?;
        Uffd::agree(fd, wanted, false).ok_or(PagerError::Features)
    }

    fn create(mode: libc::c_int) -> Result<OwnedFd, i32> {
        // SAFETY: the call takes flags and gives a descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK | mode) };
        // SAFETY: a descriptor that was just made, and that nobody else has.
        if fd < 0 { Err(errno()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }) }
    }

    /// By the device file, which needs its permissions instead of a capability.
    fn of_device() -> Result<OwnedFd, i32> {
        let device =
            std::fs::File::open("/dev/userfaultfd").map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
        // SAFETY: the ioctl takes flags and gives a descriptor.
        let fd = unsafe { libc::ioctl(device.as_raw_fd(), IOCTL_NEW, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        // SAFETY: as above.
        if fd < 0 { Err(errno()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
    }

    fn agree(fd: OwnedFd, features: u64, poison: bool) -> Option<Uffd> {
        let mut api = Api { api: API, features, ioctls: 0 };
        let uffd = Uffd { fd, poison };
        uffd.call(IOCTL_API, &mut api).ok().map(|()| uffd)
    }

    /// One ioctl with its structure.
    fn call<T>(&self, request: libc::c_ulong, argument: &mut T) -> Result<(), i32> {
        // SAFETY: each request is given the structure that its number was made of, by the constants above.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, std::ptr::from_mut(argument)) };
        if result < 0 { Err(errno()) } else { Ok(()) }
    }

    /// Has missing pages of the range told of, and writes to protected ones if `writes`.
    pub(crate) fn register(&self, start: usize, len: usize, writes: bool) -> Result<(), i32> {
        let mode = if writes { REGISTER_MISSING | REGISTER_WRITE_PROTECT } else { REGISTER_MISSING };
        self.call(IOCTL_REGISTER, &mut Register { range: range(start, len), mode, ioctls: 0 })
    }

    /// Fills missing pages at `to` with those at `from`; write-protected if told. Pages that are there already end it without an error.
    pub(crate) fn copy(&self, to: usize, from: &[u8], protected: bool) -> Result<(), i32> {
        let mode = if protected { COPY_WRITE_PROTECTED } else { 0 };
        let mut done = 0;
        while done < from.len() {
            let (dst, src) = ((to + done) as u64, from[done..].as_ptr() as u64);
            let mut copy = Copy { dst, src, len: (from.len() - done) as u64, mode, copied: 0 };
            match self.call(IOCTL_COPY, &mut copy) {
                Ok(()) => return Ok(()),
                // A page of another that came first: the rest is still to be filled.
                Err(libc::EEXIST) => done += copy.copied.max(0) as usize + if copy.copied > 0 { 0 } else { PAGE_BYTES },
                // The address space was changing: what was copied is told.
                Err(libc::EAGAIN) => done += copy.copied.max(0) as usize,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Fills missing pages with zeros.
    pub(crate) fn zero(&self, start: usize, len: usize) -> Result<(), i32> {
        self.fill(IOCTL_ZEROPAGE, start, len)
    }

    /// Has touches of missing pages end in SIGBUS for good; with a kernel that cannot, they stay missing.
    pub(crate) fn poison(&self, start: usize, len: usize) -> Result<(), i32> {
        if self.poison { self.fill(IOCTL_POISON, start, len) } else { Ok(()) }
    }

    fn fill(&self, request: libc::c_ulong, start: usize, len: usize) -> Result<(), i32> {
        let mut done = 0;
        while done < len {
            let mut filled = Filled { range: range(start + done, len - done), mode: 0, done: 0 };
            match self.call(request, &mut filled) {
                Ok(()) => return Ok(()),
                Err(libc::EEXIST) => done += filled.done.max(0) as usize + if filled.done > 0 { 0 } else { PAGE_BYTES },
                Err(libc::EAGAIN) => done += filled.done.max(0) as usize,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Protects the pages from writes, or lets them be written.
    pub(crate) fn protect(&self, start: usize, len: usize, on: bool) -> Result<(), i32> {
        loop {
            let mut protect = Protect { range: range(start, len), mode: if on { PROTECT } else { 0 } };
            match self.call(IOCTL_WRITEPROTECT, &mut protect) {
                Err(libc::EAGAIN) => {}
                other => return other,
            }
        }
    }

    /// Has threads that wait for pages of the range look again.
    pub(crate) fn wake(&self, start: usize, len: usize) -> Result<(), i32> {
        self.call(IOCTL_WAKE, &mut range(start, len))
    }

    /// The next fault, if there is one.
    pub(crate) fn next_fault(&self) -> Result<Option<Fault>, i32> {
        let mut message = Message { event: 0, reserved: [0; 7], flags: 0, address: 0, more: 0 };
        // SAFETY: a message has the size of the structure, and any bytes are one.
        let got = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut message).cast(), size_of::<Message>()) };
        if got < 0 {
            return match errno() {
                libc::EAGAIN | libc::EINTR => Ok(None),
                errno => Err(errno),
            };
        }
        let is_fault = got as usize == size_of::<Message>() && message.event == EVENT_PAGEFAULT;
        let protected = message.flags & FAULT_WRITE_PROTECT != 0;
        Ok(is_fault.then_some(Fault { address: message.address as usize, protected }))
    }
}

impl AsFd for Uffd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Bytes of a page: that of every machine this runs on.
pub(crate) const PAGE_BYTES: usize = 4096;

const fn range(start: usize, len: usize) -> Range {
    Range { start: start as u64, len: len as u64 }
}
