//! `kvctl regs`: the register map, read and written by name.
//!
//! Everything comes from the map in `mmio`; nothing here knows a register of its own, but for what a
//! geometry leaves out.

mod path;
mod show;

pub use path::{Path, access_name};

use clap::{Args, Subcommand};
use kvcpu_driver::{Device, DriverError};
use kvcpu_mmio::map::{BLOCKS, registers};
use kvcpu_mmio::regs::{control, luf, queue, rtbd};
use kvcpu_mmio::{Access, BackingError, Bar, Geometry, Register};
use show::{Listing, Values};

use crate::cli::{Error, number};
use crate::output::Report;

/// `kvctl regs ...`.
#[derive(Args, Clone, Debug)]
pub struct RegsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Clone, Debug)]
enum Verb {
    /// Show the map: offsets, access, fields, units, purpose
    List {
        /// Only registers whose name, block or purpose contains this
        filter: Option<String>,
    },
    /// Read registers and take them apart
    Read {
        /// NAME[.FIELD][@INSTANCE][[ELEMENT]], for example STATUS, TIER_LIMIT@1, CNT_HITS[2]
        #[arg(required = true, value_name = "REGISTER")]
        paths: Vec<Path>,
    },
    /// Write a register, or one field of it
    Write {
        /// NAME[.FIELD][@INSTANCE][[ELEMENT]]
        #[arg(value_name = "REGISTER")]
        path: Path,
        /// Decimal, or hexadecimal with 0x
        #[arg(value_parser = number)]
        value: u64,
        /// Write also what the map calls read-only, to see the device refuse
        #[arg(long)]
        force: bool,
    },
    /// Read every register that can be read; reading clears RC registers
    Dump {
        /// Only registers whose name, block or purpose contains this
        filter: Option<String>,
        /// Leave out registers that hold their reset value
        #[arg(long)]
        changed: bool,
    },
}

impl RegsArgs {
    /// Whether it can be answered without a device.
    pub fn is_list(&self) -> bool {
        matches!(self.verb, Verb::List { .. })
    }
}

/// Shows the map.
pub fn list(args: &RegsArgs) -> Option<Result<Box<dyn Report>, Error>> {
    let Verb::List { filter } = &args.verb else { return None };
    Some(select(filter.as_deref()).map(|registers| Box::new(Listing(registers)) as Box<dyn Report>))
}

/// Carries out a verb on a device.
pub fn run(args: &RegsArgs, device: &Device) -> Result<Box<dyn Report>, Error> {
    match &args.verb {
        Verb::List { filter } => Ok(Box::new(Listing(select(filter.as_deref())?))),
        Verb::Read { paths } => {
            let values = paths.iter().map(|path| read(device, path)).collect::<Result<_, _>>()?;
            Ok(Box::new(Values(values)))
        }
        Verb::Write { path, value, force } => write(device, path, *value, *force),
        Verb::Dump { filter, changed } => dump(device, filter.as_deref(), *changed),
    }
}

fn select(filter: Option<&str>) -> Result<Vec<&'static Register>, Error> {
    let wanted = filter.unwrap_or("").to_ascii_lowercase();
    let holds = |text: &str| text.to_ascii_lowercase().contains(&wanted);
    let block_holds = |register: &Register| {
        BLOCKS
            .iter()
            .any(|block| holds(block.name) && block.registers.iter().any(|other| other.name == register.name))
    };
    let found: Vec<_> = registers().filter(|r| holds(r.name) || holds(r.purpose) || block_holds(r)).collect();
    if found.is_empty() {
        return Err(format!("no register has `{wanted}` in its name, block or purpose; try `kvctl regs list`").into());
    }
    Ok(found)
}

/// Whether a device of this geometry has the place.
pub fn exists(geometry: &Geometry, path: &Path) -> bool {
    let register = path.register;
    if register.bar == Bar::Rtbd {
        return path.instance < geometry.entries();
    }
    if queue::BLOCK.registers.iter().any(|other| other.name == register.name) {
        return path.instance < geometry.queues;
    }
    match register.name {
        name if name == luf::AGENT_ACK.name => path.element < geometry.agents,
        name if name == rtbd::RTBD_STASH.name => {
            path.element < geometry.stash * (kvcpu_mmio::geometry::ENTRY_BYTES / 4)
        }
        _ => true,
    }
}

