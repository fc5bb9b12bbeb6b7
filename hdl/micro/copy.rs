//! COPY: a block's bytes, in or out. docs/commands.md, COPY.

/// Id of the last COPY's descriptor: an earlier one, whose command was forgotten, is not taken for it.
static CP_ID: u32 = 0;
/// 1 while it is under way.
static CP_RUNS: u32 = 0;
/// How it ended, and the CRC-32C of what was read.
static CP_RESULT: u32 = 0;
static CP_CRC: u32 = 0;

/// Low byte of the id, which counts.
const CP_NUMBER: u32 = 0xFF;

/// COPY, whose common checks have been made.
fn copy() {
    if METADATA_ONLY != 0 {
        CQ_STATUS = STATUS_METADATA_ONLY;
        return;
    }
    if load(SQE_LENGTH) != 1 << BLOCK_SHIFT {
        CQ_STATUS = STATUS_BAD_LENGTH;
        return;
    }
    wait_block(X_TAG_LO, X_TAG_HI, X_ID);
    let placed = answer(find_block());
    if placed == 0 {
        CQ_FLAGS = 0;
        CQ_STATUS = STATUS_NOT_FOUND;
        return;
    }
    if CQ_TIER == T3 {
        CQ_STATUS = STATUS_NOT_ADDRESSABLE;
        CQ_FLAGS = 0;
        CQ_TIER = 0;
        CQ_FRAME = 0;
        return;
    }
    let is_out = if X_FLAGS & COMMAND_OUT != 0 { 1 } else { 0 };
    let channel = if is_out != 0 { UP } else { DOWN };
    while load(DMA + channel + DMA_GO) == 0 {
        wait(WAIT_MOVE);
    }
    copy_run(is_out, channel);
    copy_end(is_out);
}

/// Copies, and waits for the end of it.
fn copy_run(is_out: u32, channel: u32) {
    CP_ID = COPY_ID | (CP_ID + 1) & CP_NUMBER;
    CP_RUNS = 1;
    copy_at(is_out);
    dma_from(channel);
    copy_at(1 - is_out);
    dma_to(channel);
    dma_go(channel, CP_ID);
    while CP_RUNS != 0 {
        wait(WAIT_MOVE);
    }
}

/// The address of the block, or with 0 of the buffer.
fn copy_at(block: u32) {
    if block != 0 {
        at_frame(CQ_TIER, CQ_FRAME);
    } else {
        AT_LO = load(SQE_IOVA);
        AT_HI = load(SQE_IOVA + 1);
        AT_CARD = 0;
    }
}

/// The DMA of a COPY has ended.
fn copy_done(id: u32, result: u32, crc: u32) {
    if id == CP_ID {
        CP_RUNS = 0;
        CP_RESULT = result;
        CP_CRC = crc;
    }
}

/// What the completion says, and who is told of a failure.
fn copy_end(is_out: u32) {
    if CP_RESULT == 0 {
        CQ_VALUE = CP_CRC;
        let counter = if is_out != 0 { CSR_CNT_COPY_OUT_BYTES } else { CSR_CNT_COPY_IN_BYTES };
        count_add(counter + (CQ_TIER << 1), 1 << BLOCK_SHIFT);
        return;
    }
    CQ_STATUS = if CP_RESULT == RESULT_CRC { STATUS_CRC_ERROR } else { STATUS_DMA_FAULT };
    // Where it failed: with Bus Master Enable clear, at the first that is in host memory.
    copy_at(is_out);
    if CP_RESULT != RESULT_READ_FAULT && (CP_RESULT != RESULT_BUS_MASTER || AT_CARD != 0) {
        copy_at(1 - is_out);
    }
    dma_note(CP_RESULT);
    block_note(X_TAG_LO, X_TAG_HI, X_ID);
    CQ_FLAGS = 0;
    CQ_TIER = 0;
    CQ_FRAME = 0;
}
