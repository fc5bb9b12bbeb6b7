//! A device behind a vfio-user socket: `kvctl serve`, or any server that shows the device. `docs/vfio-user.md`.
//!
//! ```text
//!  register access ─► REGION_READ, REGION_WRITE ─┐
//!  dma_alloc: memfd, mapped here ─► DMA_MAP ─────┼─► socket, one message and its reply at a time
//!  irq_fd: eventfd ─► DEVICE_SET_IRQS ───────────┤
//!  bus_master: COMMAND ─► REGION_WRITE ──────────┘
//! ```
//!
//! It leaves out mapping BARs: an access is a message. What does not come in time, or does not fit what was asked, ends the connection:
//! after that every access is [`BackingError::Gone`]. What the server refuses is an error of its own kind, and the device stays usable.

mod connection;
mod error;
mod memory;
pub mod stream;
pub mod wire;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES, PCI_DEVICE, PCI_VENDOR};
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, dma_bytes};
use rustix::io::Errno;

pub use self::error::ConnectError;

use self::connection::{Connection, Failure};
use self::memory::Memory;
use self::wire::Command;
use crate::device::lock;
use crate::eventfd;
use crate::iova::IovaSpace;
use crate::pci::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY};

/// How long a reply may take: an access of a register takes a simulated device some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What bus addresses are multiples of.
const PAGE_BYTES: u64 = 0x1000;

/// A device at a vfio-user socket.
pub struct VfioUser {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Where memory is mapped for the device, and where there is room.
    space: Mutex<IovaSpace>,
    vectors: Mutex<[Option<OwnedFd>; VECTORS as usize]>,
}

impl std::fmt::Debug for VfioUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VfioUser").field("path", &self.path).finish_non_exhaustive()
    }
}

impl VfioUser {
    /// Connects to the server at `path`, and looks whether it shows a KV-CPU; lets its memory answer.
    pub fn connect(path: &Path) -> Result<VfioUser, ConnectError> {
        VfioUser::connect_within(path, PATIENCE)
    }

    /// As [`connect`](VfioUser::connect), with a server that takes so long for a reply at most, now and later.
    pub fn connect_within(path: &Path, patience: Duration) -> Result<VfioUser, ConnectError> {
        let at = || path.to_owned();
        let mut connection = Connection::new(path, patience).map_err(|error| match error {
            Errno::AGAIN => {
                let why = format!("it took no connection within {patience:?}; is it stuck? look at its log");
                ConnectError::Server { path: at(), source: BackingError::Gone(why) }
            }
            error => ConnectError::NoServer { path: at(), source: error.into() },
        })?;
        negotiate(&mut connection, path)?;
        let failed = |what| move |failure: Failure| unanswered(path, what, failure);
        let ids = connection.read::<4>(wire::CONFIG_REGION, 0);
        let [v0, v1, d0, d1] = ids.map_err(failed("a read of configuration space"))?;
        let (vendor, device) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([d0, d1]));
        if (vendor, device) != (PCI_VENDOR, PCI_DEVICE) {
            return Err(ConnectError::OtherDevice { path: at(), vendor, device });
        }
        // As the register map has them: a server shows the whole window, however small the directory in it is.
        for (bar, needed) in [(Bar::Regs, BAR0_BYTES), (Bar::Rtbd, BAR2_BYTES), (Bar::Msix, BAR4_BYTES)] {
            let index = u32::from(bar.index());
            let argsz = wire::RegionInfo::BYTES as u32;
            let asked = wire::RegionInfo { argsz, index, ..wire::RegionInfo::default() };
            let info = connection
                .ask_for(Command::DeviceGetRegionInfo, &asked.bytes(), wire::RegionInfo::split)
                .map_err(failed("to describe a BAR"))?;
            if info.size < u64::from(needed) {
                let (bar, found, needed) = (bar.index(), info.size, needed.into());
                return Err(ConnectError::SmallBar { path: at(), bar, found, needed });
            }
        }
        connection
            .write(wire::CONFIG_REGION, COMMAND, &COMMAND_MEMORY.to_le_bytes())
            .map_err(failed("Memory Space Enable"))?;
        Ok(VfioUser {
            path: at(),
            connection: Mutex::new(connection),
            space: Mutex::new(IovaSpace::new(&[])),
            vectors: Mutex::default(),
        })
    }

    fn read<const N: usize>(&self, bar: Bar, offset: u32) -> Result<[u8; N], BackingError> {
        let read = lock(&self.connection).read(bar.index().into(), offset.into());
        read.map_err(|failure| failure.or(|errno| refused(errno, bar, offset)))
    }

    fn write(&self, bar: Bar, offset: u32, data: &[u8]) -> Result<(), BackingError> {
        let written = lock(&self.connection).write(bar.index().into(), offset.into(), data);
        written.map_err(|failure| failure.or(|errno| refused(errno, bar, offset)))
    }

    /// Memory that the server has mapped at `address`.
    fn map(&self, address: u64, bytes: usize) -> Result<Memory, BackingError> {
        let (memory, fd) =
            Memory::new(address, bytes).map_err(|error| BackingError::Dma(format!("{bytes} bytes: {error}")))?;
        let flags = wire::MAP_READ | wire::MAP_WRITE;
        let argsz = wire::DmaMap::BYTES as u32;
        let map = wire::DmaMap { argsz, flags, offset: 0, address, size: bytes as u64 };
        let mapped = lock(&self.connection).ask(Command::DmaMap, &[&map.bytes()], &[fd.as_fd()]);
        let refused = |errno| BackingError::Dma(format!("the server does not map {bytes} bytes: {errno}"));
        mapped.map_err(|failure| failure.or(refused))?;
        Ok(memory)
    }
}

