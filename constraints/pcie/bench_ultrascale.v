// A bench of the core's part that is neither vendor's nor ours: LitePCIe's clock domains, width converters and adapters to UltraScale+, and
// what constraints/pcie/kvcpu_pcie.py adds to them. The hard block is a model with descriptors as PG213 has them; behind the core stands
// kvcpu_pcie. Run by `cargo xtask pcie` with Icarus Verilog; ends with "bench: ok", or with what went wrong.
`timescale 1ns / 1ps

module IBUFDS (input wire I, input wire IB, output wire O);
    assign O = I;
endmodule

module IBUFDS_GTE4 #(parameter REFCLK_HROW_CK_SEL = 0) (input wire I, input wire IB, input wire CEB, output wire O, output wire ODIV2);
    assign O = I;
    assign ODIV2 = I;
endmodule

module BUFG (input wire I, output wire O);
    assign O = I;
endmodule

module FDPE #(parameter INIT = 1) (input wire C, input wire CE, input wire D, input wire PRE, output reg Q);
    initial Q = INIT;
    always @(posedge C or posedge PRE) if (PRE) Q <= 1; else if (CE) Q <= D;
endmodule

module FDCE #(parameter INIT = 0) (input wire C, input wire CE, input wire D, input wire CLR, output reg Q);
    initial Q = INIT;
    always @(posedge C or posedge CLR) if (CLR) Q <= 0; else if (CE) Q <= D;
endmodule

// The device's clock, 100 MHz, in no step with the hard block's.
module MMCME4_ADV #(
    parameter BANDWIDTH = "", parameter CLKFBOUT_MULT_F = 0.0, parameter CLKIN1_PERIOD = 0.0, parameter CLKOUT0_DIVIDE_F = 0.0,
    parameter CLKOUT0_PHASE = 0, parameter CLKOUT1_DIVIDE = 0, parameter CLKOUT1_PHASE = 0, parameter DIVCLK_DIVIDE = 0,
    parameter REF_JITTER1 = 0.0
) (input wire CLKFBIN, input wire CLKIN1, input wire PWRDWN, input wire RST,
   output wire CLKFBOUT, output reg CLKOUT0, output wire CLKOUT1, output reg LOCKED);
    assign CLKFBOUT = CLKIN1;
    assign CLKOUT1 = CLKOUT0;
    initial begin
        CLKOUT0 = 0;
        LOCKED = 0;
        #200 LOCKED = 1;
    end
    always #5.013 CLKOUT0 = !CLKOUT0;
endmodule

// The hard block: packets go in and out by tasks.
module pcie_usp (
    output reg user_clk,
    output reg user_reset,
    output reg user_lnk_up,
    input wire s_axis_rq_tlast,
    input wire [255:0] s_axis_rq_tdata,
    input wire [61:0] s_axis_rq_tuser,
    input wire [7:0] s_axis_rq_tkeep,
    output reg s_axis_rq_tready,
    input wire s_axis_rq_tvalid,
    output reg [255:0] m_axis_rc_tdata,
    output reg [74:0] m_axis_rc_tuser,
    output reg m_axis_rc_tlast,
    output reg [7:0] m_axis_rc_tkeep,
    output reg m_axis_rc_tvalid,
    input wire m_axis_rc_tready,
    output reg [255:0] m_axis_cq_tdata,
    output reg [87:0] m_axis_cq_tuser,
    output reg m_axis_cq_tlast,
    output reg [7:0] m_axis_cq_tkeep,
    output reg m_axis_cq_tvalid,
    input wire m_axis_cq_tready,
    input wire [255:0] s_axis_cc_tdata,
    input wire [32:0] s_axis_cc_tuser,
    input wire s_axis_cc_tlast,
    input wire [7:0] s_axis_cc_tkeep,
    input wire s_axis_cc_tvalid,
    output reg s_axis_cc_tready,
    output reg [5:0] pcie_rq_seq_num0,
    output reg pcie_rq_seq_num_vld0,
    output reg [5:0] pcie_rq_seq_num1,
    output reg pcie_rq_seq_num_vld1,
    output wire [1:0] cfg_max_payload,
    output wire [2:0] cfg_max_read_req,
    output wire [3:0] cfg_interrupt_msix_enable,
    output wire [3:0] cfg_interrupt_msix_mask,
    output wire [15:0] cfg_function_status,
    // Not used.
    input wire
        pci_exp_rxn, pci_exp_rxp, pcie_cq_np_req, cfg_mgmt_addr, cfg_mgmt_write, cfg_mgmt_write_data,
        cfg_mgmt_byte_enable, cfg_mgmt_read, cfg_mgmt_function_number, cfg_mgmt_debug_access, cfg_msg_transmit,
        cfg_msg_transmit_type, cfg_msg_transmit_data, cfg_fc_sel, cfg_hot_reset_in, cfg_power_state_change_ack,
        cfg_err_cor_in, cfg_err_uncor_in, cfg_flr_done, cfg_vf_flr_done, cfg_vf_flr_func_num,
        cfg_link_training_enable, cfg_pm_aspm_l1_entry_reject, cfg_pm_aspm_tx_l0s_entry_disable,
        cfg_config_space_enable, cfg_req_pm_transition_l23_ready, cfg_dsn, cfg_ds_bus_number, cfg_ds_device_number,
        cfg_ds_port_number, cfg_interrupt_int, cfg_interrupt_pending, cfg_interrupt_msi_int,
        cfg_interrupt_msi_select, cfg_interrupt_msi_pending_status, cfg_interrupt_msi_attr,
        cfg_interrupt_msi_tph_present, cfg_interrupt_msi_tph_type, cfg_interrupt_msi_tph_st_tag,
        cfg_interrupt_msi_pending_status_function_num, cfg_interrupt_msi_pending_status_data_enable,
        cfg_interrupt_msi_function_number, sys_clk, sys_clk_gt, sys_reset,
    output wire
        pci_exp_txn, pci_exp_txp, phy_rdy_out, pcie_cq_np_req_count, pcie_rq_tag_av, cfg_phy_link_down,
        cfg_phy_link_status, cfg_negotiated_width, cfg_current_speed, cfg_function_power_state, cfg_vf_status,
        cfg_vf_power_state, cfg_link_power_state, cfg_err_cor_out, cfg_err_nonfatal_out, cfg_err_fatal_out,
        cfg_ltssm_state, cfg_rcb_status, cfg_obff_enable, cfg_pl_status_change, cfg_tph_requester_enable,
        cfg_tph_st_mode, cfg_vf_tph_requester_enable, cfg_vf_tph_st_mode, cfg_mgmt_read_data,
        cfg_mgmt_read_write_done, pcie_tfc_nph_av, pcie_tfc_npd_av, cfg_msg_received, cfg_msg_received_data,
        cfg_msg_received_type, cfg_msg_transmit_done, cfg_fc_ph, cfg_fc_pd, cfg_fc_nph, cfg_fc_npd, cfg_fc_cplh,
        cfg_fc_cpld, cfg_hot_reset_out, cfg_power_state_change_interrupt, cfg_flr_in_process, cfg_vf_flr_in_process,
        cfg_interrupt_sent, cfg_interrupt_msi_enable, cfg_interrupt_msi_sent, cfg_interrupt_msi_fail,
        cfg_interrupt_msi_mmenable, cfg_interrupt_msi_mask_update, cfg_interrupt_msi_data
);
    assign cfg_max_payload = 1;  // 256 bytes
    assign cfg_max_read_req = 2;  // 512 bytes
    assign cfg_interrupt_msix_enable = 4'b0001;
    assign cfg_interrupt_msix_mask = 4'b0000;
    // Memory Space and Bus Master Enable of function 0; not I/O Space.
    assign cfg_function_status = 16'h0006;

    initial begin
        user_clk = 0;
        user_reset = 1;
        user_lnk_up = 0;
        m_axis_cq_tvalid = 0;
        m_axis_rc_tvalid = 0;
        s_axis_rq_tready = 0;
        s_axis_cc_tready = 0;
        #500 user_reset = 0;
        user_lnk_up = 1;
    end
    always #2 user_clk = !user_clk;

    // A request of the host: up to two words; `locked`: it is a locked read.
    reg locked;
    initial locked = 0;
    task request(input [2:0] bar, input write, input [63:0] address, input [10:0] words, input [7:0] tag, input [7:0] enables, input [63:0] data);
        begin
            @(negedge user_clk);
            m_axis_cq_tdata = 0;
            m_axis_cq_tdata[63:0] = address;
            m_axis_cq_tdata[74:64] = words;
            m_axis_cq_tdata[78:75] = write ? 4'b0001 : locked ? 4'b0111 : 4'b0000;
            m_axis_cq_tdata[95:80] = 16'h0010;
            m_axis_cq_tdata[103:96] = tag;
            m_axis_cq_tdata[114:112] = bar;
            m_axis_cq_tdata[120:115] = 12;
            m_axis_cq_tdata[191:128] = data;
            m_axis_cq_tuser = 0;
            m_axis_cq_tuser[7:0] = enables;
            m_axis_cq_tuser[39:8] = write ? (words == 2 ? 32'h00FF_FFFF : 32'h000F_FFFF) : 32'h0000_FFFF;
            m_axis_cq_tuser[40] = 1;
            m_axis_cq_tkeep = write ? (words == 2 ? 8'h3F : 8'h1F) : 8'h0F;
            m_axis_cq_tlast = 1;
            m_axis_cq_tvalid = 1;
            @(posedge user_clk);
            while (!m_axis_cq_tready) @(posedge user_clk);
            @(negedge user_clk) m_axis_cq_tvalid = 0;
        end
    endtask

    // A completion of a device's read: `words` words of 4 bytes from number `first` on, each a mark and its number.
    task complete(input [7:0] tag, input [11:0] lower, input [12:0] bytes, input [10:0] words, input [31:0] first, input [2:0] status);
        integer number, lane;
        reg begins;
        begin
            number = 0;
            begins = 1;
            while (begins || number < words) begin
                @(negedge user_clk);
                m_axis_rc_tdata = 0;
                m_axis_rc_tuser = 0;
                m_axis_rc_tkeep = 0;
                lane = 0;
                if (begins) begin
                    m_axis_rc_tdata[11:0] = lower;
                    m_axis_rc_tdata[15:12] = status == 0 ? 4'b0000 : 4'b0001;
                    m_axis_rc_tdata[28:16] = bytes;
                    m_axis_rc_tdata[30] = bytes == 4 * words;
                    m_axis_rc_tdata[42:32] = words;
                    m_axis_rc_tdata[45:43] = status;
                    m_axis_rc_tdata[71:64] = tag;
                    m_axis_rc_tuser[32] = 1;
                    m_axis_rc_tkeep = 8'h07;
                    lane = 3;
                end
                while (lane < 8 && number < words) begin
                    m_axis_rc_tdata[32 * lane +: 32] = 32'hC0DE_0000 + first + number;
                    m_axis_rc_tkeep[lane] = 1;
                    m_axis_rc_tuser[4 * lane +: 4] = 4'hF;
                    lane = lane + 1;
                    number = number + 1;
                end
                m_axis_rc_tlast = number == words;
                m_axis_rc_tvalid = 1;
                @(posedge user_clk);
                while (!m_axis_rc_tready) @(posedge user_clk);
                @(negedge user_clk) m_axis_rc_tvalid = 0;
                begins = 0;
            end
        end
    endtask

    // What the device sends, as words, until the bench has looked at it. A pause within a packet is an error (PG213).
    reg [31:0] rq [0:255];
    reg [31:0] cc [0:15];
    reg [7:0] rq_enables;
    integer rq_count, cc_count, lane;
    reg rq_whole, cc_whole, rq_inside, rq_paused, cc_inside;
    // Requests do not come in while `rq_stalls`. Those that came in stay where a completion may pass them, until their sequence numbers
    // are shown: a bit of `marks` for each, the oldest lowest, with the number's lowest bit. `passed`: a completion could pass a write.
    reg rq_stalls, is_mark, passed;
    reg [63:0] marks;
    integer unshown;
    integer seed;
    initial begin
        rq_count = 0;
        cc_count = 0;
        rq_whole = 0;
        cc_whole = 0;
        rq_inside = 0;
        rq_paused = 0;
        cc_inside = 0;
        rq_stalls = 0;
        passed = 0;
        marks = 0;
        unshown = 0;
        seed = 1;
    end
    always @(negedge user_clk) begin
        s_axis_rq_tready = !rq_whole && !rq_stalls && $random(seed) % 4 != 0;
        s_axis_cc_tready = !cc_whole && $random(seed) % 4 != 0;
    end
    always @(posedge user_clk) begin
        pcie_rq_seq_num_vld0 <= 0;
        pcie_rq_seq_num_vld1 <= 0;
        if (unshown > 0 && $random(seed) % 32 == 0) begin
            pcie_rq_seq_num_vld0 <= 1;
            pcie_rq_seq_num0 <= marks[0];
            marks = marks >> 1;
            unshown = unshown - 1;
            if (unshown > 0) begin
                pcie_rq_seq_num_vld1 <= 1;
                pcie_rq_seq_num1 <= marks[0];
                marks = marks >> 1;
                unshown = unshown - 1;
            end
        end
        if (rq_inside && !s_axis_rq_tvalid) rq_paused = 1;
        if (s_axis_rq_tvalid && s_axis_rq_tready) begin
            if (!rq_inside) begin
                rq_enables = s_axis_rq_tuser[7:0];
                is_mark = s_axis_rq_tuser[24];
                if (s_axis_rq_tuser[27:25] != 0 || is_mark != (s_axis_rq_tdata[78:75] == 4'b0001)) begin
                    $display("bench: a sequence number, at %0t", $time);
                    $finish;
                end
            end
            if (s_axis_rq_tlast) begin
                marks[unshown] = is_mark;
                unshown = unshown + 1;
            end
            for (lane = 0; lane < 8; lane = lane + 1)
                if (s_axis_rq_tkeep[lane]) begin
                    rq[rq_count] = s_axis_rq_tdata[32 * lane +: 32];
                    rq_count = rq_count + 1;
                end
            rq_inside = !s_axis_rq_tlast;
            rq_whole = s_axis_rq_tlast;
        end
        if (s_axis_cc_tvalid && s_axis_cc_tready) begin
            if (!cc_inside && marks != 0) passed = 1;
            cc_inside = !s_axis_cc_tlast;
            for (lane = 0; lane < 8; lane = lane + 1)
                if (s_axis_cc_tkeep[lane]) begin
                    cc[cc_count] = s_axis_cc_tdata[32 * lane +: 32];
                    cc_count = cc_count + 1;
                end
            cc_whole = s_axis_cc_tlast;
        end
    end
endmodule

module bench;
    reg board_clk, pcie_clk, pcie_rst_n;
    initial begin
        board_clk = 0;
        pcie_clk = 0;
        pcie_rst_n = 1;
    end
    always #1.667 board_clk = !board_clk;
    always #5 pcie_clk = !pcie_clk;

    wire clk, rst;
    wire [15:0] id;
    wire [9:0] max_payload, max_request;
    wire bus_master, msix_enable, msix_mask, rx_valid, rx_ready, rx_last, tx_valid, tx_ready, tx_last;
    wire [63:0] rx_data, tx_data;
    wire [7:0] tx_keep;
    kvcpu_pcie_core core (
        .board_clk_p(board_clk), .board_clk_n(!board_clk), .pcie_rst_n(pcie_rst_n), .pcie_clk_p(pcie_clk), .pcie_clk_n(!pcie_clk),
        .pcie_rx_p(8'd0), .pcie_rx_n(8'd0), .pcie_tx_p(), .pcie_tx_n(), .clk(clk), .ref_clk(), .rst(rst), .link_up(), .id(id),
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
        .clock(clk), .reset(rst), .big(!on), .extended(on), .fill({2{on}}), .patience({24{on}}), .id(on ? id : 16'hFFFF), .bus_master(bus_master),
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

    task sent;  // Waits for a packet of the device.
        while (!core.pcie_support.pcie_usp_i.rq_whole) @(posedge core.pcie_support.pcie_usp_i.user_clk);
    endtask

    task next;  // Lets the next one come.
        begin
            core.pcie_support.pcie_usp_i.rq_count = 0;
            core.pcie_support.pcie_usp_i.rq_whole = 0;
        end
    endtask

    `define HARD core.pcie_support.pcie_usp_i
    reg [31:0] number;
    integer packet;
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
        check(bus_master && msix_enable && !msix_mask, "configuration bits");
        check(max_payload == 256 && max_request == 512, "configured sizes");

        // Writes to BAR0 and BAR2, in 4 and 8 bytes.
        `HARD.request(0, 1, 64'h38_005F_000C, 1, 1, 8'h0F, 64'h1122_3344);
        while (writes != 1) @(posedge clk);
        check(written_at == 24'h00000C && written_size == 2 && written_bytes == 8'hF0 && written[63:32] == 32'h1122_3344, "BAR0 written");
        `HARD.request(2, 1, 64'h38_0080_0040, 2, 2, 8'hFF, 64'hA1A2_A3A4_B1B2_B3B4);
        while (writes != 2) @(posedge clk);
        check(written_at == 24'h800040 && written_size == 3 && written == 64'hA1A2_A3A4_B1B2_B3B4, "BAR2 written");

        // Reads, several at once.
        `HARD.request(0, 0, 64'h38_005F_0008, 2, 7, 8'hFF, 0);
        `HARD.request(2, 0, 64'h38_0080_0044, 1, 8, 8'h0F, 0);
        `HARD.request(0, 0, 64'h38_005F_0000, 4, 9, 8'hFF, 0);
        for (packet = 0; packet < 3; packet = packet + 1) begin
            while (!`HARD.cc_whole) @(posedge `HARD.user_clk);
            check(`HARD.cc[2][7:0] == 7 + packet && `HARD.cc[1][31:16] == 16'h0010, "completion's origin");
            case (packet)
                0: check(`HARD.cc_count == 5 && `HARD.cc[0] == 32'h0008_0008 && `HARD.cc[1][15:0] == 2
                    && {`HARD.cc[4], `HARD.cc[3]} == 64'h8877_6655_4433_2211, "8 bytes read");
                1: check(`HARD.cc_count == 4 && `HARD.cc[0] == 32'h0004_0044 && `HARD.cc[1][15:0] == 1
                    && `HARD.cc[3] == 32'h8877_6655, "4 bytes read");
                2: check(`HARD.cc_count == 3 && `HARD.cc[1][13:11] == 3'b100, "Completer Abort");
            endcase
            `HARD.cc_count = 0;
            `HARD.cc_whole = 0;
        end

        // A locked read is refused, with a completion of its own kind.
        `HARD.locked = 1;
        `HARD.request(0, 0, 64'h38_005F_0008, 1, 12, 8'h0F, 0);
        `HARD.locked = 0;
        while (!`HARD.cc_whole) @(posedge `HARD.user_clk);
        check(`HARD.cc_count == 3 && `HARD.cc[0][29] && `HARD.cc[1][13:11] == 3'b001 && `HARD.cc[2][7:0] == 12, "a locked read");
        `HARD.cc_count = 0;
        `HARD.cc_whole = 0;

        // A message: address, data and mask in BAR4.
        `HARD.request(4, 1, 64'h38_005E_F030, 2, 3, 8'hFF, 64'h0000_0012_FEE0_1030);
        `HARD.request(4, 1, 64'h38_005E_F038, 2, 4, 8'hFF, 64'h0000_0000_0000_4043);
        repeat (100) @(posedge clk);
        irq <= 16'h0008;
        @(posedge clk) irq <= 0;
        sent;
        check(`HARD.rq_count == 5 && {`HARD.rq[1], `HARD.rq[0]} == 64'h0000_0012_FEE0_1030, "a message's address");
        check(`HARD.rq[2][14:0] == {4'b0001, 11'd1} && `HARD.rq[4] == 32'h4043 && `HARD.rq_enables == 8'h0F, "a message");
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
            begin
                words_bad = 0;
                for (packet = 0; packet < 3; packet = packet + 1) begin
                    sent;
                    check({`HARD.rq[1], `HARD.rq[0]} == 64'h12_3456_7080 + (packet == 0 ? 0 : 256 * packet - 128), "a write's address");
                    check(`HARD.rq[2][14:0] == {4'b0001, packet == 0 ? 11'd32 : 11'd64} && `HARD.rq_enables == 8'hFF, "a write's size");
                    check(`HARD.rq_count == 4 + `HARD.rq[2][10:0], "a write's length");
                    for (lanes = 4; lanes < `HARD.rq_count; lanes = lanes + 1)
                        check(`HARD.rq[lanes] == 32'hDA7A_0000 + (packet == 0 ? 0 : 64 * packet - 32) + lanes - 4, "a write's data");
                    next;
                end
            end
        join
        check(!`HARD.rq_paused, "a pause within a packet");

        // A write that is told as done while requests do not move; the completion of a read that comes then stays behind it.
        `HARD.rq_stalls = 1;
        host_awaddr = 64'h12_3456_8000;
        host_awlen = 7;
        host_awvalid = 1;
        @(posedge clk);
        while (!host_awready) @(posedge clk);
        host_awvalid <= 0;
        host_wvalid <= 1;
        repeat (8) begin
            @(posedge clk);
            while (!host_wready) @(posedge clk);
        end
        host_wvalid <= 0;
        while (!host_bvalid) @(posedge clk);
        `HARD.request(0, 0, 64'h38_005F_0008, 2, 10, 8'hFF, 0);
        repeat (300) @(posedge clk);
        check(!`HARD.cc_whole && !`HARD.cc_inside, "a completion that passed a write");
        `HARD.rq_stalls = 0;
        sent;
        check(`HARD.rq_count == 20, "a write before a completion");
        next;
        while (!`HARD.cc_whole) @(posedge `HARD.user_clk);
        check(`HARD.cc[2][7:0] == 10 && !`HARD.passed, "a completion behind a write");
        `HARD.cc_count = 0;
        `HARD.cc_whole = 0;

        // A burst of 128 words read: four requests of 256 bytes, the last answered first; and one that is refused.
        host_araddr = 64'h8000_0000;
        host_arlen = 127;
        host_arvalid = 1;
        @(posedge clk);
        while (!host_arready) @(posedge clk);
        host_arvalid <= 0;
        for (packet = 0; packet < 4; packet = packet + 1) begin
            sent;
            check({`HARD.rq[1], `HARD.rq[0]} == 64'h8000_0000 + 256 * packet && `HARD.rq[2][14:0] == {4'b0000, 11'd64}, "a read");
            check(`HARD.rq_count == 4 && `HARD.rq[3][7:0] == packet && `HARD.rq_enables == 8'hFF, "a read's tag");
            next;
        end
        `HARD.complete(3, 12'h300, 256, 64, 192, 0);
        `HARD.complete(1, 12'h100, 256, 48, 64, 0);
        `HARD.complete(0, 12'h000, 256, 16, 0, 0);
        `HARD.complete(2, 12'h200, 256, 64, 128, 0);
        `HARD.complete(0, 12'h040, 192, 48, 16, 0);
        `HARD.complete(1, 12'h1C0, 64, 16, 112, 0);
        while (words_read != 128) @(posedge clk);
        check(words_bad == 0 && words_refused == 0, "words read");
        host_arlen = 1;
        host_arvalid = 1;
        @(posedge clk);
        while (!host_arready) @(posedge clk);
        host_arvalid <= 0;
        sent;
        next;
        `HARD.complete(4, 12'h000, 0, 0, 0, 3'b001);
        while (words_read != 130) @(posedge clk);
        check(words_refused == 2, "a read that is refused");
        // A read of the device does not keep completions: it has no answer yet, and its number does not count.
        host_arvalid = 1;
        @(posedge clk);
        while (!host_arready) @(posedge clk);
        host_arvalid <= 0;
        `HARD.request(0, 0, 64'h38_005F_0008, 2, 11, 8'hFF, 0);
        while (!`HARD.cc_whole) @(posedge `HARD.user_clk);
        check(`HARD.cc[2][7:0] == 11 && !`HARD.passed, "a completion beside a read");
        $display("bench: ok");
        $finish;
    end
    integer lanes;

    initial begin
        #400000;
        $display("bench: nothing happens any more, at %0t", $time);
        $finish;
    end
endmodule
