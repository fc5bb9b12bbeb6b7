// Stands in for the device's top, with the same ports, so that what is round the top can be tested without it.
//
//   BAR0 0x00..0x3F  eight 64-bit scratch registers      0x40 source  0x48 destination
//        0x50        bytes of a copy, a multiple of 256  0x58 W: go; bit 0 source, bit 1 destination is card memory
//                                                             R: bit 0 busy, bit 1 a fault, bit 2 data in the wrong order
//        0x60        W: pulses on irq                    0x68 R: clocks since reset
//        0x70        the rule to break: 1 AR taken back, 2 AR changes, 3 wlast wrong, 4 an answer unasked, 5 a bad response
//        0x78        R: what was seen since reset: bit 9 write responses and bit 8 read bursts that passed another id's, bit 7
//                       beats of two bursts in turns; {bus_master 6, last awsize 5:3, last arsize 2:0}
//        0x80        is never answered
//   BAR2             reads its address
//
// A copy goes 256 bytes at a time: four reads of eight beats, an id each; when all have come, four such writes.

module kvcpu_standin(clock,reset,bus_master,s_axil_awvalid,s_axil_awready,s_axil_awaddr,s_axil_awsize,s_axil_wvalid,s_axil_wready,s_axil_wdata,s_axil_wstrb,s_axil_bvalid,s_axil_bready,s_axil_bresp,s_axil_arvalid,s_axil_arready,s_axil_araddr,s_axil_arsize,s_axil_rvalid,s_axil_rready,s_axil_rdata,s_axil_rresp,m_host_awid,m_host_awaddr,m_host_awlen,m_host_awsize,m_host_awburst,m_host_awvalid,m_host_awready,m_host_wdata,m_host_wstrb,m_host_wlast,m_host_wvalid,m_host_wready,m_host_bid,m_host_bresp,m_host_bvalid,m_host_bready,m_host_arid,m_host_araddr,m_host_arlen,m_host_arsize,m_host_arburst,m_host_arvalid,m_host_arready,m_host_rid,m_host_rdata,m_host_rresp,m_host_rlast,m_host_rvalid,m_host_rready,m_card_awid,m_card_awaddr,m_card_awlen,m_card_awsize,m_card_awburst,m_card_awvalid,m_card_awready,m_card_wdata,m_card_wstrb,m_card_wlast,m_card_wvalid,m_card_wready,m_card_bid,m_card_bresp,m_card_bvalid,m_card_bready,m_card_arid,m_card_araddr,m_card_arlen,m_card_arsize,m_card_arburst,m_card_arvalid,m_card_arready,m_card_rid,m_card_rdata,m_card_rresp,m_card_rlast,m_card_rvalid,m_card_rready,irq);
    input wire clock;
    input wire reset;
    input wire bus_master;
    input wire s_axil_awvalid;
    output wire s_axil_awready;
    input wire [23:0] s_axil_awaddr;
    input wire [2:0] s_axil_awsize;
    input wire s_axil_wvalid;
    output wire s_axil_wready;
    input wire [63:0] s_axil_wdata;
    input wire [7:0] s_axil_wstrb;
    output wire s_axil_bvalid;
    input wire s_axil_bready;
    output wire [1:0] s_axil_bresp;
    input wire s_axil_arvalid;
    output wire s_axil_arready;
    input wire [23:0] s_axil_araddr;
    input wire [2:0] s_axil_arsize;
    output wire s_axil_rvalid;
    input wire s_axil_rready;
    output wire [63:0] s_axil_rdata;
    output wire [1:0] s_axil_rresp;
    output wire [1:0] m_host_awid;
    output wire [63:0] m_host_awaddr;
    output wire [7:0] m_host_awlen;
    output wire [2:0] m_host_awsize;
    output wire [1:0] m_host_awburst;
    output wire m_host_awvalid;
    input wire m_host_awready;
    output wire [63:0] m_host_wdata;
    output wire [7:0] m_host_wstrb;
    output wire m_host_wlast;
    output wire m_host_wvalid;
    input wire m_host_wready;
    input wire [1:0] m_host_bid;
    input wire [1:0] m_host_bresp;
    input wire m_host_bvalid;
    output wire m_host_bready;
    output wire [1:0] m_host_arid;
    output wire [63:0] m_host_araddr;
    output wire [7:0] m_host_arlen;
    output wire [2:0] m_host_arsize;
    output wire [1:0] m_host_arburst;
    output wire m_host_arvalid;
    input wire m_host_arready;
    input wire [1:0] m_host_rid;
    input wire [63:0] m_host_rdata;
    input wire [1:0] m_host_rresp;
    input wire m_host_rlast;
    input wire m_host_rvalid;
    output wire m_host_rready;
    output wire [1:0] m_card_awid;
    output wire [63:0] m_card_awaddr;
    output wire [7:0] m_card_awlen;
    output wire [2:0] m_card_awsize;
    output wire [1:0] m_card_awburst;
    output wire m_card_awvalid;
    input wire m_card_awready;
    output wire [63:0] m_card_wdata;
    output wire [7:0] m_card_wstrb;
    output wire m_card_wlast;
    output wire m_card_wvalid;
    input wire m_card_wready;
    input wire [1:0] m_card_bid;
    input wire [1:0] m_card_bresp;
    input wire m_card_bvalid;
    output wire m_card_bready;
    output wire [1:0] m_card_arid;
    output wire [63:0] m_card_araddr;
    output wire [7:0] m_card_arlen;
    output wire [2:0] m_card_arsize;
    output wire [1:0] m_card_arburst;
    output wire m_card_arvalid;
    input wire m_card_arready;
    input wire [1:0] m_card_rid;
    input wire [63:0] m_card_rdata;
    input wire [1:0] m_card_rresp;
    input wire m_card_rlast;
    input wire m_card_rvalid;
    output wire m_card_rready;
    output wire [15:0] irq;

    // Stub of the device: registers.
    reg [63:0] scratch [0:7];
    reg [63:0] source, destination, left, clocks;
    reg [3:0] broken;
    reg source_card, destination_card, busy, fault, disorder;
    reg aw_held, w_held, b_valid, ar_held, r_valid, never;
    reg [23:0] aw_address, ar_address;
    reg [2:0] aw_size, ar_size;
    reg [63:0] w_data, r_data;
    reg [7:0] w_strobe;
    reg [15:0] pulses;
    wire [63:0] mask = {{8{w_strobe[7]}}, {8{w_strobe[6]}}, {8{w_strobe[5]}}, {8{w_strobe[4]}},
                        {8{w_strobe[3]}}, {8{w_strobe[2]}}, {8{w_strobe[1]}}, {8{w_strobe[0]}}};

    assign s_axil_awready = !aw_held && !b_valid;
    assign s_axil_wready = !w_held && !b_valid;
    assign s_axil_bvalid = b_valid;
    assign s_axil_bresp = 2'd0;
    assign s_axil_arready = !ar_held && !r_valid && !never;
    assign s_axil_rvalid = r_valid || broken == 4'd4;
    assign s_axil_rdata = r_data;
    assign s_axil_rresp = broken == 4'd5 ? 2'd2 : 2'd0;
    assign irq = pulses;

    // The copy: addresses asked, beats come, bursts answered.
    reg [2:0] asked, sent, answered;
    reg [4:0] beat;
    reg w_active;
    reg [5:0] come;
    reg [3:0] of_id [0:3];
    reg [63:0] buffer [0:31];
    reg [1:0] phase;
    reg ar_waited, turns, reads_pass, writes_pass, r_open;
    reg [1:0] r_before, r_ended;

    wire ar_valid = phase == 2'd1 && asked != 3'd4 && !(broken == 4'd1 && ar_waited);
    wire [63:0] ar_at = source + {asked, 6'd0} + (broken == 4'd2 && ar_waited ? 64'd64 : 64'd0);
    wire ar_ready = source_card ? m_card_arready : m_host_arready;
    wire r_come = source_card ? m_card_rvalid : m_host_rvalid;
    wire [1:0] r_id = source_card ? m_card_rid : m_host_rid;
    wire [63:0] r_word = source_card ? m_card_rdata : m_host_rdata;
    wire [1:0] r_response = source_card ? m_card_rresp : m_host_rresp;
    wire r_last = source_card ? m_card_rlast : m_host_rlast;
    wire aw_valid = phase == 2'd2 && sent != 3'd4;
    wire aw_ready = destination_card ? m_card_awready : m_host_awready;
    wire w_valid = phase == 2'd2 && w_active;
    wire w_ready = destination_card ? m_card_wready : m_host_wready;
    wire b_come = destination_card ? m_card_bvalid : m_host_bvalid;
    wire [1:0] b_id = destination_card ? m_card_bid : m_host_bid;
    wire [1:0] b_response = destination_card ? m_card_bresp : m_host_bresp;

    assign m_host_arvalid = ar_valid && !source_card;
    assign m_host_arid = asked[1:0];
    assign m_host_araddr = ar_at;
    assign m_host_arlen = 8'd7;
    assign m_host_arsize = 3'd3;
    assign m_host_arburst = 2'd1;
    assign m_host_rready = phase == 2'd1 && clocks[1:0] != 2'd0;
    assign m_host_awvalid = aw_valid && !destination_card;
    assign m_host_awid = sent[1:0];
    assign m_host_awaddr = destination + {sent, 6'd0};
    assign m_host_awlen = 8'd7;
    assign m_host_awsize = 3'd3;
    assign m_host_awburst = 2'd1;
    assign m_host_wvalid = w_valid && !destination_card;
    assign m_host_wdata = buffer[beat];
    assign m_host_wstrb = 8'hFF;
    assign m_host_wlast = beat[2:0] == (broken == 4'd3 ? 3'd6 : 3'd7);
    assign m_host_bready = phase == 2'd2 && clocks[0];

    assign m_card_arvalid = ar_valid && source_card;
    assign m_card_arid = asked[1:0];
    assign m_card_araddr = ar_at;
    assign m_card_arlen = 8'd7;
    assign m_card_arsize = 3'd3;
    assign m_card_arburst = 2'd1;
    assign m_card_rready = phase == 2'd1 && clocks[1:0] != 2'd0;
    assign m_card_awvalid = aw_valid && destination_card;
    assign m_card_awid = sent[1:0];
    assign m_card_awaddr = destination + {sent, 6'd0};
    assign m_card_awlen = 8'd7;
    assign m_card_awsize = 3'd3;
    assign m_card_awburst = 2'd1;
    assign m_card_wvalid = w_valid && destination_card;
    assign m_card_wdata = buffer[beat];
    assign m_card_wstrb = 8'hFF;
    assign m_card_wlast = beat[2:0] == (broken == 4'd3 ? 3'd6 : 3'd7);
    assign m_card_bready = phase == 2'd2 && clocks[0];

    always @(posedge clock) begin
        clocks <= clocks + 64'd1;
        pulses <= 16'd0;
        if (s_axil_awvalid && s_axil_awready) begin
            aw_held <= 1'b1;
            aw_address <= s_axil_awaddr;
            aw_size <= s_axil_awsize;
        end
        if (s_axil_wvalid && s_axil_wready) begin
            w_held <= 1'b1;
            w_data <= s_axil_wdata;
            w_strobe <= s_axil_wstrb;
        end
        if (aw_held && w_held) begin
            aw_held <= 1'b0;
            w_held <= 1'b0;
            b_valid <= 1'b1;
            if (!aw_address[23] && aw_address[15:6] == 10'd0)
                scratch[aw_address[5:3]] <= (scratch[aw_address[5:3]] & ~mask) | (w_data & mask);
            if (!aw_address[23] && aw_address[15:3] == 13'h8) source <= w_data;
            if (!aw_address[23] && aw_address[15:3] == 13'h9) destination <= w_data;
            if (!aw_address[23] && aw_address[15:3] == 13'hA) left <= w_data;
            if (!aw_address[23] && aw_address[15:3] == 13'hB && !busy) begin
                {destination_card, source_card} <= w_data[1:0];
                {busy, fault, disorder} <= 3'b100;
                phase <= 2'd0;
            end
            if (!aw_address[23] && aw_address[15:3] == 13'hC) pulses <= w_data[15:0];
            if (!aw_address[23] && aw_address[15:3] == 13'hE) broken <= w_data[3:0];
        end
        if (s_axil_bvalid && s_axil_bready) b_valid <= 1'b0;
        if (s_axil_arvalid && s_axil_arready) begin
            ar_held <= 1'b1;
            ar_address <= s_axil_araddr;
            ar_size <= s_axil_arsize;
        end
        if (ar_held) begin
            ar_held <= 1'b0;
            r_valid <= 1'b1;
            r_data <= 64'd0;
            if (ar_address[23]) r_data <= {40'd0, ar_address};
            else if (ar_address[15:6] == 10'd0) r_data <= scratch[ar_address[5:3]];
            else if (ar_address[15:3] == 13'hB) r_data <= {61'd0, disorder, fault, busy};
            else if (ar_address[15:3] == 13'hD) r_data <= clocks;
            else if (ar_address[15:3] == 13'hF) r_data <= {54'd0, writes_pass, reads_pass, turns, bus_master, aw_size, ar_size};
            else if (ar_address[15:3] == 13'h10) begin
                r_valid <= 1'b0;
                never <= 1'b1;
            end
        end
        if (r_valid && s_axil_rready) r_valid <= 1'b0;

        ar_waited <= ar_valid && !ar_ready;
        case (phase)
            2'd0: if (busy) begin
                {asked, sent, answered, beat, come} <= 20'd0;
                w_active <= 1'b1;
                of_id[0] <= 4'd0;
                of_id[1] <= 4'd0;
                of_id[2] <= 4'd0;
                of_id[3] <= 4'd0;
                if (left == 64'd0 || fault) busy <= 1'b0;
                else phase <= 2'd1;
            end
            2'd1: begin
                if (ar_valid && ar_ready) asked <= asked + 3'd1;
                if (r_come && clocks[1:0] != 2'd0) begin
                    buffer[{r_id, of_id[r_id][2:0]}] <= r_word;
                    of_id[r_id] <= of_id[r_id] + 4'd1;
                    come <= come + 6'd1;
                    r_open <= !r_last;
                    r_before <= r_id;
                    if (r_open && r_id != r_before) turns <= 1'b1;
                    if (r_last) r_ended <= r_ended + 2'd1;
                    if (r_last && r_id != r_ended) reads_pass <= 1'b1;
                    if (r_response != 2'd0) fault <= 1'b1;
                    if (r_last != (of_id[r_id] == 4'd7)) disorder <= 1'b1;
                    if (come == 6'd31) phase <= fault || r_response != 2'd0 ? 2'd0 : 2'd2;
                end
            end
            2'd2: begin
                if (aw_valid && aw_ready) sent <= sent + 3'd1;
                if (w_valid && w_ready) begin
                    beat <= beat + 5'd1;
                    if (beat == 5'd31) w_active <= 1'b0;
                end
                if (b_come && clocks[0]) begin
                    answered <= answered + 3'd1;
                    if (b_id != answered[1:0]) writes_pass <= 1'b1;
                    if (b_response != 2'd0) fault <= 1'b1;
                    if (answered == 3'd3) begin
                        phase <= 2'd0;
                        source <= source + 64'd256;
                        destination <= destination + 64'd256;
                        left <= left - 64'd256;
                    end
                end
            end
            default: phase <= 2'd0;
        endcase

        if (reset) begin
            {aw_held, w_held, b_valid, ar_held, r_valid, never} <= 6'd0;
            {busy, fault, disorder, ar_waited} <= 4'd0;
            {turns, reads_pass, writes_pass, r_open} <= 4'd0;
            r_ended <= 2'd0;
            broken <= 4'd0;
            clocks <= 64'd0;
            phase <= 2'd0;
            pulses <= 16'd0;
        end
    end
endmodule
