// Writing half of card memory's AXI4 slave: no word is lost, doubled, misplaced or out of order, and each burst is answered once.
//
//   AW, W ──┬─► dut ──► memory, B         The model keeps the bursts and the beats that were taken and not written; the first of each must be what
//           └─► model                     is written. Of answers one, any, is marked: the answers before it are counted.
//
// Beats may come before their address, the memory takes a word when it likes, and so does the master its answers.

module formal(
    input wire clock,
    input wire reset,
    input wire [1:0] awid,
    input wire [63:0] awaddr,
    input wire [7:0] awlen,
    input wire [2:0] awsize,
    input wire [1:0] awburst,
    input wire awvalid,
    input wire [63:0] wdata,
    input wire [7:0] wstrb,
    input wire wlast,
    input wire wvalid,
    input wire bready,
    input wire takes,
    input wire mark
);
    localparam BYTES = 208 * 1024;

    wire awready, wready, bvalid, valid;
    wire [1:0] bid, bresp;
    wire [21:0] word;
    wire [63:0] data;
    wire [7:0] strobes;
    wire taken = valid & takes;

    kvcpu_card_ram$writer dut(
        .clock(clock), .reset(reset),
        .awid(awid), .awaddr(awaddr), .awlen(awlen), .awsize(awsize), .awburst(awburst), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wlast(wlast), .wvalid(wvalid), .wready(wready),
        .bid(bid), .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .valid(valid), .taken(taken), .word(word), .data(data), .strobes(strobes)
    );

    // Registers and words of the design, joined by proof.toml.
    (* keep *) wire busy, burst_full, burst_spare_full, beat_full, beat_spare_full;
    (* keep *) wire [1:0] id, response;
    (* keep *) wire [12:0] page;
    (* keep *) wire [8:0] place;
    (* keep *) wire [33:0] burst, burst_spare;
    (* keep *) wire [72:0] beat, beat_spare;
    (* keep *) wire [4:0] written, readable, answered;
    (* keep *) wire [63:0] answers;

    // Bursts that were taken and not written, the first in `burst0`: id, response, first word. At the most one at work and two that wait.
    wire [1:0] expected = awaddr >= BYTES ? 2'd3 : awsize != 3 | awburst != 1 ? 2'd2 : 2'd0;
    wire [25:0] burst_in = {awid, expected, awaddr[24:3]};
    reg [1:0] bursts = 0;
    reg [25:0] burst0 = 0;
    reg [25:0] burst1 = 0;
    reg [25:0] burst2 = 0;
    // Words of the first that were written, mod 512.
    reg [8:0] done = 0;
    // Beats that were taken and not written: last, strobes, data.
    wire [72:0] beat_in = {wlast, wstrb, wdata};
    reg [1:0] beats = 0;
    reg [72:0] beat0 = 0;
    reg [72:0] beat1 = 0;
    // Answers that are due; the marked one.
    reg [4:0] due = 0;
    reg marked = 0;
    reg [4:0] ahead = 0;
    reg [3:0] answer = 0;

    wire aw = awvalid & awready;
    wire w = wvalid & wready;
    wire b = bvalid & bready;
    wire ends = taken & beat0[72];
    wire [1:0] bursts_kept = bursts - ends;
    wire [1:0] beats_kept = beats - taken;

    reg started = 0;
    reg b_stalled = 0;
    reg [3:0] b_was = 0;
    // Clocks for which a word could be written, or an answer given, and was not offered.
    reg [1:0] idle = 0;
    reg [1:0] silent = 0;

    always @(posedge clock) begin
        started <= 1;
        bursts <= bursts_kept + aw;
        if (ends) begin
            burst0 <= burst1;
            burst1 <= burst2;
        end
        if (aw & bursts_kept == 0) burst0 <= burst_in;
        if (aw & bursts_kept == 1) burst1 <= burst_in;
        if (aw & bursts_kept == 2) burst2 <= burst_in;
        beats <= beats_kept + w;
        if (taken) beat0 <= beat1;
        if (w & beats_kept == 0) beat0 <= beat_in;
        if (w & beats_kept == 1) beat1 <= beat_in;
        if (taken) done <= beat0[72] ? 0 : done + 1;
        due <= due + ends - b;
        if (marked & b) begin
            ahead <= ahead - 1;
            if (ahead == 0) marked <= 0;
        end
        if (!marked & ends & mark) begin
            marked <= 1;
            ahead <= due - b;
            answer <= burst0[25:22];
        end
        b_stalled <= bvalid & !bready;
        b_was <= {bid, bresp};
        idle <= bursts != 0 & beats != 0 & due != 16 & !valid ? idle + 1 : 0;
        silent <= due != 0 & !bvalid ? silent + 1 : 0;
        if (reset) begin
            bursts <= 0;
            beats <= 0;
            done <= 0;
            due <= 0;
            marked <= 0;
            b_stalled <= 0;
            idle <= 0;
            silent <= 0;
        end
    end

    wire [33:0] mask = {4'hf, 8'h00, 22'h3fffff};
    function [33:0] skid_of(input [25:0] from);
        skid_of = {from[25:22], 8'h00, from[21:0]};
    endfunction
    wire [25:0] waits0 = busy ? burst1 : burst0;
    wire [25:0] waits1 = busy ? burst2 : burst1;
    wire [4:0] held = written - answered;
    wire [4:0] late = written - readable;
    wire [4:0] shown = readable - answered;
    wire [4:0] at = answered + ahead;
    wire [3:0] kept = answers >> {at[3:0], 2'd0};

    always @(*) begin
        if (!started) assume (reset);
        if (started) begin
            // What is written.
            nothing_else: assert (!valid | (bursts != 0 & beats != 0));
            where: assert (!valid | word == {burst0[21:9], burst0[8:0] + done});
            what: assert (!valid | data == beat0[63:0]);
            which: assert (!valid | strobes == (burst0[23:22] == 0 ? beat0[71:64] : 8'd0));
            goes_on: assert (idle <= 1);
            // How it is answered.
            once: assert (!bvalid | due != 0);
            answer_is_its_own: assert (!(marked & ahead == 0 & bvalid) | {bid, bresp} == answer);
            stands: assert (!b_stalled | (bvalid & {bid, bresp} == b_was));
            comes: assert (silent <= 1);
            no_room_no_word: assert (!(due == 16 & valid));
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (bursts == busy + burst_full + burst_spare_full);
            assert (!burst_spare_full | burst_full);
            assert (!busy | {id, response, page} == burst0[25:9]);
            assert (!busy | place == burst0[8:0] + done);
            assert (busy | done == 0);
            assert (!burst_full | (burst & mask) == skid_of(waits0));
            assert (!burst_spare_full | (burst_spare & mask) == skid_of(waits1));
            assert (beats == beat_full + beat_spare_full);
            assert (!beat_spare_full | beat_full);
            assert (!beat_full | beat == beat0);
            assert (!beat_spare_full | beat_spare == beat1);
            assert (due <= 16);
            assert (held == due);
            assert (late <= 1);
            assert (shown <= due);
            assert (!marked | ahead < due);
            assert (!marked | kept == answer);
            assert (idle == 0 | valid);
            assert (silent == 0 | bvalid);
`endif
        end
        beyond: cover (started & taken & burst0[23:22] == 3 & done == 1 & beat0[72]);
        early: cover (started & ends & bursts == 3 & beats == 2 & marked & ahead == 1);
        round: cover (started & taken & word == 22'h0600 & done == 2 & strobes == 8'h81);
    end
endmodule
