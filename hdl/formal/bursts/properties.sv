// What cuts a run into bursts: each burst lies within 4 KiB, none is longer than 64 beats, and they cover the run in order.
//
//   run ──► dut ──► bursts         The model keeps the address that must come next, and the words that must still come.

module formal(
    input wire clock,
    input wire reset,
    input wire load,
    input wire [63:0] load_address,
    input wire [18:0] load_words,
    input wire taken
);
    wire valid;
    wire [63:0] address;
    wire [6:0] beats;
    wire more;

    kvcpu_dma$channels$0$reader dut(
        .clock(clock), .reset(reset),
        .load(load), .load_address(load_address), .load_words(load_words),
        .valid(valid), .taken(taken), .address(address), .beats(beats), .more(more)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire [18:0] remaining;
    (* keep *) wire cutting;
    (* keep *) wire carry;
    (* keep *) wire [31:0] high;
    (* keep *) wire [31:0] low;

    reg started = 0;
    reg [63:0] next = 0;
    reg [18:0] left = 0;
    // Words of 4 KiB, and of 512 bytes, at the burst's end.
    wire [9:0] page_end = address[11:3] + beats;
    wire [6:0] line_end = address[8:3] + beats;
    wire [63:0] shown = {high + carry, low};

    always @(posedge clock) begin
        started <= 1;
        if (taken) begin
            next <= address + {beats, 3'd0};
            left <= left - beats;
        end
        if (load) begin
            next <= load_address;
            left <= load_words;
        end
        if (reset) begin
            next <= 0;
            left <= 0;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        assume (load_address[2:0] == 0);
        assume (!taken | valid);
        if (started) begin
            whole: assert (!valid | (beats != 0 & beats <= 64));
            within: assert (!valid | page_end <= 512);
            in_order: assert (!valid | address == next);
            not_more: assert (!valid | beats <= left);
            all: assert (more | left == 0);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (next[2:0] == 0 & low[2:0] == 0);
            assert (remaining == left);
            assert (left == 0 | shown == next);
            assert (!carry | cutting);
            assert (!(cutting & valid));
            assert (!valid | (beats == left) | line_end == 64);
            assert (!valid | line_end <= 64);
`endif
        end
        carried: cover (started & valid & high == 1 & low == 0 & beats == 3);
        done: cover (started & !more & next == 64'h2000);
    end
endmodule
