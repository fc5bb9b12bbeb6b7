// The ULX3S's pins joined to the device, its clock, its serial line and its memory. Nothing is decided here.
//
//  clk_25mhz -> PLL -> 70 MHz -> kvcpu_ulx3s <- card bus -> kvcpu_sdram -> sdram_*
//                 `--> 70 MHz, three quarters of a clock later -> sdram_clk (docs/rtl/card.md, Joining it to a board)
`default_nettype none

module ulx3s_85f(
    input wire clk_25mhz,
    input wire btn_fire1,
    input wire ftdi_txd,
    // Not used: pulled up at the pin (pins.lpf).
    input wire [1:0] wifi,
    output wire ftdi_rxd,
    output wire [7:0] led,
    output wire sdram_clk,
    output wire sdram_cke,
    output wire sdram_csn,
    output wire sdram_rasn,
    output wire sdram_casn,
    output wire sdram_wen,
    output wire [1:0] sdram_ba,
    output wire [12:0] sdram_a,
    output wire [1:0] sdram_dqm,
    inout wire [15:0] sdram_d
);
    wire feedback, clock, locked;

    // Phase detector: 25 MHz / CLKI_DIV = 25 MHz, and as much from CLKOP / CLKFB_DIV, so CLKOP is 100 MHz, which nothing else uses. The
    // oscillator is CLKOP_DIV times that, 700 MHz, and CLKOS and CLKOS2 a tenth of it, 70 MHz (phase detector 10 to 400, oscillator 400 to
    // 800: Lattice FPGA-DS-02012, sysCLOCK PLL Timing).
    // Phase: an output is behind by CPHASE periods of the oscillator and FPHASE eighths of one; CPHASE counts from CLKO*_DIV - 1, which is no
    // shift. 270 degrees of 10 periods are 7.5: CPHASE 9 + 7, FPHASE 4.
    // Charge pump and loop filter, as ecppll (prjtrellis, libtrellis/tools/ecppll.cpp) writes them for every PLL; nextpnr takes 0 for an
    // attribute that is not there.
    (* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *) (* MFG_ENABLE_FILTEROPAMP="1" *) (* MFG_GMCREF_SEL="2" *)
    (* FREQUENCY_PIN_CLKI="25" *) (* FREQUENCY_PIN_CLKOP="100" *) (* FREQUENCY_PIN_CLKOS="70" *) (* FREQUENCY_PIN_CLKOS2="70" *)
    EHXPLLL #(
        .CLKI_DIV(1),
        .CLKFB_DIV(4),
        .CLKOP_DIV(7),
        .CLKOP_ENABLE("ENABLED"),
        .CLKOP_CPHASE(6),
        .CLKOP_FPHASE(0),
        .CLKOS_DIV(10),
        .CLKOS_ENABLE("ENABLED"),
        .CLKOS_CPHASE(9),
        .CLKOS_FPHASE(0),
        .CLKOS2_DIV(10),
        .CLKOS2_ENABLE("ENABLED"),
        .CLKOS2_CPHASE(16),
        .CLKOS2_FPHASE(4),
        .FEEDBK_PATH("CLKOP"),
        .PLLRST_ENA("DISABLED"),
        .INTFB_WAKE("DISABLED"),
        .STDBY_ENABLE("DISABLED"),
        .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA"),
        .OUTDIVIDER_MUXB("DIVB"),
        .OUTDIVIDER_MUXC("DIVC")
    ) pll (
        .CLKI(clk_25mhz),
        .CLKFB(feedback),
        .CLKOP(feedback),
        .CLKOS(clock),
        .CLKOS2(sdram_clk),
        .RST(1'b0),
        .STDBY(1'b0),
        .PHASESEL0(1'b0),
        .PHASESEL1(1'b0),
        .PHASEDIR(1'b0),
        .PHASESTEP(1'b0),
        .PHASELOADREG(1'b0),
        .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0),
        .ENCLKOS(1'b0),
        .ENCLKOS2(1'b0),
        .LOCK(locked)
    );

    // Reset: until the PLL is locked and the button is released, and 16 clocks more.
    reg [1:0] calm = 2'b00;
    reg [3:0] waited = 4'd0;
    reg reset = 1'b1;
    always @(posedge clock) begin
        calm <= {calm[0], locked & ~btn_fire1};
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
    kvcpu_ulx3s device (
        .clock(clock),
        .reset(reset_all),
        .rx(ftdi_txd),
        .tx(ftdi_rxd),
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

    // What comes from the chip is taken by the registers beside the pads: the one clock of wires that `kvcpu_sdram` counts on.
    wire [15:0] dq_out, dq_pad, dq_in;
    wire dq_oe;
    kvcpu_sdram memory (
        .clock(clock),
        .reset(reset_all),
        .sdram_cke(sdram_cke),
        .sdram_csn(sdram_csn),
        .sdram_rasn(sdram_rasn),
        .sdram_casn(sdram_casn),
        .sdram_wen(sdram_wen),
        .sdram_ba(sdram_ba),
        .sdram_a(sdram_a),
        .sdram_dqm(sdram_dqm),
        .sdram_dq_out(dq_out),
        .sdram_dq_oe(dq_oe),
        .sdram_dq_in(dq_in),
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
    genvar i;
    generate
        for (i = 0; i < 16; i = i + 1) begin : dq
            BB pad (.I(dq_out[i]), .T(~dq_oe), .O(dq_pad[i]), .B(sdram_d[i]));
            IFS1P3DX captured (.CD(1'b0), .D(dq_pad[i]), .SP(1'b1), .SCLK(clock), .Q(dq_in[i]));
        end
    endgenerate

    // 0: works; 1, 2: the line carries something.
    assign led = {5'd0, ~ftdi_rxd, ~ftdi_txd, ~reset};
endmodule
