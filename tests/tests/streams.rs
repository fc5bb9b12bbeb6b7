//! Random command streams: the device does exactly what the model does.

use kvcpu_tests::check;
use kvcpu_tests::stream::{self, Kind};

/// Metadata only: the directory, the policy and the invalidations.
#[test]
fn metadata_streams_match_the_model() {
    let kind = Kind { bytes: false, t3: true, length: 600 };
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
    let kind = Kind { bytes: true, t3: false, length: 400 };
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
    let kind = Kind { bytes: true, t3: true, length: 400 };
    check::streams(
        ("streams", "t3_streams_match_the_model_however_late_the_answers"),
        200,
        |seed| stream::scenario(&mut check::rng(3, seed), kind),
        stream::run,
    );
}
