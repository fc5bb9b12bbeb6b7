//! A transformer gives the same bits from an arena that holds half of its weights as from plain memory: the example, smaller.

#[path = "../examples/forward/model.rs"]
mod model;
#[path = "../examples/forward/run.rs"]
mod run;
#[path = "../examples/forward/weights.rs"]
mod weights;

use kvcpu_pager::BlockSize;
use weights::Shape;

#[test]
fn logits_from_an_arena_of_half_the_weights_are_the_same_bits() {
    let shape = Shape { layers: 3, d_model: 64, heads: 4, hidden: 176, vocabulary: 256 };
    let folder = tempfile::tempdir().expect("a folder");
    let report = run::run(shape, BlockSize::MIN, 4, folder.path()).expect("it runs");
    let run::Report { file_bytes, sealed_bytes, counters, tokens, plain, paged } = report;
    assert!(sealed_bytes < file_bytes, "{sealed_bytes} of {file_bytes}");
    assert_eq!((tokens.len(), counters.failed, counters.denied), (4, 0, 0));
    assert!(counters.evicted > 0 && counters.fills > file_bytes >> 12, "{counters:?}");
    println!("plain {plain:?}, arena {paged:?}, {counters:?}");
}
