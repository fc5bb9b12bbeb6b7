//! The line to one board: a command and its answer at a time, and what is done when they have come apart.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvcpu_mmio::BackingError;
use rustix::event::PollFlags;

use super::OpenError;
use super::port::{Failure, Port};
use super::protocol::{self, KNOWN, NOTHING, SILENCE_MS};

/// Writes that may stay without a sign that they came: 14 bytes each at most, so fewer than the 2,048 that the board keeps while it is at work.
const UNANSWERED: u32 = 64;
/// A line that is not silent by then will not be.
const CHATTER: Duration = Duration::from_secs(5);
/// An answer too many follows the one before it within this time.
const SETTLE: Duration = Duration::from_millis(50);
/// Probes whose answers must all be right before the line is found: of each of [`KNOWN`] two, by turns.
const PROBES: usize = 2 * KNOWN.len();

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    path: PathBuf,
    baud: u32,
    patience: Duration,
    port: Port,
    /// Writes since the last answer.
    unanswered: u32,
    /// What the board takes the next byte for is not known.
    is_lost: bool,
}

/// What came back on the probes of a line.
enum Heard {
    /// What is known.
    Known,
    /// A word that is not what was asked for: another read's, or another device's.
    Other { found: u32, value: u32 },
    /// All of it, and more.
    More,
}

impl Line {
    pub(super) fn open(path: &Path, baud: u32, patience: Duration) -> Result<Line, OpenError> {
        let port = Port::open(path, baud)?;
        // Whoever had the port before may have left in the middle of a command.
        Ok(Line { path: path.to_owned(), baud, patience, port, unanswered: 0, is_lost: true })
    }

    /// Words from a byte address on.
    pub(super) fn read<const WORDS: usize>(&mut self, address: u32) -> Result<[u32; WORDS], BackingError> {
        self.find()?;
        let until = Instant::now() + self.patience;
        self.ask(address, until)
            .map_err(|failure| self.lose(failure, "a read", address, self.patience))
    }

    /// A command to read, and its answer.
    fn ask<const WORDS: usize>(&mut self, address: u32, until: Instant) -> Result<[u32; WORDS], Failure> {
        let mut words = [0; WORDS];
        self.port.write(&protocol::read(address, WORDS), until)?;
        for (number, word) in words.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            self.port.read(&mut bytes, until).map_err(|failure| match failure {
                // With those of the words after it.
                Failure::Late(short) => Failure::Late(short + 4 * (WORDS - 1 - number)),
                other => other,
            })?;
            *word = u32::from_be_bytes(bytes);
        }
        self.unanswered = 0;
        Ok(words)
    }

    /// Words to a byte address and those after it.
    pub(super) fn write(&mut self, address: u32, words: &[u32]) -> Result<(), BackingError> {
        if self.unanswered >= UNANSWERED {
            let found = self.read::<1>(NOTHING)?;
            if found != [u32::MAX] {
                self.is_lost = true;
                let why = format!("reads {:#x} where it has nothing; is there a KV-CPU in it?", found[0]);
                return Err(BackingError::Gone(format!("the board at {} {why}", self.path.display())));
            }
        }
        self.find()?;
        let until = Instant::now() + self.patience;
        self.port
            .write(&protocol::write(address, words), until)
            .map_err(|failure| self.lose(failure, "a write", address, self.patience))?;
        self.unanswered += 1;
        Ok(())
    }

    /// Sees to it that the board takes the next byte for the first of a command, and that what it sends then is the answer.
    ///
    /// Silence makes the board forget a command that was begun. It does not make an answer that is late come: one to an earlier read may
    /// still be under way, and would be taken for the next one's. So words that are known are read by turns, until as many answers as
    /// there are probes were right; if one was another's, again from the silence on; one that does not come fails the access, and the
    /// next one finds the line anew.
    fn find(&mut self) -> Result<(), BackingError> {
        let mut bytes = [0; 256];
        let strays = self.port.read_now(&mut bytes).map_err(|failure| self.gone(failure))?;
        if strays > 0 && !self.is_lost {
            let bytes = &bytes[..strays];
            tracing::warn!(path = %self.path.display(), ?bytes, "bytes that nobody asked for; finding the line anew");
            self.is_lost = true;
        }
        if !self.is_lost {
            return Ok(());
        }
        // Each round has a wait of its own: the last one is not to be told that nothing came because the rounds before took so long.
        let end = Instant::now() + self.patience.max(CHATTER);
        loop {
            self.await_silence()?;
            let heard = self.probe()?;
            let path = self.path.display();
            let why = match heard {
                Heard::Known => break,
                Heard::Other { found, value } => {
                    format!("the board at {path} reads {found:#x} and not {value:#x}; is there a KV-CPU in it?")
                }
                Heard::More => format!("{path} sends more than was asked for; is it another device's port?"),
            };
            if Instant::now() >= end {
                return Err(BackingError::Gone(why));
            }
        }
        self.is_lost = false;
        Ok(())
    }

    /// Waits until nothing has come for as long as the board needs to forget what was begun.
    fn await_silence(&mut self) -> Result<(), BackingError> {
        let mut bytes = [0; 256];
        let end = Instant::now() + CHATTER;
        let mut silent_until = Instant::now() + Duration::from_millis(SILENCE_MS);
        while self.port.wait(PollFlags::IN, silent_until).map_err(|failure| self.gone(failure))? {
            self.port.read_now(&mut bytes).map_err(|failure| self.gone(failure))?;
            silent_until = Instant::now() + Duration::from_millis(SILENCE_MS);
            if Instant::now() > end {
                let path = self.path.display();
                let why = format!(
                    "{path} keeps sending what nobody asked for; is it another device's port, or another baud rate?"
                );
                return Err(BackingError::Gone(why));
            }
        }
        Ok(())
    }

    /// Asks for what is known, as often as there are probes.
    fn probe(&mut self) -> Result<Heard, BackingError> {
        let patience = self.patience.max(CHATTER);
        let until = Instant::now() + patience;
        for (address, value) in KNOWN.into_iter().cycle().take(PROBES) {
            let found = match self.ask(address, until) {
                Ok([found]) => found,
                Err(failure) => return Err(self.lose(failure, "a read", address, patience)),
            };
            if found != value {
                return Ok(Heard::Other { found, value });
            }
        }
        // Those of two accesses that were late may have been in the right order; then there are as many too many.
        let settled = Instant::now() + SETTLE;
        let more = self.port.wait(PollFlags::IN, settled).map_err(|failure| self.gone(failure))?;
        Ok(if more { Heard::More } else { Heard::Known })
    }

    /// What became of an access.
    fn lose(&mut self, failure: Failure, what: &str, address: u32, waited: Duration) -> BackingError {
        self.is_lost = true;
        // The rest of a command that is still to be sent would be taken for the first of the next one. If there is no port any more, that
        // was said already.
        let _ = self.port.empty();
        let Failure::Late(short) = failure else { return self.gone(failure) };
        let Line { path, baud, .. } = self;
        let missing = format!("{short} bytes missing after {waited:?} in {what} at {address:#x}");
        BackingError::Gone(format!(
            "the board at {} does not answer at {baud} baud ({missing}); is it powered and loaded, and is that its baud rate (uart:PATH@BAUD)?",
            path.display()
        ))
    }

    fn gone(&self, failure: Failure) -> BackingError {
        let path = self.path.display();
        match failure {
            Failure::Unplugged(why) => {
                BackingError::Gone(format!("{path} was unplugged ({why}); plug it in and start again"))
            }
            Failure::Late(short) => BackingError::Gone(format!("{path}: {short} bytes could be neither sent nor read")),
        }
    }
}
