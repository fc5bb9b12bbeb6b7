// An AXI4 master: what is offered on AR, AW and W stands unchanged until it is taken, and W has the words of AW's bursts,
// in the order of AW, LAST on the last of each.
//
//   requests ──► dut ──► AR, AW, W         The model counts the beats up to the end of one burst, any one.
//
// The FIFO before W is proved by itself; in its place stands one of eight words that shows a word whenever it likes, and holds
// nothing that it was given before if it is written when it is full.

module formal(
    input wire clock,
    input wire reset,
    input wire [2:0] read,
    input wire [2:0] write,
    input wire [63:0] read_address,
    input wire [63:0] write_address,
    input wire [6:0] read_beats,
    input wire [6:0] write_beats,
    input wire [63:0] word,
    input wire awready,
    input wire wready,
    input wire arready,
    input wire mark
);
    wire [2:0] read_taken;
    wire [2:0] write_taken;
    wire [2:0] word_taken;
    wire [1:0] awid;
    wire [63:0] awaddr;
    wire [7:0] awlen;
    wire awvalid;
    wire [63:0] wdata;
    wire wlast;
    wire wvalid;
    wire [1:0] arid;
    wire [63:0] araddr;
    wire [7:0] arlen;
    wire arvalid;

    kvcpu_dma$host dut(
        .clock(clock), .reset(reset),
        .read$0(read[0]), .read$1(read[1]), .read$2(read[2]),
        .read_address$0(read_address), .read_address$1(read_address), .read_address$2(read_address),
        .read_beats$0(read_beats), .read_beats$1(read_beats), .read_beats$2(read_beats),
        .read_taken$0(read_taken[0]), .read_taken$1(read_taken[1]), .read_taken$2(read_taken[2]),
        .write$0(write[0]), .write$1(write[1]), .write$2(write[2]),
        .write_address$0(write_address), .write_address$1(write_address), .write_address$2(write_address),
        .write_beats$0(write_beats), .write_beats$1(write_beats), .write_beats$2(write_beats),
        .write_taken$0(write_taken[0]), .write_taken$1(write_taken[1]), .write_taken$2(write_taken[2]),
        .word$0(word), .word$1(word), .word$2(word),
        .word_taken$0(word_taken[0]), .word_taken$1(word_taken[1]), .word_taken$2(word_taken[2]),
        .awid(awid), .awaddr(awaddr), .awlen(awlen), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wlast(wlast), .wvalid(wvalid), .wready(wready),
        .bid(2'd0), .bresp(2'd0), .bvalid(1'b0),
        .arid(arid), .araddr(araddr), .arlen(arlen), .arvalid(arvalid), .arready(arready),
        .rid(2'd0), .rdata(64'd0), .rresp(2'd0), .rlast(1'b0), .rvalid(1'b0)
    );

    // Registers of the design, joined by proof.toml; only what carries the induction looks at them.
    (* keep *) wire [1:0] who;
    (* keep *) wire [1:0] next_who;
    (* keep *) wire [3:0] level;
    (* keep *) wire [6:0] left;
    (* keep *) wire next_full;
    (* keep *) wire [6:0] next_beats;
    (* keep *) wire [2:0] drawn;
    (* keep *) wire drawn_last;
    (* keep *) wire [3:0] held;
    (* keep *) wire [8*65-1:0] words;
    (* keep *) wire [73:0] ar_out;
    (* keep *) wire [73:0] ar_spare;
    (* keep *) wire [73:0] aw_out;
    (* keep *) wire [73:0] aw_spare;
    (* keep *) wire ar_out_full;
    (* keep *) wire ar_spare_full;
    (* keep *) wire aw_out_full;
    (* keep *) wire aw_spare_full;

    reg started = 0;
    reg ar_stalled = 0;
    reg aw_stalled = 0;
    reg w_stalled = 0;
    reg [73:0] ar = 0;
    reg [73:0] aw = 0;
    reg [64:0] w = 0;
    // Beats of bursts on AW, less those on W; and how many of them come before the end of the marked burst.
    reg [9:0] owed = 0;
    reg [9:0] until_last = 0;
    reg marked = 0;
    // A burst counts from the clock in which its requester hears that it was taken; its beats are those asked for then.
    reg [6:0] beats_before = 0;
    wire [9:0] more = write_taken != 0 ? {3'd0, beats_before} : 10'd0;
    wire beat = wvalid & wready;
    wire marking = write_taken != 0 & mark & !marked;

    always @(posedge clock) begin
        started <= 1;
        ar_stalled <= arvalid & !arready & !reset;
        aw_stalled <= awvalid & !awready & !reset;
        w_stalled <= wvalid & !wready & !reset;
        ar <= {arid, arlen, araddr};
        aw <= {awid, awlen, awaddr};
        w <= {wlast, wdata};
        beats_before <= write_beats;
        owed <= owed + more - beat;
        if (marked & beat) begin
            until_last <= until_last - 1;
            if (until_last == 1) marked <= 0;
        end
        if (marking) begin
            marked <= 1;
            until_last <= owed + more - beat;
        end
        if (reset) begin
            owed <= 0;
            marked <= 0;
        end
    end

    // Where the marked burst ends.
    wire last_drawn = drawn != 0 & drawn_last & until_last == held + 10'd1;
    wire ends_left = left != 0 & until_last == {3'd0, left} + level;
    wire ends_next = next_full & until_last == {3'd0, left} + next_beats + level;
    reg last_held;
    integer i;
    always @(*) begin
        last_held = 0;
        for (i = 0; i < 8; i = i + 1)
            if (until_last == i + 1 && i < held && words[65*i+64]) last_held = 1;
    end

    always @(*) begin
        if (!started) assume (reset);
        assume (read_beats != 0 & read_beats <= 64);
        assume (write_beats != 0 & write_beats <= 64);
        if (started) begin
            ar_held: assert (!ar_stalled | (arvalid & ar == {arid, arlen, araddr}));
            aw_held: assert (!aw_stalled | (awvalid & aw == {awid, awlen, awaddr}));
            w_held: assert (!w_stalled | (wvalid & w == {wlast, wdata}));
            short: assert ((!arvalid | arlen < 64) & (!awvalid | awlen < 64));
            w_after_burst: assert (!wvalid | owed != 0);
            last_is_last: assert (!(marked & wvalid & until_last == 1) | wlast);
            no_word_unasked: assert (word_taken == 0 | word_taken == 1 | word_taken == 2 | word_taken == 4);
            one_taken: assert (write_taken == 0 | write_taken == 1 | write_taken == 2 | write_taken == 4);
        end
`ifdef INDUCTION
        if (started) begin
            within: assert (level <= 8 & left <= 64 & (!next_full | (next_beats != 0 & next_beats <= 64)));
            three: assert (who != 3 & next_who != 3);
            few: assert ({1'b0, held} + (drawn != 0) == {1'b0, level});
            one_drawn: assert (drawn == 0 | drawn == 1 | drawn == 2 | drawn == 4);
            shown: assert (!wvalid | held != 0);
            all: assert (owed + more == (next_full ? {3'd0, next_beats} : 10'd0) + {3'd0, left} + {6'd0, level});
            new_burst: assert (write_taken == 0 | (next_full & next_beats == beats_before));
            ends: assert (!marked | (until_last != 0 & (last_held | last_drawn | ends_left | ends_next)));
            shorts: assert ((!ar_out_full | ar_out[71:64] < 64) & (!ar_spare_full | ar_spare[71:64] < 64)
                & (!aw_out_full | aw_out[71:64] < 64) & (!aw_spare_full | aw_spare[71:64] < 64));
        end
`endif
        two: cover (started & marked & until_last == 1 & beat & owed > 3);
    end
endmodule

// The FIFO's place.
module kvcpu_dma$host$w(
    input wire clock,
    input wire reset,
    input wire in_valid,
    output wire in_ready,
    input wire [64:0] in_data,
    output wire out_valid,
    input wire out_ready,
    output wire [64:0] out_data
);
    (* anyseq *) wire show;
    (* anyseq *) wire [8*65-1:0] anything;
    reg visible = 0;
    (* keep *) reg [3:0] held = 0;
    (* keep *) reg [8*65-1:0] words = 0;
    wire pop = out_valid & out_ready;
    wire [3:0] kept = held - pop;
    wire [8*65-1:0] moved = pop ? words >> 65 : words;

    assign in_ready = held < 8;
    assign out_valid = visible;
    assign out_data = words[64:0];

    integer i;
    always @(posedge clock) begin
        words <= moved;
        held <= kept;
        if (in_valid) begin
            for (i = 0; i < 8; i = i + 1)
                if (kept == i) words[65*i +: 65] <= in_data;
            if (kept < 8) held <= kept + 1;
            else words <= anything;
        end
        visible <= (kept + in_valid != 0) & ((visible & !pop) | show);
        if (reset) begin
            held <= 0;
            visible <= 0;
        end
    end
endmodule
