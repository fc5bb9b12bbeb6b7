//! A KV-CPU as a character device, /dev/kvcpu0, with the public KV-CPU driver's ioctls: what is behind `kvctl uapi`. `docs/uapi.md`.
//!
//! ```text
//!  program ─ ioctl ─► kernel ─ /dev/cuse ─► Channel ─► Card ─► driver's commands ─► any device
//!                                           wire.rs    callers, blocks, policy
//! ```
//!
//! CUSE, the kernel's character devices in user space, is spoken directly, in its restricted mode: the kernel moves each ioctl's
//! structure and tells a program of a bad pointer by itself. One thread serves one request after another. The ioctls' numbers and
//! structures are `kvcpu_mmio::uapi`'s.
#![forbid(unsafe_code)]

use std::io;

mod blocks;
mod callers;
mod card;
mod channel;
mod errno;
mod name;
mod policy;
pub mod wire;

pub use card::Card;
pub use channel::Channel;
pub use name::Name;

/// Why there is no device, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum UapiError {
    /// The kernel does not offer it.
    #[error("there is no /dev/cuse: load it with `modprobe cuse`, or use a kernel with CONFIG_CUSE")]
    NoCuse,
    /// Not for everybody.
    #[error("may not open /dev/cuse: be root, or in the group that /dev/cuse has")]
    Permission,
    /// Something else about opening it.
    #[error("cannot open /dev/cuse: {0}")]
    Open(io::Error),
    /// It is not what it should be.
    #[error("the kernel at /dev/cuse does not do what CUSE does: {0}")]
    Handshake(&'static str),
    /// It is of another time.
    #[error(
        "the kernel speaks FUSE {major}.{minor}, this server {}.{} to {}.{}; use a newer kernel or kvctl",
        wire::MAJOR,
        wire::OLDEST_MINOR,
        wire::MAJOR,
        wire::MINOR
    )]
    Version {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// It closed the channel instead of making the device.
    #[error("the kernel refused to make /dev/{0}: if there is one already, choose another --name")]
    Refused(Name),
    /// Reading or writing failed.
    #[error("the channel to the kernel failed: {0}")]
    Channel(io::Error),
    /// There is nothing to serve any more.
    #[error("the device can no longer be served: {0}")]
    Device(#[source] kvcpu_driver::DriverError),
}
