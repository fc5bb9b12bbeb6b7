//! The control unit's bus at a block that stands alone: a request, and in how many clocks it is answered.

use kvcpu_sim::Model;

/// Clocks after which an answer will not come.
const PATIENCE: u64 = 100_000;

/// Sets up a request.
pub(crate) fn ask(model: &mut Model, address: u32, write: Option<u32>) {
    model.set("bus_select", 1).set("bus_write", write.is_some().into());
    model.set("bus_address", address.into()).set("bus_data", write.unwrap_or(0).into());
}

/// Waits for the answer, and lets the bus rest for a clock: what was read, and the clocks from the first of the request to the one of
/// the answer.
pub(crate) fn answer(model: &mut Model, mut tick: impl FnMut(&mut Model)) -> (u32, u64) {
    let begin = model.clocks();
    while model.eval().get("bus_ready") == 0 {
        tick(model);
        assert!(model.clocks() - begin < PATIENCE, "no answer on the bus at {:#x}", model.get("bus_address"));
    }
    let (read, clocks) = (model.get("bus_read") as u32, model.clocks() - begin);
    tick(model);
    model.set("bus_select", 0);
    tick(model);
    (read, clocks)
}

fn tick(model: &mut Model) {
    model.tick();
}

/// Reads a word: it, and the clocks.
pub(crate) fn read(model: &mut Model, address: u32) -> (u32, u64) {
    ask(model, address, None);
    answer(model, tick)
}

/// Writes a word: the clocks.
pub(crate) fn write(model: &mut Model, address: u32, word: u32) -> u64 {
    ask(model, address, Some(word));
    answer(model, tick).1
}
