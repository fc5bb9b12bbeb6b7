//! The ioctl interface of the character device: numbers, structures, and what their members mean.
//!
//! Described once, here: the server parses with these types, and `cargo xtask uapi` makes the C header
//! from the tables. It is the public KV-CPU driver's interface, so its names are that driver's too.
//! What each ioctl does on the device is in `docs/uapi.md`.

/// The type letter of all codes.
pub const MAGIC: u8 = b'K';

/// Type of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
}

impl Type {
    /// Size.
    pub const fn bytes(self) -> usize {
        match self {
            Type::U32 => 4,
            Type::U64 => 8,
        }
    }
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Name in Rust and C.
    pub name: &'static str,
    /// Type.
    pub kind: Type,
    /// Unit, or what else bounds it.
    pub unit: &'static str,
    /// Purpose.
    pub purpose: &'static str,
}

/// A structure that an ioctl carries.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// Tag in C.
    pub name: &'static str,
    /// Size.
    pub bytes: usize,
    /// Purpose.
    pub purpose: &'static str,
    /// Members in order; there is no padding between or behind them.
    pub members: &'static [Member],
}

/// Which way the structure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the program: `_IOW`.
    Write,
    /// To the program: `_IOR`.
    Read,
}

/// An ioctl.
#[derive(Clone, Copy, Debug)]
pub struct Ioctl {
    /// Name in C.
    pub name: &'static str,
    /// Number below [`MAGIC`].
    pub number: u8,
    /// Which way its structure goes.
    pub direction: Direction,
    /// Its structure.
    pub structure: &'static Structure,
    /// Purpose.
    pub purpose: &'static str,
}

impl Ioctl {
    /// The code: number 7:0, letter 15:8, size 29:16, direction 31:30 (`asm-generic/ioctl.h`).
    pub const fn code(&self) -> u32 {
        let direction = match self.direction {
            Direction::Write => 1,
            Direction::Read => 2,
        };
        direction << 30 | (self.structure.bytes as u32) << 16 | (MAGIC as u32) << 8 | self.number as u32
    }
}