fn read(device: &Device, path: &Path) -> Result<(Path, u64), Error> {
    if path.register.access == Access::WO {
        return Err(format!("{path} is write-only: there is nothing to read; see `kvctl regs list {path}`").into());
    }
    must_exist(device, path)?;
    Ok((*path, device.read_at(path.register, path.instance, path.element)?))
}

fn must_exist(device: &Device, path: &Path) -> Result<(), Error> {
    if exists(device.geometry(), path) {
        return Ok(());
    }
    Err(format!("{path} is beyond this device's geometry; `kvctl regs read CAP_RTBD CAP_ENGINES` shows it").into())
}

fn write(device: &Device, path: &Path, value: u64, force: bool) -> Result<Box<dyn Report>, Error> {
    let register = path.register;
    must_exist(device, path)?;
    if register.writable() == 0 && !force {
        let access = access_name(register.access);
        return Err(format!(
            "{path} is {access}: the device ignores writes and counts them; --force tries all the same"
        )
        .into());
    }
    let limit = path
        .field
        .map_or(1u64.checked_shl(register.width.into()), |field| 1u64.checked_shl(field.width.into()));
    if limit.is_some_and(|limit| value >= limit) {
        let width = path.field.map_or(register.width, |field| field.width);
        return Err(format!("{value:#x} does not fit into the {width} bits of {path}").into());
    }
    match path.field {
        Some(field) => device.modify_at(register, path.instance, path.element, &[(field, value)])?,
        None => device.write_at(register, path.instance, path.element, value)?,
    }
    if register.access == Access::WO {
        return Ok(Box::new(Values(vec![(*path, path.field.map_or(value, |field| field.set(0, value)))])));
    }
    let found = device.read_at(register, path.instance, path.element)?;
    let kept = path.field.map_or(found, |field| field.get(found));
    let stays = register.access == Access::RW && !register.volatile && register.name != control::CTRL.name;
    let wanted = if path.field.is_some() { value } else { value & register.writable() };
    if stays && kept != wanted {
        let why = refusal(device, path)?;
        return Err(format!("{path} reads {kept:#x} after {value:#x} was written{why}").into());
    }
    Ok(Box::new(Values(vec![(*path, found)])))
}

/// What BAD_ACCESS_ADDR says if it is about this place.
fn refusal(device: &Device, path: &Path) -> Result<&'static str, Error> {
    use control::BAD_ACCESS_ADDR as A;
    let last = device.read(&control::BAD_ACCESS_ADDR)?;
    let here =
        A::OFFSET.get(last) == u64::from(path.offset()) && A::BAR.get(last) == u64::from(path.register.bar.index());
    Ok(match A::CAUSE.get(last) {
        _ if !here => "; the device changed it, see its purpose in `kvctl regs list`",
        5 => ": it is locked while enabled; clear CTRL.ENABLE (or Q_CTRL.ENABLE for a queue) first",
        4 => ": the device does not accept this value now, see its purpose in `kvctl regs list`",
        _ => ": the device counted a bad access; see BAD_ACCESS_ADDR",
    })
}

fn dump(device: &Device, filter: Option<&str>, changed: bool) -> Result<Box<dyn Report>, Error> {
    let mut values = Vec::new();
    // BAR2 holds half a million words; `regs read ENTRY_ID@5` shows one.
    let wanted = |r: &&Register| r.access != Access::WO && r.bar != Bar::Rtbd && r.name != rtbd::RTBD_STASH.name;
    for register in select(filter)?.into_iter().filter(wanted) {
        for instance in 0..register.instances {
            for element in 0..register.elements {
                let path = Path::of(register, instance, element);
                if !exists(device.geometry(), &path) {
                    continue;
                }
                let value = match device.read_at(register, instance, element) {
                    // The MSI-X table, where there is no PCIe.
                    Err(DriverError::Backing(BackingError::Unsupported(_))) => continue,
                    other => other?,
                };
                if !changed || value != register.reset {
                    values.push((path, value));
                }
            }
        }
    }
    Ok(Box::new(Values(values)))
}
