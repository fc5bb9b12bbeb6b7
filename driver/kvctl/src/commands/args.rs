//! What can be typed: one subcommand for each command of the device, and a raw entry.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kvcpu_driver::{Insert, Target};
use kvcpu_mmio::queue::{Key, Sqe};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::weights::WeightsArgs;
use crate::cli::parse::{key, number, request, small};
use crate::fw::FwArgs;
use crate::regs::RegsArgs;

/// A command of a session.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Advance to a decode step: ages, sweeps, moves
    Step {
        /// The step; never back
        #[arg(value_parser = small::<u32>)]
        step: u32,
    },
    /// A block now exists; gives it a frame
    Insert(InsertArgs),
    /// Where is a block?
    Lookup {
        /// tenant:request:tag, request:tag or tag
        #[arg(value_parser = key)]
        key: Key,
    },
    /// Where is a block? Counts an access
    Touch {
        /// tenant:request:tag, request:tag or tag
        #[arg(value_parser = key)]
        key: Key,
        /// Tag of the block before it in its chain
        #[arg(long, value_name = "TAG", value_parser = number)]
        parent: Option<u64>,
    },
    /// Pin blocks: never victims
    Hot(TargetArgs),
    /// Unpin blocks
    Unhot(TargetArgs),
    /// Move blocks to the next lower tier, or out
    Evict(TargetArgs),
    /// Move blocks down to a named tier
    Demote {
        /// The blocks
        #[command(flatten)]
        target: TargetArgs,
        /// The tier
        #[arg(long, value_parser = small::<u8>)]
        tier: u8,
    },
    /// Blocks will be needed at a step: move them up in time
    Prefetch {
        /// The blocks
        #[command(flatten)]
        target: TargetArgs,
        /// The step
        #[arg(long, value_parser = small::<u32>)]
        step: u32,
    },
    /// Add a reference: never victims while there is one
    Share(TargetArgs),
    /// Drop a reference
    Unshare(TargetArgs),
    /// Keep blocks at least so many steps
    Retain {
        /// The blocks
        #[command(flatten)]
        target: TargetArgs,
        /// Steps from now
        #[arg(long, value_parser = small::<u32>)]
        steps: u32,
    },
    /// Blocks are never needed again: first victims
    Dead(TargetArgs),
    /// Free blocks and their entries
    Release(TargetArgs),
    /// Copy a block's bytes in or out
    Copy(CopyArgs),
    /// Wait until all earlier commands and moves are done
    Fence,
    /// Complete, and do nothing else
    Nop,
    /// Submit a raw queue entry and show its completion
    Submit(RawArgs),
    /// Read or set the score's weights, the thresholds and watermarks
    Weights(WeightsArgs),
    /// Show counters, tiers, queues and errors
    Telemetry,
    /// List, read and write registers by name
    Regs(RegsArgs),
    /// See and command the firmware: status, log, update, self-test, parameters
    Fw(FwArgs),
}

/// Which blocks.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct TargetArgs {
    /// tenant:request:tag, request:tag or tag
    #[arg(value_parser = key, conflicts_with = "request")]
    key: Option<Key>,
    /// So many blocks: tag, tag + 1, and so on
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(1..=65_536), requires = "key")]
    range: Option<u32>,
    /// All blocks of tenant:request
    #[arg(long, value_name = "T:R", value_parser = request)]
    request: Option<(u8, u16)>,
}

impl TargetArgs {
    /// As the driver wants it.
    pub fn target(&self) -> Target {
        match (self.request, self.key, self.range) {
            (Some((tenant, request)), ..) => Target::Request(tenant, request),
            (None, key, None) => Target::Single(key.unwrap_or_default()),
            (None, key, Some(count)) => Target::Range(key.unwrap_or_default(), count),
        }
    }
}

/// Options of `insert`.
#[derive(Args, Clone, Debug)]
pub struct InsertArgs {
    /// tenant:request:tag, request:tag or tag
    #[arg(value_parser = key)]
    key: Key,
    /// Tier to put it in: 0, 1 or 2
    #[arg(long, default_value = "1", value_parser = small::<u8>)]
    tier: u8,
    /// Position in its chain
    #[arg(long, default_value = "0", value_parser = small::<u16>)]
    depth: u16,
    /// Tag of the block before it in its chain
    #[arg(long, value_name = "TAG", value_parser = number)]
    parent: Option<u64>,
    /// It is part of a shared prefix
    #[arg(long)]
    prefix: bool,
    /// It was changed since it was made
    #[arg(long)]
    dirty: bool,
    /// Mappings of it are read-only
    #[arg(long)]
    read_only: bool,
}

