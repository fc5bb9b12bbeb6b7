//! Everything that can go wrong, each with what was read, and what to do about it.
//!
//! Follows openvmm's `NvmeError`: a status the device defined ([`StatusError`]) is kept apart from
//! trouble in reaching it.

use std::fmt;
use std::time::Duration;

use kvcpu_mmio::BackingError;
use kvcpu_mmio::queue::{Key, Opcode, SINGLE_SHOT_QID, Status};
use kvcpu_mmio::regs::{control, mgmt, queue};
use kvcpu_ring::RingError;
use thiserror::Error;

use crate::firmware::FirmwareError;
use crate::service::ServiceError;

/// Why the driver could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The device did not do something within its deadline.
    #[error(
        "{what}: nothing within {waited:?}, {register} last read {last:#x}{}; reset the device, or allow it a longer deadline",
        decoded(register, *last)
    )]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The register that was watched.
        register: &'static str,
        /// What it read last.
        last: u64,
        /// How long nothing had happened.
        waited: Duration,
    },
    /// The device refused a command.
    #[error("{}: {status}", show(*opcode, key))]
    Command {
        /// The command.
        opcode: Opcode,
        /// Its key; all zeroes for a command without one.
        key: Key,
        /// The device's answer.
        status: StatusError,
    },
    /// A queue stopped; its unfinished commands are lost.
    #[error(
        "queue {qid} stopped: {register} reads {last:#x}{}; QueuePair::restart starts it with new rings",
        decoded(register, *last)
    )]
    QueueHalted {
        /// The queue.
        qid: u16,
        /// The register that says so.
        register: &'static str,
        /// What it read.
        last: u64,
    },
    /// The device does not answer any more: its registers read all ones, or its transport is dead.
    #[error("{name} is gone: {why}; its blocks are lost, plug or start it again and probe anew")]
    Gone {
        /// The backing.
        name: String,
        /// How that was noticed.
        why: String,
    },
    /// There is something else behind the backing.
    #[error("{name} is no KV-CPU: MAGIC reads {found:#010x}; give the address of a KV-CPU device")]
    NotKvCpu {
        /// The backing.
        name: String,
        /// What MAGIC read.
        found: u32,
    },
    /// The device has another register map.
    #[error(
        "{name} has register map {major}.{minor}, this driver knows {}.x: use the driver that belongs to the device, or update its bitstream",
        control::MAP_MAJOR
    )]
    Version {
        /// The backing.
        name: String,
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// The capability registers make no sense.
    #[error("{name} reports an impossible geometry: {reason}; its build is broken")]
    Geometry {
        /// The backing.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transport refused.
    #[error("backing: {0}; see its log")]
    Backing(BackingError),
    /// A register was asked for that is not in the map, or a value that does not fit it.
    #[error("register {register}: {problem}")]
    Register {
        /// Its name.
        register: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The device published an index that cannot be.
    #[error("{ring}: {error}")]
    Ring {
        /// Which ring.
        ring: &'static str,
        /// How.
        error: RingError,
    },
    /// The device answered something the protocol does not allow.
    #[error("{what}: expected {expected:#x}, the device said {found:#x}; reset it")]
    Protocol {
        /// What it was about.
        what: &'static str,
        /// What had to come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// There is no such queue, or it is taken.
    #[error("queue {qid}: {reason}")]
    NoQueue {
        /// The queue.
        qid: u16,
        /// Why not.
        reason: &'static str,
    },
    /// A range does not lie in a DMA buffer.
    #[error("{bytes} bytes at offset {offset} do not lie in a DMA buffer of {size} bytes; allocate a larger one")]
    Bounds {
        /// First byte.
        offset: usize,
        /// Length of the range.
        bytes: usize,
        /// Length of the buffer.
        size: usize,
    },
    /// Something on the host's side of the service queue.
    #[error(transparent)]
    T3(#[from] ServiceError),
    /// The firmware did not do what it was asked.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
}

impl DriverError {
    /// The status code, if the device refused a command.
    pub fn status(&self) -> Option<Status> {
        match self {
            DriverError::Command { status, .. } => status.status(),
            _ => None,
        }
    }

    /// Whether the device is lost, so that only a new probe can help.
    pub fn is_gone(&self) -> bool {
        matches!(self, DriverError::Gone { .. })
    }
}

impl From<BackingError> for DriverError {
    fn from(error: BackingError) -> Self {
        match error {
            BackingError::Gone(why) => DriverError::Gone { name: "device".into(), why },
            other => DriverError::Backing(other),
        }
    }
}

/// A status other than `Ok`, with where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusError {
    /// The code, also if this driver does not know it.
    pub code: u16,
    /// The queue that answered; `SINGLE_SHOT_QID` for the register path.
    pub qid: u16,
    /// The completion's value: for FENCE the number of moves that failed.
    pub value: u32,
}

impl StatusError {
    /// The status, if it is one this driver knows.
    pub fn status(&self) -> Option<Status> {
        Status::from_code(self.code)
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Some(status) => write!(f, "{status:?}: {}", status.describe())?,
            None => write!(f, "status {} (unknown to this driver)", self.code)?,
        }
        if let Some(remedy) = self.status().and_then(remedy) {
            write!(f, " Remedy: {remedy}.")?;
        }
        match self.qid {
            SINGLE_SHOT_QID => f.write_str(" [single-shot")?,
            qid => write!(f, " [queue {qid}")?,
        }
        write!(f, ", value {}]", self.value)
    }
}

impl std::error::Error for StatusError {}

/// What to do about a status whose description does not say it already.
fn remedy(status: Status) -> Option<&'static str> {
    Some(match status {
        Status::InvalidOpcode | Status::InvalidField => "correct the command (docs/commands.md)",
        Status::InvalidTier => "name a tier that has frames, and for DEMOTE one below the block's",
        Status::NotFound => "insert the block first",
        Status::TierFull => "unpin, unshare or release blocks, or give the tier more frames",
        Status::WrongTenant => "use the queue of the key's tenant",
        Status::StepBackward => "give a step not below STEP",
        Status::RefcountOverflow => "unshare where a use has ended",
        Status::RefcountUnderflow => "pair each unshare with a share",
        Status::DmaFault | Status::CrcError => {
            "keep buffers mapped and bus mastering on, then release or refill the block"
        }
        Status::MoveFailed => "see DMA_ERR and Device::take_service_errors",
        Status::InUse => "unhot or unshare it, or wait until its retention ends",
        Status::BadLength => "copy whole blocks",
        Status::MetadataOnly => "configure without metadata_only",
        Status::NotEnabled | Status::Aborted => "configure the device",
        Status::Ok | Status::DirectoryFull | Status::NotAddressable => return None,
    })
}

/// A configuration that the device, or this driver, cannot accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} = {value}: {limit}; {remedy}")]
pub struct ConfigError {
    /// The field of [`Config`](crate::Config), for example `tiers[1].limit`.
    pub field: String,
    /// Its value.
    pub value: u64,
    /// The limit it breaks.
    pub limit: String,
    /// What to do.
    pub remedy: &'static str,
}

/// The command, with `tenant/request/tag` (as the store prints keys) if it has a key.
fn show(opcode: Opcode, key: &Key) -> String {
    match opcode {
        Opcode::Nop | Opcode::Fence | Opcode::StepAdvance => format!("{opcode:?} refused"),
        _ => format!("{opcode:?} of {}/{}/{:#018x} refused", key.tenant, key.request, key.tag),
    }
}

/// What the bits of a well-known status register say.
pub(crate) fn decoded(register: &str, value: u64) -> String {
    let fields: &[_] = match register {
        "STATUS" => control::STATUS.fields,
        "Q_STATUS" => queue::Q_STATUS.fields,
        "Q_ERR" => queue::Q_ERR.fields,
        "FW_STATUS" => mgmt::FW_STATUS.fields,
        "MBOX_STATUS" => mgmt::MBOX_STATUS.fields,
        _ => return String::new(),
    };
    let mut text = String::new();
    for field in fields {
        match field.get(value) {
            0 => continue,
            _ if text.is_empty() => text.push_str(" ("),
            _ => text.push_str(", "),
        }
        text.push_str(field.name);
        if field.width > 1 {
            text.push_str(&format!(" {}", field.get(value)));
        }
    }
    if !text.is_empty() {
        text.push(')');
    }
    text
}
