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
//! after that every access is [`BackingError::Gone`].

mod memory;
pub mod wire;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, PCI_DEVICE, PCI_VENDOR};
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, dma_bytes};
use rustix::io::Errno;

use self::memory::Memory;
use self::wire::{Command, Header};
use crate::device::lock;
use crate::eventfd;
use crate::iova::IovaSpace;
use crate::pci::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY};

/// How long a reply may take: an access of a register takes a simulated device some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What bus addresses are multiples of.
const PAGE_BYTES: u64 = 0x1000;

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
    /// The server failed a request, or stopped.
    #[error("the server at {}: {source}", path.display())]
    Server {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: BackingError,
    },
}

/// What a request came to.
enum Failure {
    /// The server refused it.
    Refused(Errno),
    /// The connection is of no use any more.
    Broken(String),
}

impl From<Failure> for BackingError {
    fn from(failure: Failure) -> BackingError {
        match failure {
            Failure::Refused(errno) => BackingError::Gone(format!("the server refused a request: {errno}")),
            Failure::Broken(why) => BackingError::Gone(why),
        }
    }
}

/// The connection.
struct Connection {
    stream: UnixStream,
    next_id: u16,
    /// Why it ended.
    broken: Option<String>,
}

impl Connection {
    /// Sends a request and awaits its reply's body.
    fn ask(&mut self, command: Command, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<Vec<u8>, Failure> {
        if let Some(why) = &self.broken {
            return Err(Failure::Broken(why.clone()));
        }
        let answer = self.exchange(command, parts, fds);
        if let Err(Failure::Broken(why)) = &answer {
            self.broken = Some(why.clone());
        }
        answer
    }

    fn exchange(&mut self, command: Command, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<Vec<u8>, Failure> {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let header = Header { id, command: command as u16, ..Header::default() };
        // The server may have said why it will not listen.
        let sent = wire::send(&self.stream, header, parts, fds);
        let reply = wire::receive(&self.stream).map_err(|error| match sent {
            Err(sent) => Failure::Broken(format!("{command:?}: {sent}")),
            Ok(()) => Failure::Broken(format!("{command:?}: {error}")),
        })?;
        let Header { flags, error, .. } = reply.header;
        if flags & wire::ERROR != 0 {
            return Err(Failure::Refused(Errno::from_raw_os_error(error as i32)));
        }
        if flags & wire::TYPE != wire::REPLY || reply.header.command != command as u16 || reply.header.id != id {
            return Err(Failure::Broken(format!("{command:?}: the reply is to something else")));
        }
        Ok(reply.body)
    }

    /// As [`ask`](Connection::ask), for a reply of one structure.
    fn ask_for<T>(&mut self, command: Command, body: &[u8], parse: wire::Parse<T>) -> Result<T, Failure> {
        let reply = self.ask(command, &[body], &[])?;
        match parse(&reply) {
            Some((answer, _)) => Ok(answer),
            None => Err(self.end(format!("{command:?}: the reply is too short"))),
        }
    }

    /// Ends the connection for this reason.
    fn end(&mut self, why: String) -> Failure {
        self.broken = Some(why.clone());
        Failure::Broken(why)
    }

    fn read<const N: usize>(&mut self, region: u32, offset: u64) -> Result<[u8; N], Failure> {
        let access = wire::RegionAccess { offset, region, count: N as u32 };
        let reply = self.ask(Command::RegionRead, &[&access.bytes()], &[])?;
        let data = wire::RegionAccess::split(&reply)
            .filter(|(answered, _)| *answered == access)
            .and_then(|(_, data)| data.try_into().ok());
        data.ok_or_else(|| self.end("RegionRead: the reply has other bytes than were asked for".into()))
    }

    fn write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let access = wire::RegionAccess { offset, region, count: data.len() as u32 };
        self.ask(Command::RegionWrite, &[&access.bytes(), data], &[]).map(drop)
    }
}

/// A device at a vfio-user socket.
pub struct VfioUser {
    path: PathBuf,
    connection: Mutex<Connection>,
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
        let at = || path.to_owned();
        let failed = |source: io::Error| ConnectError::NoServer { path: at(), source };
        let stream = UnixStream::connect(path).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut connection = Connection { stream, next_id: 0, broken: None };
        negotiate(&mut connection, path)?;
        let server = |failure: Failure| ConnectError::Server { path: at(), source: failure.into() };
        let [v0, v1, d0, d1] = connection.read::<4>(wire::CONFIG_REGION, 0).map_err(server)?;
        let (vendor, device) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([d0, d1]));
        if (vendor, device) != (PCI_VENDOR, PCI_DEVICE) {
            return Err(ConnectError::OtherDevice { path: at(), vendor, device });
        }
        // How large BAR2 has to be, the driver knows when it has read the geometry.
        for (bar, needed) in [(Bar::Regs, BAR0_BYTES), (Bar::Rtbd, 1), (Bar::Msix, BAR4_BYTES)] {
            let index = u32::from(bar.index());
            let argsz = wire::RegionInfo::BYTES as u32;
            let asked = wire::RegionInfo { argsz, index, ..wire::RegionInfo::default() };
            let info = connection
                .ask_for(Command::DeviceGetRegionInfo, &asked.bytes(), wire::RegionInfo::split)
                .map_err(server)?;
            if info.size < u64::from(needed) {
                let (bar, found, needed) = (bar.index(), info.size, needed.into());
                return Err(ConnectError::SmallBar { path: at(), bar, found, needed });
            }
        }
        connection
            .write(wire::CONFIG_REGION, COMMAND, &COMMAND_MEMORY.to_le_bytes())
            .map_err(server)?;
        Ok(VfioUser {
            path: at(),
            connection: Mutex::new(connection),
            space: Mutex::new(IovaSpace::new(&[])),
            vectors: Mutex::default(),
        })
    }

    fn read<const N: usize>(&self, bar: Bar, offset: u32) -> Result<[u8; N], BackingError> {
        lock(&self.connection)
            .read(bar.index().into(), offset.into())
            .map_err(|failure| refused(failure, bar, offset))
    }

    /// Memory that the server has mapped at `address`.
    fn map(&self, address: u64, bytes: usize) -> Result<Memory, BackingError> {
        let memory =
            Memory::new(address, bytes).map_err(|error| BackingError::Dma(format!("{bytes} bytes: {error}")))?;
        let flags = wire::MAP_READ | wire::MAP_WRITE;
        let argsz = wire::DmaMap::BYTES as u32;
        let map = wire::DmaMap { argsz, flags, offset: 0, address, size: bytes as u64 };
        let mapped = lock(&self.connection).ask(Command::DmaMap, &[&map.bytes()], &[memory.fd()]);
        mapped.map_err(|failure| match failure {
            Failure::Refused(errno) => BackingError::Dma(format!("the server does not map {bytes} bytes: {errno}")),
            failure => failure.into(),
        })?;
        Ok(memory)
    }

    fn write(&self, bar: Bar, offset: u32, data: &[u8]) -> Result<(), BackingError> {
        let written = lock(&self.connection).write(bar.index().into(), offset.into(), data);
        written.map_err(|failure| refused(failure, bar, offset))
    }
}

