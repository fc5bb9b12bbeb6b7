//! Sessions: which requests are turns of one conversation. A trace does not say; its chains do.
//!
//! A turn re-sends its session's context, so its chain goes on from the end of the turn before. That end may have been
//! a partly filled block, which the next turn has filled, under another id:
//!
//! ```text
//!   turn 1   a ─ b ─ c ─ p            p partly filled
//!   turn 2   a ─ b ─ c ─ c' ─ d ─ q   goes on from c: p is left behind
//!   turn 3   a ─ b ─ c ─ c' ─ d ─ e   goes on from d: q is left behind
//!   other    a ─ b ─ x ─ y            goes on from b, where turn 1 went on otherwise: a shared prefix
//! ```
//!
//! So a request continues the session of the request that last used the deepest block it finds seen before, if that
//! block was the last of that request's chain, or the last but one, and nothing else has gone on from it yet. The second
//! condition keeps a system prompt apart from a session: the first short prompt behind it looks like a turn that left
//! its last block behind, but from the second on there are others. It also makes the second of two branches (a retry
//! with other words, a sub-agent) a session of its own.

use crate::trace::{Dense, NO_PARENT};

/// The session of each request, named by the number of its first request.
pub fn sessions(trace: &Dense) -> Vec<u32> {
    const NEVER: u32 = u32::MAX;
    let mut last_use = vec![NEVER; trace.unique()];
    // Distinct blocks that have followed each.
    let mut children = vec![0_u32; trace.unique()];
    let mut sessions: Vec<u32> = Vec::with_capacity(trace.len());
    for (number, chain) in trace.chains().enumerate() {
        let seen = chain.iter().take_while(|&&block| last_use[block as usize] != NEVER).count();
        let continued = chain[..seen].last().and_then(|&deepest| {
            let before = last_use[deepest as usize] as usize;
            let behind = trace.chain(before).len() - seen;
            let goes_on = behind <= 1 && children[deepest as usize] as usize == behind;
            goes_on.then(|| sessions[before])
        });
        sessions.push(continued.unwrap_or(number as u32));
        for &block in &chain[seen..] {
            let parent = trace.parents()[block as usize];
            if parent != NO_PARENT {
                children[parent as usize] += 1;
            }
        }
        for &block in chain {
            last_use[block as usize] = number as u32;
        }
    }
    sessions
}
