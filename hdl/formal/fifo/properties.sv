// kvcpu_fifo: what goes in comes out once, in order, within two clocks of being first; nothing else comes out.
//
//   in ──┬─► dut ──┬─► out        One pushed word, any one, is marked. `ahead` counts the words before it;
//        └► marked ◄┘             when they are gone, it must be what comes out.
//
// The marked word stands for all: the solver chooses when `mark` is 1.

module formal(
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire [15:0] in_data,
    input wire out_ready,
    input wire mark
);
    wire in_ready;
    wire out_valid;
    wire [15:0] out_data;

    kvcpu_fifo dut(
        .clock(clock), .reset(reset),
        .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data)
    );

    // Registers and words of the design, joined by proof.toml.
    (* keep *) wire [4:0] written;
    (* keep *) wire [4:0] readable;
    (* keep *) wire [4:0] taken;
    (* keep *) wire [255:0] words;

    // The model: words in the FIFO, and the marked one.
    reg [4:0] count = 0;
    reg marked = 0;
    reg [4:0] ahead = 0;
    reg [15:0] data = 0;
    reg [1:0] waited = 0;
    reg started = 0;
    wire push = in_valid & in_ready;
    wire pop = out_valid & out_ready;

    always @(posedge clock) begin
        started <= 1;
        count <= count + push - pop;
        waited <= (count != 0 & !out_valid) ? waited + 1 : 0;
        if (marked & pop) begin
            ahead <= ahead - 1;
            if (ahead == 0) marked <= 0;
        end
        if (!marked & push & mark) begin
            marked <= 1;
            data <= in_data;
            ahead <= count - pop;
        end
        if (reset) begin
            count <= 0;
            marked <= 0;
            waited <= 0;
        end
    end

    wire [4:0] held = written - taken;
    wire [4:0] late = written - readable;
    wire [4:0] shown = readable - taken;
    wire [4:0] place = taken + ahead;
    wire [15:0] kept = words >> {place[3:0], 4'h0};

    always @(*) begin
        if (!started) assume (reset);
        if (started) begin
            // What users of the FIFO rely on.
            in_order: assert (!(marked & ahead == 0 & out_valid) | out_data == data);
            no_loss: assert (in_ready == (count != 16));
            no_duplicate: assert (!out_valid | count != 0);
            comes_out: assert (waited <= 1);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (count <= 16);
            assert (held == count);
            assert (late <= 1);
            assert (shown <= count);
            assert (!marked | ahead < count);
            assert (!marked | kept == data);
            assert (waited == 0 | out_valid);
`endif
        end
        full: cover (started & count == 16 & marked & ahead == 15);
        again: cover (started & taken == 5'd20);
    end
endmodule
