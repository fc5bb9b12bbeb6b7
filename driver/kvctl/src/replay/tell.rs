//! What the runtime says of the future: hints as commands (`docs/policy.md`).

use super::ReplayError;
use super::engine::{Engine, TENANT, found};
use super::prefetch::Promotion;
use crate::hint::{Hint, Told};
use kvcpu_driver::{Placement, Target, sqe};
use kvcpu_mmio::queue::{Key, Opcode, Sqe, Status};

impl Engine {
    /// Tells the device what is known of blocks. It may have dropped a block by then, or find no room to move it up:
    /// a hint asks for nothing, so neither is an error.
    pub fn hint(&mut self, told: &[Told]) -> Result<(), ReplayError> {
        let mut watch = self.watch.take();
        let step = self.step;
        // Where the hint itself may move the block, it is looked up first: only then is it known to have moved.
        let looked_up: Vec<bool> = told
            .iter()
            .map(|told| match (&watch, told.hint) {
                (Some(watch), Hint::NextUse(target)) => watch.is_near(target, step),
                _ => false,
            })
            .collect();
        let sqes = told.iter().zip(&looked_up).flat_map(|(told, looked_up)| {
            let lookup = looked_up.then(|| sqe::lookup(Key::shared(TENANT, told.tag)));
            lookup.into_iter().chain(std::iter::once(command(told)))
        });
        let prefetch_tier = self.prefetch_tier;
        let mut cqes = self.carry_out(sqes)?.iter();
        for (&Told { tag, hint }, looked_up) in told.iter().zip(looked_up) {
            let key = Key::shared(TENANT, tag);
            let before = if looked_up { cqes.next().map(|cqe| found(cqe, key)).transpose()?.flatten() } else { None };
            let Some(cqe) = cqes.next() else { break };
            let status = Status::from_code(cqe.status);
            if !matches!(status, Some(Status::Ok | Status::NotFound | Status::InUse | Status::MoveFailed)) {
                return Err(ReplayError::Refused { key, status: cqe.status });
            }
            let Some(watch) = &mut watch else { continue };
            match hint {
                Hint::Dead => watch.forget(tag),
                Hint::NextUse(target) => watch.hinted(tag, target),
            }
            watch.looked_up(usize::from(looked_up));
            let after = Placement::of(cqe).map(|placement| placement.tier);
            if let Some(from) = before.filter(|&from| from > prefetch_tier && after == Some(prefetch_tier)) {
                watch.moved_by_hint(Promotion { tag, from, step });
            }
        }
        self.watch = watch;
        Ok(())
    }
}

fn command(Told { tag, hint }: &Told) -> Sqe {
    let block = Target::Single(Key::shared(TENANT, *tag));
    match hint {
        Hint::Dead => sqe::scoped(Opcode::Dead, block),
        Hint::NextUse(step) => sqe::prefetch(block, *step),
    }
}
