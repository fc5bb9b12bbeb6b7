//! Tenants whose blocks may be read, or may not any more: claims are revoked and expire while their blocks are mapped.

use super::core::Core;
use super::options::Access;
use crate::state::State;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a block may still be read after its claim has ended, as long as the housekeeper is not busy.
const LOOK: Duration = Duration::from_millis(100);

/// The tenants that an arena has blocks of, and whether they were allowed at the last look.
pub(super) struct Tenants {
    allowed: BTreeMap<u8, bool>,
    looked: Instant,
}

impl Tenants {
    pub(super) fn new(core: &Core) -> Tenants {
        let tenants = (0..core.blocks).map(|block| core.source.tenant(block.into()));
        let allowed = tenants.map(|tenant| (tenant, core.source.is_allowed(tenant))).collect();
        Tenants { allowed, looked: Instant::now() }
    }

    /// A tenant's block was denied: whatever it was at the last look, its zeros are to go once it is allowed.
    pub(super) fn denied(&mut self, tenant: u8) {
        self.allowed.insert(tenant, false);
    }

    /// Unmaps what may not be read any more, and the zeros of what may be now; looks some ten times a second. `gone` are blocks that the policy has to
    /// hear of.
    pub(super) fn look(&mut self, core: &Core, gone: &mut Vec<u32>) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for (&tenant, was) in &mut self.allowed {
            let now = core.source.is_allowed(tenant);
            // A block that is just being filled may wait for this thread: it is looked at again.
            if now != *was && change(core, tenant, now, gone) {
                *was = now;
            }
        }
    }
}

/// A tenant's blocks are allowed now, or not any more; whether all of them have heard of it.
fn change(core: &Core, tenant: u8, allowed: bool, gone: &mut Vec<u32>) -> bool {
    let what = if allowed { "allowed" } else { "not allowed any more" };
    tracing::info!(target: "kvcpu::pager", tenant, source = core.source.name(), "blocks are {what}");
    let meant = |state| match state {
        State::Zeros => allowed,
        State::Resident | State::Quarantined => !allowed,
        // What was written to a copy goes too, as it began as the tenant's.
        State::Dirty => !allowed && core.access == Access::Private,
        _ => false,
    };
    let mut all = true;
    for block in (0..core.blocks).filter(|block| core.source.tenant((*block).into()) == tenant) {
        match core.discard(block, &meant, Instant::now()) {
            Ok(true) => gone.push(block),
            // It is the source's again before it goes.
            Ok(false) => all &= allowed || core.states.get(block).state() != State::Dirty,
            Err(refused) => {
                tracing::debug!(target: "kvcpu::pager", tenant, block, ?refused, "not unmapped yet");
                all = false;
            }
        }
    }
    all
}
