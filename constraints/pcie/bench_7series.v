// A bench of the core's part that is neither vendor's nor ours on the 7 series: LitePCIe's clock domains and what constraints/pcie/kvcpu_pcie.py adds to them. The hard block is a model with the streams of
// PG054; behind the core stands kvcpu_pcie. Run by `cargo xtask pcie` with Icarus Verilog; ends with "bench: ok", or with what went wrong.
`timescale 1ns / 1ps

module IBUFDS (input wire I, input wire IB, output wire O);
    assign O = I;
endmodule

module IBUFDS_GTE2 (input wire I, input wire IB, input wire CEB, output wire O);
    assign O = I;
endmodule

module BUFG (input wire I, output wire O);
    assign O = I;
endmodule

module BUFGCTRL (input wire CE0, input wire CE1, input wire I0, input wire I1, input wire S0, input wire S1, output wire O);
    assign O = I0;
endmodule

module FDPE #(parameter INIT = 1) (input wire C, input wire CE, input wire D, input wire PRE, output reg Q);
    initial Q = INIT;
    always @(posedge C or posedge PRE) if (PRE) Q <= 1; else if (CE) Q <= D;
endmodule

module FDCE #(parameter INIT = 0) (input wire C, input wire CE, input wire D, input wire CLR, output reg Q);
    initial Q = INIT;
    always @(posedge C or posedge CLR) if (CLR) Q <= 0; else if (CE) Q <= D;
endmodule

// The device's clock, 100 MHz, in no step with the hard block's; the hard block's own are not looked at.
module MMCME2_ADV #(
    parameter BANDWIDTH = "", parameter CLKFBOUT_MULT_F = 0.0, parameter CLKIN1_PERIOD = 0.0, parameter CLKOUT0_DIVIDE_F = 0.0,
    parameter CLKOUT0_PHASE = 0, parameter CLKOUT1_DIVIDE = 0, parameter CLKOUT1_PHASE = 0, parameter CLKOUT2_DIVIDE = 0,
    parameter CLKOUT2_PHASE = 0, parameter CLKOUT3_DIVIDE = 0, parameter CLKOUT3_PHASE = 0, parameter DIVCLK_DIVIDE = 0,
    parameter REF_JITTER1 = 0.0
) (input wire CLKFBIN, input wire CLKIN1, input wire PWRDWN, input wire RST,
   output wire CLKFBOUT, output reg CLKOUT0, output wire CLKOUT1, output wire CLKOUT2, output wire CLKOUT3, output reg LOCKED);
    assign CLKFBOUT = CLKIN1;
    assign CLKOUT1 = CLKOUT0;
    assign CLKOUT2 = CLKOUT0;
    assign CLKOUT3 = CLKOUT0;
    initial begin
        CLKOUT0 = 0;
        LOCKED = 0;
        #200 LOCKED = 1;
    end
    always #5.013 CLKOUT0 = !CLKOUT0;
endmodule

// The hard block: words of 4 bytes go in and out by tasks.
module pcie_s7 (
    output reg user_clk_out,
    output reg user_reset_out,
    output reg user_lnk_up,
    input wire s_axis_tx_tvalid,
    input wire s_axis_tx_tlast,
    output reg s_axis_tx_tready,
    input wire [63:0] s_axis_tx_tdata,
    input wire [7:0] s_axis_tx_tkeep,
    output reg m_axis_rx_tvalid,
    output reg m_axis_rx_tlast,
    input wire m_axis_rx_tready,
    output reg [63:0] m_axis_rx_tdata,
    output reg [7:0] m_axis_rx_tkeep,
    output reg [31:0] m_axis_rx_tuser,
    output wire cfg_interrupt_msixenable,
    output wire cfg_interrupt_msixfm,
    output wire [15:0] cfg_command,
    output wire [15:0] cfg_dcommand,
    output wire [7:0] cfg_bus_number,
    output wire [4:0] cfg_device_number,
    output wire [2:0] cfg_function_number,
    // Not used.
    input wire
        sys_clk, sys_rst_n, pci_exp_rxp, pci_exp_rxn, pipe_pclk_in, pipe_rxusrclk_in, pipe_rxoutclk_in, pipe_dclk_in,
        pipe_userclk1_in, pipe_userclk2_in, pipe_oobclk_in, pipe_mmcm_lock_in, pipe_mmcm_rst_n, tx_cfg_gnt,
        s_axis_tx_tuser, rx_np_ok, rx_np_req, fc_sel, cfg_mgmt_di, cfg_mgmt_byte_en, cfg_mgmt_dwaddr, cfg_mgmt_wr_en,
        cfg_mgmt_rd_en, cfg_mgmt_wr_readonly, cfg_mgmt_wr_rw1c_as_rw, cfg_err_ecrc, cfg_err_ur, cfg_err_cpl_timeout,
        cfg_err_cpl_unexpect, cfg_err_cpl_abort, cfg_err_posted, cfg_err_cor, cfg_err_atomic_egress_blocked,
        cfg_err_internal_cor, cfg_err_malformed, cfg_err_mc_blocked, cfg_err_poisoned, cfg_err_norecovery,
        cfg_err_tlp_cpl_header, cfg_err_locked, cfg_err_acs, cfg_err_internal_uncor, cfg_err_aer_headerlog,
        cfg_aer_interrupt_msgnum, cfg_turnoff_ok, cfg_trn_pending, cfg_pm_halt_aspm_l0s, cfg_pm_halt_aspm_l1,
        cfg_pm_force_state_en, cfg_pm_force_state, cfg_dsn, cfg_pm_send_pme_to, cfg_ds_bus_number,
        cfg_ds_device_number, cfg_ds_function_number, cfg_pm_wake, cfg_interrupt, cfg_interrupt_assert,
        cfg_interrupt_di, cfg_interrupt_stat, cfg_pciecap_interrupt_msgnum, pl_directed_link_change,
        pl_directed_link_width, pl_directed_link_speed, pl_directed_link_auton, pl_upstream_prefer_deemph,
        pl_transmit_hot_rst, pl_downstream_deemph_source, pcie_drp_clk, pcie_drp_en, pcie_drp_we, pcie_drp_addr,
        pcie_drp_di,
    output wire
        pci_exp_txp, pci_exp_txn, pipe_txoutclk_out, pipe_rxoutclk_out, pipe_pclk_sel_out, pipe_gen3_out,
        user_app_rdy, tx_buf_av, tx_err_drop, tx_cfg_req, fc_cpld, fc_cplh, fc_npd, fc_nph, fc_pd, fc_ph,
        cfg_mgmt_do, cfg_mgmt_rd_wr_done, cfg_err_cpl_rdy, cfg_err_aer_headerlog_set, cfg_aer_ecrc_check_en,
        cfg_aer_ecrc_gen_en, cfg_interrupt_rdy, cfg_interrupt_do, cfg_interrupt_mmenable, cfg_interrupt_msienable,
        cfg_status, cfg_dstatus, cfg_lstatus, cfg_lcommand, cfg_dcommand2, cfg_pcie_link_state, cfg_to_turnoff,
        cfg_pmcsr_pme_en, cfg_pmcsr_powerstate, cfg_pmcsr_pme_status, cfg_received_func_lvl_rst, cfg_bridge_serr_en,
        cfg_slot_control_electromech_il_ctl_pulse, cfg_root_control_syserr_corr_err_en,
        cfg_root_control_syserr_non_fatal_err_en, cfg_root_control_syserr_fatal_err_en, cfg_root_control_pme_int_en,
        cfg_aer_rooterr_corr_err_reporting_en, cfg_aer_rooterr_non_fatal_err_reporting_en,
        cfg_aer_rooterr_fatal_err_reporting_en, cfg_aer_rooterr_corr_err_received,
        cfg_aer_rooterr_non_fatal_err_received, cfg_aer_rooterr_fatal_err_received, cfg_vc_tcvc_map,
        cfg_msg_received, cfg_msg_data, cfg_msg_received_pm_as_nak, cfg_msg_received_setslotpowerlimit,
        cfg_msg_received_err_cor, cfg_msg_received_err_non_fatal, cfg_msg_received_err_fatal,
        cfg_msg_received_pm_pme, cfg_msg_received_pme_to_ack, cfg_msg_received_assert_int_a,
        cfg_msg_received_assert_int_b, cfg_msg_received_assert_int_c, cfg_msg_received_assert_int_d,
        cfg_msg_received_deassert_int_a, cfg_msg_received_deassert_int_b, cfg_msg_received_deassert_int_c,
        cfg_msg_received_deassert_int_d, pl_sel_lnk_rate, pl_sel_lnk_width, pl_ltssm_state, pl_lane_reversal_mode,
        pl_phy_lnk_up, pl_tx_pm_state, pl_rx_pm_state, pl_link_upcfg_cap, pl_link_gen2_cap,
        pl_link_partner_gen2_supported, pl_initial_link_width, pl_directed_change_done, pl_received_hot_rst,
        pcie_drp_rdy, pcie_drp_do
);
    assign cfg_interrupt_msixenable = 1;
    assign cfg_interrupt_msixfm = 0;
    assign cfg_command = 16'h0006;
    assign cfg_dcommand = 16'h2020;  // Max_Read_Request_Size 512, Max_Payload_Size 256
    assign cfg_bus_number = 3;
    assign cfg_device_number = 0;
    assign cfg_function_number = 0;

    initial begin
        user_clk_out = 0;
        user_reset_out = 1;
        user_lnk_up = 0;
        m_axis_rx_tvalid = 0;
        s_axis_tx_tready = 0;
        #500 user_reset_out = 0;
        user_lnk_up = 1;
    end
    always #4 user_clk_out = !user_clk_out;

    // Words to send: a packet of so many, to this BAR.
    reg [31:0] out [0:255];
    task send(input integer words, input [2:0] bar);
        integer at;
        for (at = 0; at < words; at = at + 2) begin
            @(negedge user_clk_out);
            m_axis_rx_tdata = {at + 1 < words ? out[at + 1] : 32'hBAD0_BAD0, out[at]};
            m_axis_rx_tkeep = at + 1 < words ? 8'hFF : 8'h0F;
            m_axis_rx_tlast = at + 2 >= words;
            m_axis_rx_tuser = 0;
            m_axis_rx_tuser[9:2] = 8'h03 << bar;
            m_axis_rx_tvalid = 1;
            @(posedge user_clk_out);
            while (!m_axis_rx_tready) @(posedge user_clk_out);
            @(negedge user_clk_out) m_axis_rx_tvalid = 0;
        end
    endtask

    // What the device sends, as words, until the bench has looked at it.
    reg [31:0] tx [0:255];
    integer count, place;
    reg whole;
    integer seed;
    initial begin
        count = 0;
        whole = 0;
        seed = 1;
    end
    always @(negedge user_clk_out) s_axis_tx_tready = !whole && $random(seed) % 4 != 0;
    always @(posedge user_clk_out)
        if (s_axis_tx_tvalid && s_axis_tx_tready) begin
            for (place = 0; place < 2; place = place + 1)
                if (s_axis_tx_tkeep[4 * place]) begin
                    tx[count] = s_axis_tx_tdata[32 * place +: 32];
                    count = count + 1;
                end
            whole = s_axis_tx_tlast;
        end
endmodule

module bench;
    reg board_clk, pcie_clk, pcie_rst_n;
    initial begin
        board_clk = 0;
        pcie_clk = 0;
        pcie_rst_n = 1;
    end
    always #2.5 board_clk = !board_clk;
    always #5 pcie_clk = !pcie_clk;

    wire clk, rst;
    wire [15:0] id;
    wire [9:0] max_payload, max_request;
    wire bus_master, msix_enable, msix_mask, rx_valid, rx_ready, rx_last, tx_valid, tx_ready, tx_last;
    wire [63:0] rx_data, tx_data;
    wire [7:0] tx_keep;
    kvcpu_pcie_core core (
        .board_clk_p(board_clk), .board_clk_n(!board_clk), .pcie_rst_n(pcie_rst_n), .pcie_clk_p(pcie_clk), .pcie_clk_n(!pcie_clk),
        .pcie_rx_p(2'd0), .pcie_rx_n(2'd0), .pcie_tx_p(), .pcie_tx_n(), .clk(clk), .ref_clk(), .rst(rst), .link_up(), .id(id),
        .bus_master(bus_master), .msix_enable(msix_enable), .msix_mask(msix_mask), .max_payload(max_payload), .max_request(max_request),
        .rx_valid(rx_valid), .rx_ready(rx_ready), .rx_last(rx_last), .rx_data(rx_data),
        .tx_valid(tx_valid), .tx_ready(tx_ready), .tx_last(tx_last), .tx_data(tx_data), .tx_keep(tx_keep)
    );

    // Constants that come after time 0: Icarus does not evaluate `always @(*)` of what never changes.
    reg on;
    initial #1 on = 1;

    reg [15:0] irq;
    wire awvalid, wvalid, bready, arvalid, rready;
    wire [23:0] awaddr, araddr;
    wire [2:0] awsize, arsize;
    wire [63:0] wdata;
    wire [7:0] wstrb;
    reg bvalid, rvalid;
    reg host_awvalid, host_wvalid, host_arvalid;
    reg [63:0] host_awaddr, host_araddr, host_wdata;
    reg [7:0] host_awlen, host_arlen;
    wire host_awready, host_wready, host_bvalid, host_arready, host_rvalid, host_rlast;
    wire [63:0] host_rdata;
    wire [1:0] host_rresp;
    kvcpu_pcie endpoint (
        .clock(clk), .reset(rst), .big(on), .extended(!on), .fill({2{!on}}), .patience({24{on}}), .id(on ? id : 16'hFFFF), .bus_master(bus_master),
        .msix_enable(msix_enable), .msix_mask(on ? msix_mask : 1'b1), .max_payload(max_payload), .max_request(max_request),
        .rx_valid(rx_valid), .rx_ready(rx_ready), .rx_last(rx_last), .rx_data(rx_data),
        .tx_valid(tx_valid), .tx_ready(tx_ready && on), .tx_last(tx_last), .tx_data(tx_data), .tx_keep(tx_keep), .irq(irq),
        .m_axil_awvalid(awvalid), .m_axil_awready(on), .m_axil_awaddr(awaddr), .m_axil_awsize(awsize), .m_axil_wvalid(wvalid),
        .m_axil_wready(on), .m_axil_wdata(wdata), .m_axil_wstrb(wstrb), .m_axil_bvalid(bvalid), .m_axil_bready(bready),
        .m_axil_arvalid(arvalid), .m_axil_arready(on), .m_axil_araddr(araddr), .m_axil_arsize(arsize),
        .m_axil_rvalid(rvalid), .m_axil_rready(rready), .m_axil_rdata({64{on}} & 64'h8877_6655_4433_2211),
        .s_host_awid({!on, on}), .s_host_awaddr(host_awaddr), .s_host_awlen(host_awlen), .s_host_awvalid(host_awvalid),
        .s_host_awready(host_awready), .s_host_wdata(host_wdata), .s_host_wvalid(host_wvalid), .s_host_wready(host_wready),
        .s_host_bready(on), .s_host_bid(), .s_host_bresp(), .s_host_bvalid(host_bvalid),
        .s_host_arid({on, !on}), .s_host_araddr(host_araddr), .s_host_arlen(host_arlen), .s_host_arvalid(host_arvalid),
        .s_host_arready(host_arready), .s_host_rready(on), .s_host_rid(), .s_host_rdata(host_rdata), .s_host_rresp(host_rresp),
        .s_host_rlast(host_rlast), .s_host_rvalid(host_rvalid)
    );

    // Registers that take everything, and remember the last write.
    reg [23:0] written_at;
    reg [2:0] written_size;
    reg [63:0] written;
    reg [7:0] written_bytes;
    integer writes;
    always @(posedge clk) begin
        bvalid <= awvalid || (bvalid && !bready);
        rvalid <= arvalid || (rvalid && !rready);
        if (awvalid) begin
            written_at <= awaddr;
            written_size <= awsize;
            written <= wdata;
            written_bytes <= wstrb;
            writes <= writes + 1;
        end
    end

    // Words that the device reads.
    reg [31:0] words_read;
    integer words_bad, words_refused;
    always @(posedge clk) if (host_rvalid) begin
        words_read <= words_read + 1;
        if (host_rresp != 0) words_refused <= words_refused + 1;
        else if (host_rdata !== {32'hC0DE_0001 + {words_read[30:0], 1'b0}, 32'hC0DE_0000 + {words_read[30:0], 1'b0}}) words_bad <= words_bad + 1;
    end

    task check(input good, input [8 * 40 - 1:0] what);
        if (!good) begin
            $display("bench: %0s, at %0t", what, $time);
            $finish;
        end
    endtask

    `define HARD core.pcie_s7

    task sent;  // Waits for a packet of the device.
        while (!`HARD.whole) @(posedge `HARD.user_clk_out);
    endtask

    task next;  // Lets the next one come.
        begin
            `HARD.count = 0;
            `HARD.whole = 0;
        end
    endtask

    function [31:0] turned(input [31:0] word);  // As a payload's word stands in a beat.
        turned = {word[7:0], word[15:8], word[23:16], word[31:24]};
    endfunction

    // A request's header of 3 or 4 words, from word `at` on.
    task header(input integer at, input four, input write, input [63:0] address, input [9:0] words, input [7:0] tag, input [7:0] enables);
        begin
            `HARD.out[at] = {1'b0, write, four, 19'd0, words};
            `HARD.out[at + 1] = {16'h0010, tag, enables};
            `HARD.out[at + 2] = four ? address[63:32] : address[31:0];
            `HARD.out[at + 3] = address[31:0];
        end
    endtask

    // A completion of the device's read: words that are a mark and their number.
    task completion(input integer at, input [7:0] tag, input [6:0] lower, input [11:0] bytes, input [9:0] words, input [31:0] first);
        integer word;
        begin
            `HARD.out[at] = {22'h12_8000, words};
            `HARD.out[at + 1] = {20'h0_0000, bytes};
            `HARD.out[at + 2] = {16'h0300, tag, 1'b0, lower};
            for (word = 0; word < words; word = word + 1) `HARD.out[at + 3 + word] = turned(32'hC0DE_0000 + first + word);
        end
    endtask

    reg [31:0] number;
    integer packet, word;
    initial begin
        irq = 0;
        writes = 0;
        words_read = 0;
        words_bad = 0;
        words_refused = 0;
        {host_awvalid, host_wvalid, host_arvalid, bvalid, rvalid} = 0;
        #1000;
        while (rst !== 0) @(posedge clk);
        repeat (20) @(posedge clk);
        check(bus_master && msix_enable && !msix_mask && id == 16'h0300, "configuration bits");
        check(max_payload == 256 && max_request == 512, "configured sizes");

        // A write of 4 bytes to BAR0, by itself.
        header(0, 0, 1, 64'hE05F_000C, 1, 1, 8'h0F);
        `HARD.out[3] = turned(32'h1122_3344);
        `HARD.send(4, 0);
        while (writes != 1) @(posedge clk);
        check(written_at == 24'h00000C && written_size == 2 && written_bytes == 8'hF0 && written[63:32] == 32'h1122_3344, "BAR0 written");

        // A write of 8 bytes to BAR2, and reads.
        header(0, 1, 1, 64'h38_0080_0040, 2, 2, 8'hFF);
        `HARD.out[4] = turned(32'hB1B2_B3B4);
        `HARD.out[5] = turned(32'hA1A2_A3A4);
        `HARD.send(6, 2);
        header(0, 0, 0, 64'hE05F_0008, 2, 7, 8'hFF);
        `HARD.send(3, 0);
        header(0, 0, 0, 64'hE080_0044, 1, 8, 8'h0F);
        `HARD.send(3, 2);
        header(0, 0, 0, 64'hE05F_0000, 4, 9, 8'hFF);
        `HARD.send(3, 0);
        while (writes != 2) @(posedge clk);
        check(written_at == 24'h800040 && written_size == 3 && written == 64'hA1A2_A3A4_B1B2_B3B4, "BAR2 written");
        for (packet = 0; packet < 3; packet = packet + 1) begin
            sent;
            check(`HARD.tx[2][31:8] == 24'h00_1007 + packet && `HARD.tx[1][31:16] == 16'h0300, "completion's origin");
            case (packet)
                0: check(`HARD.count == 5 && `HARD.tx[0] == 32'h4A00_0002 && `HARD.tx[1][15:0] == 8 && `HARD.tx[2][7:0] == 8'h08
                    && {turned(`HARD.tx[4]), turned(`HARD.tx[3])} == 64'h8877_6655_4433_2211, "8 bytes read");
                1: check(`HARD.count == 4 && `HARD.tx[0] == 32'h4A00_0001 && `HARD.tx[1][15:0] == 4 && `HARD.tx[2][7:0] == 8'h44
                    && turned(`HARD.tx[3]) == 32'h8877_6655, "4 bytes read");
                2: check(`HARD.count == 3 && `HARD.tx[0] == 32'h0A00_0000 && `HARD.tx[1][15:13] == 3'b100, "Completer Abort");
            endcase
            next;
        end

        // A message: address, data and mask in BAR4.
        header(0, 1, 1, 64'h38_005E_F030, 2, 3, 8'hFF);
        `HARD.out[4] = turned(32'hFEE0_1030);
        `HARD.out[5] = turned(32'h0000_0000);
        `HARD.send(6, 4);
        header(0, 0, 1, 64'hE05E_F038, 2, 4, 8'hFF);
        `HARD.out[3] = turned(32'h0000_4043);
        `HARD.out[4] = turned(32'h0000_0000);
        `HARD.send(5, 4);
        repeat (100) @(posedge clk);
        irq <= 16'h0008;
        @(posedge clk) irq <= 0;
        sent;
        check(`HARD.count == 4 && `HARD.tx[0] == 32'h4000_0001 && `HARD.tx[1] == 32'h0300_000F, "a message's header");
        check(`HARD.tx[2] == 32'hFEE0_1030 && turned(`HARD.tx[3]) == 32'h4043, "a message");
        next;

        // A burst of 80 words written, from 16 words below a line of 256 bytes on: 16, 32, 32 words.
        host_awaddr = 64'h12_3456_7080;
        host_awlen = 79;
        host_awvalid = 1;
        @(posedge clk);
        while (!host_awready) @(posedge clk);
        host_awvalid <= 0;
        fork
            begin
                for (number = 0; number < 80; number = number + 1) begin
                    host_wdata <= {32'hDA7A_0001 + {number[30:0], 1'b0}, 32'hDA7A_0000 + {number[30:0], 1'b0}};
                    host_wvalid <= 1;
                    @(posedge clk);
                    while (!host_wready) @(posedge clk);
                end
                host_wvalid <= 0;
            end
            for (packet = 0; packet < 3; packet = packet + 1) begin
                sent;
                check({`HARD.tx[2], `HARD.tx[3]} == 64'h12_3456_7080 + (packet == 0 ? 0 : 256 * packet - 128), "a write's address");
                check(`HARD.tx[0] == 32'h6000_0000 + (packet == 0 ? 32 : 64) && `HARD.tx[1] == 32'h0300_00FF, "a write's header");
                check(`HARD.count == 4 + `HARD.tx[0][9:0], "a write's length");
                for (word = 4; word < `HARD.count; word = word + 1)
                    check(turned(`HARD.tx[word]) == 32'hDA7A_0000 + (packet == 0 ? 0 : 64 * packet - 32) + word - 4, "a write's data");
                next;
            end
        join

        // A burst of 64 words read from 56 bytes behind a line of 512 on: 25, 32 and 7 words, the last answered first, and the first in
        // two pieces with the second between. What BAR is said to be hit by a completion is noise.
        host_araddr = 64'h8000_0038;
        host_arlen = 63;
        host_arvalid = 1;
        @(posedge clk);
        while (!host_arready) @(posedge clk);
        host_arvalid <= 0;
        for (packet = 0; packet < 3; packet = packet + 1) begin
            sent;
            check(`HARD.count == 3 && `HARD.tx[0] == (packet == 0 ? 50 : packet == 1 ? 64 : 14), "a read");
            check(`HARD.tx[1] == 32'h0300_00FF + 256 * packet, "a read's tag");
            check(`HARD.tx[2] == (packet == 0 ? 32'h8000_0038 : 32'h8000_0000 + 256 * packet), "a read's address");
            next;
        end
        completion(0, 2, 7'h00, 56, 14, 114);
        `HARD.send(17, 2);
        completion(0, 0, 7'h38, 200, 2, 0);
        `HARD.send(5, 4);
        completion(0, 1, 7'h00, 256, 64, 50);
        `HARD.send(67, 0);
        completion(0, 0, 7'h40, 192, 48, 2);
        `HARD.send(51, 0);
        while (words_read != 64) @(posedge clk);
        check(words_bad == 0 && words_refused == 0, "words read");
        host_arlen = 1;
        host_arvalid = 1;
        @(posedge clk);
        while (!host_arready) @(posedge clk);
        host_arvalid <= 0;
        sent;
        next;
        `HARD.out[0] = 32'h0A00_0000;
        `HARD.out[1] = 32'h0000_2010;
        `HARD.out[2] = 32'h0300_0338;
        `HARD.send(3, 0);
        while (words_read != 66) @(posedge clk);
        check(words_refused == 2, "a read that is refused");
        $display("bench: ok");
        $finish;
    end

    initial begin
        #400000;
        $display("bench: nothing happens any more, at %0t", $time);
        $finish;
    end
endmodule
