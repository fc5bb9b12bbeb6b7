//! The ring: hands whole transfers to io_uring and gives them back when the kernel is done.
//!
//! It owns everything the kernel can see (file, buffers, the handle of the DMA memory, the
//! vectors that point at them) from [`Ring::start`] until [`Ring::reap`], which is what makes its
//! interface safe. Interrupted and short transfers are taken up again here. What a transfer means
//! is the caller's affair.
//!
//! No SQPOLL: a kernel thread that spins for T3's few operations would cost a core.
#![allow(unsafe_code)] // io_uring takes raw pointers: this module is the one that owns what they point at.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};
use rustix::io::Errno;

use crate::error::errno;
use crate::page::Page;
use crate::span::Span;
use crate::{PAGE_BYTES, Refusal, StoreError};

/// RWF_DSYNC of `preadv2(2)`, from linux/fs.h.
const RWF_DSYNC: i32 = 0x2;
/// Times that one transfer is taken up again before its error is reported.
const MAX_RESTARTS: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
    /// A write that is on stable storage when it completes.
    WriteDurable,
}

/// Pages and then, if there is one, a span of DMA memory, to or from consecutive bytes of the file.
pub(crate) struct Transfer {
    pub(crate) direction: Direction,
    pub(crate) offset: u64,
    pub(crate) pages: Box<[Page]>,
    pub(crate) span: Option<Span>,
}

impl Transfer {
    pub(crate) fn bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES + self.span.as_ref().map_or(0, |span| span.words().len() * 8)
    }

    /// What is left of the transfer once `done` bytes are through.
    fn vectors(&self, done: usize) -> [Vector; 2] {
        let pages = self.pages.len() * PAGE_BYTES;
        let (skip_pages, skip_span) = (done.min(pages), done.saturating_sub(pages));
        let span = self.span.as_ref().map_or(&[][..], Span::words);
        [
            Vector { base: self.pages.as_ptr().expose_provenance() + skip_pages, len: pages - skip_pages },
            Vector { base: span.as_ptr().expose_provenance() + skip_span, len: span.len() * 8 - skip_span },
        ]
    }
}

/// `struct iovec` of `readv(2)`. The address is a number, as it is to the kernel, so that the ring
/// can move between threads.
#[repr(C)]
struct Vector {
    base: usize,
    len: usize,
}

struct InFlight<C> {
    transfer: Transfer,
    context: C,
    vectors: [Vector; 2],
    done: usize,
    restarts: u32,
}

/// A transfer the kernel has finished, and how many bytes went through.
pub(crate) struct Finished<C> {
    pub(crate) transfer: Transfer,
    pub(crate) context: C,
    pub(crate) result: Result<usize, Errno>,
}

/// The kernel's side of a ring, made first so that a refusal leaves no file behind.
pub(crate) struct Queue {
    uring: IoUring,
    depth: usize,
}

impl Queue {
    pub(crate) fn new(depth: u32) -> Result<Queue, StoreError> {
        let refuse = |source: Errno| StoreError::NoUring { source, refusal: Refusal::from(source) };
        let uring = IoUring::new(depth).map_err(|error| refuse(errno(&error)))?;
        if !uring.params().is_feature_ext_arg() {
            return Err(refuse(Errno::NOSYS)); // without it there is no wait with a deadline
        }
        Ok(Queue { uring, depth: depth as usize })
    }
}

/// A file and up to `depth` transfers in flight on it, each with a context of type `C`.
pub(crate) struct Ring<C> {
    uring: IoUring,
    file: File,
    // Boxed: the kernel reads the vectors, so they must not move when the list does.
    in_flight: Vec<Option<Box<InFlight<C>>>>,
    free: Vec<usize>,
}

impl<C> Ring<C> {
    pub(crate) fn new(queue: Queue, file: File) -> Ring<C> {
        let Queue { uring, depth } = queue;
        let in_flight = (0..depth).map(|_| None).collect();
        Ring { uring, file, in_flight, free: (0..depth).rev().collect() }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len() - self.free.len()
    }

    /// Takes a transfer; the next [`submit`](Ring::submit) or [`wait`](Ring::wait) tells the
    /// kernel. The caller has checked [`has_room`](Ring::has_room).
    pub(crate) fn start(&mut self, transfer: Transfer, context: C) {
        let place = self.free.pop().expect("the caller checks has_room");
        let vectors = transfer.vectors(0);
        self.in_flight[place] = Some(Box::new(InFlight { transfer, context, vectors, done: 0, restarts: 0 }));
        self.push(place);
    }

    fn push(&mut self, place: usize) {
        let Some(entry) = &self.in_flight[place] else { return };
        let fd = Fd(self.file.as_raw_fd());
        let (vectors, count) = (entry.vectors.as_ptr().cast(), entry.vectors.len() as u32);
        let offset = entry.transfer.offset + entry.done as u64;
        let sqe = match entry.transfer.direction {
            Direction::Read => opcode::Readv::new(fd, vectors, count).offset(offset).build(),
            Direction::Write => opcode::Writev::new(fd, vectors, count).offset(offset).build(),
            Direction::WriteDurable => {
                opcode::Writev::new(fd, vectors, count).offset(offset).rw_flags(RWF_DSYNC).build()
            }
        };
        // SAFETY: the vectors live in a box that stays in `in_flight[place]` until the kernel's
        // completion for `place` is reaped, and `Drop` leaks it if that never comes. They point
        // into `pages`, owned by the same box and not touched meanwhile, and into the words of a
        // `Span`. The span's `Arc` keeps the memory's owner alive and shared, so the slice that
        // `words()` lent from it cannot be freed or moved; the words are atomics, so the kernel
        // may write them behind shared references. The file descriptor is owned by `self`.
        let pushed = unsafe { self.uring.submission().push(&sqe.user_data(place as u64)) };
        // The queue has as many entries as there are places, and a place is pushed again only
        // after its completion.
        pushed.expect("the submission queue has a place for every transfer");
    }

