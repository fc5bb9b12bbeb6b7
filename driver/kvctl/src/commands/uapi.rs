//! `uapi`: the device as /dev/kvcpu0, until the kernel takes it back (`docs/uapi.md`).

use clap::Args;
use kvcpu_uapi::{Card, Channel, Name};

use super::{ConfigArgs, Session};
use crate::cli::Error;

/// Options of `kvctl uapi`.
#[derive(Args, Clone, Debug)]
pub struct UapiArgs {
    /// Name below /dev
    #[arg(long, default_value_t)]
    name: Name,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Makes the character device and serves it; `ready` is told the name as soon as it is there.
pub fn offer(
    args: &UapiArgs,
    mut session: Session,
    ready: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    // The channel first: without it nothing is done to the device.
    let channel = Channel::open()?;
    session.start_with_watermarks(&args.config)?;
    let (way, device) = session.into_parts()?;
    let mut card = Card::new(device, way)?;
    channel.offer(&args.name)?;
    ready(args.name.as_str())?;
    Ok(channel.serve(&mut card)?)
}
