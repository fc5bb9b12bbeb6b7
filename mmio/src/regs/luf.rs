//! LUF: agents, epochs, quarantine.

use crate::register::block;

block! {
    /// Translation and lazy invalidation.
    luf in Regs @ 0x4000, 1 x 0x80;

    /// LUF control.
    0x00 LUF_CTRL: u32 RW = 1, "" {
        /// Frames of evicted read-only blocks go to the quarantine; 0 sends an invalidation for each.
        LAZY[0 + 1] "";
        /// Check on every reuse of a frame that no agent can still hold it.
        CHECK[1 + 1] "";
    };
    /// Agents that cache translations and must acknowledge invalidations, a bit each; writable while CTRL.ENABLE is 0.
    0x04 AGENT_MASK: u32 RW = 0, "" {
        /// A bit for each agent.
        MASK[0 + 8] "";
    };
    /// Epoch of the last invalidation sent; wraps.
    0x08 INV_EPOCH: u32 RO = 0, "epochs";
    /// Reuses of a frame that an agent could still read (checked if LUF_CTRL.CHECK); always 0 on a correct device.
    0x0C LUF_VIOLATIONS: u32 RO = 0, "frames";
    /// Reserved.
    0x10 LUF_RESERVED0[4]: u32 Reserved = 0, "";
    /// The epoch up to which agent i has dropped its translations; a value ahead of INV_EPOCH is ignored and counted as a bad access.
    0x20 AGENT_ACK[8]: u32 RW = 0, "epochs";
}
