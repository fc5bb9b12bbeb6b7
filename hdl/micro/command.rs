//! A command: its checks, the registers it goes by, and what ends it. docs/commands.md.
//!
//! ```text
//!  SQE ─► fields ─► enabled ─► tenant ─┬─ good: snapshots ─► hepc_begin ─► command ─► offers ─┐
//!                                      └─ refused: nothing changes ───────────────────────────┴─► counters, CQ_*
//! ```

// Words of the SQE.
/// Opcode 7:0, flags 15:8, cid 31:16.
const SQE_HEAD: u32 = SQE;
/// Request 15:0, tenant 23:16, tier 27:24, scope 31:28.
const SQE_ID: u32 = SQE + 1;
/// Low half; the high half behind it, as with the next two.
const SQE_TAG: u32 = SQE + 2;
const SQE_PARENT: u32 = SQE + 4;
const SQE_IOVA: u32 = SQE + 6;
const SQE_LENGTH: u32 = SQE + 8;
const SQE_COUNT: u32 = SQE + 9;
const SQE_ARGUMENT: u32 = SQE + 10;
/// Depth 15:0, block flags 23:16, reserved5 31:24.
const SQE_BLOCK: u32 = SQE + 11;
/// What stands in four words that are not used: crc32c, slot, reserved7.
const SQE_RESERVED: u32 = SQE + 12;

/// Block flags that INSERT may give.
const GIVEN_FLAGS: u32 = FLAG_PREFIX | FLAG_DIRTY | FLAG_READ_ONLY;
/// The most tags a Range has.
const RANGE_MOST: u32 = 65536;

// The command, taken apart.
/// Opcode.
static X_OPCODE: u32 = 0;
/// Flags: COMMAND_*.
static X_FLAGS: u32 = 0;
/// Request and tenant of the key, as in an entry's ID word.
static X_ID: u32 = 0;
/// Tag of the key.
static X_TAG_LO: u32 = 0;
static X_TAG_HI: u32 = 0;
/// Tier.
static X_TIER: u32 = 0;
/// Scope.
static X_SCOPE: u32 = 0;
/// Argument.
static X_ARGUMENT: u32 = 0;

/// Executes the command in SQE; its completion is in CQ_*.
fn execute() {
    CQ_STATUS = STATUS_OK;
    CQ_FLAGS = 0;
    CQ_TIER = 0;
    CQ_FRAME = 0;
    CQ_VALUE = 0;
    command_take();
    let status = command_check();
    if status == STATUS_OK {
        step_begin();
        // Otherwise it goes by the registers as they were when its sweep began.
        if ST_BEGUN == 0 {
            command_snapshot();
        }
        hepc_begin();
        command_run();
        offers();
    } else {
        CQ_STATUS = status;
    }
    count(CSR_CNT_COMMANDS);
    if CQ_STATUS != STATUS_OK {
        count(CSR_CNT_REFUSED);
    }
}

/// Takes apart what checks and commands look at more than once.
fn command_take() {
    let head = load(SQE_HEAD);
    X_OPCODE = head & 0xFF;
    X_FLAGS = (head >> 8) & 0xFF;
    let id = load(SQE_ID);
    X_ID = id & KEY_MASK;
    X_TIER = (id >> 24) & 0xF;
    X_SCOPE = id >> 28;
    X_TAG_LO = load(SQE_TAG);
    X_TAG_HI = load(SQE_TAG + 1);
    X_ARGUMENT = load(SQE_ARGUMENT);
}

/// Checks 1 to 4: the status of the first that fails, or Ok.
fn command_check() -> u32 {
    if X_OPCODE > OP_COPY {
        return STATUS_INVALID_OPCODE;
    }
    if fields_good() == 0 {
        return STATUS_INVALID_FIELD;
    }
    if X_OPCODE != OP_NOP && ENABLED == 0 {
        return STATUS_NOT_ENABLED;
    }
    match X_OPCODE {
        OP_NOP | OP_FENCE | OP_STEP_ADVANCE => {}
        _ => {
            if is_denied() != 0 {
                count(CSR_CNT_DENIALS);
                // As if nothing were there.
                let asks = X_OPCODE == OP_LOOKUP || X_OPCODE == OP_TOUCH;
                return if asks != 0 { STATUS_NOT_FOUND } else { STATUS_WRONG_TENANT };
            }
        }
    }
    STATUS_OK
}