    /// Tells the kernel about everything started. Does not block.
    pub(crate) fn submit(&mut self) -> Result<(), Errno> {
        if self.uring.submission().is_empty() {
            return Ok(());
        }
        ignore_transient(self.uring.submit())
    }

    /// As [`submit`](Ring::submit), and blocks until something can be reaped, `timeout` has passed
    /// or a signal arrives.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<(), Errno> {
        if self.in_flight() == 0 {
            return Ok(());
        }
        let timeout = Timespec::from(timeout);
        ignore_transient(self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout)))
    }

    /// Appends the transfers that the kernel has finished.
    pub(crate) fn reap(&mut self, finished: &mut Vec<Finished<C>>) {
        loop {
            let completion = self.uring.completion().next();
            let Some(completion) = completion else { return };
            let place = completion.user_data() as usize;
            let Some(mut entry) = self.in_flight[place].take() else { continue };
            match entry.advance(completion.result()) {
                None => {
                    entry.vectors = entry.transfer.vectors(entry.done);
                    self.in_flight[place] = Some(entry);
                    self.push(place);
                }
                Some(result) => {
                    self.free.push(place);
                    let InFlight { transfer, context, .. } = *entry;
                    finished.push(Finished { transfer, context, result });
                }
            }
        }
    }
}

impl<C> InFlight<C> {
    /// Takes in what the kernel says: `Some` is the end, `None` that the rest is to be tried again.
    ///
    /// A transfer resumes on a page, since O_DIRECT takes no other offset; if less than a page
    /// more went through, as at the end of a file, that is all there is to get.
    fn advance(&mut self, kernel: i32) -> Option<Result<usize, Errno>> {
        if kernel < 0 {
            let error = Errno::from_raw_os_error(-kernel);
            self.restarts += 1;
            let again = matches!(error, Errno::INTR | Errno::AGAIN) && self.restarts < MAX_RESTARTS;
            return if again { None } else { Some(Err(error)) };
        }
        let through = self.done + kernel as usize;
        let resume = through - through % PAGE_BYTES;
        if through >= self.transfer.bytes() || resume == self.done {
            return Some(Ok(through));
        }
        self.done = resume;
        None
    }
}

/// Signals, timeouts and a kernel short of memory are no errors: the caller comes again.
fn ignore_transient(result: io::Result<usize>) -> Result<(), Errno> {
    match result.map_err(|error| errno(&error)) {
        Ok(_) | Err(Errno::INTR | Errno::TIME | Errno::AGAIN | Errno::BUSY) => Ok(()),
        Err(error) => Err(error),
    }
}

impl<C> Drop for Ring<C> {
    /// The owner has waited as long as it cares to. What is in flight even now is leaked: the
    /// storage may still write into it.
    fn drop(&mut self) {
        self.reap(&mut Vec::new());
        if self.in_flight() > 0 {
            tracing::warn!(
                transfers = self.in_flight(),
                "storage does not answer: leaking the buffers it may still use"
            );
            mem::forget(mem::take(&mut self.in_flight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::pages;

    fn in_flight(count: usize) -> InFlight<()> {
        let transfer = Transfer { direction: Direction::Read, offset: 0, pages: pages(count), span: None };
        InFlight { vectors: transfer.vectors(0), transfer, context: (), done: 0, restarts: 0 }
    }

    #[test]
    fn a_short_transfer_resumes_on_a_page_and_ends_where_nothing_more_comes() {
        let mut entry = in_flight(3);
        assert_eq!(entry.advance(5000), None);
        assert_eq!(entry.done, 4096);
        assert_eq!(entry.advance(4096), None);
        assert_eq!(entry.advance(4096), Some(Ok(3 * 4096)));
        let mut at_the_end = in_flight(3);
        assert_eq!(at_the_end.advance(5000), None);
        assert_eq!(at_the_end.advance(904), Some(Ok(5000)));
        assert_eq!(in_flight(1).advance(0), Some(Ok(0)));
    }

    #[test]
    fn an_interrupted_transfer_is_tried_again_but_not_for_ever() {
        let mut entry = in_flight(1);
        let interrupted = -Errno::INTR.raw_os_error();
        let tries = std::iter::repeat_with(|| entry.advance(interrupted)).take_while(Option::is_none).count();
        assert_eq!(tries as u32, MAX_RESTARTS - 1);
        assert_eq!(in_flight(1).advance(-Errno::IO.raw_os_error()), Some(Err(Errno::IO)));
    }

    #[test]
    fn what_is_left_of_a_transfer_spans_pages_and_memory() {
        let memory: std::sync::Arc<dyn kvcpu_mmio::DmaMemory> = crate::HeapMemory::new(8192);
        let span = Span::new(&memory, 0, 8192).expect("it fits");
        let transfer = Transfer { direction: Direction::Write, offset: 0, pages: pages(1), span: Some(span) };
        let lengths = |done| transfer.vectors(done).map(|vector| vector.len);
        assert_eq!([lengths(0), lengths(4096), lengths(8192)], [[4096, 8192], [0, 8192], [0, 4096]]);
    }
}
