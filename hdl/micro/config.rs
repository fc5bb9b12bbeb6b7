//! What ENABLE checks: CONFIG_ERR, the lowest number that applies. mmio/gen/registers.md, CONFIG_ERR.

const CONFIG_BLOCK_SHIFT: u32 = 1;
const CONFIG_FRAMES: u32 = 2;
const CONFIG_LIMIT: u32 = 3;
const CONFIG_CARD: u32 = 4;
const CONFIG_SERVICE: u32 = 5;
const CONFIG_NO_TIER: u32 = 6;
const CONFIG_PREFETCH_TIER: u32 = 7;
const CONFIG_WATERMARKS: u32 = 8;
const CONFIG_MAINTENANCE: u32 = 9;
const CONFIG_AGENTS: u32 = 10;
const CONFIG_ADDRESS: u32 = 11;

/// Staging slots that there can be.
const STAGING_MOST: u32 = 64;
/// log2 of the bytes of an entry of the service queue's rings.
const SQE_LOG2: u32 = 6;
const CQE_LOG2: u32 = 4;
// Low bits of an address that has to be aligned.
const ALIGNED_8: u32 = 7;
const ALIGNED_16: u32 = 15;
const ALIGNED_64: u32 = 63;

/// Where what `range_end` looked at ends.
static CF_END_LO: u32 = 0;
static CF_END_HI: u32 = 0;

/// Why the device cannot be enabled; 0 if it can.
fn config_error() -> u32 {
    let shift = load(CSR_BLOCK_SHIFT);
    if shift < load(FRONT_MIN_SHIFT) || shift > load(FRONT_MAX_SHIFT) {
        return CONFIG_BLOCK_SHIFT;
    }
    let bytes_move = load(CSR_DMA_CTRL) & DMA_CTRL_METADATA_ONLY_MASK == 0;
    if frames_fit() == 0 {
        return CONFIG_FRAMES;
    }
    if none_above(CSR_TIER_LIMIT, CSR_TIER_FRAMES) == 0 {
        return CONFIG_LIMIT;
    }
    if bytes_move != 0 {
        if card_fits(shift) == 0 {
            return CONFIG_CARD;
        }
        if service_fits() == 0 {
            return CONFIG_SERVICE;
        }
    }
    if any_limit() == 0 {
        return CONFIG_NO_TIER;
    }
    if load(CSR_TIER_LIMIT + (load(CSR_PREFETCH_TIER) << 4)) == 0 {
        return CONFIG_PREFETCH_TIER;
    }
    if none_above(CSR_TIER_LOW, CSR_TIER_HIGH) == 0 {
        return CONFIG_WATERMARKS;
    }
    if load(CSR_RTBD_CTRL) & RTBD_CTRL_MAINT_MASK != 0 {
        return CONFIG_MAINTENANCE;
    }
    if load(CSR_AGENT_MASK) >> load(FRONT_AGENTS) != 0 {
        return CONFIG_AGENTS;
    }
    if bytes_move != 0 && addresses_fit(shift) == 0 {
        return CONFIG_ADDRESS;
    }
    0
}

/// 1 if no tier has more frames than the directory has entries.
fn frames_fit() -> u32 {
    let mut tier = 0;
    while tier != 4 * TIER_STRIDE {
        if load(CSR_TIER_FRAMES + tier) > ENTRIES {
            return 0;
        }
        tier += TIER_STRIDE;
    }
    1
}

/// 1 if in no tier the first of these registers is above the second.
fn none_above(first: u32, second: u32) -> u32 {
    let mut tier = 0;
    while tier != 4 * TIER_STRIDE {
        if load(first + tier) > load(second + tier) {
            return 0;
        }
        tier += TIER_STRIDE;
    }
    1
}

/// 1 if some tier has a LIMIT.
fn any_limit() -> u32 {
    let mut tier = 0;
    while tier != 4 * TIER_STRIDE {
        if load(CSR_TIER_LIMIT + tier) != 0 {
            return 1;
        }
        tier += TIER_STRIDE;
    }
    0
}

/// 1 if T1, should it be used, lies in the card's memory.
fn card_fits(shift: u32) -> u32 {
    let tier = TIER_STRIDE;
    if load(CSR_TIER_LIMIT + tier) == 0 {
        return 1;
    }
    if range_passes(CSR_TIER_BASE + tier, load(CSR_TIER_FRAMES + tier), shift) != 0 {
        return 0;
    }
    let kib = load(FRONT_T1_KIB);
    let end_hi = kib >> 22;
    CF_END_HI < end_hi || CF_END_HI == end_hi && CF_END_LO <= kib << 10
}

/// 1 if T3 is not used, or there are a service queue and staging slots for it.
fn service_fits() -> u32 {
    // Less one: 0 is as much out of range.
    load(CSR_TIER_LIMIT + 3 * TIER_STRIDE) == 0
        || load(CSR_SVC_CTRL) & SVC_CTRL_ENABLE_MASK != 0
            && load(CSR_SVC_STAGE_SLOTS) - 1 < STAGING_MOST
            && load(CSR_SVC_SIZE) - 1 < RING_LOG2_MOST
}

/// 1 if every address in use is aligned, and what begins there ends in 64 bits.
fn addresses_fit(shift: u32) -> u32 {
    let mut tier = 0;
    while tier != 3 * TIER_STRIDE {
        if load(CSR_TIER_LIMIT + tier) != 0
            && range_fits(CSR_TIER_BASE + tier, ALIGNED_8, load(CSR_TIER_FRAMES + tier), shift) == 0
        {
            return 0;
        }
        tier += TIER_STRIDE;
    }
    if load(CSR_TIER_LIMIT + 3 * TIER_STRIDE) == 0 {
        return 1;
    }
    let entries = 1 << load(CSR_SVC_SIZE);
    range_fits(CSR_SVC_STAGE_BASE, ALIGNED_8, load(CSR_SVC_STAGE_SLOTS), shift) != 0
        && range_fits(CSR_SVC_SQ_BASE, ALIGNED_64, entries, SQE_LOG2) != 0
        && range_fits(CSR_SVC_CQ_BASE, ALIGNED_16, entries, CQE_LOG2) != 0
}

/// 1 if `n` pieces of 2^`log2` bytes fit at the address in register `base`, whose bits of `aligned` have to be 0.
fn range_fits(base: u32, aligned: u32, n: u32, log2: u32) -> u32 {
    load(base) & aligned == 0 && range_passes(base, n, log2) == 0
}

/// 1 if `n` pieces of 2^`log2` bytes, log2 not 0, at the address in register `base` pass 2^64. Makes CF_END_*.
fn range_passes(base: u32, n: u32, log2: u32) -> u32 {
    let lo = load(base);
    CF_END_LO = lo + (n << log2);
    let carry = CF_END_LO < lo;
    let bytes_hi = n >> (32 - log2);
    let hi = load(base + 1);
    let sum = hi + bytes_hi;
    CF_END_HI = sum + carry;
    // At 2^64 itself it does not pass.
    (sum < hi || CF_END_HI < sum) && CF_END_LO | CF_END_HI != 0
}
