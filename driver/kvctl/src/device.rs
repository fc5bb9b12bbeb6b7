//! Which device: `--device`, `--geometry`, `--deadline`, and the backing they name.
//!
//! All verbs open their device here, so a backing that is added is known to all of them at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kvcpu_driver::firmware::Image;
use kvcpu_driver::uart::{self, Uart};
use kvcpu_driver::vfio::{PciAddress, Vfio};
use kvcpu_driver::vfio_user::VfioUser;
use kvcpu_driver::{Config, Device};
use kvcpu_emulator::Emulator;
use kvcpu_firmware_iss::{FIRMWARE, FirmwareEmulator};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_serve::{ClientMemory, Served};

use crate::cli::Error;

/// Where the device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// The device model in this process; it starts empty each time.
    #[default]
    Emulator,
    /// The same with its management core, which runs the firmware.
    EmulatorFirmware,
    /// The RTL under Verilator, in this process; it too starts empty.
    Rtl,
    /// Both beside each other, for a replay that compares them.
    Lockstep,
    /// A vfio-user server at this socket. `kvctl serve` resets the device when a client goes; another server may have kept it as it was left.
    VfioUser(PathBuf),
    /// A board at this serial port, at so many bits a second; it is as it was left.
    Uart(PathBuf, u32),
    /// A card in a slot, bound to vfio-pci; the kernel resets it when it is opened.
    Vfio(PciAddress),
}

/// What `--device` accepts, for its error.
const LOCATIONS: &str = "emulator, emulator+fw, rtl, lockstep, vfio-user:PATH, vfio:BDF, uart:PATH[@BAUD]";
/// What the path of a socket follows.
const VFIO_USER: &str = "vfio-user:";
/// What the address of a card follows.
const VFIO: &str = "vfio:";
/// What the path of a serial port follows.
const UART: &str = "uart:";

impl FromStr for Location {
    type Err = String;

    fn from_str(s: &str) -> Result<Location, String> {
        match s {
            "emulator" => Ok(Location::Emulator),
            "emulator+fw" => Ok(Location::EmulatorFirmware),
            "rtl" => Ok(Location::Rtl),
            "lockstep" => Ok(Location::Lockstep),
            _ => match (s.strip_prefix(VFIO_USER), s.strip_prefix(VFIO), s.strip_prefix(UART)) {
                (Some(path), ..) if !path.is_empty() => Ok(Location::VfioUser(path.into())),
                (_, Some(address), _) => address.parse().map(Location::Vfio).map_err(|error| format!("{error}")),
                (.., Some(port)) if !port.is_empty() => serial_port(port),
                _ => Err(format!("there is no such device; there are: {LOCATIONS}")),
            },
        }
    }
}

/// `PATH` or `PATH@BAUD`.
fn serial_port(port: &str) -> Result<Location, String> {
    let (path, baud) = match port.rsplit_once('@') {
        Some((path, baud)) => (path, baud.parse().ok().filter(|baud| *baud > 0)),
        None => (port, Some(uart::DEFAULT_BAUD)),
    };
    match baud {
        Some(baud) if !path.is_empty() => Ok(Location::Uart(path.into(), baud)),
        _ => Err(format!(
            "{port} is no serial port; write uart:/dev/ttyUSB0 or, with its bits a second, uart:/dev/ttyUSB0@1000000"
        )),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Emulator => f.pad("emulator"),
            Location::EmulatorFirmware => f.pad("emulator+fw"),
            Location::Rtl => f.pad("rtl"),
            Location::Lockstep => f.pad("lockstep"),
            Location::VfioUser(path) => write!(f, "{VFIO_USER}{}", path.display()),
            Location::Vfio(address) => write!(f, "{VFIO}{address}"),
            Location::Uart(path, baud) => write!(f, "{UART}{}@{baud}", path.display()),
        }
    }
}

/// The geometry of a simulated device; a real one has its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// 64 directory entries, 1 MiB of card memory
    Small,
    /// 1,024 directory entries, 64 MiB of card memory
    Test,
    /// 8,192 directory entries
    Board,
    /// 65,536 directory entries, 16 GiB of card memory
    #[default]
    Full,
}

impl Size {
    /// The geometry of that name.
    pub const fn geometry(self) -> Geometry {
        match self {
            Size::Small => Geometry::SMALL,
            Size::Test => Geometry::TEST,
            Size::Board => Geometry::BOARD,
            Size::Full => Geometry::FULL,
        }
    }
}

/// Two devices beside each other.
pub type Pair = (Arc<dyn Backing>, Arc<dyn Backing>);

/// The options that choose a device; every verb has them.
#[derive(Args, Clone, Debug, Default)]
pub struct DeviceArgs {
    /// The device: `emulator`, the model in this process; `emulator+fw`, the same with its management core, which runs the
    /// firmware (docs/firmware.md); `rtl`, the hardware's Verilog simulated; `lockstep`, a replay on emulator and rtl
    /// that ends when they differ; `vfio-user:PATH`, one that `kvctl serve` or another server shows at that
    /// socket; `vfio:BDF`, the card at that PCI address (docs/bringup.md); `uart:PATH[@BAUD]`, the board at that serial port (docs/uart.md)
    #[arg(long, global = true, value_name = "DEVICE", default_value_t, help_heading = "Device")]
    pub device: Location,
    /// Geometry of the emulated or simulated device
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Device")]
    pub geometry: Size,
    /// Write a waveform of the simulated hardware (VCD); kvctl built with `--features trace`
    // Not named `trace`: arguments of verbs are, and clap would take them for this.
    #[arg(long = "trace", global = true, value_name = "FILE", help_heading = "Device")]
    pub waveform: Option<PathBuf>,
    /// Give up when the device shows no progress for so long, for example `2s` or `500ms`
    #[arg(long, global = true, value_name = "TIME", value_parser = deadline, help_heading = "Device")]
    pub deadline: Option<Duration>,
}

