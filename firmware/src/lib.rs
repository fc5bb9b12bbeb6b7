//! What the management core of a KV-CPU does: boot, self-test, thermal control, mailbox, update, tuning. `docs/firmware.md`.
//!
//! Nothing here knows what it runs on: a [`Platform`] is a core with its registers, an emulated one, or a host's test.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod firmware;
mod log;
mod mailbox;
mod parameters;
mod platform;
mod selftest;
pub mod thermal;
mod time;
mod tune;
mod update;

pub use firmware::{Firmware, run};
pub use log::{Event, Log};
pub use parameters::Parameters;
pub use platform::{BANK_BYTES, Boot, Platform, Sample};
pub use selftest::{Part, SelfTest};
pub use thermal::Thermal;
pub use tune::{Hepc, Tune};
pub use update::Update;
