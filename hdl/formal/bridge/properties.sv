// The serial line's bridge: what it offers on AXI4-Lite stands until taken, one access at a time, and a write is of bytes that came one behind the
// other, at the address that its command gave.
//
//   bytes ──┬─► dut ──AW, W, AR──► any slave      The model reads the same bytes: a byte is a code if the bridge begins a command with it, or
//           └─► model     ◄─ B, R                 if bytes before it were lost; so a command in which one was lost writes nothing behind it.

module formal(
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire [7:0] in_data,
    input wire in_first,
    input wire out_ready,
    input wire awready,
    input wire wready,
    input wire bvalid,
    input wire arready,
    input wire rvalid,
    input wire [63:0] rdata
);
    wire in_ready, out_valid, awvalid, wvalid, bready, arvalid, rready;
    wire [7:0] out_data, wstrb;
    wire [23:0] awaddr, araddr;
    wire [2:0] awsize, arsize;
    wire [63:0] wdata;

    kvcpu_uart_bridge dut(
        .clock(clock), .reset(reset),
        .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data), .in_first(in_first),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data),
        .m_axil_awvalid(awvalid), .m_axil_awready(awready), .m_axil_awaddr(awaddr), .m_axil_awsize(awsize),
        .m_axil_wvalid(wvalid), .m_axil_wready(wready), .m_axil_wdata(wdata), .m_axil_wstrb(wstrb),
        .m_axil_bvalid(bvalid), .m_axil_bready(bready),
        .m_axil_arvalid(arvalid), .m_axil_arready(arready), .m_axil_araddr(araddr), .m_axil_arsize(arsize),
        .m_axil_rvalid(rvalid), .m_axil_rready(rready), .m_axil_rdata(rdata)
    );

    // Registers of the design, joined by proof.toml. Of the state the model uses only whether it is 0: the next byte begins a command.
    (* keep *) wire [3:0] state;
    (* keep *) wire is_write, is_read, increments, is_pair, is_mapped;
    (* keep *) wire [7:0] left;
    (* keep *) wire [31:0] address;
    (* keep *) wire [2:0] count;
    (* keep *) wire [63:0] data;

    // The command as it came: bytes of its head, what they say, bytes of the access under way, and whether all of those are there.
    reg [2:0] head = 0;
    reg [7:0] code = 0;
    reg [7:0] words = 0;
    reg [31:0] word = 0;
    reg [3:0] came = 0;
    reg whole = 0;
    reg [63:0] last = 0;
    // The command began in the middle of the data of another.
    reg cut = 0;
    wire take = in_valid & in_ready;
    wire rises = code == 1 | code == 2;
    wire pair = rises & !word[0] & words != 1;
    wire mapped = word[31:14] == 0 | word[31:19] == 4;
    wire writes = code == 1 | code == 3;
    wire ends = take & !(in_first | state == 0) & head == 6 & came == (pair ? 7 : 3);
    wire b = bvalid & bready;

    // What is open on AXI.
    reg aw_open = 0;
    reg w_open = 0;
    reg ar_open = 0;
    reg started = 0;
    reg aw_stalled = 0;
    reg w_stalled = 0;
    reg ar_stalled = 0;
    reg [26:0] aw_was = 0;
    reg [71:0] w_was = 0;
    reg [26:0] ar_was = 0;

    always @(posedge clock) begin
        started <= 1;
        if (take) begin
            last <= {last[55:0], in_data};
            if (in_first | state == 0) begin
                code <= in_data;
                cut <= head == 6 & came != 0;
                head <= 1;
                came <= 0;
                whole <= 0;
            end else if (head < 6) begin
                head <= head + 1;
                if (head == 1) words <= in_data;
                else word <= {word[23:0], in_data};
            end else begin
                came <= came + 1;
            end
        end
        if (ends & mapped) whole <= 1;
        if (b | (ends & !mapped)) begin
            came <= 0;
            whole <= 0;
            words <= words - (pair ? 2 : 1);
            if (rises) word <= word + (pair ? 2 : 1);
        end
        aw_open <= (aw_open | (awvalid & awready)) & !b;
        w_open <= (w_open | (wvalid & wready)) & !b;
        ar_open <= (ar_open | (arvalid & arready)) & !(rvalid & rready);
        aw_stalled <= awvalid & !awready;
        w_stalled <= wvalid & !wready;
        ar_stalled <= arvalid & !arready;
        aw_was <= {awaddr, awsize};
        w_was <= {wdata, wstrb};
        ar_was <= {araddr, arsize};
        if (reset) begin
            head <= 0;
            came <= 0;
            whole <= 0;
            aw_open <= 0;
            w_open <= 0;
            ar_open <= 0;
            aw_stalled <= 0;
            w_stalled <= 0;
            ar_stalled <= 0;
        end
    end

    wire [7:0] next_left = left - (is_pair ? 2 : 1);
    wire [31:0] next_address = address + (increments ? is_pair ? 2 : 1 : 0);
    wire [31:0] low = last[31:0];
    wire [31:0] high = last[63:32];

    always @(*) begin
        if (!started) assume (reset);
        // A slave answers what it was asked, when all of it came.
        assume (!bvalid | (aw_open & w_open));
        assume (!rvalid | ar_open);
        if (started) begin
            aw_stands: assert (!aw_stalled | (awvalid & aw_was == {awaddr, awsize}));
            w_stands: assert (!w_stalled | (wvalid & w_was == {wdata, wstrb}));
            ar_stands: assert (!ar_stalled | (arvalid & ar_was == {araddr, arsize}));
            one_write: assert (!(awvalid & aw_open) & !(wvalid & w_open));
            one_read: assert (!(arvalid & ar_open));
            one_access: assert (!((awvalid | wvalid | aw_open | w_open) & (arvalid | ar_open)));
            answers_are_taken: assert (!(aw_open & w_open) | bready);
            answers_of_reads_too: assert (!ar_open | rready);
            all_came: assert (!(awvalid | wvalid) | (whole & writes & mapped));
            where: assert (!awvalid | (awaddr == {word[21:0], 2'd0} & awsize == (pair ? 3 : 2)));
            what: assert (!wvalid | (pair ? wstrb == 8'hff & wdata == {low, high}
                : word[0] ? wstrb == 8'hf0 & wdata[63:32] == low : wstrb == 8'h0f & wdata[31:0] == low));
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (state <= 9);
            assert (!(awvalid | wvalid | aw_open | w_open) | state == 5);
            assert (!(arvalid | ar_open) | state == 6);
            assert (state != 5 | (awvalid ^ aw_open) & (wvalid ^ w_open));
            assert (state != 6 | (is_mapped ? arvalid ^ ar_open : !arvalid & !ar_open));
            assert (!whole | state == 5);
            assert (state != 5 | whole & mapped & is_write & came == (pair ? 8 : 4));
            assert (state == 5 | state == 4 | state == 0 | came == 0);
            assert (state == 0 | is_write == writes & is_read == (code == 2 | code == 4) & increments == rises);
            assert (state != 1 | head == 1);
            assert (state != 2 | head >= 2 & head <= 5 & count == 5 - head & left == words);
            assert (state < 3 | head == 6);
            assert (state < 3 | is_write ^ is_read);
            assert (state < 4 | state == 9 | is_read | is_pair == pair & is_mapped == mapped);
            assert (!(state == 3 | state == 4 | state == 5) | !is_write | left == words & address == word);
            assert (state != 4 | is_write & count == (pair ? 7 : 3) - came & came <= 7 & (pair | came <= 3));
            assert (state < 6 | state == 9 | is_read);
            assert (state != 9 | !is_write | words == next_left & word == next_address);
            assert (state < 4 | !is_pair | increments);
            // The bytes of an access are the last that came, those of the address too.
            assert (state != 4 & state != 5 | !is_write | came == 0 | data[7:0] == last[7:0]);
            assert (state != 4 & state != 5 | !is_write | came < 2 | data[15:8] == last[15:8]);
            assert (state != 4 & state != 5 | !is_write | came < 3 | data[23:16] == last[23:16]);
            assert (state != 4 & state != 5 | !is_write | came < 4 | data[31:24] == last[31:24]);
            assert (state != 4 & state != 5 | !is_write | came < 5 | data[39:32] == last[39:32]);
            assert (state != 4 & state != 5 | !is_write | came < 6 | data[47:40] == last[47:40]);
            assert (state != 4 & state != 5 | !is_write | came < 7 | data[55:48] == last[55:48]);
            assert (state != 4 & state != 5 | !is_write | came < 8 | data[63:56] == last[63:56]);
            assert (state != 2 | head < 3 | address[7:0] == word[7:0]);
            assert (state != 2 | head < 4 | address[15:8] == word[15:8]);
            assert (state != 2 | head < 5 | address[23:16] == word[23:16]);
`endif
        end
        narrow: cover (started & b & !pair & word == 32'h20_0001);
        begun_anew: cover (started & awvalid & cut);
        read: cover (started & rvalid & rready & arsize == 3);
    end
endmodule