impl InsertArgs {
    /// As the driver wants it.
    pub fn insert(&self) -> Insert {
        let mut flags = EntryFlags::empty();
        flags.set(EntryFlags::PREFIX, self.prefix);
        flags.set(EntryFlags::DIRTY, self.dirty);
        flags.set(EntryFlags::READ_ONLY, self.read_only);
        Insert { key: self.key, tier: self.tier, depth: self.depth, flags, parent: self.parent }
    }
}

/// Options of `copy`.
#[derive(Args, Clone, Debug)]
pub struct CopyArgs {
    #[command(subcommand)]
    pub(super) way: CopyWay,
}

#[derive(Subcommand, Clone, Debug)]
pub(super) enum CopyWay {
    /// Fill a block
    In {
        /// tenant:request:tag, request:tag or tag
        #[arg(value_parser = key)]
        key: Key,
        /// With the bytes of a file, exactly a block long
        #[arg(required_unless_present = "fill")]
        file: Option<PathBuf>,
        /// With one byte everywhere
        #[arg(long, value_name = "BYTE", value_parser = small::<u8>, conflicts_with = "file")]
        fill: Option<u8>,
    },
    /// Show a block's bytes
    Out {
        /// tenant:request:tag, request:tag or tag
        #[arg(value_parser = key)]
        key: Key,
        /// Write them to a file
        file: Option<PathBuf>,
    },
}

/// A queue entry, field by field; everything but the opcode defaults to 0.
#[derive(Args, Clone, Debug)]
pub struct RawArgs {
    /// The opcode, known or not
    #[arg(value_parser = small::<u8>)]
    opcode: u8,
    /// tenant:request:tag
    #[arg(long, value_parser = key, default_value = "0")]
    key: Key,
    /// Command flags
    #[arg(long, default_value = "0", value_parser = small::<u8>)]
    flags: u8,
    /// Tier, 4 bits
    #[arg(long, default_value = "0", value_parser = small::<u8>)]
    tier: u8,
    /// Scope, 4 bits
    #[arg(long, default_value = "0", value_parser = small::<u8>)]
    scope: u8,
    /// Tag of the parent
    #[arg(long, default_value = "0", value_parser = number)]
    parent: u64,
    /// Bus address
    #[arg(long, default_value = "0", value_parser = number)]
    iova: u64,
    /// Bytes
    #[arg(long, default_value = "0", value_parser = small::<u32>)]
    length: u32,
    /// Blocks of a range
    #[arg(long, default_value = "0", value_parser = small::<u32>)]
    count: u32,
    /// Step or steps
    #[arg(long, default_value = "0", value_parser = small::<u32>)]
    argument: u32,
    /// Depth
    #[arg(long, default_value = "0", value_parser = small::<u16>)]
    depth: u16,
    /// Block flags
    #[arg(long, default_value = "0", value_parser = small::<u8>)]
    block_flags: u8,
    /// Reserved bits 63:56 of word 5
    #[arg(long, default_value = "0", value_parser = small::<u8>)]
    reserved5: u8,
    /// CRC-32C field
    #[arg(long, default_value = "0", value_parser = small::<u32>)]
    crc32c: u32,
    /// Slot field
    #[arg(long, default_value = "0", value_parser = small::<u32>)]
    slot: u32,
    /// Reserved word 7
    #[arg(long, default_value = "0", value_parser = number)]
    reserved7: u64,
}

impl RawArgs {
    /// The entry.
    pub fn sqe(&self) -> Sqe {
        Sqe {
            opcode: self.opcode,
            flags: self.flags,
            cid: 0,
            key: self.key,
            tier: self.tier,
            scope: self.scope,
            parent: self.parent,
            iova: self.iova,
            length: self.length,
            count: self.count,
            argument: self.argument,
            depth: self.depth,
            block_flags: self.block_flags,
            reserved5: self.reserved5,
            crc32c: self.crc32c,
            slot: self.slot,
            reserved7: self.reserved7,
        }
    }
}
