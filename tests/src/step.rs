//! How soon a STEP_ADVANCE's first score is there, counted at the RTL's ports.

use kvcpu_driver::Prepared;
use kvcpu_mmio::queue::Status;
use kvcpu_sim::Rtl;

/// Starts the step; clocks from that in which the write of CMD_GO is taken to that in which the first score is written.
///
/// # Panics
/// If the step fails, or no entry is scored.
pub fn clocks_to_the_first_score(rtl: &Rtl, step: Prepared<'_, Rtl>) -> u64 {
    rtl.watch(&["s_axil_awready", "s_axil_wready", "scores"])
        .expect("the top has these outputs");
    let cqe = step.go().expect("the step completes");
    assert_eq!(cqe.status, Status::Ok.code());
    let seen = rtl.seen();
    // While the front holds a write it takes no other.
    let held = seen.iter().find(|seen| seen.values[..2] == [0, 0]).expect("CMD_GO was written").clock;
    let scored = seen.iter().find(|seen| seen.clock >= held && seen.values[2] == 1);
    scored.expect("an entry was scored").clock - (held - 1)
}