/// A refused access of a register; the device is there all the same.
fn refused(errno: Errno, bar: Bar, offset: u32) -> BackingError {
    tracing::debug!(%errno, ?bar, offset, "refused");
    let reason = match errno {
        Errno::INVAL => "the server refused this access (EINVAL): alignment, size or range",
        Errno::IO => "the server's device failed this access (EIO); look at the server's log",
        _ => "the server refused this access; look at its log",
    };
    BackingError::BadAccess { bar, offset, reason }
}

/// A refused request that is no access of a register.
fn not_offered(errno: Errno, what: &'static str) -> BackingError {
    match errno {
        Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS => BackingError::Unsupported(what),
        other => BackingError::Busy(format!("the server refused {what}: {other}; its log says why, try again")),
    }
}

/// Connecting came to nothing because of this request.
fn unanswered(path: &Path, what: &'static str, failure: Failure) -> ConnectError {
    let path = path.to_owned();
    match failure {
        Failure::Refused(errno) => ConnectError::Refused { path, what, source: errno.into() },
        Failure::Broken(why) => ConnectError::Server { path, source: BackingError::Gone(why) },
    }
}

/// Agrees on a version.
fn negotiate(connection: &mut Connection, path: &Path) -> Result<(), ConnectError> {
    let body = wire::VERSION.bytes();
    let reply = match connection.ask(Command::Version, &[&body, b"{\"capabilities\":{}}\0"], &[]) {
        Ok(reply) => reply,
        Err(Failure::Refused(Errno::BUSY)) => return Err(ConnectError::Busy(path.to_owned())),
        Err(failure) => return Err(unanswered(path, "vfio-user's VERSION", failure)),
    };
    match wire::Version::split(&reply) {
        Some((wire::Version { major, .. }, _)) if major == wire::VERSION.major => Ok(()),
        Some((wire::Version { major, minor }, _)) => Err(ConnectError::Version { path: path.to_owned(), major, minor }),
        None => Err(ConnectError::Server {
            path: path.to_owned(),
            source: BackingError::Gone("Version: the reply is too short".into()),
        }),
    }
}

impl Backing for VfioUser {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.read(bar, offset).map(u32::from_le_bytes)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.write(bar, offset, &value.to_le_bytes())
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.read(bar, offset).map(u64::from_le_bytes)
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.write(bar, offset, &value.to_le_bytes())
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let bytes = dma_bytes(bytes)?;
        let size = bytes as u64;
        let mut space = lock(&self.space);
        let address = space.allocate(size, PAGE_BYTES);
        let address =
            address.ok_or_else(|| BackingError::Dma(format!("no bus addresses for {bytes} bytes; free some")))?;
        let mapped = self.map(address, bytes);
        if mapped.is_err() {
            space.free(address);
        }
        Ok(Arc::new(mapped?))
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        let mut space = lock(&self.space);
        let size = space.size(iova).ok_or_else(|| BackingError::not_mapped(iova))?;
        let unmap = wire::DmaUnmap { argsz: wire::DmaUnmap::BYTES as u32, flags: 0, address: iova, size };
        let unmapped = lock(&self.connection).ask(Command::DmaUnmap, &[&unmap.bytes()], &[]);
        let refused = |errno| BackingError::Dma(format!("the server does not unmap {iova:#x}: {errno}"));
        unmapped.map_err(|failure| failure.or(refused))?;
        // Only now: until the server has let go, nothing else may be there.
        space.free(iova);
        Ok(())
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        let mut vectors = lock(&self.vectors);
        let Some(slot) = vectors.get_mut(usize::from(vector)) else {
            return Err(BackingError::no_vector(vector, VECTORS));
        };
        if let Some(fd) = slot {
            return Ok(fd.as_raw_fd());
        }
        let fd = eventfd::new()?;
        let flags = wire::SET_EVENTFD | wire::SET_TRIGGER;
        let argsz = wire::IrqSet::BYTES as u32;
        let set = wire::IrqSet { argsz, flags, index: wire::MSIX_IRQ, start: vector.into(), count: 1 };
        let taken = lock(&self.connection).ask(Command::DeviceSetIrqs, &[&set.bytes()], &[fd.as_fd()]);
        let refused = |errno| BackingError::Irq(format!("the server does not take vector {vector}: {errno}"));
        taken.map_err(|failure| failure.or(refused))?;
        Ok(slot.insert(fd).as_raw_fd())
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        let command = COMMAND_MEMORY | if on { COMMAND_BUS_MASTER } else { 0 };
        let written = lock(&self.connection).write(wire::CONFIG_REGION, COMMAND, &command.to_le_bytes());
        written.map_err(|failure| failure.or(|errno| not_offered(errno, "bus mastering (a write of COMMAND)")))
    }

    fn reset(&self) -> Result<(), BackingError> {
        let mut connection = lock(&self.connection);
        let mut reset = || {
            let [low, high] = connection.read::<2>(wire::CONFIG_REGION, COMMAND)?;
            connection.ask(Command::DeviceReset, &[], &[])?;
            // A reset clears COMMAND; what the driver had said of it holds on.
            connection.write(wire::CONFIG_REGION, COMMAND, &[low, high])
        };
        reset().map_err(|failure| failure.or(|errno| not_offered(errno, "a reset")))
    }

    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        Ok(())
    }

    fn name(&self) -> String {
        format!("vfio-user:{}", self.path.display())
    }
}
