// kvcpu_skid: what goes in comes out once, in order; what is offered stays until it is taken; full rate.
//
//   in ──┬─► dut ──┬─► out        One word, any one, is marked; `ahead` counts the words before it.
//        └► marked ◄┘

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

    kvcpu_skid dut(
        .clock(clock), .reset(reset),
        .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire [15:0] spare;

    // The model: words in the buffer, and the marked one.
    reg [1:0] count = 0;
    reg marked = 0;
    reg [1:0] ahead = 0;
    reg [15:0] data = 0;
    reg started = 0;
    wire push = in_valid & in_ready;
    wire pop = out_valid & out_ready;

    // A clock before.
    reg offered = 0;
    reg [15:0] offered_data = 0;

    always @(posedge clock) begin
        started <= 1;
        count <= count + push - pop;
        offered <= out_valid & !out_ready & !reset;
        offered_data <= out_data;
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
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        if (started) begin
            // What users of the buffer rely on.
            in_order: assert (!(marked & ahead == 0) | out_data == data);
            no_loss: assert (in_ready == (count != 2));
            no_duplicate: assert (out_valid == (count != 0));
            held_valid: assert (!offered | out_valid);
            held_data: assert (!offered | out_data == offered_data);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (count <= 2);
            assert (!marked | ahead < count);
            assert (!(marked & ahead == 1) | spare == data);
`endif
        end
        full: cover (started & count == 2 & marked & ahead == 1);
    end
endmodule