/// Declares a structure as a Rust type and as a [`Structure`].
macro_rules! structure {
    (
        $(#[doc = $doc:literal])+
        $name:ident as $tag:literal {
            $($(#[doc = $purpose:literal])+ $member:ident: $type:ident as $kind:ident, $unit:literal;)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $purpose])+ pub $member: $type,)+
        }

        impl $name {
            /// Size in bytes.
            pub const BYTES: usize = 0 $(+ size_of::<$type>())+;
            /// Its description.
            pub const STRUCTURE: Structure = Structure {
                name: $tag,
                bytes: Self::BYTES,
                purpose: concat!($($doc),+).trim_ascii_start(),
                members: &[$(Member {
                    name: stringify!($member),
                    kind: Type::$kind,
                    unit: $unit,
                    purpose: concat!($($purpose),+).trim_ascii_start(),
                },)+],
            };

            /// From memory of the program's, if it is exactly so long.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                $(
                    let (bytes, after) = rest.split_first_chunk()?;
                    let $member = $type::from_ne_bytes(*bytes);
                    rest = after;
                )+
                rest.is_empty().then_some(Self { $($member),+ })
            }

            /// As it lies in the program's memory.
            pub fn to_bytes(&self) -> [u8; Self::BYTES] {
                let mut bytes = [0; Self::BYTES];
                $(let $member = self.$member.to_ne_bytes();)+
                let members = [$($member.as_slice()),+];
                for (byte, of) in bytes.iter_mut().zip(members.into_iter().flatten()) {
                    *byte = *of;
                }
                bytes
            }
        }
    };
}

structure! {
    /// A decode step.
    Step as "kv_cpu_step_info" {
        /// The step that begins.
        step: u64 as U64, "steps, at most 2^32 - 1, never back";
    }
}

structure! {
    /// A range of memory that holds KV blocks.
    Blocks as "kv_cpu_block_info" {
        /// Where it begins, in the caller's address space.
        va: u64 as U64, "bytes";
        /// Its length.
        len: u64 as U64, "bytes, not 0";
        /// PREFETCH: when it will be needed. Not looked at by the others.
        target_step: u64 as U64, "steps, at most 2^32 - 1";
    }
}

structure! {
    /// What blocks are worth, and from when the device moves them by itself.
    Weights as "kv_cpu_weights_info" {
        /// Weight of recency.
        w_r: u32 as U32, "0 to 255";
        /// Weight of frequency.
        w_f: u32 as U32, "0 to 255";
        /// Weight of the next use's proximity.
        w_s: u32 as U32, "0 to 255";
        /// Weight of a prefix's durability.
        w_d: u32 as U32, "0 to 255";
        /// Blocks scored below it may be demoted at a step.
        evict_thresh: u32 as U32, "score, 0 to 65535";
        /// Blocks whose next use is at least so near move up.
        prefetch_thresh: u32 as U32, "proximity, 0 to 65535";
    }
}

structure! {
    /// What the device was told since it was created, and its policy.
    Telemetry as "kv_cpu_telemetry_info" {
        /// The device's step.
        current_step: u64 as U64, "steps";
        /// STEP_ADVANCE that succeeded.
        step_count: u64 as U64, "ioctls";
        /// MARK_HOT that succeeded.
        hot_count: u64 as U64, "ioctls";
        /// EVICT that succeeded.
        evict_count: u64 as U64, "ioctls";
        /// PREFETCH that succeeded.
        prefetch_count: u64 as U64, "ioctls";
        /// SHARE_PREFIX that succeeded.
        share_count: u64 as U64, "ioctls";
        /// Range of the last ioctl about blocks that succeeded, as given.
        last_va: u64 as U64, "bytes";
        /// Its length.
        last_len: u64 as U64, "bytes";
        /// Its `target_step`, whatever the ioctl was; after STEP_ADVANCE, its step.
        last_target_step: u64 as U64, "steps";
        /// Weight of recency.
        w_r: u32 as U32, "0 to 255";
        /// Weight of frequency.
        w_f: u32 as U32, "0 to 255";
        /// Weight of the next use's proximity.
        w_s: u32 as U32, "0 to 255";
        /// Weight of a prefix's durability.
        w_d: u32 as U32, "0 to 255";
        /// Blocks scored below it may be demoted at a step.
        evict_thresh: u32 as U32, "score";
        /// Blocks whose next use is at least so near move up.
        prefetch_thresh: u32 as U32, "proximity";
    }
}

/// The structures, in the order in which the ioctls need them.
pub const STRUCTURES: [Structure; 4] = [Step::STRUCTURE, Blocks::STRUCTURE, Weights::STRUCTURE, Telemetry::STRUCTURE];

/// Declares an ioctl.
macro_rules! ioctl {
    ($(#[doc = $purpose:literal])+ $name:ident = $number:literal, $direction:ident $structure:ident) => {
        $(#[doc = $purpose])+
        pub const $name: Ioctl = Ioctl {
            name: concat!("KV_CPU_", stringify!($name)),
            number: $number,
            direction: Direction::$direction,
            structure: &$structure::STRUCTURE,
            purpose: concat!($($purpose),+).trim_ascii_start(),
        };
    };
}

ioctl! {
    /// A new decode step: the device ages, sweeps and moves blocks.
    STEP_ADVANCE = 0x01, Write Step
}
ioctl! {
    /// Pins the blocks of a range: never victims, until EVICT.
    MARK_HOT = 0x02, Write Blocks
}
ioctl! {
    /// Moves the blocks of a range down a tier, or out.
    EVICT = 0x03, Write Blocks
}
ioctl! {
    /// The blocks of a range will be needed at target_step: they move up in time.
    PREFETCH = 0x04, Write Blocks
}
ioctl! {
    /// One more reference to the blocks of a range: never victims, until the caller closes the device.
    SHARE_PREFIX = 0x05, Write Blocks
}
ioctl! {
    /// Sets the policy.
    SET_WEIGHTS = 0x06, Write Weights
}
ioctl! {
    /// Reads counts and policy.
    GET_TELEMETRY = 0x07, Read Telemetry
}

/// Every ioctl.
pub const IOCTLS: [Ioctl; 7] = [STEP_ADVANCE, MARK_HOT, EVICT, PREFETCH, SHARE_PREFIX, SET_WEIGHTS, GET_TELEMETRY];
