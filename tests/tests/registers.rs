//! Emulator and RTL under register accesses that no driver makes: `kvcpu_tests::registers`.

use kvcpu_mmio::Geometry;
use kvcpu_tests::check;
use kvcpu_tests::lockstep::Stream;
use kvcpu_tests::registers;

/// Operations of a seed.
const OPERATIONS: u32 = 300;

#[test]
fn any_access_does_the_same_on_both() {
    for seed in check::seeds(2) {
        let (done, result) = registers::run(seed, OPERATIONS, Geometry::SMALL, Stream::timing(seed));
        let replay = check::replay("registers", "any_access_does_the_same_on_both", seed);
        if let Err(difference) = result {
            panic!("operation {} of {OPERATIONS}: {difference}\nreplay: {replay}", done.operations);
        }
        assert!(done.accesses > 5_000 && done.clocks > 500_000, "{done:?} is not much of a test");
    }
}
