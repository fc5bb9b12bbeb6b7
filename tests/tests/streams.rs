//! Random command streams: the device does exactly what the model does.

use kvcpu_tests::check;
use kvcpu_tests::stream::{self, Kind};

/// Metadata only: the directory, the policy and the invalidations.
#[test]
fn metadata_streams_match_the_model() {
    let kind = Kind { bytes: false, t3: true, faults: false, length: 600 };
    check::streams(
        ("streams", "metadata_streams_match_the_model"),
        300,
        |seed| stream::scenario(&mut check::rng(1, seed), kind),
        stream::run,
    );
}

/// With bytes between T0, T1 and T2.
#[test]
fn byte_streams_match_the_model_and_read_back() {
    let kind = Kind { bytes: true, t3: false, faults: false, length: 400 };
    check::streams(
        ("streams", "byte_streams_match_the_model_and_read_back"),
        200,
        |seed| stream::scenario(&mut check::rng(2, seed), kind),
        stream::run,
    );
}

/// With T3 behind the driver's service loop, whose answers take their time and come in any order: the decisions
/// must not depend on it.
#[test]
fn t3_streams_match_the_model_however_late_the_answers() {
    let kind = Kind { bytes: true, t3: true, faults: false, length: 400 };
    check::streams(
        ("streams", "t3_streams_match_the_model_however_late_the_answers"),
        200,
        |seed| stream::scenario(&mut check::rng(3, seed), kind),
        stream::run,
    );
}

/// The memory of a tier goes, the host fails T3, bus mastering is cleared, and all comes back: each command fenced,
/// each completion as the model says, every failed move undone, every block readable at the end.
#[test]
fn fault_streams_match_the_model_and_lose_nothing() {
    let kind = Kind { bytes: true, t3: true, faults: true, length: 300 };
    check::streams(
        ("streams", "fault_streams_match_the_model_and_lose_nothing"),
        200,
        |seed| stream::scenario(&mut check::rng(4, seed), kind),
        stream::run,
    );
}
