//! The device's commands as verbs, for one shot and for a session.
//!
//! What each does is in `docs/commands.md`; what it answers in `docs/kvctl.md`.

mod args;
mod copy;
mod reply;
mod session;
mod setup;
mod telemetry;
mod uapi;
mod weights;

pub use args::{Command, TargetArgs};
pub use reply::Reply;
pub use session::Session;
pub use setup::ConfigArgs;
pub use uapi::{UapiArgs, offer};
