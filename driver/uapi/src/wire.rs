//! The FUSE protocol as CUSE speaks it: requests taken apart, replies put together. Bytes only.
//!
//! ```text
//!  request   len 4, opcode 4, unique 8, nodeid 8, uid 4, gid 4, pid 4, extension 2, padding 2 │ body
//!  reply     len 4, error 4, unique 8 │ body, if error is 0
//! ```
//!
//! Layouts are those of `include/uapi/linux/fuse.h`, protocol 7.38; the order of bytes is the host's. What the kernel does with
//! them is `fs/fuse/cuse.c`, `ioctl.c` and `dev.c`.

use rustix::io::Errno;

/// Major version of the protocol.
pub const MAJOR: u32 = 7;
/// The newest minor version known here.
pub const MINOR: u32 = 38;
/// The kernel refuses servers with an older minor version: it has no ioctls.
pub const OLDEST_MINOR: u32 = 11;
/// Bytes of a request's header.
pub const HEADER_BYTES: usize = 40;
/// Bytes of a reply's header.
pub const REPLY_BYTES: usize = 16;
/// Most bytes of one READ or WRITE; the kernel raises less to it.
pub const MAX_TRANSFER: u32 = 4096;

const FORGET: u32 = 2;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const INTERRUPT: u32 = 36;
const IOCTL: u32 = 39;
const BATCH_FORGET: u32 = 42;
const CUSE_INIT: u32 = 4096;

/// What every request begins with; what is not used here is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Names the request in its reply.
    pub unique: u64,
    /// What is asked for.
    pub opcode: u32,
    /// Process that asks.
    pub pid: u32,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first: what device is it?
    Init {
        /// Major version the kernel speaks.
        major: u32,
        /// Minor version the kernel speaks.
        minor: u32,
    },
    /// A program opens the device.
    Open,
    /// The last descriptor of an open file is gone.
    Release {
        /// The file.
        handle: u64,
    },
    /// An ioctl. The kernel has read and will write as much of the program's memory as `code` says.
    Ioctl {
        /// The file.
        handle: u64,
        /// Its code.
        code: u32,
        /// What it brings.
        input: &'a [u8],
        /// Most bytes it takes back.
        room: u32,
    },
    /// Wants no reply: forgotten inodes, which a device has none of, and an interrupt of a request that has been answered.
    Silent,
    /// Anything else.
    Other,
}

/// Why a message is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is nobody to answer to.
    #[error("a message of {0} bytes has no header")]
    NoHeader(usize),
    /// The sender waits for a reply.
    #[error("request {unique} with opcode {opcode}: {what}")]
    Bad {
        /// Of the request.
        unique: u64,
        /// Of the request.
        opcode: u32,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads numbers one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*bytes))
    }
}

/// Takes a message apart.
pub fn parse(message: &[u8]) -> Result<(Header, Request<'_>), Malformed> {
    let no_header = Malformed::NoHeader(message.len());
    let (header, body) = message.split_at_checked(HEADER_BYTES).ok_or(no_header)?;
    let (length, header) = self::header(header).ok_or(no_header)?;
    let bad = |what| Malformed::Bad { unique: header.unique, opcode: header.opcode, what };
    if length as usize != message.len() {
        return Err(bad("its length is not that of the message"));
    }
    Ok((header, request(header.opcode, body).ok_or(bad("its body is too short"))?))
}

fn header(bytes: &[u8]) -> Option<(u32, Header)> {
    let mut reader = Reader(bytes);
    let (length, opcode, unique) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let (_nodeid, _uid, _gid) = (reader.u64()?, reader.u32()?, reader.u32()?);
    Some((length, Header { unique, opcode, pid: reader.u32()? }))
}

fn request(opcode: u32, body: &[u8]) -> Option<Request<'_>> {
    let mut reader = Reader(body);
    Some(match opcode {
        CUSE_INIT => Request::Init { major: reader.u32()?, minor: reader.u32()? },
        OPEN => Request::Open,
        RELEASE => Request::Release { handle: reader.u64()? },
        IOCTL => {
            let (handle, _flags, code) = (reader.u64()?, reader.u32()?, reader.u32()?);
            let (_argument, bytes, room) = (reader.u64()?, reader.u32()?, reader.u32()?);
            Request::Ioctl { handle, code, input: reader.0.get(..bytes as usize)?, room }
        }
        FORGET | BATCH_FORGET | INTERRUPT => Request::Silent,
        _ => Request::Other,
    })
}

fn reply(unique: u64, error: i32, parts: &[&[u8]]) -> Vec<u8> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let length = (REPLY_BYTES + body) as u32;
    let mut out = Vec::with_capacity(REPLY_BYTES + body);
    out.extend(length.to_ne_bytes());
    out.extend(error.to_ne_bytes());
    out.extend(unique.to_ne_bytes());
    parts.iter().for_each(|part| out.extend(*part));
    out
}

/// The reply that something failed.
pub fn failed(unique: u64, errno: Errno) -> Vec<u8> {
    reply(unique, -errno.raw_os_error(), &[])
}

/// The reply that something is done, with nothing to say.
pub fn done(unique: u64) -> Vec<u8> {
    reply(unique, 0, &[])
}

/// The reply to OPEN: the file's handle; no flags.
pub fn opened(unique: u64, handle: u64) -> Vec<u8> {
    reply(unique, 0, &[&handle.to_ne_bytes(), &[0; 8]])
}

/// The reply to IOCTL: result 0, no retry (which the restricted mode forbids), and what the program gets.
pub fn ioctl_done(unique: u64, output: &[u8]) -> Vec<u8> {
    reply(unique, 0, &[&[0; 16], output])
}

/// The reply to CUSE_INIT: restricted ioctls, any device number, and the name.
pub fn offer(unique: u64, minor: u32, name: &str) -> Vec<u8> {
    let words = [MAJOR, minor, 0, 0, MAX_TRANSFER, MAX_TRANSFER, 0, 0];
    let words: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    reply(unique, 0, &[&words, &[0; 40], b"DEVNAME=", name.as_bytes(), &[0]])
}
