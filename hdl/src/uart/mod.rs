//! A way in without PCIe: LiteX's uartbone protocol on a serial line, to the device's AXI4-Lite port. `docs/uart.md`.

mod bridge;
mod guard;
mod link;
mod receiver;
mod transmitter;

pub use bridge::Bridge;
pub use guard::Guard;
pub use link::Link;
pub use receiver::Receiver;
pub use transmitter::Transmitter;

use anyhow::{Result, ensure};

/// Fewest clocks of a bit: with fewer, the edge that is seen up to a clock late moves the samples too far from the middle.
pub const LEAST_CLOCKS: u32 = 6;
/// Most: what the counters hold.
pub const MOST_CLOCKS: u32 = 0xFFFF;
/// Most that clocks of a whole number may be away from the baud rate, in thousandths, however many clocks a bit has.
const MOST_ERROR: u32 = 20;
/// Silence in the middle of a command after which it is forgotten, in ms: as long as LiteX gives a whole command.
pub const IDLE_MS: u32 = 100;

/// The line's times, in clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A bit.
    pub bit_clocks: u32,
    /// Silence that ends a command.
    pub idle_clocks: u32,
}

/// How far the rates of a line's two ends may be apart, in thousandths, rounded down. The receiver samples a stop bit `bit_clocks / 2 + 9 * bit_clocks` clocks after the
/// edge that began its frame, seen up to a clock late; a fast sender's bit must last till then, that is, 10 of its bits must be more than these and a clock. Of
/// a slow one 9 bits must be over by then, which leaves more.
pub const fn tolerance(bit_clocks: u32) -> u32 {
    100 * (bit_clocks.div_ceil(2) - 1) / bit_clocks
}

impl Timing {
    /// That of `baud` bits a second at `clock_hz`, and [`IDLE_MS`] of silence.
    pub fn of(clock_hz: u32, baud: u32) -> Result<Timing> {
        ensure!(baud > 0, "a line of 0 baud carries nothing; give its bits a second");
        let bit_clocks = (clock_hz + baud / 2) / baud;
        ensure!(
            (LEAST_CLOCKS..=MOST_CLOCKS).contains(&bit_clocks),
            "{baud} baud are {bit_clocks} clocks a bit at {clock_hz} Hz; {LEAST_CLOCKS} to {MOST_CLOCKS} can be"
        );
        let (got, wanted) = (u64::from(bit_clocks) * u64::from(baud), u64::from(clock_hz));
        // The line's other end has the other half.
        let most = (tolerance(bit_clocks) / 2).min(MOST_ERROR);
        ensure!(
            1000 * got.abs_diff(wanted) <= u64::from(most) * wanted,
            "{baud} baud are no whole number of clocks at {clock_hz} Hz, not even within {most} thousandths; choose a lower rate"
        );
        let idle_clocks = clock_hz / 1000 * IDLE_MS;
        ensure!(
            10 * bit_clocks < idle_clocks,
            "a byte of {baud} baud takes longer than the {IDLE_MS} ms of silence behind which a command is forgotten; choose a higher rate"
        );
        Ok(Timing { bit_clocks, idle_clocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_becomes_clocks_or_is_refused() {
        assert_eq!(Timing::of(60_000_000, 1_000_000).unwrap(), Timing { bit_clocks: 60, idle_clocks: 6_000_000 });
        assert_eq!(Timing::of(25_000_000, 115_200).unwrap().bit_clocks, 217);
        // 8.33 clocks are not 8 within 1.8%, nor are 6.12 6 within 1.6%, though 12.24 are 12 within 2%.
        for (clock_hz, baud) in [
            (25_000_000, 3_000_000),
            (6_120_000, 1_000_000),
            (50_000_000, 0),
            (50_000_000, 300),
            (10_000_000, 2_000_000),
            // A byte takes 125 ms.
            (5_000_000, 80),
        ] {
            assert!(Timing::of(clock_hz, baud).is_err(), "{clock_hz} {baud}");
        }
        assert_eq!(Timing::of(12_240_000, 1_000_000).unwrap().bit_clocks, 12);
    }

    #[test]
    fn ends_may_be_further_apart_at_more_clocks_a_bit() {
        assert_eq!([6, 7, 8, 9, 70, 120].map(tolerance), [33, 42, 37, 44, 48, 49]);
    }
}
