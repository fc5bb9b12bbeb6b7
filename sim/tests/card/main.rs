//! Card memory on boards without DDR, in block RAM and in SDRAM: docs/rtl/card.md.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bench;
mod master;
mod ram;
mod record;
mod rules;
mod sdram;
mod speed;
