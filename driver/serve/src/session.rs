//! One client: its messages answered, one after another.
//!
//! ```text
//!  message ─► known? whole? negotiated? ─► device, configuration space, memory, interrupts ─► reply, or error with an errno
//! ```
//!
//! What a client says wrongly is answered with an error and changes nothing; the session ends only if the stream cannot be
//! understood any more. A client that writes to an eventfd or a socket that is full loses what is its own.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use kvcpu_driver::vfio_user::wire::{self, Command, Header, Message, WireError};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES};
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use kvcpu_mmio::{Backing, BackingError, Bar};
use rustix::io::Errno;

use super::config_space::{self, ConfigSpace};
use super::interrupts::Interrupts;
use super::memory::ClientMemory;

/// What the server says of itself.
const CAPABILITIES: &str = r#"{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576}}"#;

/// Bytes of a region, by its index: BAR0, BAR2, BAR4 and configuration space; others have none.
fn region_bytes(index: u32) -> u64 {
    match index {
        0 => BAR0_BYTES.into(),
        2 => BAR2_BYTES.into(),
        4 => BAR4_BYTES.into(),
        wire::CONFIG_REGION => config_space::BYTES as u64,
        _ => 0,
    }
}

/// A client's view of the device.
pub(super) struct Session<'a> {
    device: &'a dyn Backing,
    memory: &'a ClientMemory,
    config: ConfigSpace,
    pub(super) interrupts: Interrupts<'a>,
    negotiated: bool,
}

impl<'a> Session<'a> {
    /// The device out of reset, with nothing mapped.
    pub(super) fn new(device: &'a dyn Backing, memory: &'a ClientMemory) -> Session<'a> {
        Session { device, memory, config: ConfigSpace::new(), interrupts: Interrupts::default(), negotiated: false }
    }

    /// Receives a message and answers it.
    pub(super) fn turn(&mut self, stream: &UnixStream) -> Result<(), WireError> {
        let message = wire::receive(stream)?;
        let header = message.header;
        let wanted = header.flags & wire::NO_REPLY == 0;
        let answer = self.answer(message);
        if let Err(error) = &answer {
            tracing::debug!(command = header.command, %error, "refused");
        }
        // Errors are told in any case.
        let reply = Header { flags: wire::REPLY, size: 0, error: 0, ..header };
        match answer {
            Ok(body) if wanted => wire::send(stream, reply, &[&body], &[])?,
            Ok(_) => {}
            Err(error) => {
                let reply = Header { flags: wire::REPLY | wire::ERROR, error: error.raw_os_error() as u32, ..reply };
                wire::send(stream, reply, &[], &[])?;
            }
        }
        Ok(())
    }

    /// Leaves the device to the next client: out of reset, without memory, interrupts and bus mastering.
    pub(super) fn end(mut self) {
        let cleared = self.interrupts.clear(self.device);
        let quiet = self.device.bus_master(false).and_then(|()| self.device.reset());
        self.memory.clear();
        if cleared.is_err() || quiet.is_err() {
            tracing::warn!(?cleared, ?quiet, "the device did not let go of a client");
        }
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
        let takes_fds = matches!(command, Command::DmaMap | Command::DeviceSetIrqs);
        if !fds.is_empty() && !takes_fds {
            return Err(Errno::INVAL);
        }
        match command {
            Command::Version => self.version(&body),
            Command::DmaMap => self.dma_map(&body, fds),
            Command::DmaUnmap => self.dma_unmap(&body),
            Command::DeviceGetInfo => device_info(&body),
            Command::DeviceGetRegionInfo => region_info(&body),
            Command::DeviceGetIrqInfo => irq_info(&body),
            Command::DeviceSetIrqs => self.set_irqs(&body, fds),
            Command::RegionRead => self.region_read(&body),
            Command::RegionWrite => self.region_write(&body),
            Command::DeviceReset => self.reset().map(|()| Vec::new()),
        }
    }

    fn version(&mut self, body: &[u8]) -> Result<Vec<u8>, Errno> {
        let (version, capabilities) = wire::Version::split(body).ok_or(Errno::INVAL)?;
        if version.major != wire::VERSION.major {
            return Err(Errno::NOTSUP);
        }
        // What the client can is no matter here, but it must be JSON that ends with a 0, if there is any.
        let understood = match capabilities.split_last() {
            None => true,
            Some((0, json)) => serde_json::from_slice::<serde_json::Value>(json).is_ok(),
            Some(_) => false,
        };
        if !understood {
            return Err(Errno::INVAL);
        }
        self.negotiated = true;
        let minor = version.minor.min(wire::VERSION.minor);
        let mut reply = wire::Version { minor, ..wire::VERSION }.bytes();
        reply.extend_from_slice(CAPABILITIES.as_bytes());
        reply.push(0);
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
            0 => {
                self.memory.unmap(asked.address, asked.size)?;
            }
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
        check(access)?;
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
        check(access)?;
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

    /// Function-level reset: configuration space too, but for what belongs to the system: maps and eventfds stay.
    fn reset(&mut self) -> Result<(), Errno> {
        self.config = ConfigSpace::new();
        self.device.bus_master(false).map_err(failed)?;
        self.device.reset().map_err(failed)
    }
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

/// The access lies in its region.
fn check(access: wire::RegionAccess) -> Result<(), Errno> {
    let count = access.count as usize;
    let end = access.offset.checked_add(access.count.into()).ok_or(Errno::INVAL)?;
    if count == 0 || count > wire::MAX_DATA || end > region_bytes(access.region) {
        return Err(Errno::INVAL);
    }
    Ok(())
}

fn device_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    exact(wire::DeviceInfo::split(body))?;
    let flags = wire::DEVICE_RESETS | wire::DEVICE_IS_PCI;
    let argsz = wire::DeviceInfo::BYTES as u32;
    Ok(wire::DeviceInfo { argsz, flags, regions: wire::REGIONS, irqs: wire::IRQS }.bytes())
}

fn region_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    let (asked, _) = wire::RegionInfo::split(body).ok_or(Errno::INVAL)?;
    if asked.index >= wire::REGIONS {
        return Err(Errno::INVAL);
    }
    let size = region_bytes(asked.index);
    let flags = if size == 0 { 0 } else { wire::REGION_READS | wire::REGION_WRITES };
    let argsz = wire::RegionInfo::BYTES as u32;
    Ok(wire::RegionInfo { argsz, flags, index: asked.index, size, ..wire::RegionInfo::default() }.bytes())
}

fn irq_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    let asked = exact(wire::IrqInfo::split(body))?;
    if asked.index >= wire::IRQS {
        return Err(Errno::INVAL);
    }
    let (flags, count) = match asked.index {
        wire::MSIX_IRQ => (wire::IRQ_EVENTFD | wire::IRQ_NORESIZE, VECTORS.into()),
        _ => (0, 0),
    };
    Ok(wire::IrqInfo { argsz: wire::IrqInfo::BYTES as u32, flags, index: asked.index, count }.bytes())
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
