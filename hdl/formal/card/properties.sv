// kvcpu_card_ram: no beat is lost, doubled or out of order, each way; each burst that is written is answered once.
//
//   AR, AW, W ─► dut ─► R, B        In place of the banks stands a memory whose words say their own numbers, and which shows what is written.
//
// One beat of one burst of each direction, any, is marked: what comes before it is counted, and when that has passed, it must be what
// comes. Bursts have up to four beats; all bursts are whole words, INCR, and those that are written within the memory, with all strobes.

module formal(
    input wire clock,
    input wire reset,
    input wire [1:0] arid,
    input wire [63:0] araddr,
    input wire [7:0] arlen,
    input wire arvalid,
    input wire rready,
    input wire [1:0] awid,
    input wire [63:0] awaddr,
    input wire [7:0] awlen,
    input wire awvalid,
    input wire [63:0] wdata,
    input wire wvalid,
    input wire bready,
    input wire mark_read,
    input wire mark_write
);
    localparam MOST = 3;
    localparam BYTES = 208 * 1024;

    wire arready, awready, wready, rvalid, rlast, bvalid;
    wire [1:0] rid, rresp, bid, bresp;
    wire [63:0] rdata;
    wire wlast;

    kvcpu_card_ram dut(
        .clock(clock), .reset(reset),
        .s_card_awid(awid), .s_card_awaddr(awaddr), .s_card_awlen(awlen), .s_card_awsize(3'd3), .s_card_awburst(2'd1),
        .s_card_awvalid(awvalid), .s_card_awready(awready),
        .s_card_wdata(wdata), .s_card_wstrb(8'hff), .s_card_wlast(wlast), .s_card_wvalid(wvalid), .s_card_wready(wready),
        .s_card_bid(bid), .s_card_bresp(bresp), .s_card_bvalid(bvalid), .s_card_bready(bready),
        .s_card_arid(arid), .s_card_araddr(araddr), .s_card_arlen(arlen), .s_card_arsize(3'd3), .s_card_arburst(2'd1),
        .s_card_arvalid(arvalid), .s_card_arready(arready),
        .s_card_rid(rid), .s_card_rdata(rdata), .s_card_rresp(rresp), .s_card_rlast(rlast), .s_card_rvalid(rvalid),
        .s_card_rready(rready)
    );

    // What the banks are told, joined by proof.toml.
    (* keep *) wire [21:0] write_word;
    (* keep *) wire [63:0] write_data;
    (* keep *) wire [7:0] write_strobes;
    wire writes = write_strobes != 0;

    (* anyconst *) wire [1:0] read_beat;
    (* anyconst *) wire [1:0] write_beat;

    reg started = 0;
    wire ar = arvalid & arready;
    wire r = rvalid & rready;
    wire aw = awvalid & awready;
    wire w = wvalid & wready;
    wire b = bvalid & bready;

    // Beats asked for that have not come; of them, those before the marked one.
    reg [7:0] asked = 0;
    reg read_marked = 0;
    reg [7:0] read_ahead = 0;
    reg [1:0] read_id = 0;
    reg [21:0] read_word = 0;
    reg read_last = 0;
    reg [1:0] read_response = 0;
    wire [21:0] first_read = araddr[24:3];

    // W: beats of bursts on AW, so many more than on W (or fewer: data may come first, but here it does not).
    reg [7:0] owed = 0;
    // Beats of the burst at the head of W that are left, of the bursts behind it.
    reg [7:0] lens [0:7];
    reg [2:0] head = 0;
    reg [2:0] tail = 0;
    reg [7:0] sent = 0;
    assign wlast = sent == lens[head];

    // Words sent that were not written; bursts that were not answered.
    reg write_marked = 0;
    reg sent_marked = 0;
    reg [7:0] to_send = 0;
    reg [7:0] to_write = 0;
    reg [21:0] word = 0;
    reg [63:0] data = 0;
    reg [7:0] written_owed = 0;
    reg answer_marked = 0;
    reg [7:0] answer_ahead = 0;
    reg [1:0] answer_id = 0;
    reg [7:0] bursts = 0;
    reg [7:0] ended = 0;

    reg r_stalled = 0;
    reg b_stalled = 0;
    reg [68:0] r_was = 0;
    reg [3:0] b_was = 0;
    reg ar_stalled = 0;
    reg aw_stalled = 0;
    reg w_stalled = 0;
    reg [73:0] ar_was = 0;
    reg [73:0] aw_was = 0;
    reg [63:0] w_was = 0;

    always @(posedge clock) begin
        started <= 1;
        r_stalled <= rvalid & !rready & !reset;
        b_stalled <= bvalid & !bready & !reset;
        r_was <= {rid, rresp, rlast, rdata};
        b_was <= {bid, bresp};
        ar_stalled <= arvalid & !arready & !reset;
        aw_stalled <= awvalid & !awready & !reset;
        w_stalled <= wvalid & !wready & !reset;
        ar_was <= {arid, arlen, araddr};
        aw_was <= {awid, awlen, awaddr};
        w_was <= wdata;

        // Reading.
        asked <= asked + (ar ? arlen + 1 : 0) - r;
        if (read_marked & r) begin
            read_ahead <= read_ahead - 1;
            if (read_ahead == 0) read_marked <= 0;
        end
        if (ar & mark_read & !read_marked & read_beat <= arlen) begin
            read_marked <= 1;
            read_ahead <= asked - r + read_beat;
            read_id <= arid;
            read_word <= {first_read[21:9], first_read[8:0] + {7'd0, read_beat}};
            read_last <= read_beat == arlen;
            read_response <= araddr < BYTES ? 0 : 3;
        end

        // Writing.
        owed <= owed + (aw ? awlen + 1 : 0) - w;
        if (aw) begin
            lens[tail] <= awlen;
            tail <= tail + 1;
        end
        if (w) begin
            sent <= wlast ? 0 : sent + 1;
            if (wlast) head <= head + 1;
        end
        written_owed <= written_owed + w - writes;
        if (write_marked & w & !sent_marked) begin
            to_send <= to_send - 1;
            if (to_send == 0) begin
                sent_marked <= 1;
                data <= wdata;
                to_write <= written_owed - writes;
            end
        end
        if (sent_marked & writes) begin
            to_write <= to_write - 1;
            if (to_write == 0) begin
                sent_marked <= 0;
                write_marked <= 0;
            end
        end
        if (aw & mark_write & !write_marked & write_beat <= awlen) begin
            write_marked <= 1;
            sent_marked <= 0;
            to_send <= owed - w + write_beat;
            word <= {awaddr[24:12], awaddr[11:3] + {7'd0, write_beat}};
        end
        bursts <= bursts + aw - b;
        ended <= ended + (w & wlast) - b;
        if (answer_marked & b) begin
            answer_ahead <= answer_ahead - 1;
            if (answer_ahead == 0) answer_marked <= 0;
        end
        if (aw & mark_write & !answer_marked) begin
            answer_marked <= 1;
            answer_ahead <= bursts - b;
            answer_id <= awid;
        end
        if (reset) begin
            asked <= 0; read_marked <= 0;
            owed <= 0; head <= 0; tail <= 0; sent <= 0;
            write_marked <= 0; sent_marked <= 0; written_owed <= 0;
            answer_marked <= 0; bursts <= 0; ended <= 0;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        assume (arlen <= MOST & awlen <= MOST);
        assume ({20'd0, araddr[11:3]} + arlen < 512 & {20'd0, awaddr[11:3]} + awlen < 512);
        assume (awaddr < BYTES);
        // A master: what is offered stands; data follows its address, and at most seven bursts are open.
        assume (!ar_stalled | (arvalid & ar_was == {arid, arlen, araddr}));
        assume (!aw_stalled | (awvalid & aw_was == {awid, awlen, awaddr}));
        assume (!w_stalled | (wvalid & w_was == wdata));
        assume (!wvalid | owed != 0);
        assume (!awvalid | bursts < 7);
        if (started) begin
            r_stands: assert (!r_stalled | (rvalid & r_was == {rid, rresp, rlast, rdata}));
            b_stands: assert (!b_stalled | (bvalid & b_was == {bid, bresp}));
            r_asked: assert (!rvalid | asked != 0);
            b_ended: assert (!bvalid | ended != 0);
            write_sent: assert (!writes | written_owed != 0);
            beat: assert (!(rvalid & read_marked & read_ahead == 0)
                | ({rid, rresp, rlast} == {read_id, read_response, read_last} & rdata == {42'd0, read_word}));
            written: assert (!(writes & sent_marked & to_write == 0) | (write_word == word & write_data == data));
            answer: assert (!(bvalid & answer_marked & answer_ahead == 0) | (bid == answer_id & bresp == 0));
        end
        second: cover (started & r & read_marked & read_ahead == 0 & read_beat == 2 & read_word == 22'h67ff);
        beyond: cover (started & r & rresp == 3 & !rlast);
        two_answers: cover (started & b & answer_marked & answer_ahead == 0 & ended == 2);
    end
endmodule

// The banks' place: a word that is read is its own number, four clocks later.
module kvcpu_card_ram$banks(
    input wire clock,
    input wire [21:0] read_word,
    output wire [63:0] read_data,
    input wire [21:0] write_word,
    input wire [63:0] write_data,
    input wire [7:0] write_strobes
);
    reg [21:0] a, b, c, d;
    always @(posedge clock) {d, c, b, a} <= {c, b, a, read_word};
    assign read_data = {42'd0, d};
endmodule
