//! Submission and completion rings over shared memory.
//!
//! A ring has one producer and one consumer, a power of two of entries, and one slot that stays
//! empty, so that full (`tail + 1 == head`) and empty (`tail == head`) differ, as in NVMe (base
//! specification 2.0, section 3.3). An SQE is 64 bytes, `[u64; 8]`; a CQE is 16 bytes, `[u64; 2]`.
//! What the words mean is the caller's; a ring knows only the CQE's phase bit.
//!
//! ```text
//!            push                              pop
//!   producer ────►  slots in shared memory  ────►  consumer
//!      │  publish ──────── tail ──────────────►  set_tail  │
//!      └  set_head ◄────── head ──────────────── release  ─┘
//! ```
//!
//! Two layers:
//!
//! 1. For a device, indexes are values: [`Submitter::publish`] returns the tail for the doorbell
//!    register, and the head comes back in a CQE ([`Submitter::set_head`]). The other side is
//!    [`SubmissionConsumer`]. Completions need no tail: [`CompletionProducer`] flips the phase bit
//!    on each pass and [`Completions`] looks for it.
//! 2. For two processes, a [`SharedRing`] keeps its indexes and `need_wakeup` flags in the memory
//!    too; [`pair`] lays out one ring in each direction.
//!
//! The memory may be mapped by another process or a device, so whatever is read from it is
//! untrusted: an index is checked before it is used, an entry is copied out once, and a bad value is
//! a [`RingError`], never a panic and never an access outside the ring.
//!
//! The core is `no_std` and does not allocate, but it needs 64-bit atomics, which RV32 lacks: there,
//! firmware leaves the rings to the hardware.
//!
//! The crate leaves out how a peer is woken (eventfd, futex, interrupt) and how memory is mapped.
//!
//! ```
//! use kvcpu_ring::{AtomicU64, Completions, CompletionProducer, SubmissionConsumer, Submitter};
//!
//! let sq: [AtomicU64; 4 * 8] = [const { AtomicU64::new(0) }; 32];
//! let cq: [AtomicU64; 4 * 2] = [const { AtomicU64::new(0) }; 8];
//! let mut submitter = Submitter::new(&sq, 4)?;
//! let mut completions = Completions::new(&cq, 4)?;
//! let mut device_sq = SubmissionConsumer::new(&sq, 4)?;
//! let mut device_cq = CompletionProducer::new(&cq, 4)?;
//!
//! submitter.push(&[7; 8])?;
//! let doorbell = submitter.publish();
//!
//! device_sq.set_tail(doorbell)?;
//! let sqe = device_sq.pop().expect("one was submitted");
//! let sq_head = u64::from(device_sq.release());
//! device_cq.push([sqe[0], sq_head])?;
//!
//! let cqe = completions.pop().expect("one was completed");
//! assert_eq!(cqe[0], 7);
//! submitter.set_head(cqe[1] as u32 & 0xFFFF)?;
//! # Ok::<(), kvcpu_ring::RingError>(())
//! ```
#![cfg_attr(not(loom), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod completion;
mod consumer;
mod error;
mod memory;
pub mod pair;
mod producer;
mod shared;
mod size;
mod submission;
mod sync;

pub use completion::{CQE_WORDS, CompletionProducer, Completions, PHASE, clear_completions};
pub use consumer::Consumer;
pub use error::RingError;
pub use memory::{Memory, Window};
pub use producer::Producer;
pub use shared::{SharedRing, Wait, Wakeup, layout};
pub use size::Size;
pub use submission::{SQE_WORDS, SubmissionConsumer, Submitter};
pub use sync::AtomicU64;
#[cfg(loom)]
pub use sync::mutation;
