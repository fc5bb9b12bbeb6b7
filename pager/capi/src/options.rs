//! How a file is opened, as C says it.
#![allow(unsafe_code, reason = "a structure is read whose size its writer tells")]

use crate::fault::{Callback, KvpOnFault};
use crate::status::{Failure, KvpStatus};
use kvcpu_driver::Device;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_pager::{Container, Hepc, Options, Policy};
use std::ffi::c_void;
use std::mem::{MaybeUninit, size_of};
use std::sync::Arc;
use std::time::Duration;

/// Which blocks go when the budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum KvpPolicy {
    /// The block that was filled or touched longest ago.
    Lru = 0,
    /// A hand goes round, and takes what was not touched since it came by last.
    Clock = 1,
    /// The KV-CPU's HEPC, on a device emulated in this process, the smallest that holds the budget.
    Hepc = 2,
}

/// How a file is opened. All zeros but the size is the default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct KvpOptions {
    /// sizeof(kvp_options): tells the library which version of it this is.
    pub size: usize,
    /// Bytes that may be in memory at once; 0: all.
    pub budget_bytes: u64,
    /// Which blocks go when the budget is used up, a kvp_policy.
    pub policy: u32,
    /// Blocks that are unmapped by one call, 1 to 1,024; 0: the default, 64.
    pub batch: u32,
    /// Blocks that are filled ahead when faults come in sequence; 0: the default, 4; UINT32_MAX: none.
    pub fault_around: u32,
    /// Milliseconds that a touch may wait for a block or for room; 0: the default, 10,000.
    pub deadline_ms: u32,
    /// Is told of blocks that could not be filled or were denied; null: such blocks are poisoned, or zeros.
    pub on_fault: KvpOnFault,
    /// What on_fault is given; valid until the arena is closed and all its pins are gone.
    pub context: *mut c_void,
}

/// Geometries that an emulated device may have, the smallest first. Of those with as many entries, one.
const GEOMETRIES: [Geometry; 5] =
    [Geometry::SMALL, Geometry::ECP5_EVN, Geometry::TEST, Geometry::BOARD, Geometry::FULL];

impl KvpOptions {
    /// Reads what is there: a later version's structure is taken if what this one does not know of is zeros. `null` is the default.
    ///
    /// # Safety
    ///
    /// If it is not null, it points to a size and as many bytes as that says, itself included.
    pub(crate) unsafe fn read(from: *const KvpOptions) -> Result<KvpOptions, Failure> {
        const KNOWN: usize = size_of::<KvpOptions>();
        let mut options = MaybeUninit::<KvpOptions>::zeroed();
        if !from.is_null() {
            // SAFETY: by the caller's promise there is a size; it need not be aligned.
            let size = unsafe { from.cast::<usize>().read_unaligned() };
            let bad = |why| Err(Failure::new(KvpStatus::Argument, format!("options of {size} bytes: {why}")));
            if size < KNOWN {
                return bad("set size to sizeof(kvp_options)");
            }
            // A size that was never set is not followed through all of memory.
            if size > 4096 {
                return bad("no version of the structure is as large; set size to sizeof(kvp_options)");
            }
            let later = from.cast::<u8>().wrapping_add(KNOWN);
            // SAFETY: by the caller's promise there are `size` bytes, of which these are the ones after what is known.
            if unsafe { std::slice::from_raw_parts(later, size - KNOWN) }.iter().any(|&byte| byte != 0) {
                return bad("they are of a later version, and say what this library does not know of");
            }
            // SAFETY: there are that many bytes on both sides, which do not overlap.
            unsafe { from.cast::<u8>().copy_to_nonoverlapping(options.as_mut_ptr().cast(), KNOWN) };
        }
        // SAFETY: zeros are good values of all its fields, and what the caller wrote was a structure of this type.
        Ok(unsafe { options.assume_init() })
    }

    /// As the pager takes them, for this file.
    pub(crate) fn for_container(&self, container: &Container) -> Result<Options, Failure> {
        let defaults = Options::default();
        let block_bytes = container.header().block_size.bytes();
        let budget_bytes = (self.budget_bytes != 0).then_some(self.budget_bytes);
        let fault_around = match self.fault_around {
            0 => defaults.fault_around,
            u32::MAX => 0,
            blocks => blocks,
        };
        let deadline = match self.deadline_ms {
            0 => defaults.deadline,
            milliseconds => Duration::from_millis(milliseconds.into()),
        };
        let batch = match self.batch {
            0 => defaults.batch,
            blocks @ 1..=1024 => blocks,
            blocks => return Err(Failure::new(KvpStatus::Argument, format!("a batch of {blocks}; 1 to 1024 is"))),
        };
        let policy = match self.policy {
            policy if policy == KvpPolicy::Lru as u32 => Policy::Lru,
            policy if policy == KvpPolicy::Clock as u32 => Policy::Clock,
            policy if policy == KvpPolicy::Hepc as u32 => {
                let blocks = container.header().blocks();
                Policy::Hepc(hepc(budget_bytes.map_or(blocks, |bytes| blocks.min(bytes / block_bytes as u64)))?)
            }
            policy => return Err(Failure::new(KvpStatus::Argument, format!("there is no policy {policy}"))),
        };
        let on_fault = self.on_fault.map(|function| {
            let callback = Callback { function, context: self.context };
            let told: Box<kvcpu_pager::arena::OnFault> = Box::new(move |fault| callback.tell(fault));
            told
        });
        Ok(Options { block_bytes, budget_bytes, policy, batch, fault_around, deadline, on_fault, ..defaults })
    }
}

/// A device of the smallest geometry whose directory holds so many blocks; of the largest, if none does: the pager refuses that budget.
fn hepc(blocks: u64) -> Result<Hepc, Failure> {
    let holds = |geometry: &&Geometry| u64::from(Hepc::most_blocks_of(geometry)) >= blocks;
    let geometry = *GEOMETRIES.iter().find(holds).unwrap_or(&Geometry::FULL);
    let failed = |error: &dyn std::fmt::Display| Failure::new(KvpStatus::Device, error);
    let backing: Arc<dyn Backing> = Arc::new(Emulator::new(geometry).map_err(|error| failed(&error))?);
    let device = Device::probe(backing).map_err(|error| failed(&error))?;
    Ok(Hepc::new(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometries_are_in_the_order_of_what_they_hold() {
        assert!(GEOMETRIES.is_sorted_by_key(Hepc::most_blocks_of));
        for geometry in GEOMETRIES {
            assert!(hepc(Hepc::most_blocks_of(&geometry).into()).is_ok());
        }
    }
}
