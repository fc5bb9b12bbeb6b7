//! The entries of submission and completion queues, opcodes, flags and status codes.
//!
//! An SQE is 64 bytes, a CQE 16, both little-endian; on the wire they are `[u64; 8]` and
//! `[u64; 2]`. What the commands mean is in `docs/commands.md`.

use bitflags::bitflags;

/// Bytes of a submission queue entry.
pub const SQE_BYTES: usize = 64;
/// Bytes of a completion queue entry.
pub const CQE_BYTES: usize = 16;
/// The queue id that single-shot completions carry.
pub const SINGLE_SHOT_QID: u16 = 0xFFFF;
/// Bit number of the phase in word 1 of a CQE.
pub const CQE_PHASE_BIT: u32 = 48;

/// Bus address of entry `index` of a submission queue at `base`.
pub const fn sqe_address(base: u64, index: u32) -> u64 {
    base.wrapping_add(index as u64 * SQE_BYTES as u64)
}

/// Bus address of entry `index` of a completion queue at `base`.
pub const fn cqe_address(base: u64, index: u32) -> u64 {
    base.wrapping_add(index as u64 * CQE_BYTES as u64)
}

/// Declares an enum with a lossless conversion from its code.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident : $repr:ident { $($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr($repr)]
        pub enum $name { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl $name {
            /// Every code, with its description.
            pub const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$variant, stringify!($variant), concat!($($doc),+).trim_ascii_start()),)+];

            /// The variant with this code.
            pub const fn from_code(code: $repr) -> Option<$name> {
                match code { $($code => Some($name::$variant),)+ _ => None }
            }

            /// The code as it stands in a queue entry.
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// What it means, in a sentence.
            pub fn describe(self) -> &'static str {
                match self { $($name::$variant => concat!($($doc),+).trim_ascii_start(),)+ }
            }
        }
    };
}

codes! {
    /// What a submission asks for.
    Opcode: u8 {
        /// Completes with OK.
        Nop = 0x00,
        /// Completes when all earlier commands and moves are done.
        Fence = 0x01,
        /// Sets the decode step, sweeps, and makes the automatic moves.
        StepAdvance = 0x02,
        /// A block now exists: gives it a frame.
        Insert = 0x03,
        /// Tells where a block is.
        Lookup = 0x04,
        /// Tells where a block is and counts an access.
        Touch = 0x05,
        /// Pins blocks.
        Hot = 0x06,
        /// Unpins blocks.
        Unhot = 0x07,
        /// Moves blocks to the next lower tier, or out.
        Evict = 0x08,
        /// Moves blocks down to a named tier.
        Demote = 0x09,
        /// Tells the step of the next use and moves blocks up in time.
        Prefetch = 0x0A,
        /// Adds a reference.
        Share = 0x0B,
        /// Drops a reference.
        Unshare = 0x0C,
        /// Keeps blocks for at least so many steps.
        Retain = 0x0D,
        /// Blocks are never needed again.
        Dead = 0x0E,
        /// Frees blocks and their entries.
        Release = 0x0F,
        /// Copies a block between its frame and a host buffer.
        Copy = 0x10,
        /// Device to host: write a staging slot to a T3 frame.
        SvcStore = 0x80,
        /// Device to host: read a T3 frame into a staging slot.
        SvcFetch = 0x81,
    }
}

codes! {
    /// How a command ended.
    Status: u16 {
        /// Done.
        Ok = 0,
        /// The opcode is unknown.
        InvalidOpcode = 1,
        /// A reserved bit, the scope, or an argument is out of range.
        InvalidField = 2,
        /// The tier has no frames, or is not one this command may name.
        InvalidTier = 3,
        /// No block of that key is in the directory (or, where bytes are needed, it is a ghost).
        NotFound = 4,
        /// No directory slot could be freed for the key; release blocks or use fewer frames.
        DirectoryFull = 5,
        /// No frame could be freed: every block of the tier is pinned, shared or retained.
        TierFull = 6,
        /// The queue belongs to another tenant.
        WrongTenant = 7,
        /// The step is behind the current one.
        StepBackward = 8,
        /// The reference count would exceed 255.
        RefcountOverflow = 9,
        /// The reference count is already 0.
        RefcountUnderflow = 10,
        /// A device access to host memory faulted; see DMA_ERR_IOVA.
        DmaFault = 11,
        /// What arrived does not have the CRC-32C of what was sent.
        CrcError = 12,
        /// INSERT, EVICT, DEMOTE: a move that was to make room failed and was undone. FENCE: that many moves (`value`) failed since the last FENCE.
        MoveFailed = 13,
        /// The block is in T3, which the device cannot address; PREFETCH it first.
        NotAddressable = 14,
        /// The block is pinned, shared or retained.
        InUse = 15,
        /// COPY length is not the block size.
        BadLength = 16,
        /// Metadata-only mode: there are no bytes to copy.
        MetadataOnly = 17,
        /// CTRL.ENABLE is 0.
        NotEnabled = 18,
        /// The device was reset or disabled before the command was done.
        Aborted = 19,
    }
}

