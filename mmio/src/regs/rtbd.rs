//! RTBD control and the stash.

use crate::register::block;

block! {
    /// Directory control, occupancy, and the stash entries.
    rtbd in Regs @ 0x3000, 1 x 0x1000;

    /// Directory control.
    0x000 RTBD_CTRL: u32 RW = 0, "" {
        /// Maintenance: while CTRL.ENABLE is 0, software may write entries in BAR2 (march test). Clearing it empties the directory.
        MAINT[0 + 1] "";
    };
    /// Entries that are not free: resident, in flight and ghosts.
    0x004 RTBD_USED: u32 RO = 0, "entries";
    /// Ghost entries.
    0x008 RTBD_GHOSTS: u32 RO = 0, "entries";
    /// Stash entries in use.
    0x00C RTBD_STASH_USED: u32 RO = 0, "entries";
    /// Reserved.
    0x010 RTBD_RESERVED0[508]: u32 Reserved = 0, "";
    /// The stash, 8 words an entry in the layout of BAR2; entry i has directory index ENTRIES + i.
    0x800 RTBD_STASH[128]: u32 RO = 0, "";
}
