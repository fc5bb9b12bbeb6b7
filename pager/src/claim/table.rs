//! Who may read what, now: claims presented, and a table that a signal handler can read.
//!
//! What the blocks of a tenant require is known before any of them is read. So each presented claim is compared with it once, under a
//! lock, and what remains for the handler is one number a tenant: the last second at which some claim allows it.

use super::{ClaimError, SignedClaim};
use crate::keys::{ArenaId, PublicKey};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a claim must say for a tenant's blocks to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// At least this clearance.
    pub clearance: u8,
    /// This department, if any.
    pub department: Option<String>,
}

/// An entry of a tenant of which no claim is required.
const ALWAYS: u64 = u64::MAX;
/// One whose claims are all gone.
const NEVER: u64 = 0;

/// The claims of one arena in one process.
pub struct Claims {
    owner: Option<PublicKey>,
    arena: ArenaId,
    /// For each tenant the last second, of Unix time, that a claim allows; 0 if none does.
    until_unix_s: [AtomicU64; 256],
    book: Mutex<Book>,
}

/// What the table is made from.
#[derive(Default)]
struct Book {
    requirements: Vec<(u8, Requirement)>,
    claims: Vec<SignedClaim>,
    revoked: HashSet<u64>,
}

impl Claims {
    /// None yet; tenants not in `requirements` need none.
    pub fn new(arena: ArenaId, owner: Option<PublicKey>, requirements: Vec<(u8, Requirement)>) -> Claims {
        let until_unix_s = std::array::from_fn(|_| AtomicU64::new(ALWAYS));
        let claims = Claims { owner, arena, until_unix_s, book: Mutex::default() };
        let mut book = claims.book();
        book.requirements = requirements;
        claims.update(&book);
        drop(book);
        claims
    }

    /// Takes a claim, if the owner signed it for this arena, it is not revoked, and `now_unix_s` is not past it.
    pub fn present(&self, claim: SignedClaim, now_unix_s: u64) -> Result<(), ClaimError> {
        let owner = self.owner.ok_or(ClaimError::NoOwner)?;
        let says = claim.claim();
        if claim.signer() != owner {
            return Err(ClaimError::WrongKey { found: claim.signer(), owner });
        }
        if says.arena != self.arena {
            return Err(ClaimError::WrongArena { found: says.arena, arena: self.arena });
        }
        if says.not_after_unix_s < now_unix_s {
            return Err(ClaimError::Expired { not_after_unix_s: says.not_after_unix_s, now_unix_s });
        }
        let mut book = self.book();
        if book.revoked.contains(&says.serial) {
            return Err(ClaimError::Revoked { serial: says.serial });
        }
        if !book.claims.contains(&claim) {
            book.claims.push(claim);
        }
        self.update(&book);
        Ok(())
    }

    /// Takes claims with this number back, also those that are presented later. In force when it returns; a fill that has begun ends.
    pub fn revoke(&self, serial: u64) {
        let mut book = self.book();
        book.revoked.insert(serial);
        book.claims.retain(|claim| claim.claim().serial != serial);
        self.update(&book);
    }

    /// Whether the tenant's blocks may be read at this second of Unix time. Takes no lock.
    pub fn allowed(&self, tenant: u8, now_unix_s: u64) -> bool {
        let until = self.until_unix_s[usize::from(tenant)].load(Ordering::Acquire);
        until != NEVER && now_unix_s <= until
    }

    /// Whether they may be read now, by the clock of the system, which its administrator may set. Takes no lock.
    pub fn allowed_now(&self, tenant: u8) -> bool {
        match self.until_unix_s[usize::from(tenant)].load(Ordering::Acquire) {
            ALWAYS => true,
            NEVER => false,
            until => now_unix_s() <= until,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in the book is half done when a thread panics.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, book: &Book) {
        for tenant in 0..=u8::MAX {
            let mut needs = book.requirements.iter().filter(|(of, _)| *of == tenant).map(|(_, need)| need).peekable();
            let until = if needs.peek().is_none() {
                ALWAYS
            } else {
                let needs: Vec<_> = needs.collect();
                let claims = book.claims.iter().map(SignedClaim::claim).filter(|claim| claim.tenant == tenant);
                let meets = claims.filter(|claim| {
                    needs.iter().all(|need| {
                        claim.clearance >= need.clearance
                            && need.department.as_ref().is_none_or(|department| *department == claim.department)
                    })
                });
                // A claim without an end is one that ends a second before `ALWAYS`.
                meets.map(|claim| claim.not_after_unix_s.min(ALWAYS - 1)).max().unwrap_or(NEVER)
            };
            self.until_unix_s[usize::from(tenant)].store(until, Ordering::Release);
        }
    }
}

/// The second of Unix time; 0 before 1970.
pub(crate) fn now_unix_s() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0)
}
