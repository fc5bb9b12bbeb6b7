//! What a program sees of an error of the device's.

use kvcpu_driver::DriverError;
use kvcpu_mmio::queue::Status;
use rustix::io::Errno;

/// The error's number. The text goes to the log: a refusal is the program's affair, anything else the operator's.
pub(crate) fn errno(error: &DriverError) -> Errno {
    match error.status() {
        Some(_) => tracing::debug!(%error, "refused"),
        None => tracing::warn!(%error, "failed"),
    }
    match error {
        DriverError::Timeout { .. } => Errno::TIMEDOUT,
        DriverError::Gone { .. } => Errno::NODEV,
        DriverError::Command { status, .. } => status.status().map_or(Errno::IO, of_status),
        _ => Errno::IO,
    }
}

fn of_status(status: Status) -> Errno {
    match status {
        Status::InvalidField | Status::StepBackward => Errno::INVAL,
        Status::TierFull | Status::DirectoryFull => Errno::NOSPC,
        Status::InUse => Errno::BUSY,
        Status::RefcountOverflow => Errno::OVERFLOW,
        Status::NotEnabled | Status::Aborted => Errno::NODEV,
        _ => Errno::IO,
    }
}
