//! `cargo xtask bench pager`: what a fault costs against the bare floor, and what an eviction costs in TLB shootdowns. `docs/pager.md`, Numbers.
//!
//! Everything that is compared is measured in turns in one run, as the machine may be busy.
#![allow(clippy::unwrap_used, reason = "a bench ends where it cannot measure")]

mod faults;
mod floor;
mod scan;
mod sealed;

fn main() {
    // `cargo test --benches` would run it, too.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    faults::measure();
    sealed::measure();
    scan::measure();
}

/// The value below which so many of a hundred are.
fn percentile(of: &mut [u64], hundredths: usize) -> f64 {
    of.sort_unstable();
    of[(of.len() - 1) * hundredths / 100] as f64
}
