// Reading half of card memory's AXI4 slave: no beat is lost, doubled or out of order.
//
//   AR ─► dut ─► R        In place of the memory stands one whose words say their own numbers, a clock after they are asked for, if it
//                         likes to be asked.
//
// One beat of one burst, any, is marked: the beats before it are counted, and when they have passed, it must be what comes. Bursts have up to
// four beats; all are of whole words and INCR.

module formal(
    input wire clock,
    input wire reset,
    input wire [1:0] arid,
    input wire [63:0] araddr,
    input wire [7:0] arlen,
    input wire arvalid,
    input wire rready,
    input wire asks,
    input wire mark
);
    localparam MOST = 3;
    localparam BYTES = 208 * 1024;

    wire arready, rvalid, rlast, valid;
    wire [1:0] rid, rresp;
    wire [63:0] rdata;
    wire [21:0] word;
    wire [4:0] tag;
    wire taken = valid & asks;
    reg in_valid = 0;
    reg [21:0] in_word = 0;
    reg [4:0] in_tag = 0;

    kvcpu_card_ram$reader dut(
        .clock(clock), .reset(reset),
        .arid(arid), .araddr(araddr), .arlen(arlen), .arsize(3'd3), .arburst(2'd1), .arvalid(arvalid), .arready(arready),
        .rid(rid), .rdata(rdata), .rresp(rresp), .rlast(rlast), .rvalid(rvalid), .rready(rready),
        .valid(valid), .taken(taken), .word(word), .tag(tag),
        .in_valid(in_valid), .in_data({42'd0, in_word}), .in_tag(in_tag)
    );

    (* anyconst *) wire [1:0] number;

    reg started = 0;
    wire ar = arvalid & arready;
    wire r = rvalid & rready;

    // Beats asked for that have not come; of them, those before the marked one.
    reg [5:0] asked = 0;
    reg marked = 0;
    reg [5:0] ahead = 0;
    reg [1:0] id = 0;
    reg [21:0] marked_word = 0;
    reg last = 0;
    reg [1:0] response = 0;
    wire [21:0] first = araddr[24:3];

    reg r_stalled = 0;
    reg [68:0] r_was = 0;
    reg ar_stalled = 0;
    reg [73:0] ar_was = 0;

    always @(posedge clock) begin
        started <= 1;
        in_valid <= taken & !reset;
        in_word <= word;
        in_tag <= tag;
        r_stalled <= rvalid & !rready & !reset;
        r_was <= {rid, rresp, rlast, rdata};
        ar_stalled <= arvalid & !arready & !reset;
        ar_was <= {arid, arlen, araddr};
        asked <= asked + (ar ? arlen[5:0] + 6'd1 : 6'd0) - r;
        if (marked & r) begin
            ahead <= ahead - 1;
            if (ahead == 0) marked <= 0;
        end
        if (ar & mark & !marked & number <= arlen) begin
            marked <= 1;
            ahead <= asked - r + number;
            id <= arid;
            marked_word <= {first[21:9], first[8:0] + {7'd0, number}};
            last <= number == arlen;
            response <= araddr < BYTES ? 0 : 3;
        end
        if (reset) begin
            asked <= 0;
            marked <= 0;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        assume (arlen <= MOST);
        assume ({20'd0, araddr[11:3]} + arlen < 512);
        assume (!ar_stalled | (arvalid & ar_was == {arid, arlen, araddr}));
        if (started) begin
            stands: assert (!r_stalled | (rvalid & r_was == {rid, rresp, rlast, rdata}));
            asked_for: assert (!rvalid | asked != 0);
            beat: assert (!(rvalid & marked & ahead == 0)
                | ({rid, rresp, rlast} == {id, response, last} & rdata == {42'd0, marked_word}));
        end
        third: cover (started & r & marked & ahead == 0 & number == 2 & marked_word == 22'h67ff);
        beyond: cover (started & r & rresp == 3 & !rlast);
        behind: cover (started & r & marked & ahead == 0 & number == 1 & last & ar_stalled);
    end
endmodule
