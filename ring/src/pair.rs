//! Two shared rings in one memory: submissions one way, completions the other.
//!
//! ```text
//!   client ── SQE, 8 words ──►  ring at word 0                     ──► server
//!   client ◄── CQE, 2 words ──  ring behind it, on a cache line    ◄── server
//! ```
//!
//! The submission ring's header says how long it is, and so where the completion ring begins.

use crate::completion::CQE_WORDS;
use crate::consumer::Consumer;
use crate::error::RingError;
use crate::memory::{Memory, Window, require};
use crate::producer::Producer;
use crate::shared::SharedRing;
use crate::submission::SQE_WORDS;
use crate::sync::AtomicU64;

type Sq<M> = SharedRing<Window<M>, SQE_WORDS>;
type Cq<M> = SharedRing<Window<M>, CQE_WORDS>;

/// The side that submits.
#[derive(Debug)]
pub struct Client<M> {
    /// Where commands go.
    pub submissions: Producer<Window<M>, SQE_WORDS>,
    /// Where their completions arrive.
    pub completions: Consumer<Window<M>, CQE_WORDS>,
}

/// The side that carries out what is submitted.
#[derive(Debug)]
pub struct Server<M> {
    /// Where commands arrive.
    pub submissions: Consumer<Window<M>, SQE_WORDS>,
    /// Where their completions go.
    pub completions: Producer<Window<M>, CQE_WORDS>,
}

/// Words of memory that a pair takes.
pub fn words(sq_entries: u32, cq_entries: u32) -> Result<usize, RingError> {
    Ok(SharedRing::<&[AtomicU64], SQE_WORDS>::words(sq_entries)?
        + SharedRing::<&[AtomicU64], CQE_WORDS>::words(cq_entries)?)
}

/// Lays an empty pair out at the beginning of `memory`. Only one side does this, then both
/// attach.
pub fn format<M: Memory>(memory: &M, sq_entries: u32, cq_entries: u32) -> Result<(), RingError> {
    require(memory, words(sq_entries, cq_entries)?)?;
    // The completion ring first: a peer attaches by way of the submission ring's header.
    Cq::format(behind(memory, Sq::<&M>::words(sq_entries)?)?, cq_entries)?;
    Sq::format(behind(memory, 0)?, sq_entries)?;
    Ok(())
}

impl<M: Memory + Clone> Client<M> {
    /// Attaches as the client. There may be only one at a time.
    pub fn attach(memory: M) -> Result<Self, RingError> {
        let (sq, cq) = attach(memory)?;
        Ok(Self { submissions: sq.producer()?, completions: cq.consumer()? })
    }
}

impl<M: Memory + Clone> Server<M> {
    /// Attaches as the server. There may be only one at a time.
    pub fn attach(memory: M) -> Result<Self, RingError> {
        let (sq, cq) = attach(memory)?;
        Ok(Self { submissions: sq.consumer()?, completions: cq.producer()? })
    }
}

fn attach<M: Memory + Clone>(memory: M) -> Result<(Sq<M>, Cq<M>), RingError> {
    let sq = Sq::attach(behind(memory.clone(), 0)?)?;
    let first_word = Sq::<M>::words(sq.size().entries())?;
    Ok((sq, Cq::attach(behind(memory, first_word)?)?))
}

/// All of `memory` from word `first_word`.
fn behind<M: Memory>(memory: M, first_word: usize) -> Result<Window<M>, RingError> {
    let len_words = memory.words().len().saturating_sub(first_word);
    Window::new(memory, first_word, len_words)
}
