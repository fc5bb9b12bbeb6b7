//! The library under `kvctl`: what its commands call.
//!
//! * [`trace`] reads, measures and makes serving traces in the Mooncake format (`docs/traces.md`).
//! * [`baseline`] plays a trace against the policies a device is compared with (`docs/baselines.md`).
//! * [`replay`] plays a trace through a device, [`policy`] through it and all baselines over capacities, with or without
//!   oracle hints ([`hint`]; `docs/policy.md`).
//! * [`cli`], [`device`] and [`output`] are the frame: what can be typed, which backing, tables and JSON (`docs/kvctl.md`).
//! * [`regs`], [`commands`] and [`fw`] are verbs on a device, [`shell`] a session of them.
//! * [`mem`] seals files and maps them under a budget (`docs/pager.md`).
//! * [`selftest`] tells whether a device works (`docs/selftest.md`).

pub mod baseline;
pub mod cli;
pub mod commands;
pub mod device;
pub mod fw;
pub mod hint;
pub mod mem;
pub mod output;
pub mod policy;
pub mod regs;
pub mod replay;
pub mod selftest;
pub mod shell;
pub mod trace;
