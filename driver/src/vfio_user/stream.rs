//! What carries messages: a stream socket with descriptors beside the bytes (SCM_RIGHTS).
//!
//! A deadline is a message's, not a system call's: who sends byte by byte has no more time than others. So nothing here waits in
//! the socket; what is not ready is polled for, for as long as is left.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::wire::{Header, MAX_BODY, MAX_FDS};

/// A message: its header, its body, and the descriptors that came with it.
#[derive(Debug)]
pub struct Message {
    /// The header as it came.
    pub header: Header,
    /// The body.
    pub body: Vec<u8>,
    /// Descriptors.
    pub fds: Vec<OwnedFd>,
}

/// Why no message could be had, or sent.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer closed the connection between two messages.
    #[error("the other side closed the connection")]
    Closed,
    /// The peer said something after which it cannot be understood any more.
    #[error("message {header:?}: {why}")]
    Malformed {
        /// What it began with.
        header: Header,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Descriptors that came along are lost.
    #[error(
        "descriptors of a message are lost: it had more than {MAX_FDS}, or this process may open no more (ulimit -n)"
    )]
    Descriptors,
    /// The deadline passed.
    #[error("a message, or its rest, did not come or was not taken in time")]
    Late,
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for WireError {
    fn from(error: Errno) -> WireError {
        WireError::Io(error.into())
    }
}

/// Receives a message, the whole of it until `by`.
pub fn receive(stream: &UnixStream, by: Instant) -> Result<Message, WireError> {
    let mut fds = Vec::new();
    let mut head = [0; Header::BYTES];
    if !fill(stream, &mut head, &mut fds, by)? {
        return Err(WireError::Closed);
    }
    let header = Header::of(head);
    let malformed = |why| Err(WireError::Malformed { header, why });
    let Some(length) = (header.size as usize).checked_sub(Header::BYTES) else {
        return malformed("its size is less than its header's");
    };
    if length > MAX_BODY {
        return malformed("it is longer than any message may be");
    }
    let mut body = vec![0; length];
    if !fill(stream, &mut body, &mut fds, by)? {
        return malformed("the connection ended in the midst of it");
    }
    Ok(Message { header, body, fds })
}

/// Fills the buffer; `false` if the peer closed the connection before its first byte.
fn fill(stream: &UnixStream, mut buffer: &mut [u8], fds: &mut Vec<OwnedFd>, by: Instant) -> Result<bool, WireError> {
    let whole = buffer.len();
    while !buffer.is_empty() {
        let left = left(by)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let got = match retry_on_intr(|| recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)) {
            Ok(got) => got,
            Err(Errno::AGAIN) => {
                wait(stream, PollFlags::IN, left)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        // Looked at with each piece: a message in many pieces could bring as many as the process may open.
        if fds.len() > MAX_FDS || got.flags.contains(ReturnFlags::CTRUNC) {
            return Err(WireError::Descriptors);
        }
        if got.bytes == 0 {
            if buffer.len() == whole {
                return Ok(false);
            }
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        buffer = &mut buffer[got.bytes..];
    }
    Ok(true)
}

/// Sends a message, the whole of it until `by`: parts one behind the other, with descriptors.
pub fn send(
    stream: &UnixStream,
    mut header: Header,
    parts: &[&[u8]],
    fds: &[BorrowedFd<'_>],
    by: Instant,
) -> Result<(), WireError> {
    let length = Header::BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
    header.size = u32::try_from(length).map_err(|_| Errno::INVAL)?;
    let mut bytes = header.bytes();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::INVAL.into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let left = left(by)?;
        match retry_on_intr(|| sendmsg(stream.as_fd(), &[IoSlice::new(rest)], &mut ancillary, flags)) {
            Ok(sent) => {
                rest = &rest[sent..];
                ancillary.clear();
            }
            Err(Errno::AGAIN) => wait(stream, PollFlags::OUT, left)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Time until the deadline.
fn left(by: Instant) -> Result<Duration, WireError> {
    let left = by.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(WireError::Late) } else { Ok(left) }
}

/// Waits until the socket may be ready, or the time is over, which is for the caller to find.
fn wait(stream: &UnixStream, events: PollFlags, time: Duration) -> Result<(), WireError> {
    let timeout = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    match poll(&mut [PollFd::new(stream, events)], Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::io::Write;

    use super::*;
    use crate::vfio_user::wire::REPLY;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_dribbled_message_has_no_more_time_than_another() {
        let (mut slow, stream) = UnixStream::pair().unwrap();
        let header = Header { size: 64, ..Header::default() };
        let thread = std::thread::spawn(move || {
            for byte in header.bytes().iter().chain(&[0; 48]) {
                std::thread::sleep(Duration::from_millis(30));
                if slow.write_all(&[*byte]).is_err() {
                    return;
                }
            }
        });
        let begin = Instant::now();
        let late = receive(&stream, begin + Duration::from_millis(300)).unwrap_err();
        assert!(matches!(late, WireError::Late), "{late}");
        assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
        drop(stream);
        thread.join().unwrap();
    }

    #[test]
    fn what_nobody_takes_is_given_up_in_time() {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let begin = Instant::now();
        let late = send(&stream, Header::default(), &[&vec![0; MAX_BODY]], &[], begin + Duration::from_millis(100));
        assert!(matches!(late, Err(WireError::Late)), "{late:?}");
    }

    #[test]
    fn descriptors_come_along_but_not_too_many() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let most = vec![ours.as_fd(); MAX_FDS];
        send(&ours, Header { flags: REPLY, ..Header::default() }, &[b"body"], &most, soon()).unwrap();
        let message = receive(&theirs, soon()).unwrap();
        assert_eq!((&message.body[..], message.fds.len(), message.header.size), (&b"body"[..], MAX_FDS, 20));
        assert!(send(&ours, Header::default(), &[], &[most.as_slice(), &most].concat(), soon()).is_err());
        // In two pieces: each may have as many as a message, both together may not.
        let header = Header { size: 17, ..Header::default() };
        for piece in [&header.bytes()[..], &[0]] {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&most)));
            sendmsg(&ours, &[IoSlice::new(piece)], &mut ancillary, SendFlags::empty()).unwrap();
        }
        assert!(matches!(receive(&theirs, soon()), Err(WireError::Descriptors)));
        // More than there is room for: the kernel drops some, and says so.
        let many = vec![ours.as_fd(); 4 * MAX_FDS];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4 * MAX_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&many)));
        let (ours, theirs) = UnixStream::pair().unwrap();
        sendmsg(&ours, &[IoSlice::new(&header.bytes())], &mut ancillary, SendFlags::empty()).unwrap();
        assert!(matches!(receive(&theirs, soon()), Err(WireError::Descriptors)));
    }
}
