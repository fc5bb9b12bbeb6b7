// An AXI4 master: what is offered on AR, AW and W stands unchanged until it is taken, and W has the words of AW's bursts,
// in the order of AW, LAST on the last of each.
//
//   requests ──► dut ──► AR, AW, W         The model counts the beats of one burst, any one: `ahead` are those of the
//                                          bursts before it.

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
        two: cover (started & marked & until_last == 1 & beat & owed > 3);
    end
endmodule