/// Check 2: 1 if no field is out of range.
fn fields_good() -> u32 {
    if load(SQE_RESERVED) != 0 {
        return 0;
    }
    // reserved5 stands above the block flags.
    let block = load(SQE_BLOCK) >> 16;
    let is_bare = X_FLAGS | X_TIER | X_SCOPE | block | load(SQE_COUNT);
    if is_bare == 0 && X_OPCODE != OP_COPY {
        return 1;
    }
    // What the command may have besides.
    let mut flags = 0;
    let mut block_flags = 0;
    let mut has_tier = 0;
    let mut has_scope = 0;
    match X_OPCODE {
        OP_INSERT => {
            flags = COMMAND_PARENT;
            block_flags = GIVEN_FLAGS;
            has_tier = 1;
        }
        OP_TOUCH => flags = COMMAND_PARENT,
        OP_COPY => flags = COMMAND_OUT,
        OP_NOP | OP_FENCE | OP_STEP_ADVANCE | OP_LOOKUP => {}
        _ => {
            has_scope = 1;
            if X_OPCODE == OP_DEMOTE {
                has_tier = 1;
            }
        }
    }
    if X_FLAGS & !flags != 0 || X_TIER != 0 && has_tier == 0 || X_SCOPE != 0 && has_scope == 0 {
        return 0;
    }
    if block & !block_flags != 0 {
        return 0;
    }
    if X_OPCODE == OP_COPY && load(SQE_IOVA) & 7 != 0 {
        return 0;
    }
    scope_good()
}

/// 1 if scope, count and key fit together.
fn scope_good() -> u32 {
    let n = load(SQE_COUNT);
    match X_SCOPE {
        SCOPE_SINGLE => n == 0,
        SCOPE_RANGE => {
            // The last tag must not pass 2^64 - 1.
            let passes = X_TAG_HI == NONE && X_TAG_LO + (n - 1) < X_TAG_LO;
            n != 0 && n <= RANGE_MOST && passes == 0
        }
        SCOPE_REQUEST => n == 0 && X_ID & ENTRY_ID_REQUEST_MASK != 0,
        _ => 0,
    }
}

/// 1 if the command's queue belongs to another tenant than its key names. The single-shot path belongs to none.
fn is_denied() -> u32 {
    if COMMAND_QUEUE == SINGLE_QUEUE {
        return 0;
    }
    // COMMAND_QUEUE << 4: QUEUE_STRIDE.
    let control = load(CSR_Q_CTRL + (COMMAND_QUEUE << 4));
    let tenant = (control & Q_CTRL_TENANT_MASK) >> Q_CTRL_TENANT_LSB;
    control & Q_CTRL_TENANT_ENFORCE_MASK != 0 && tenant != X_ID >> ENTRY_ID_TENANT_LSB
}

/// Keeps the registers that every command goes by as they are now, however long it waits.
fn command_snapshot() {
    SNAP_WEIGHTS = load(CSR_WEIGHTS);
    SNAP_SHIFT = load(CSR_RECENCY_SHIFT);
    SNAP_GUARD = load(CSR_GUARD);
}

/// The rest of them, of a command that may move blocks.
fn moves_snapshot() {
    SNAP_PREFETCH_TIER = load(CSR_PREFETCH_TIER);
    SNAP_LAZY = load(CSR_LUF_CTRL) & LUF_CTRL_LAZY_MASK;
    of_tiers(SNAP_LOOKAHEAD, CSR_TIER_LOOKAHEAD);
}

/// What the automatic moves look at besides PREFETCH_TIER.
fn automatic_snapshot() {
    SNAP_LAZY = load(CSR_LUF_CTRL) & LUF_CTRL_LAZY_MASK;
    SNAP_THRESH = load(CSR_EVICT_THRESH);
    of_tiers(SNAP_HIGH, CSR_TIER_HIGH);
    of_tiers(SNAP_LOW, CSR_TIER_LOW);
}

/// Keeps a register of each tier.
fn of_tiers(to: u32, from: u32) {
    store(to, load(from));
    store(to + 1, load(from + TIER_STRIDE));
    store(to + 2, load(from + 2 * TIER_STRIDE));
    store(to + 3, load(from + 3 * TIER_STRIDE));
}

/// The command itself.
fn command_run() {
    match X_OPCODE {
        OP_NOP => {}
        OP_FENCE => command_fence(),
        OP_STEP_ADVANCE => command_step(),
        OP_INSERT => {
            moves_snapshot();
            command_insert();
        }
        OP_LOOKUP | OP_TOUCH => command_lookup(),
        OP_COPY => copy(),
        _ => {
            moves_snapshot();
            command_scoped();
        }
    }
}
