//! The line to one board: a command and its answer at a time, and what is done when they have come apart.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvcpu_mmio::BackingError;
use rustix::event::PollFlags;

use super::OpenError;
use super::port::{Failure, Port};
use super::protocol::{self, NOTHING, SILENCE_MS};

/// Writes that may stay without a sign that they came: 14 bytes each at most, so fewer than the 2,048 that the board keeps while it is at work.
const UNANSWERED: u32 = 64;
/// A line that is not silent by then will not be.
const CHATTER: Duration = Duration::from_secs(5);

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

impl Line {
    pub(super) fn open(path: &Path, baud: u32, patience: Duration) -> Result<Line, OpenError> {
        let port = Port::open(path, baud)?;
        // Whoever had the port before may have left in the middle of a command.
        Ok(Line { path: path.to_owned(), baud, patience, port, unanswered: 0, is_lost: true })
    }

    /// Words from a byte address on.
    pub(super) fn read<const WORDS: usize>(&mut self, address: u32) -> Result<[u32; WORDS], BackingError> {
        self.find()?;
        let mut words = [0; WORDS];
        let until = Instant::now() + self.patience;
        self.port
            .write(&protocol::read(address, WORDS), until)
            .map_err(|failure| self.lose(failure, "a read", address))?;
        for word in &mut words {
            let mut bytes = [0; 4];
            self.port
                .read(&mut bytes, until)
                .map_err(|failure| self.lose(failure, "a read", address))?;
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
            .map_err(|failure| self.lose(failure, "a write", address))?;
        self.unanswered += 1;
        Ok(())
    }

    /// Sees to it that the board takes the next byte for the first of a command, and that what it sends then is the answer.
    fn find(&mut self) -> Result<(), BackingError> {
        let mut bytes = [0; 256];
        let strays = self.port.read_now(&mut bytes).map_err(|failure| self.gone(failure))?;
        if strays > 0 && !self.is_lost {
            tracing::warn!(path = %self.path.display(), ?bytes, "bytes that nobody asked for; finding the line anew");
            self.is_lost = true;
        }
        if !self.is_lost {
            return Ok(());
        }
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
        (self.is_lost, self.unanswered) = (false, 0);
        Ok(())
    }

    /// What became of an access.
    fn lose(&mut self, failure: Failure, what: &str, address: u32) -> BackingError {
        self.is_lost = true;
        let Failure::Late(short) = failure else { return self.gone(failure) };
        let Line { path, baud, patience, .. } = self;
        let missing = format!("{short} bytes missing after {patience:?} in {what} at {address:#x}");
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
