//! What the files of the microprogram share: bus addresses, the layout of the data RAM, registers. docs/control.md has the bus.

// Data RAM, of 0xC00 words.
/// The command that is executed: 16 words of its SQE.
const SQE: u32 = 0x000;
/// Doorbell list: 16 items of {queue, tail}.
const DOORBELLS: u32 = 0x020;
/// A queue's state, 16 words each; queue 4 is the single-shot path. Fields: `Q_*`.
const QUEUES: u32 = 0x040;
/// The guard's thresholds and hits, 8 words each.
const THRESHOLDS: u32 = 0x0A0;
const HITS: u32 = 0x0A8;
/// Snapshots of the command: HIGH, LOW, LOOKAHEAD of the four tiers.
const SNAP_HIGH: u32 = 0x0B0;
const SNAP_LOW: u32 = 0x0B4;
const SNAP_LOOKAHEAD: u32 = 0x0B8;
/// A tier's free list, 8 words each: `T_*`.
const TIERS: u32 = 0x0C0;
/// Moves in flight, 64 of 16 words: `M_*`.
const MOVES: u32 = 0x100;
/// Staging slots of T3, 64 of 4 words.
const STAGING: u32 = 0x500;
/// Indexes accessed in the present chain, up to 512.
const CHAIN: u32 = 0x600;
/// Nodes of the search for a slot, 170 of 3 words.
const NODES: u32 = 0x800;

// The bus.
const CSR: u32 = 0x100000;
const DESCRIPTOR: u32 = 0x110000;
const WRITABLE: u32 = 0x120000;
const RESET_VALUE: u32 = 0x130000;
const FREE_RING: u32 = 0x200000;
const FRAME_EPOCH: u32 = 0x240000;
const FRAME_FLAGS: u32 = 0x280000;
const FRAME_RETIRED: u32 = 0x2C0000;
const QUARANTINE: u32 = 0x300000;
const CARD_FAULT: u32 = 0x340000;
const ENTRY: u32 = 0x400000;
const KEY_TAG_LO: u32 = 0x500000;
const KEY_TAG_HI: u32 = 0x500001;
const KEY_ID: u32 = 0x500002;
const FIND: u32 = 0x500003;
const FIND_PLACE: u32 = 0x500004;
const COMMIT: u32 = 0x500005;
const HASH: u32 = 0x500006;
const BUCKETS: u32 = 0x500007;
const CLEAR: u32 = 0x500008;
const TOUCHED_COUNT: u32 = 0x500009;
const TOUCHED_POP: u32 = 0x50000A;
const TOUCHED_CLEAR: u32 = 0x50000B;
const HEPC: u32 = 0x600000;
const DMA: u32 = 0x700000;
const FRONT: u32 = 0x800000;

// Words of an entry.
const E_TAG_LO: u32 = 0;
const E_TAG_HI: u32 = 1;
const E_ID: u32 = 2;
const E_PLACE: u32 = 3;
const E_ACCESS: u32 = 4;
const E_TARGET: u32 = 5;
const E_HISTORY: u32 = 6;
const E_STATE: u32 = 7;

/// Instances of the tier and queue blocks lie so many words apart.
const TIER_STRIDE: u32 = 16;
const QUEUE_STRIDE: u32 = 16;

// Geometry, read once at reset.
static ENTRIES: u32 = 0;
static LAST_SLOT: u32 = 0;
static STASH: u32 = 0;

// The command that is executed (command.rs); its completion.
static CQ_STATUS: u32 = 0;
static CQ_FLAGS: u32 = 0;
static CQ_TIER: u32 = 0;
static CQ_FRAME: u32 = 0;
static CQ_VALUE: u32 = 0;
/// Queue it came by, 0..3, or 4 for the single-shot path.
static COMMAND_QUEUE: u32 = 0;
/// Registers as they were when it began.
static SNAP_WEIGHTS: u32 = 0;
static SNAP_SHIFT: u32 = 0;
static SNAP_GUARD: u32 = 0;
static SNAP_THRESH: u32 = 0;
static SNAP_PREFETCH_TIER: u32 = 0;
static SNAP_LAZY: u32 = 0;

/// CTRL.ENABLE, set last when enabling.
static ENABLED: u32 = 0;
/// DMA_CTRL.METADATA_ONLY and BLOCK_SHIFT, taken at ENABLE.
static METADATA_ONLY: u32 = 0;
static BLOCK_SHIFT: u32 = 0;
/// The step.
static STEP: u32 = 0;
/// ACCESS_CLOCK.
static CLOCK: u32 = 0;
/// CLOCK when the present chain began.
static STAMP: u32 = 0;
/// Entries with TARGET_VALID, of any state.
static TARGETS: u32 = 0;
/// CAPACITY of docs/hepc.md.
static CAPACITY: u32 = 0;
/// Moves decided and not acknowledged.
static IN_FLIGHT: u32 = 0;
/// Moves that failed since any queue's last FENCE.
static FAILED_MOVES: u32 = 0;
/// 1 if thread 1 wants the waiting command forgotten (its queue was disabled).
static FORGET: u32 = 0;
