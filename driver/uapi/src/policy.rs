//! SET_WEIGHTS on the device: which registers the six numbers go to.
//!
//! ```text
//!  w_r w_f w_s w_d   ──► WEIGHTS
//!  evict_thresh      ──► EVICT_THRESH
//!  prefetch_thresh   ──► the proximity S of a next use, times 64 ──► steps ──► TIER_LOOKAHEAD of each tier
//! ```
//!
//! The device moves a hinted block up by its distance in steps, not by a score; but the score's S is a function of that distance
//! (docs/hepc.md, Score), so a threshold on S is a number of steps. Times 64, S spans the 16 bits that scores have.

use kvcpu_driver::{Device, DriverError, Weights};
use kvcpu_mmio::regs::{hepc, tier};
use kvcpu_mmio::{Backing, uapi};

/// S of a next use so many steps ahead, 0 to 1023.
fn proximity(steps: u32) -> u32 {
    let x = steps.min((1 << 24) - 2) + 1;
    let exponent = x.ilog2();
    let q5 = 32 * exponent + ((x << 5 >> exponent) & 31);
    1023 - (2 * q5).min(1023)
}

/// A threshold in steps: the farthest next use that reaches it. If none does, 0: the step itself.
pub(crate) fn lookahead(threshold: u32) -> u32 {
    if threshold == 0 {
        return u32::MAX;
    }
    // Proximity is 0 from 65,535 steps on, and never rises with them.
    let (mut near, mut far) = (0, u32::from(u16::MAX));
    while far - near > 1 {
        let middle = near + (far - near) / 2;
        if 64 * proximity(middle) >= threshold {
            near = middle;
        } else {
            far = middle;
        }
    }
    near
}

/// A number of steps as a threshold.
fn threshold(steps: u32) -> u32 {
    64 * proximity(steps)
}

/// The policy in force.
pub(crate) fn read<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<uapi::Weights, DriverError> {
    let weights = device.weights()?;
    let mut steps = 0;
    for number in 0..tier::BLOCK.instances {
        steps = steps.max(device.read_at(&tier::TIER_LOOKAHEAD, number, 0)? as u32);
    }
    Ok(uapi::Weights {
        w_r: weights.wr.into(),
        w_f: weights.wf.into(),
        w_s: weights.ws.into(),
        w_d: weights.wd.into(),
        evict_thresh: device.read(&hepc::EVICT_THRESH)? as u32,
        prefetch_thresh: threshold(steps),
    })
}

/// What the device would have to be told, if every number is in its range.
pub(crate) fn check(of: &uapi::Weights) -> Option<(Weights, u16, u32)> {
    let byte = |weight| u8::try_from(weight).ok();
    let weights = Weights { wr: byte(of.w_r)?, wf: byte(of.w_f)?, ws: byte(of.w_s)?, wd: byte(of.w_d)? };
    let prefetch = u16::try_from(of.prefetch_thresh).ok()?;
    Some((weights, u16::try_from(of.evict_thresh).ok()?, lookahead(prefetch.into())))
}

/// Tells it.
pub(crate) fn write<B: Backing + ?Sized + 'static>(
    device: &Device<B>,
    (weights, evict, lookahead): (Weights, u16, u32),
) -> Result<(), DriverError> {
    device.set_weights(weights)?;
    device.write(&hepc::EVICT_THRESH, evict.into())?;
    for number in 0..tier::BLOCK.instances {
        device.write_at(&tier::TIER_LOOKAHEAD, number, 0, lookahead.into())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_the_farthest_step_that_reaches_it() {
        for threshold in 1..=u32::from(u16::MAX) {
            let steps = lookahead(threshold);
            assert!(64 * proximity(steps) >= threshold || steps == 0, "{threshold}: {steps} steps");
            assert!(64 * proximity(steps + 1) < threshold, "{threshold}: not {steps} steps");
        }
    }

    #[test]
    fn the_thresholds_of_the_page_are_these_steps() {
        let pairs = [(0, u32::MAX), (1, 65_534), (0x8000, 254), (40_960, 62), (0xE000, 2), (65_472, 0), (65_535, 0)];
        for (threshold, steps) in pairs {
            assert_eq!(lookahead(threshold), steps, "{threshold}");
        }
    }

    #[test]
    fn steps_that_became_a_threshold_are_at_most_a_thirtysecond_more() {
        for steps in 0..65_535 {
            let again = lookahead(threshold(steps));
            assert!(again >= steps && again - steps <= steps / 32 + 1, "{steps} became {again}");
        }
    }
}
