//! An update of the firmware: the other bank filled piece by piece, and checked. `docs/firmware.md`, An update.

use crate::Platform;
use kvcpu_mmio::firmware::{ImageFault, MailboxResult};
use kvcpu_mmio::image::{Check, Header, is_size};

/// An update that is under way, or none.
#[derive(Clone, Debug, Default)]
pub struct Update {
    session: Option<Session>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    bytes: u32,
    crc: u32,
    /// Bytes that came so far.
    end: u32,
    /// When the last of them came, ms.
    since: u32,
}

/// ms after which an update whose host fell silent is forgotten.
const PATIENCE_MS: u32 = 60_000;

impl Update {
    /// Whether one is under way.
    pub fn is_active(&self) -> bool {
        self.session.is_some()
    }

    /// Bytes that came so far.
    pub fn end(&self) -> u32 {
        self.session.map_or(0, |session| session.end)
    }

    /// Begins one, of an image of so many bytes with this CRC in its header; one that was under way is forgotten.
    pub fn begin(&mut self, bytes: u32, crc: u32, now: u32) -> Result<(), MailboxResult> {
        if !is_size(bytes) {
            return Err(MailboxResult::BadArgument);
        }
        self.session = Some(Session { bytes, crc, end: 0, since: now });
        Ok(())
    }

    /// Forgets one of which nothing came for a minute before `now`, in ms: its host is gone.
    pub fn expire(&mut self, now: u32) {
        self.session = self.session.filter(|session| now.wrapping_sub(session.since) < PATIENCE_MS);
    }

    /// Forgets it.
    pub fn forget(&mut self) {
        self.session = None;
    }

    /// Writes the words that begin at byte `offset` to the other bank, and reads them back. What failed may be sent again.
    pub fn data<P: Platform>(
        &mut self,
        platform: &mut P,
        offset: u32,
        words: &[u32],
        now: u32,
    ) -> Result<(), MailboxResult> {
        let session = self.session.as_mut().ok_or(MailboxResult::NoUpdate)?;
        if offset != session.end {
            return Err(MailboxResult::OutOfOrder);
        }
        let end = offset + 4 * words.len() as u32;
        if end > session.bytes {
            return Err(MailboxResult::BadArgument);
        }
        for (at, &word) in (offset..end).step_by(4).zip(words) {
            platform.program(at, word);
        }
        if (offset..end).step_by(4).zip(words).any(|(at, &word)| platform.other_bank(at) != word) {
            return Err(MailboxResult::Flash);
        }
        (session.end, session.since) = (end, now);
        Ok(())
    }

    /// Begins the check of what came, all of which it must be, against the header and the device's map; `None` if none is under way.
    pub fn check<P: Platform>(&self, platform: &mut P, map_major: u32) -> Option<Result<Check, ImageFault>> {
        let session = self.session?;
        if session.end != session.bytes {
            return Some(Err(ImageFault::Incomplete));
        }
        Some(Check::begin(|offset| platform.other_bank(offset), map_major).and_then(|check| {
            let Header { bytes, crc, .. } = check.header();
            if bytes != session.bytes {
                Err(ImageFault::Size)
            } else if crc != session.crc {
                Err(ImageFault::Crc)
            } else {
                Ok(check)
            }
        }))
    }
}
