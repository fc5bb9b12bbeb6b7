// The ECP5 evaluation board's pins joined to the device, its clock, its serial line and its memory. Nothing is decided here.
//
//  clk_12mhz -> PLL -> 120 MHz -> kvcpu_evn <- card bus -> kvcpu_card_ram
`default_nettype none

module ecp5_evn(
    input wire clk_12mhz,
    input wire rst_n,
    input wire uart_rx,
    output wire uart_tx,
    output wire [7:0] led_n
);
    wire clock, locked;

    // Phase detector: 12 MHz / CLKI_DIV = 12 MHz, and as much from CLKOP / CLKFB_DIV, so CLKOP is 120 MHz, and the oscillator CLKOP_DIV
    // times that, 600 MHz (10 to 400, and 400 to 800: Lattice FPGA-DS-02012, sysCLOCK PLL Timing).
    // Charge pump and loop filter, as ecppll (prjtrellis, libtrellis/tools/ecppll.cpp) writes them for every PLL; nextpnr takes 0 for an
    // attribute that is not there.
    // CPHASE is half the divider, as ecppll has it; of the only output, which is its own feedback, it shifts nothing.
    (* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *) (* MFG_ENABLE_FILTEROPAMP="1" *) (* MFG_GMCREF_SEL="2" *)
    (* FREQUENCY_PIN_CLKI="12" *) (* FREQUENCY_PIN_CLKOP="120" *)
    EHXPLLL #(
        .CLKI_DIV(1),
        .CLKFB_DIV(10),
        .CLKOP_DIV(5),
        .CLKOP_ENABLE("ENABLED"),
        .CLKOP_CPHASE(2),
        .CLKOP_FPHASE(0),
        .FEEDBK_PATH("CLKOP"),
        .PLLRST_ENA("DISABLED"),
        .INTFB_WAKE("DISABLED"),
        .STDBY_ENABLE("DISABLED"),
        .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA")
    ) pll (
        .CLKI(clk_12mhz),
        .CLKFB(clock),
        .CLKOP(clock),
        .RST(1'b0),
        .STDBY(1'b0),
        .PHASESEL0(1'b0),
        .PHASESEL1(1'b0),
        .PHASEDIR(1'b0),
        .PHASESTEP(1'b0),
        .PHASELOADREG(1'b0),
        .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0),
        .LOCK(locked)
    );

    // Reset: until the PLL is locked and the button is released, and 16 clocks more.
    reg [1:0] calm = 2'b00;
    reg [3:0] waited = 4'd0;
    reg reset = 1'b1;
    always @(posedge clock) begin
        calm <= {calm[0], locked & rst_n};
        waited <= !calm[1] ? 4'd0 : waited + {3'd0, reset};
        reset <= !calm[1] | (reset & (waited != 4'd15));
    end

    // It goes to some 10,000 registers: by a net of the clocks' network, which nextpnr takes for clocks only if not told. By ordinary
    // wires it is routed for longer than all else, if at all. nextpnr counts the way to the network, not the one on it: docs/boards.md.
    wire reset_all;
    DCCA spread (.CLKI(reset), .CE(1'b1), .CLKO(reset_all));

    wire awvalid, awready, wlast, wvalid, wready, bvalid, bready, arvalid, arready, rlast, rvalid, rready;
    wire [1:0] awid, awburst, bid, bresp, arid, arburst, rid, rresp;
    wire [2:0] awsize, arsize;
    wire [7:0] awlen, wstrb, arlen;
    wire [63:0] awaddr, wdata, araddr, rdata;
    kvcpu_evn device (
        .clock(clock),
        .reset(reset_all),
        .rx(uart_rx),
        .tx(uart_tx),
        .m_card_awid(awid),
        .m_card_awaddr(awaddr),
        .m_card_awlen(awlen),
        .m_card_awsize(awsize),
        .m_card_awburst(awburst),
        .m_card_awvalid(awvalid),
        .m_card_awready(awready),
        .m_card_wdata(wdata),
        .m_card_wstrb(wstrb),
        .m_card_wlast(wlast),
        .m_card_wvalid(wvalid),
        .m_card_wready(wready),
        .m_card_bid(bid),
        .m_card_bresp(bresp),
        .m_card_bvalid(bvalid),
        .m_card_bready(bready),
        .m_card_arid(arid),
        .m_card_araddr(araddr),
        .m_card_arlen(arlen),
        .m_card_arsize(arsize),
        .m_card_arburst(arburst),
        .m_card_arvalid(arvalid),
        .m_card_arready(arready),
        .m_card_rid(rid),
        .m_card_rdata(rdata),
        .m_card_rresp(rresp),
        .m_card_rlast(rlast),
        .m_card_rvalid(rvalid),
        .m_card_rready(rready)
    );

    kvcpu_card_ram memory (
        .clock(clock),
        .reset(reset_all),
        .s_card_awid(awid),
        .s_card_awaddr(awaddr),
        .s_card_awlen(awlen),
        .s_card_awsize(awsize),
        .s_card_awburst(awburst),
        .s_card_awvalid(awvalid),
        .s_card_awready(awready),
        .s_card_wdata(wdata),
        .s_card_wstrb(wstrb),
        .s_card_wlast(wlast),
        .s_card_wvalid(wvalid),
        .s_card_wready(wready),
        .s_card_bid(bid),
        .s_card_bresp(bresp),
        .s_card_bvalid(bvalid),
        .s_card_bready(bready),
        .s_card_arid(arid),
        .s_card_araddr(araddr),
        .s_card_arlen(arlen),
        .s_card_arsize(arsize),
        .s_card_arburst(arburst),
        .s_card_arvalid(arvalid),
        .s_card_arready(arready),
        .s_card_rid(rid),
        .s_card_rdata(rdata),
        .s_card_rresp(rresp),
        .s_card_rlast(rlast),
        .s_card_rvalid(rvalid),
        .s_card_rready(rready)
    );

    // 0: works; 1, 2: the line carries something.
    assign led_n = {5'h1f, uart_tx, uart_rx, reset};
endmodule