codes! {
    /// Which blocks a command is about.
    Scope: u8 {
        /// The block of the key.
        Single = 0,
        /// `count` blocks: tag, tag + 1, and so on.
        Range = 1,
        /// Every block of the key's tenant and request, in order of directory index; the request must not be 0.
        Request = 2,
    }
}

bitflags! {
    /// Flags of a command.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct CommandFlags: u8 {
        /// INSERT, TOUCH: `parent` holds the tag of the block before this one in its chain.
        const PARENT = 1;
        /// COPY: from the block to the buffer, instead of into the block.
        const OUT = 1 << 1;
    }
}

bitflags! {
    /// Flags of a completion.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ResultFlags: u8 {
        /// `tier` and `frame` are valid.
        const PLACED = 1;
        /// A move of the block is not acknowledged yet (volatile).
        const IN_FLIGHT = 1 << 1;
        /// The entry is a ghost.
        const GHOST = 1 << 2;
        /// INSERT found the block already there and did not give it a new frame.
        const EXISTED = 1 << 3;
    }
}

/// What names a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Tenant.
    pub tenant: u8,
    /// Request; 0 is the shared-prefix space.
    pub request: u16,
    /// {layer/head 16, token block} for a private block, the content hash for a shared one.
    pub tag: u64,
}

impl Key {
    /// A block of the shared-prefix space.
    pub const fn shared(tenant: u8, tag: u64) -> Key {
        Key { tenant, request: 0, tag }
    }
}

/// A submission queue entry, taken apart.
///
/// | word | bits |
/// |---|---|
/// | 0 | opcode 7:0, flags 15:8, cid 31:16, request 47:32, tenant 55:48, tier 59:56, scope 63:60 |
/// | 1 | tag |
/// | 2 | parent tag |
/// | 3 | iova |
/// | 4 | length 31:0, count 63:32 |
/// | 5 | argument 31:0, depth 47:32, block flags 55:48, reserved 63:56 |
/// | 6 | crc32c 31:0, slot 63:32 (service requests; otherwise reserved) |
/// | 7 | reserved |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sqe {
    /// Opcode; see [`Opcode`].
    pub opcode: u8,
    /// Bits of [`CommandFlags`].
    pub flags: u8,
    /// Command id, returned in the completion.
    pub cid: u16,
    /// The block.
    pub key: Key,
    /// Tier (INSERT, DEMOTE).
    pub tier: u8,
    /// Code of a [`Scope`].
    pub scope: u8,
    /// Tag of the block before this one in its chain, with [`CommandFlags::PARENT`].
    pub parent: u64,
    /// Bus address of the buffer (COPY) or staging slot (service requests).
    pub iova: u64,
    /// Bytes to copy.
    pub length: u32,
    /// Blocks of a [`Scope::Range`], at least 1.
    pub count: u32,
    /// The step (STEP_ADVANCE), target step (PREFETCH), or steps to retain (RETAIN).
    pub argument: u32,
    /// Depth in the chain (INSERT); saturates at 4095.
    pub depth: u16,
    /// Bits of [`crate::regs::rtbd_entry::EntryFlags`]: PREFIX, DIRTY and READ_ONLY (INSERT).
    pub block_flags: u8,
    /// Reserved bits 63:56 of word 5.
    pub reserved5: u8,
    /// CRC-32C of the block (SvcStore).
    pub crc32c: u32,
    /// Frame of T3 (service requests).
    pub slot: u32,
    /// Word 7, reserved.
    pub reserved7: u64,
}

