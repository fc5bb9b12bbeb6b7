// Alveo U250: the device of the full geometry, its endpoint, LitePCIe's core, two channels of DDR4.
// Wiring alone: no logic is here. docs/pcie.md has the picture.
module kvcpu_alveo_u250 (
    input wire board_clk_p,
    input wire board_clk_n,
    input wire pcie_rst_n,
    input wire pcie_clk_p,
    input wire pcie_clk_n,
    input wire [7:0] pcie_rx_p,
    input wire [7:0] pcie_rx_n,
    output wire [7:0] pcie_tx_p,
    output wire [7:0] pcie_tx_n,
    input wire C0_CLK_clk_p,
    input wire C0_CLK_clk_n,
    output wire C0_DDR4_act_n,
    output wire [16:0] C0_DDR4_adr,
    output wire [1:0] C0_DDR4_ba,
    output wire [1:0] C0_DDR4_bg,
    output wire [0:0] C0_DDR4_cke,
    output wire [0:0] C0_DDR4_odt,
    output wire [0:0] C0_DDR4_cs_n,
    output wire [0:0] C0_DDR4_ck_t,
    output wire [0:0] C0_DDR4_ck_c,
    output wire C0_DDR4_reset_n,
    output wire C0_DDR4_par,
    inout wire [71:0] C0_DDR4_dq,
    inout wire [17:0] C0_DDR4_dqs_t,
    inout wire [17:0] C0_DDR4_dqs_c,
    input wire C1_CLK_clk_p,
    input wire C1_CLK_clk_n,
    output wire C1_DDR4_act_n,
    output wire [16:0] C1_DDR4_adr,
    output wire [1:0] C1_DDR4_ba,
    output wire [1:0] C1_DDR4_bg,
    output wire [0:0] C1_DDR4_cke,
    output wire [0:0] C1_DDR4_odt,
    output wire [0:0] C1_DDR4_cs_n,
    output wire [0:0] C1_DDR4_ck_t,
    output wire [0:0] C1_DDR4_ck_c,
    output wire C1_DDR4_reset_n,
    output wire C1_DDR4_par,
    inout wire [71:0] C1_DDR4_dq,
    inout wire [17:0] C1_DDR4_dqs_t,
    inout wire [17:0] C1_DDR4_dqs_c,
    // On while the link is up.
    output wire led
);
    // A read that the host does not answer is given up after one to two times 2^21 clocks, 21 to 42 ms: PCI Express has 50 us to 50 ms.
    localparam [23:0] PATIENCE = 24'h20_0000;

    wire clk, rst, ref_clk, link_up;
    wire [15:0] id;
    wire [9:0] max_payload;
    wire [9:0] max_request;
    wire bus_master;
    wire msix_enable;
    wire msix_mask;
    wire rx_valid;
    wire rx_ready;
    wire rx_last;
    wire [63:0] rx_data;
    wire tx_valid;
    wire tx_ready;
    wire tx_last;
    wire [63:0] tx_data;
    wire [7:0] tx_keep;
    wire [15:0] irq;
    wire m_axil_awvalid;
    wire [23:0] m_axil_awaddr;
    wire [2:0] m_axil_awsize;
    wire m_axil_wvalid;
    wire [63:0] m_axil_wdata;
    wire [7:0] m_axil_wstrb;
    wire m_axil_bready;
    wire m_axil_arvalid;
    wire [23:0] m_axil_araddr;
    wire [2:0] m_axil_arsize;
    wire m_axil_rready;
    wire m_axil_awready;
    wire m_axil_wready;
    wire m_axil_bvalid;
    wire m_axil_arready;
    wire m_axil_rvalid;
    wire [63:0] m_axil_rdata;
    wire [1:0] s_host_awid;
    wire [63:0] s_host_awaddr;
    wire [7:0] s_host_awlen;
    wire s_host_awvalid;
    wire [63:0] s_host_wdata;
    wire s_host_wvalid;
    wire s_host_bready;
    wire [1:0] s_host_arid;
    wire [63:0] s_host_araddr;
    wire [7:0] s_host_arlen;
    wire s_host_arvalid;
    wire s_host_rready;
    wire s_host_awready;
    wire s_host_wready;
    wire [1:0] s_host_bid;
    wire [1:0] s_host_bresp;
    wire s_host_bvalid;
    wire s_host_arready;
    wire [1:0] s_host_rid;
    wire [63:0] s_host_rdata;
    wire [1:0] s_host_rresp;
    wire s_host_rlast;
    wire s_host_rvalid;
    wire [1:0] m_card_awid;
    wire [63:0] m_card_awaddr;
    wire [7:0] m_card_awlen;
    wire [2:0] m_card_awsize;
    wire [1:0] m_card_awburst;
    wire m_card_awvalid;
    wire [63:0] m_card_wdata;
    wire [7:0] m_card_wstrb;
    wire m_card_wlast;
    wire m_card_wvalid;
    wire m_card_bready;
    wire [1:0] m_card_arid;
    wire [63:0] m_card_araddr;
    wire [7:0] m_card_arlen;
    wire [2:0] m_card_arsize;
    wire [1:0] m_card_arburst;
    wire m_card_arvalid;
    wire m_card_rready;
    wire m_card_awready;
    wire m_card_wready;
    wire [1:0] m_card_bid;
    wire [1:0] m_card_bresp;
    wire m_card_bvalid;
    wire m_card_arready;
    wire [1:0] m_card_rid;
    wire [63:0] m_card_rdata;
    wire [1:0] m_card_rresp;
    wire m_card_rlast;
    wire m_card_rvalid;

    assign led = link_up;

    kvcpu_pcie_core core (
        .board_clk_p(board_clk_p),
        .board_clk_n(board_clk_n),
        .pcie_rst_n(pcie_rst_n),
        .pcie_clk_p(pcie_clk_p),
        .pcie_clk_n(pcie_clk_n),
        .pcie_rx_p(pcie_rx_p),
        .pcie_rx_n(pcie_rx_n),
        .pcie_tx_p(pcie_tx_p),
        .pcie_tx_n(pcie_tx_n),
        .clk(clk),
        .ref_clk(ref_clk),
        .rst(rst),
        .link_up(link_up),
        .id(id),
        .bus_master(bus_master),
        .msix_enable(msix_enable),
        .msix_mask(msix_mask),
        .max_payload(max_payload),
        .max_request(max_request),
        .rx_valid(rx_valid),
        .rx_ready(rx_ready),
        .rx_last(rx_last),
        .rx_data(rx_data),
        .tx_valid(tx_valid),
        .tx_ready(tx_ready),
        .tx_last(tx_last),
        .tx_data(tx_data),
        .tx_keep(tx_keep)
    );

    kvcpu_pcie endpoint (
        .clock(clk),
        .reset(rst),
        .big(1'b0),
        .extended(1'b1),
        .fill(2'd3),
        .patience(PATIENCE),
        .id(id),
        .bus_master(bus_master),
        .msix_enable(msix_enable),
        .msix_mask(msix_mask),
        .max_payload(max_payload),
        .max_request(max_request),
        .rx_valid(rx_valid),
        .rx_ready(rx_ready),
        .rx_last(rx_last),
        .rx_data(rx_data),
        .tx_valid(tx_valid),
        .tx_ready(tx_ready),
        .tx_last(tx_last),
        .tx_data(tx_data),
        .tx_keep(tx_keep),
        .irq(irq),
        .m_axil_awvalid(m_axil_awvalid),
        .m_axil_awaddr(m_axil_awaddr),
        .m_axil_awsize(m_axil_awsize),
        .m_axil_wvalid(m_axil_wvalid),
        .m_axil_wdata(m_axil_wdata),
        .m_axil_wstrb(m_axil_wstrb),
        .m_axil_bready(m_axil_bready),
        .m_axil_arvalid(m_axil_arvalid),
        .m_axil_araddr(m_axil_araddr),
        .m_axil_arsize(m_axil_arsize),
        .m_axil_rready(m_axil_rready),
        .m_axil_awready(m_axil_awready),
        .m_axil_wready(m_axil_wready),
        .m_axil_bvalid(m_axil_bvalid),
        .m_axil_arready(m_axil_arready),
        .m_axil_rvalid(m_axil_rvalid),
        .m_axil_rdata(m_axil_rdata),
        .s_host_awid(s_host_awid),
        .s_host_awaddr(s_host_awaddr),
        .s_host_awlen(s_host_awlen),
        .s_host_awvalid(s_host_awvalid),
        .s_host_wdata(s_host_wdata),
        .s_host_wvalid(s_host_wvalid),
        .s_host_bready(s_host_bready),
        .s_host_arid(s_host_arid),
        .s_host_araddr(s_host_araddr),
        .s_host_arlen(s_host_arlen),
        .s_host_arvalid(s_host_arvalid),
        .s_host_rready(s_host_rready),
        .s_host_awready(s_host_awready),
        .s_host_wready(s_host_wready),
        .s_host_bid(s_host_bid),
        .s_host_bresp(s_host_bresp),
        .s_host_bvalid(s_host_bvalid),
        .s_host_arready(s_host_arready),
        .s_host_rid(s_host_rid),
        .s_host_rdata(s_host_rdata),
        .s_host_rresp(s_host_rresp),
        .s_host_rlast(s_host_rlast),
        .s_host_rvalid(s_host_rvalid)
    );

    // What is not connected of it is for tracing, or constant: AxSIZE is 3, AxBURST is INCR, WSTRB is all, the responses OKAY.
    /* verilator lint_off PINMISSING */
    kvcpu_full device (
        .clock(clk),
        .reset(rst),
        .bus_master(bus_master),
        .irq(irq),
        .s_axil_awvalid(m_axil_awvalid),
        .s_axil_awready(m_axil_awready),
        .s_axil_awaddr(m_axil_awaddr),
        .s_axil_awsize(m_axil_awsize),
        .s_axil_wvalid(m_axil_wvalid),
        .s_axil_wready(m_axil_wready),
        .s_axil_wdata(m_axil_wdata),
        .s_axil_wstrb(m_axil_wstrb),
        .s_axil_bvalid(m_axil_bvalid),
        .s_axil_bready(m_axil_bready),
        .s_axil_arvalid(m_axil_arvalid),
        .s_axil_arready(m_axil_arready),
        .s_axil_araddr(m_axil_araddr),
        .s_axil_arsize(m_axil_arsize),
        .s_axil_rvalid(m_axil_rvalid),
        .s_axil_rready(m_axil_rready),
        .s_axil_rdata(m_axil_rdata),
        .m_host_awid(s_host_awid),
        .m_host_awaddr(s_host_awaddr),
        .m_host_awlen(s_host_awlen),
        .m_host_awvalid(s_host_awvalid),
        .m_host_wdata(s_host_wdata),
        .m_host_wvalid(s_host_wvalid),
        .m_host_bready(s_host_bready),
        .m_host_arid(s_host_arid),
        .m_host_araddr(s_host_araddr),
        .m_host_arlen(s_host_arlen),
        .m_host_arvalid(s_host_arvalid),
        .m_host_rready(s_host_rready),
        .m_host_awready(s_host_awready),
        .m_host_wready(s_host_wready),
        .m_host_bid(s_host_bid),
        .m_host_bresp(s_host_bresp),
        .m_host_bvalid(s_host_bvalid),
        .m_host_arready(s_host_arready),
        .m_host_rid(s_host_rid),
        .m_host_rdata(s_host_rdata),
        .m_host_rresp(s_host_rresp),
        .m_host_rlast(s_host_rlast),
        .m_host_rvalid(s_host_rvalid),
        .m_card_awid(m_card_awid),
        .m_card_awaddr(m_card_awaddr),
        .m_card_awlen(m_card_awlen),
        .m_card_awsize(m_card_awsize),
        .m_card_awburst(m_card_awburst),
        .m_card_awvalid(m_card_awvalid),
        .m_card_wdata(m_card_wdata),
        .m_card_wstrb(m_card_wstrb),
        .m_card_wlast(m_card_wlast),
        .m_card_wvalid(m_card_wvalid),
        .m_card_bready(m_card_bready),
        .m_card_arid(m_card_arid),
        .m_card_araddr(m_card_araddr),
        .m_card_arlen(m_card_arlen),
        .m_card_arsize(m_card_arsize),
        .m_card_arburst(m_card_arburst),
        .m_card_arvalid(m_card_arvalid),
        .m_card_rready(m_card_rready),
        .m_card_awready(m_card_awready),
        .m_card_wready(m_card_wready),
        .m_card_bid(m_card_bid),
        .m_card_bresp(m_card_bresp),
        .m_card_bvalid(m_card_bvalid),
        .m_card_arready(m_card_arready),
        .m_card_rid(m_card_rid),
        .m_card_rdata(m_card_rdata),
        .m_card_rresp(m_card_rresp),
        .m_card_rlast(m_card_rlast),
        .m_card_rvalid(m_card_rvalid)
    );
    /* verilator lint_on PINMISSING */

    // Made by build.tcl, from the vendor's controllers.
    card_memory_wrapper memory (
        .clk(clk),
        .rst(rst),
        .C0_CLK_clk_p(C0_CLK_clk_p),
        .C0_CLK_clk_n(C0_CLK_clk_n),
        .C0_DDR4_act_n(C0_DDR4_act_n),
        .C0_DDR4_adr(C0_DDR4_adr),
        .C0_DDR4_ba(C0_DDR4_ba),
        .C0_DDR4_bg(C0_DDR4_bg),
        .C0_DDR4_cke(C0_DDR4_cke),
        .C0_DDR4_odt(C0_DDR4_odt),
        .C0_DDR4_cs_n(C0_DDR4_cs_n),
        .C0_DDR4_ck_t(C0_DDR4_ck_t),
        .C0_DDR4_ck_c(C0_DDR4_ck_c),
        .C0_DDR4_reset_n(C0_DDR4_reset_n),
        .C0_DDR4_par(C0_DDR4_par),
        .C0_DDR4_dq(C0_DDR4_dq),
        .C0_DDR4_dqs_t(C0_DDR4_dqs_t),
        .C0_DDR4_dqs_c(C0_DDR4_dqs_c),
        .C1_CLK_clk_p(C1_CLK_clk_p),
        .C1_CLK_clk_n(C1_CLK_clk_n),
        .C1_DDR4_act_n(C1_DDR4_act_n),
        .C1_DDR4_adr(C1_DDR4_adr),
        .C1_DDR4_ba(C1_DDR4_ba),
        .C1_DDR4_bg(C1_DDR4_bg),
        .C1_DDR4_cke(C1_DDR4_cke),
        .C1_DDR4_odt(C1_DDR4_odt),
        .C1_DDR4_cs_n(C1_DDR4_cs_n),
        .C1_DDR4_ck_t(C1_DDR4_ck_t),
        .C1_DDR4_ck_c(C1_DDR4_ck_c),
        .C1_DDR4_reset_n(C1_DDR4_reset_n),
        .C1_DDR4_par(C1_DDR4_par),
        .C1_DDR4_dq(C1_DDR4_dq),
        .C1_DDR4_dqs_t(C1_DDR4_dqs_t),
        .C1_DDR4_dqs_c(C1_DDR4_dqs_c),
        .S_CARD_awid(m_card_awid),
        .S_CARD_awaddr(m_card_awaddr),
        .S_CARD_awlen(m_card_awlen),
        .S_CARD_awsize(m_card_awsize),
        .S_CARD_awburst(m_card_awburst),
        .S_CARD_awvalid(m_card_awvalid),
        .S_CARD_wdata(m_card_wdata),
        .S_CARD_wstrb(m_card_wstrb),
        .S_CARD_wlast(m_card_wlast),
        .S_CARD_wvalid(m_card_wvalid),
        .S_CARD_bready(m_card_bready),
        .S_CARD_arid(m_card_arid),
        .S_CARD_araddr(m_card_araddr),
        .S_CARD_arlen(m_card_arlen),
        .S_CARD_arsize(m_card_arsize),
        .S_CARD_arburst(m_card_arburst),
        .S_CARD_arvalid(m_card_arvalid),
        .S_CARD_rready(m_card_rready),
        .S_CARD_awready(m_card_awready),
        .S_CARD_wready(m_card_wready),
        .S_CARD_bid(m_card_bid),
        .S_CARD_bresp(m_card_bresp),
        .S_CARD_bvalid(m_card_bvalid),
        .S_CARD_arready(m_card_arready),
        .S_CARD_rid(m_card_rid),
        .S_CARD_rdata(m_card_rdata),
        .S_CARD_rresp(m_card_rresp),
        .S_CARD_rlast(m_card_rlast),
        .S_CARD_rvalid(m_card_rvalid)
    );
endmodule
