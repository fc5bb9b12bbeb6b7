//! How many steps ahead of its target a block is moved up.

use super::{SPEEDS, ms_to_ns};
use kvcpu_mmio::geometry::TIERS;
use std::str::FromStr;
use std::time::Duration;

/// Blocks that may want to be moved up at once: the victim and prefetch lists of the largest geometry hold so many
/// (VICTIM_K of `Geometry::FULL`).
const BURST: u64 = 64;

/// A time ahead, or a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Steps(u32),
    Time(Duration),
}

impl Ahead {
    /// Whole steps of `step_ms`, at least the time.
    fn steps(self, step_ms: u64) -> u32 {
        match self {
            Ahead::Steps(steps) => steps,
            Ahead::Time(time) => {
                let steps = time.as_nanos().div_ceil(u128::from(ms_to_ns(step_ms.max(1))));
                u32::try_from(steps).unwrap_or(u32::MAX)
            }
        }
    }
}

impl FromStr for Ahead {
    type Err = String;

    fn from_str(text: &str) -> Result<Ahead, String> {
        if let Ok(steps) = text.parse() {
            return Ok(Ahead::Steps(steps));
        }
        let time = humantime::parse_duration(text);
        time.map(Ahead::Time)
            .map_err(|error| format!("`{text}`: {error}; write steps (5) or a time (5s)"))
    }
}

/// `--lookahead`: that of T2, which is T1's too, and that of T3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookahead {
    t2: Ahead,
    t3: Ahead,
}

impl Lookahead {
    /// The lookahead that gives a burst of 64 blocks of `block_bytes` the time to arrive, and one step more in which a
    /// burst that the device's list could not name is begun.
    pub fn of_model(block_bytes: u64, step_ms: u64) -> Lookahead {
        let ahead = |tier: usize| {
            let ns = SPEEDS[tier].occupied_ns(block_bytes).saturating_mul(BURST);
            let arrival = Ahead::Time(Duration::from_nanos(ns.saturating_add(SPEEDS[tier].latency_ns)));
            Ahead::Steps(arrival.steps(step_ms).saturating_add(1))
        };
        Lookahead { t2: ahead(2), t3: ahead(3) }
    }

    /// Steps for each tier; nothing is above T0.
    pub fn steps(&self, step_ms: u64) -> [u32; TIERS] {
        let (t2, t3) = (self.t2.steps(step_ms), self.t3.steps(step_ms));
        [0, t2, t2, t3]
    }
}

impl FromStr for Lookahead {
    type Err = String;

    fn from_str(text: &str) -> Result<Lookahead, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        match parts[..] {
            [t2, t3] => Ok(Lookahead { t2: t2.parse()?, t3: t3.parse()? }),
            _ => Err(format!("`{text}`: two are needed, T2's and T3's; write steps (2,5) or times (2s,5s)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BLOCK_BYTES;
    use super::*;

    fn steps(text: &str, step_ms: u64) -> [u32; TIERS] {
        let lookahead: Lookahead = text.parse().unwrap();
        lookahead.steps(step_ms)
    }

    #[test]
    fn steps_and_times_are_taken_and_times_rounded_up() {
        assert_eq!(steps("2,5", 1000), [0, 2, 2, 5]);
        assert_eq!(steps("2500ms, 10s", 1000), [0, 3, 3, 10]);
        assert_eq!(steps("0,1h", 1), [0, 0, 0, 3_600_000]);
        assert_eq!(steps("1s,10000years", 1), [0, 1000, 1000, u32::MAX]);
        for bad in ["", "5", "1,2,3", "1,-2", "1,soon"] {
            assert!(bad.parse::<Lookahead>().is_err(), "{bad}");
        }
    }

    /// 64 blocks of 64 MiB: 0.17 s from T2, 1.43 s from T3.
    #[test]
    fn the_default_lets_a_burst_arrive() {
        assert_eq!(Lookahead::of_model(BLOCK_BYTES, 1000).steps(1000), [0, 2, 2, 3]);
        assert_eq!(Lookahead::of_model(BLOCK_BYTES, 100).steps(100), [0, 3, 3, 16]);
        assert_eq!(Lookahead::of_model(1, 1000).steps(1000), [0, 2, 2, 2]);
    }
}