impl Sqe {
    /// Takes the eight words of an entry apart. Every bit lands in a field, so nothing is lost.
    pub const fn from_words(w: [u64; 8]) -> Sqe {
        Sqe {
            opcode: w[0] as u8,
            flags: (w[0] >> 8) as u8,
            cid: (w[0] >> 16) as u16,
            key: Key { tenant: (w[0] >> 48) as u8, request: (w[0] >> 32) as u16, tag: w[1] },
            tier: (w[0] >> 56) as u8 & 0xF,
            scope: (w[0] >> 60) as u8,
            parent: w[2],
            iova: w[3],
            length: w[4] as u32,
            count: (w[4] >> 32) as u32,
            argument: w[5] as u32,
            depth: (w[5] >> 32) as u16,
            block_flags: (w[5] >> 48) as u8,
            reserved5: (w[5] >> 56) as u8,
            crc32c: w[6] as u32,
            slot: (w[6] >> 32) as u32,
            reserved7: w[7],
        }
    }

    /// The eight words of the entry. `tier` and `scope` are cut to four bits.
    pub const fn to_words(&self) -> [u64; 8] {
        [
            self.opcode as u64
                | (self.flags as u64) << 8
                | (self.cid as u64) << 16
                | (self.key.request as u64) << 32
                | (self.key.tenant as u64) << 48
                | (self.tier as u64 & 0xF) << 56
                | (self.scope as u64) << 60,
            self.key.tag,
            self.parent,
            self.iova,
            self.length as u64 | (self.count as u64) << 32,
            self.argument as u64
                | (self.depth as u64) << 32
                | (self.block_flags as u64) << 48
                | (self.reserved5 as u64) << 56,
            self.crc32c as u64 | (self.slot as u64) << 32,
            self.reserved7,
        ]
    }
}

/// A completion queue entry, taken apart.
///
/// | word | bits |
/// |---|---|
/// | 0 | frame 15:0, tier 19:16, reserved 23:20, result flags 31:24, value 63:32 |
/// | 1 | sq_head 15:0, qid 31:16, cid 47:32, phase 48, status 63:49 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cqe {
    /// Frame of the block, if [`ResultFlags::PLACED`].
    pub frame: u16,
    /// Tier of the block, if [`ResultFlags::PLACED`].
    pub tier: u8,
    /// Bits of [`ResultFlags`].
    pub flags: u8,
    /// Blocks affected, or the CRC-32C of the block (COPY, SvcFetch, SvcStore).
    pub value: u32,
    /// Index of the next submission entry the device will fetch: entries before it are free.
    pub sq_head: u16,
    /// Queue the command came by.
    pub qid: u16,
    /// Command id of the submission.
    pub cid: u16,
    /// Phase: 1 on the first pass over the queue, then alternating.
    pub phase: bool,
    /// Code of a [`Status`].
    pub status: u16,
}

impl Cqe {
    /// Takes the two words of an entry apart.
    pub const fn from_words(w: [u64; 2]) -> Cqe {
        Cqe {
            frame: w[0] as u16,
            tier: (w[0] >> 16) as u8 & 0xF,
            flags: (w[0] >> 24) as u8,
            value: (w[0] >> 32) as u32,
            sq_head: w[1] as u16,
            qid: (w[1] >> 16) as u16,
            cid: (w[1] >> 32) as u16,
            phase: (w[1] >> CQE_PHASE_BIT) & 1 == 1,
            status: (w[1] >> 49) as u16,
        }
    }

    /// The two words of the entry.
    pub const fn to_words(&self) -> [u64; 2] {
        [
            self.frame as u64 | (self.tier as u64 & 0xF) << 16 | (self.flags as u64) << 24 | (self.value as u64) << 32,
            self.sq_head as u64
                | (self.qid as u64) << 16
                | (self.cid as u64) << 32
                | (self.phase as u64) << CQE_PHASE_BIT
                | (self.status as u64 & 0x7FFF) << 49,
        ]
    }
}

const _: () = {
    assert!(core::mem::size_of::<[u64; 8]>() == SQE_BYTES);
    assert!(core::mem::size_of::<[u64; 2]>() == CQE_BYTES);
};
