// The serial line's guard: from a byte that was lost on, none passes until the line was high for its time, and the first that passes then says that
// it is the first.
//
//   byte, bad frame, line ──► dut ──► byte, is it the first          The model counts the clocks for which the line was high.

module formal(
    input wire clock,
    input wire reset,
    input wire is_low,
    input wire in_valid,
    input wire bad_frame,
    input wire out_ready
);
    localparam IDLE = 1024;

    wire out_valid, out_first;

    kvcpu_uart_link$guard dut(
        .clock(clock), .reset(reset),
        .is_low(is_low), .in_valid(in_valid), .bad_frame(bad_frame),
        .out_valid(out_valid), .out_ready(out_ready), .out_first(out_first)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire is_deaf;
    (* keep *) wire is_cut;
    (* keep *) wire [31:0] timer;

    reg started = 0;
    reg deaf = 0;
    reg cut = 0;
    // What was lost last had no room.
    reg full = 0;
    reg [31:0] high = 0;
    wire lost = bad_frame | (out_valid & !out_ready);

    always @(posedge clock) begin
        started <= 1;
        high <= is_low | lost ? 0 : high + 1;
        if (lost) begin
            deaf <= 1;
            cut <= 1;
            full <= !bad_frame;
        end else begin
            if (!is_low & high == IDLE) deaf <= 0;
            if (out_valid & out_ready) cut <= 0;
        end
        if (reset) begin
            deaf <= 0;
            cut <= 0;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        // A frame is good or bad.
        assume (!(in_valid & bad_frame));
        if (started) begin
            passes: assert (out_valid == (in_valid & !deaf));
            first: assert (!out_valid | out_first == cut);
            ready: assert (out_first == cut);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (is_deaf == deaf & is_cut == cut);
            assert (!deaf | (high <= IDLE & timer == IDLE - high));
`endif
        end
        overflow: cover (started & deaf & in_valid & full);
        bad: cover (started & deaf & high == 3);
    end
endmodule
