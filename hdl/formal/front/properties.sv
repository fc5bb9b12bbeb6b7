// The AXI4-Lite slave: every access is answered once, not before all of it has come, and an answer stands until it is taken.
//
//   host ──AW, W, AR──► dut ──► pending         Counters of what was accepted and answered, on each channel.
//        ◄───B, R───────    ◄── bus writes

module formal(
    input wire clock,
    input wire reset,
    input wire awvalid,
    input wire [23:0] awaddr,
    input wire [2:0] awsize,
    input wire wvalid,
    input wire [63:0] wdata,
    input wire [7:0] wstrb,
    input wire bready,
    input wire arvalid,
    input wire [23:0] araddr,
    input wire [2:0] arsize,
    input wire rready,
    input wire bus_select,
    input wire bus_write,
    input wire [23:0] bus_address,
    input wire [31:0] bus_data
);
    wire awready;
    wire wready;
    wire bvalid;
    wire [1:0] bresp;
    wire arready;
    wire rvalid;
    wire [63:0] rdata;
    wire [1:0] rresp;
    wire [15:0] irq;
    wire pending;
    wire bus_ready;
    wire [31:0] bus_read;

    kvcpu_small$front dut(
        .clock(clock), .reset(reset),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awsize(awsize),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb),
        .bvalid(bvalid), .bready(bready), .bresp(bresp),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arsize(arsize),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp),
        .irq(irq), .pending(pending),
        .bus_select(bus_select), .bus_write(bus_write), .bus_address(bus_address), .bus_data(bus_data),
        .bus_ready(bus_ready), .bus_read(bus_read)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire has_address;
    (* keep *) wire has_data;
    (* keep *) wire has_read;
    (* keep *) wire is_write;
    (* keep *) wire [23:0] address;
    (* keep *) wire [63:0] data;
    (* keep *) wire [23:0] read_address;

    // Accepted and not answered, and the last of each.
    reg [1:0] addresses = 0;
    reg [1:0] words = 0;
    reg [1:0] reads = 0;
    reg [23:0] last_address = 0;
    reg [63:0] last_word = 0;
    reg [23:0] last_read = 0;
    // A clock before.
    reg started = 0;
    reg b_stalled = 0;
    reg r_stalled = 0;
    reg [63:0] r_data = 0;
    reg answered = 0;
    reg idle = 0;
    wire respond = bus_select & bus_write & !bus_ready & bus_address[4:0] == 6;

    always @(posedge clock) begin
        started <= 1;
        addresses <= addresses + (awvalid & awready) - (bvalid & bready);
        words <= words + (wvalid & wready) - (bvalid & bready);
        reads <= reads + (arvalid & arready) - (rvalid & rready);
        if (awvalid & awready) last_address <= awaddr;
        if (wvalid & wready) last_word <= wdata;
        if (arvalid & arready) last_read <= araddr;
        b_stalled <= bvalid & !bready;
        r_stalled <= rvalid & !rready;
        r_data <= rdata;
        answered <= pending & respond;
        idle <= !pending & !bvalid & !rvalid & ((addresses != 0 & words != 0) | reads != 0);
        if (reset) begin
            addresses <= 0;
            words <= 0;
            reads <= 0;
            b_stalled <= 0;
            r_stalled <= 0;
            answered <= 0;
            idle <= 0;
        end
    end

    always @(*) begin
        if (!started) assume (reset);
        // Thread 1 writes an answer only to an access that waits for it.
        assume (!(bus_select & bus_write & (bus_address[4:0] == 4 | bus_address[4:0] == 5) & !pending));
        if (started) begin
            // AXI4-Lite, our outputs.
            b_held: assert (!b_stalled | bvalid);
            r_held: assert (!r_stalled | rvalid);
            r_stable: assert (!r_stalled | rdata == r_data);
            b_after_all: assert (!bvalid | (addresses != 0 & words != 0));
            r_after_address: assert (!rvalid | reads != 0);
            okay: assert (bresp == 0 & rresp == 0);
            // The control unit's side.
            waits: assert (!idle | pending);
            answers_once: assert (!answered | (bvalid ^ rvalid));
            one_at_a_time: assert (pending + bvalid + rvalid <= 2'd1);
            write_waits: assert (!(pending & is_write) | (address == last_address & data == last_word));
            read_waits: assert (!(pending & !is_write) | read_address == last_read);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (addresses == {1'b0, has_address} + bvalid);
            assert (words == {1'b0, has_data} + bvalid);
            assert (reads == {1'b0, has_read} + rvalid);
            assert (!pending | (is_write ? has_address & has_data : has_read));
            assert (!has_address | address == last_address);
            assert (!has_data | data == last_word);
            assert (!has_read | read_address == last_read);
`endif
        end
        both: cover (started & pending & is_write & has_read);
        late_data: cover (started & has_address & !has_data & rvalid);
        stalled: cover (started & b_stalled & bready & addresses == 2);
    end
endmodule
