//! Why there is no board at a serial port: each reason with what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a serial port could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing of that name.
    #[error("there is no {}; plug the board's USB in and look for it: `ls /dev/ttyUSB* /dev/ttyACM*`", .0.display())]
    NoPort(PathBuf),
    /// The user may not.
    #[error(
        "no permission to open {}; join the group that owns it, as a rule `sudo usermod -aG dialout $USER`, and log in anew",
        .0.display()
    )]
    Permission(PathBuf),
    /// Another program has it.
    #[error("{} is in use by another program; end that first (`fuser -v {}` names it)", .0.display(), .0.display())]
    Busy(PathBuf),
    /// It is a file or a device of another kind.
    #[error("{} is no serial port; name one, such as /dev/ttyUSB0", .0.display())]
    NoSerial(PathBuf),
    /// The port cannot run at that rate.
    #[error("{} does not run at {baud} baud; it is at {found}: give a rate that port and board both have", path.display())]
    Baud {
        /// The port.
        path: PathBuf,
        /// What was asked for.
        baud: u32,
        /// What it is set to: the nearest that it has, or what it was before if it refused.
        found: u32,
    },
    /// Something else.
    #[error("{}: cannot {what}: {source}; look at `dmesg`", path.display())]
    System {
        /// The port.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}
