//! What the runtime says of the future: hints as commands (`docs/policy.md`).

use super::ReplayError;
use super::engine::{Engine, TENANT};
use crate::hint::{Hint, Told};
use kvcpu_driver::{Target, sqe};
use kvcpu_mmio::queue::{Key, Opcode, Sqe, Status};

impl Engine {
    /// Tells the device what is known of blocks. It may have dropped a block by then, or find no room to move it up:
    /// a hint asks for nothing, so neither is an error.
    pub fn hint(&mut self, told: &[Told]) -> Result<(), ReplayError> {
        let cqes = self.carry_out(told.iter().map(command))?;
        let refused = cqes.iter().zip(told).find(|(cqe, _)| {
            let status = Status::from_code(cqe.status);
            !matches!(status, Some(Status::Ok | Status::NotFound | Status::InUse | Status::MoveFailed))
        });
        match refused {
            None => Ok(()),
            Some((cqe, Told { tag, .. })) => {
                Err(ReplayError::Refused { key: Key::shared(TENANT, *tag), status: cqe.status })
            }
        }
    }
}

fn command(Told { tag, hint }: &Told) -> Sqe {
    let block = Target::Single(Key::shared(TENANT, *tag));
    match hint {
        Hint::Dead => sqe::scoped(Opcode::Dead, block),
        Hint::NextUse(step) => sqe::prefetch(block, *step),
    }
}