fn refused(failure: Failure, bar: Bar, offset: u32) -> BackingError {
    match failure {
        Failure::Refused(Errno::INVAL) => {
            BackingError::BadAccess { bar, offset, reason: "the server refused it: it lies outside the BAR" }
        }
        failure => failure.into(),
    }
}

/// Agrees on a version.
fn negotiate(connection: &mut Connection, path: &Path) -> Result<(), ConnectError> {
    let body = wire::VERSION.bytes();
    let reply = match connection.ask(Command::Version, &[&body, b"{\"capabilities\":{}}\0"], &[]) {
        Ok(reply) => reply,
        Err(Failure::Refused(Errno::BUSY)) => return Err(ConnectError::Busy(path.to_owned())),
        Err(failure) => return Err(ConnectError::Server { path: path.to_owned(), source: failure.into() }),
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
        let address = lock(&self.space).allocate(size, PAGE_BYTES);
        let address =
            address.ok_or_else(|| BackingError::Dma(format!("no bus addresses for {bytes} bytes; free some")))?;
        let mapped = self.map(address, bytes);
        if mapped.is_err() {
            lock(&self.space).free(address);
        }
        Ok(Arc::new(mapped?))
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        let size = lock(&self.space).free(iova).ok_or_else(|| BackingError::not_mapped(iova))?;
        let unmap = wire::DmaUnmap { argsz: wire::DmaUnmap::BYTES as u32, flags: 0, address: iova, size };
        lock(&self.connection).ask(Command::DmaUnmap, &[&unmap.bytes()], &[])?;
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
        lock(&self.connection)
            .ask(Command::DeviceSetIrqs, &[&set.bytes()], &[fd.as_fd()])
            .map_err(|failure| match failure {
                Failure::Refused(errno) => {
                    BackingError::Irq(format!("the server does not take vector {vector}: {errno}"))
                }
                failure => failure.into(),
            })?;
        Ok(slot.insert(fd).as_raw_fd())
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        let command = COMMAND_MEMORY | if on { COMMAND_BUS_MASTER } else { 0 };
        lock(&self.connection).write(wire::CONFIG_REGION, COMMAND, &command.to_le_bytes())?;
        Ok(())
    }

    fn reset(&self) -> Result<(), BackingError> {
        let mut connection = lock(&self.connection);
        let [low, high] = connection.read::<2>(wire::CONFIG_REGION, COMMAND)?;
        connection.ask(Command::DeviceReset, &[], &[])?;
        // A reset clears COMMAND; what the driver had said of it holds on.
        connection.write(wire::CONFIG_REGION, COMMAND, &[low, high])?;
        Ok(())
    }

    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        Ok(())
    }

    fn name(&self) -> String {
        format!("vfio-user:{}", self.path.display())
    }
}
