//! Which block goes when there is no room: the KV-CPU's HEPC, or clock or LRU beside it.

mod clock;
mod hepc;
mod lru;

pub use hepc::{Hepc, HepcError};

use clock::Clock;
use lru::Lru;

/// Which blocks go when the budget is used up.
#[derive(Default)]
pub enum Policy {
    /// The block that was filled or touched longest ago.
    #[default]
    Lru,
    /// A hand goes round, and takes what was not touched since it came by last.
    Clock,
    /// A KV-CPU device, in which the resident blocks are registered, scores them.
    Hepc(Hepc),
}

/// What chooses victims. It knows blocks by number, and as many as it is told of; those that it evicts it forgets.
///
/// A pager sees a touch only where it is told of one: of a block that is mapped, the processor says nothing. So `filled` is what a policy hears
/// most, and `touched` what callers tell.
pub(crate) trait Victims: Send {
    /// A block is there, or is about to be: gives those that have to go for it.
    fn filled(&mut self, block: u32, victims: &mut Vec<u32>) -> Result<(), HepcError>;
    /// Blocks that are there are used.
    fn touched(&mut self, block: u32) -> Result<(), HepcError>;
    /// A block may not be a victim, or may again.
    fn hot(&mut self, block: u32, on: bool) -> Result<(), HepcError>;
    /// A block will be used so many steps from now.
    fn expected(&mut self, block: u32, steps: u32) -> Result<(), HepcError>;
    /// A block went for another reason, or is to go.
    fn gone(&mut self, block: u32) -> Result<(), HepcError>;
    /// A new step of the workload.
    fn step(&mut self) -> Result<(), HepcError>;
}

impl Policy {
    /// The most blocks of a budget that it can choose among.
    pub(crate) fn most_blocks(&self) -> u32 {
        match self {
            Policy::Lru | Policy::Clock => u32::MAX - 1,
            Policy::Hepc(hepc) => hepc.most_blocks(),
        }
    }

    /// For an arena of so many blocks, of which so many may be resident.
    pub(crate) fn start(
        self,
        blocks: u32,
        resident: u32,
        tenant: impl Fn(u32) -> u8 + Send + 'static,
    ) -> Result<Box<dyn Victims>, HepcError> {
        Ok(match self {
            Policy::Lru => Box::new(Lru::new(blocks, resident)),
            Policy::Clock => Box::new(Clock::new(blocks, resident)),
            Policy::Hepc(hepc) => hepc.start(blocks, resident, Box::new(tenant))?,
        })
    }
}