fn deadline(s: &str) -> Result<Duration, String> {
    match humantime::parse_duration(s) {
        Ok(time) if time.is_zero() => Err("a deadline of 0 is over before anything can happen; try 5s".into()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}; write a number and a unit: 5s, 500ms")),
    }
}

/// How long a simulation may show no progress: it takes thousands of times the device's time.
const SIMULATION_DEADLINE: Duration = Duration::from_secs(60);

/// The RTL; `memory` is what its bus reaches, if it is not the process' own.
#[cfg(feature = "rtl")]
fn rtl(size: Size, waveform: Option<&Path>, memory: Option<ClientMemory>) -> Result<Arc<dyn Backing>, Error> {
    let geometry = size.geometry();
    let Some(top) = kvcpu_sim::top(geometry) else {
        return Err(
            "this kvctl has no RTL of this geometry: build it with --features board or full, or try --geometry test"
                .into(),
        );
    };
    let options =
        kvcpu_sim::RtlOptions { waveform: waveform.map(Path::to_path_buf), ..kvcpu_sim::RtlOptions::default() };
    Ok(Arc::new(kvcpu_sim::Rtl::with_bus(top, geometry, options, |own| match memory {
        Some(memory) => Box::new(memory),
        None => Box::new(own),
    })?))
}

#[cfg(not(feature = "rtl"))]
fn rtl(_: Size, _: Option<&Path>, _: Option<ClientMemory>) -> Result<Arc<dyn Backing>, Error> {
    Err("this kvctl was built without the RTL; install Verilator and build it with `cargo build -p kvctl --features rtl`".into())
}

impl DeviceArgs {
    /// The backing, not yet looked at.
    pub fn backing(&self) -> Result<Arc<dyn Backing>, Error> {
        match &self.device {
            Location::Emulator
            | Location::EmulatorFirmware
            | Location::VfioUser(_)
            | Location::Vfio(_)
            | Location::Uart(..)
                if self.waveform.is_some() =>
            {
                Err("--trace writes the waveform of the simulated hardware; add --device rtl".into())
            }
            Location::Emulator => Ok(Arc::new(Emulator::new(self.geometry.geometry())?)),
            Location::EmulatorFirmware => Ok(Arc::new(FirmwareEmulator::new(self.geometry.geometry())?)),
            Location::Rtl => rtl(self.geometry, self.waveform.as_deref(), None),
            Location::VfioUser(path) => Ok(Arc::new(VfioUser::connect(path)?)),
            Location::Vfio(address) => Ok(Arc::new(Vfio::open(*address)?)),
            Location::Uart(path, baud) => Ok(Arc::new(Uart::open(path, *baud)?)),
            Location::Lockstep => {
                Err("only replay runs on two devices at once; use --device emulator or --device rtl".into())
            }
        }
    }

    /// With `--device lockstep` the two backings: the one that is reported on, and the one compared with it.
    pub fn pair(&self) -> Result<Option<Pair>, Error> {
        if self.device != Location::Lockstep {
            return Ok(None);
        }
        let rtl = rtl(self.geometry, self.waveform.as_deref(), None)?;
        Ok(Some((Arc::new(Emulator::new(self.geometry.geometry())?), rtl)))
    }

    /// Whether each backing is a device of its own, so that several may be used at once.
    pub fn is_private(&self) -> bool {
        match self.device {
            Location::Emulator | Location::EmulatorFirmware | Location::Rtl | Location::Lockstep => true,
            Location::VfioUser(_) | Location::Vfio(_) | Location::Uart(..) => false,
        }
    }

    /// The device with its bus in a client's memory, to be served.
    pub fn served(&self) -> Result<Served, Error> {
        let memory = ClientMemory::default();
        let (device, is_clocked): (Arc<dyn Backing>, bool) = match self.device {
            Location::Emulator => {
                let bus = memory.clone();
                (Arc::new(Emulator::with_bus(self.geometry.geometry(), |_| Box::new(bus))?), false)
            }
            Location::Rtl => (rtl(self.geometry, self.waveform.as_deref(), Some(memory.clone()))?, true),
            Location::EmulatorFirmware => {
                let bus = memory.clone();
                let device = Arc::new(Emulator::with_bus(self.geometry.geometry(), |_| Box::new(bus))?);
                (Arc::new(FirmwareEmulator::with(device, &Image::from_file(FIRMWARE)?)?), false)
            }
            Location::Lockstep | Location::VfioUser(_) | Location::Vfio(_) | Location::Uart(..) => {
                return Err("what is served is --device emulator, emulator+fw or rtl".into());
            }
        };
        Ok(Served { device, memory, is_clocked })
    }

    /// The deadline asked for, or the driver's own.
    pub fn deadline(&self) -> Duration {
        let own = match self.device {
            Location::Emulator | Location::Vfio(_) => Config::default().deadline,
            // It may be a simulation that is served; the firmware's core is one.
            Location::EmulatorFirmware
            | Location::Rtl
            | Location::Lockstep
            | Location::VfioUser(_)
            | Location::Uart(..) => SIMULATION_DEADLINE,
        };
        self.deadline.unwrap_or(own)
    }

    /// The device, identified.
    pub fn probe(&self) -> Result<Device, Error> {
        let device = Device::probe(self.backing()?)?;
        device.set_deadline(self.deadline());
        Ok(device)
    }
}
