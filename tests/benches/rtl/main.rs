//! What the hardware does in how many clocks, counted in the Verilated designs: the table of docs/rtl.md.
//!
//! ```text
//!  a block's design ── bus, row by row ──┐
//!                                        ├─► clocks ─► what was asked, what was counted
//!  the whole device ── driver, backing ──┘
//! ```
//!
//! `cargo xtask bench rtl` runs it. Everything but the last lines (clocks a second) is the same on every machine. Designs start with
//! random registers and memories, from the seed in KVCPU_SEED.
#![allow(clippy::unwrap_used, reason = "a measurement stops at what it did not expect")]

mod bus;
mod device;
mod directory;
mod dma;
mod hepc;

/// A line of the table.
struct Row {
    /// What is counted.
    what: String,
    /// What it should be.
    asked: &'static str,
    /// What it is.
    counted: String,
    /// Whether that is so; nothing if nothing was asked.
    met: Option<bool>,
    /// Where and how.
    how: String,
}

impl Row {
    /// A line for which nothing was asked.
    fn plain(what: impl Into<String>, counted: impl Into<String>, how: impl Into<String>) -> Row {
        Row { what: what.into(), asked: "", counted: counted.into(), met: None, how: how.into() }
    }

    /// A line with what was asked.
    fn asked(
        what: impl Into<String>,
        asked: &'static str,
        (counted, met): (impl Into<String>, bool),
        how: impl Into<String>,
    ) -> Row {
        Row { what: what.into(), asked, counted: counted.into(), met: Some(met), how: how.into() }
    }
}

fn print(rows: &[Row]) {
    for Row { what, asked, counted, met, how } in rows {
        let met = met.map_or("", |met| if met { "yes" } else { "no" });
        println!("| {what} | {asked} | {counted} | {met} | {how} |");
    }
}

fn seed() -> u64 {
    std::env::var("KVCPU_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn main() {
    let seed = seed();
    println!("seed {seed}; again with KVCPU_SEED={seed} cargo xtask bench rtl\n");
    println!("| what | asked | counted | met | where, and how |\n|---|---|---|---|---|");
    for rows in [directory::rows, hepc::rows, dma::rows, device::rows] {
        print(&rows(seed));
    }
}
