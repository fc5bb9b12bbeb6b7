//! One client: its messages answered, one after another.
//!
//! ```text
//!  message ─► known? whole? negotiated? ─► device, configuration space, memory, interrupts ─► reply, or error with an errno
//! ```
//!
//! What a client says wrongly is answered with an error and changes nothing; the session ends only if the stream cannot be
//! understood any more. Who wants no reply gets none, not even an error.

mod describe;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use kvcpu_driver::vfio_user::stream::{self, Message, WireError};
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::{Backing, BackingError, Bar};
use rustix::io::Errno;

use super::config_space::ConfigSpace;
use super::interrupts::Interrupts;
use super::memory::ClientMemory;
use super::{ServeError, Served};
use describe::region_bytes;

/// Data of one access at most of a simulated device, which takes thousands of clocks for these, and no deadline for it is short.
const CLOCKED_DATA: usize = 4096;

/// A client's view of the device.
pub(super) struct Session<'a> {
    device: &'a dyn Backing,
    memory: &'a ClientMemory,
    config: ConfigSpace,
    pub(super) interrupts: Interrupts<'a>,
    /// Data of one access at most.
    max_data: usize,
    pub(super) negotiated: bool,
}

impl<'a> Session<'a> {
    /// The device out of reset, with nothing mapped.
    pub(super) fn new(served: &'a Served) -> Session<'a> {
        Session {
            device: &*served.device,
            memory: &served.memory,
            config: ConfigSpace::new(),
            interrupts: Interrupts::default(),
            max_data: if served.is_clocked { CLOCKED_DATA } else { wire::MAX_DATA },
            negotiated: false,
        }
    }

    /// Receives a message, until `by`, and answers it; the client has `patience` to take that.
    pub(super) fn turn(&mut self, stream: &UnixStream, by: Instant, patience: Duration) -> Result<(), WireError> {
        let message = stream::receive(stream, by)?;
        let header = message.header;
        let answer = self.answer(message);
        if let Err(error) = &answer {
            tracing::debug!(command = header.command, %error, "refused");
        }
        if header.flags & wire::NO_REPLY != 0 {
            return Ok(());
        }
        let by = Instant::now() + patience;
        let reply = Header { flags: wire::REPLY, size: 0, error: 0, ..header };
        match answer {
            Ok(body) => stream::send(stream, reply, &[&body], &[], by),
            Err(error) => {
                let reply = Header { flags: wire::REPLY | wire::ERROR, error: error.raw_os_error() as u32, ..reply };
                stream::send(stream, reply, &[], &[], by)
            }
        }
    }

    /// Leaves the device to the next client: out of reset, without memory, interrupts and bus mastering. A device that cannot be
    /// reset cannot be served again.
    pub(super) fn end(mut self) -> Result<(), ServeError> {
        if let Err(error) = self.interrupts.clear(self.device) {
            tracing::warn!(%error, "the device did not let go of a client's interrupts");
        }
        let reset = quiet(self.device);
        self.memory.clear();
        reset.map_err(|source| ServeError::Device { when: "when it was reset after a client", source })
    }

    fn answer(&mut self, message: Message) -> Result<Vec<u8>, Errno> {
        let Message { header, body, fds } = message;
        if header.flags & wire::TYPE != 0 {
            // A reply to what nobody asked.
            return Err(Errno::INVAL);
        }
        let command = Command::of(header.command).ok_or(Errno::NOTSUP)?;
        if (command == Command::Version) == self.negotiated {
            return Err(Errno::INVAL);
        }
        if command == Command::RegionRead && header.flags & wire::NO_REPLY != 0 {
            // A read for nobody costs as much as another, and nothing holds back who asks for many.
            return Err(Errno::INVAL);
        }
        let takes_fds = matches!(command, Command::DmaMap | Command::DeviceSetIrqs);
        if !fds.is_empty() && !takes_fds {
            return Err(Errno::INVAL);
        }
        match command {
            Command::Version => self.version(&body),
            Command::DmaMap => self.dma_map(&body, fds),
            Command::DmaUnmap => self.dma_unmap(&body),
            Command::DeviceGetInfo => describe::device_info(&body),
            Command::DeviceGetRegionInfo => describe::region_info(&body),
            Command::DeviceGetIrqInfo => describe::irq_info(&body),
            Command::DeviceSetIrqs => self.set_irqs(&body, fds),
            Command::RegionRead => self.region_read(&body),
            Command::RegionWrite => self.region_write(&body),
            Command::DeviceReset => self.reset().map(|()| Vec::new()),
        }
    }

    fn version(&mut self, body: &[u8]) -> Result<Vec<u8>, Errno> {
        let reply = describe::version(body, self.max_data)?;
        self.negotiated = true;
        Ok(reply)
    }

    fn dma_map(&mut self, body: &[u8], mut fds: Vec<OwnedFd>) -> Result<Vec<u8>, Errno> {
        let wire::DmaMap { flags, offset, address, size, .. } = exact(wire::DmaMap::split(body))?;
        if fds.len() > 1 || flags & !(wire::MAP_READ | wire::MAP_WRITE) != 0 {
            return Err(Errno::INVAL);
        }
        let may = (flags & wire::MAP_READ != 0, flags & wire::MAP_WRITE != 0);
        self.memory.map(address, size, (fds.pop(), offset), may)?;
        Ok(Vec::new())
    }

    fn dma_unmap(&mut self, body: &[u8]) -> Result<Vec<u8>, Errno> {
        let asked = exact(wire::DmaUnmap::split(body))?;
        match asked.flags {
            0 => self.memory.unmap(asked.address, asked.size)?,
            wire::UNMAP_ALL if asked.address == 0 && asked.size == 0 => self.memory.clear(),
            _ => return Err(Errno::INVAL),
        }
        Ok(asked.bytes())
    }

    fn set_irqs(&mut self, body: &[u8], fds: Vec<OwnedFd>) -> Result<Vec<u8>, Errno> {
        let (asked, rest) = wire::IrqSet::split(body).ok_or(Errno::INVAL)?;
        if asked.index >= wire::IRQS || asked.flags & wire::SET_TRIGGER == 0 {
            return Err(Errno::INVAL);
        }
        let nothing = asked.flags == wire::SET_TRIGGER | wire::SET_NONE && fds.is_empty() && rest.is_empty();
        if asked.index != wire::MSIX_IRQ {
            // The device has no others; letting go of them is no error.
            return if nothing && asked.count == 0 { Ok(Vec::new()) } else { Err(Errno::INVAL) };
        }
        let end = asked
            .start
            .checked_add(asked.count)
            .filter(|end| *end <= u32::from(VECTORS))
            .ok_or(Errno::INVAL)?;
        if nothing && asked.count == 0 && asked.start == 0 {
            self.interrupts.clear(self.device)?;
        } else if asked.flags == wire::SET_TRIGGER | wire::SET_EVENTFD && fds.len() == asked.count as usize {
            self.interrupts.set(self.device, asked.start, fds.into_iter().map(Some).collect())?;
        } else if asked.flags == wire::SET_TRIGGER | wire::SET_EVENTFD && fds.is_empty() {
            // Vectors without a descriptor are let go.
            self.interrupts
                .set(self.device, asked.start, (asked.start..end).map(|_| None).collect())?;
        } else {
            return Err(Errno::INVAL);
        }
        Ok(Vec::new())
    }

    fn region_read(&mut self, body: &[u8]) -> Result<Vec<u8>, Errno> {
        let access = exact(wire::RegionAccess::split(body))?;
        self.check(access)?;
        let count = access.count as usize;
        let data = match bar(access.region) {
            None => self.config.read(access.offset, count)?,
            // As a bus reads what nobody answers.
            Some(_) if !self.config.memory_enabled() => vec![0xFF; count],
            Some(bar) => self.bar_read(bar, access.offset as u32, count)?,
        };
        let mut reply = access.bytes();
        reply.extend_from_slice(&data);
        Ok(reply)
    }

    fn region_write(&mut self, body: &[u8]) -> Result<Vec<u8>, Errno> {
        let (access, data) = wire::RegionAccess::split(body).ok_or(Errno::INVAL)?;
        self.check(access)?;
        if data.len() != access.count as usize {
            return Err(Errno::INVAL);
        }
        match bar(access.region) {
            None => {
                let effects = self.config.write(access.offset, data)?;
                if let Some(on) = effects.bus_master {
                    self.device.bus_master(on).map_err(failed)?;
                }
                if effects.reset {
                    self.reset()?;
                }
            }
            Some(_) if !self.config.memory_enabled() => {}
            Some(bar) => self.bar_write(bar, access.offset as u32, data)?,
        }
        Ok(access.bytes())
    }

    /// A register, or a run of the directory.
    fn bar_read(&self, bar: Bar, offset: u32, count: usize) -> Result<Vec<u8>, Errno> {
        match count {
            4 => Ok(self.device.read32(bar, offset).map_err(failed)?.to_le_bytes().to_vec()),
            8 => Ok(self.device.read64(bar, offset).map_err(failed)?.to_le_bytes().to_vec()),
            _ if bar == Bar::Rtbd && count.is_multiple_of(8) && offset.is_multiple_of(8) => {
                let mut data = Vec::with_capacity(count);
                for at in (offset..).step_by(8).take(count / 8) {
                    data.extend_from_slice(&self.device.read64(bar, at).map_err(failed)?.to_le_bytes());
                }
                Ok(data)
            }
            _ => Err(Errno::INVAL),
        }
    }

    fn bar_write(&self, bar: Bar, offset: u32, data: &[u8]) -> Result<(), Errno> {
        if let Ok(data) = data.try_into() {
            return self.device.write32(bar, offset, u32::from_le_bytes(data)).map_err(failed);
        }
        let data = data.try_into().map_err(|_| Errno::INVAL)?;
        self.device.write64(bar, offset, u64::from_le_bytes(data)).map_err(failed)
    }

    /// The access lies in its region, and has no more data than was agreed on.
    fn check(&self, access: wire::RegionAccess) -> Result<(), Errno> {
        let count = access.count as usize;
        let end = access.offset.checked_add(access.count.into()).ok_or(Errno::INVAL)?;
        if count == 0 || count > self.max_data || end > region_bytes(access.region) {
            return Err(Errno::INVAL);
        }
        Ok(())
    }

    /// Function-level reset: configuration space too, but for what belongs to the system: maps and eventfds stay.
    fn reset(&mut self) -> Result<(), Errno> {
        self.config = ConfigSpace::new();
        quiet(self.device).map_err(failed)
    }
}

/// Bus mastering off, and a reset, which is tried whatever became of the former.
fn quiet(device: &dyn Backing) -> Result<(), BackingError> {
    let off = device.bus_master(false);
    device.reset().and(off)
}

/// A structure with nothing behind it.
fn exact<T>(parsed: Option<(T, &[u8])>) -> Result<T, Errno> {
    parsed.filter(|(_, rest)| rest.is_empty()).map(|(asked, _)| asked).ok_or(Errno::INVAL)
}

/// The BAR of a region; `None` for configuration space.
fn bar(region: u32) -> Option<Bar> {
    match region {
        0 => Some(Bar::Regs),
        2 => Some(Bar::Rtbd),
        4 => Some(Bar::Msix),
        _ => None,
    }
}

fn failed(error: BackingError) -> Errno {
    match error {
        BackingError::BadAccess { .. } => Errno::INVAL,
        error => {
            tracing::error!(%error, "the device failed an access");
            Errno::IO
        }
    }
}
