//! Why there is no device at a socket: each reason with what to do about it.

use std::io;
use std::path::PathBuf;

use kvcpu_mmio::BackingError;
use kvcpu_mmio::map::{PCI_DEVICE, PCI_VENDOR};

use super::wire;

/// Why there is no device at the socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("no server at {}: {source}; start one with `kvctl serve --socket {}`", path.display(), path.display())]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another client has the device.
    #[error("the device at {} has another client; one driver at a time", .0.display())]
    Busy(PathBuf),
    /// The server speaks another version of the protocol.
    #[error("the server at {} speaks vfio-user {major}.{minor}, not {}.{}", path.display(), wire::VERSION.major, wire::VERSION.minor)]
    Version {
        /// The socket.
        path: PathBuf,
        /// Its version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The device is none of ours.
    #[error("PCI device {vendor:04x}:{device:04x} at {} is no KV-CPU ({PCI_VENDOR:04x}:{PCI_DEVICE:04x}); serve one", path.display())]
    OtherDevice {
        /// The socket.
        path: PathBuf,
        /// Its vendor.
        vendor: u16,
        /// Its device id.
        device: u16,
    },
    /// A BAR is missing or too small.
    #[error("BAR{bar} of the device at {} has {found} bytes and {needed} are needed; the server shows another device", path.display())]
    SmallBar {
        /// The socket.
        path: PathBuf,
        /// Which.
        bar: u8,
        /// Its size.
        found: u64,
        /// What it should have.
        needed: u64,
    },
    /// The server refused what every client asks first.
    #[error("the server at {} refused {what}: {source}; look at its log", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The request.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
    /// The server stopped, is stuck, or cannot be understood.
    #[error("the server at {}: {source}", path.display())]
    Server {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: BackingError,
    },
}
