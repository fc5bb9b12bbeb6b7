# vivado -mode batch -source constraints/alveo_u250/build.tcl
#
# First: cargo xtask pcie --board alveo_u250. Not run: docs/pcie.md.

set board alveo_u250
set part xcu250-figd2104-2L-e
set device kvcpu_full

# Two channels of DDR4, 16 GiB each, one behind the other: T1 has the first, the device's tables, 10 MiB, begin the second.
proc card_memory {} {
    create_bd_design card_memory
    create_bd_port -dir I -type clk -freq_hz 100000000 clk
    create_bd_port -dir I -type rst rst
    set_property CONFIG.POLARITY ACTIVE_HIGH [get_bd_ports rst]
    create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:aximm_rtl:1.0 S_CARD
    set_property -dict {CONFIG.PROTOCOL AXI4 CONFIG.ADDR_WIDTH 64 CONFIG.DATA_WIDTH 64 CONFIG.ID_WIDTH 2 CONFIG.FREQ_HZ 100000000
        CONFIG.HAS_CACHE 0 CONFIG.HAS_LOCK 0 CONFIG.HAS_PROT 0 CONFIG.HAS_QOS 0 CONFIG.HAS_REGION 0} [get_bd_intf_ports S_CARD]
    set_property CONFIG.ASSOCIATED_BUSIF S_CARD [get_bd_ports clk]

    create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect joins
    set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2 CONFIG.NUM_CLKS 3} [get_bd_cells joins]
    create_bd_cell -type ip -vlnv xilinx.com:ip:util_vector_logic not_rst
    set_property -dict {CONFIG.C_OPERATION not CONFIG.C_SIZE 1} [get_bd_cells not_rst]
    connect_bd_net [get_bd_ports rst] [get_bd_pins not_rst/Op1]
    connect_bd_net [get_bd_pins not_rst/Res] [get_bd_pins joins/aresetn]
    connect_bd_net [get_bd_ports clk] [get_bd_pins joins/aclk]
    connect_bd_intf_net [get_bd_intf_ports S_CARD] [get_bd_intf_pins joins/S00_AXI]
    foreach channel {0 1} {
        set cell ddr4_$channel
        create_bd_cell -type ip -vlnv xilinx.com:ip:ddr4 $cell
        # The card's DIMMs: MTA18ASF2G72PZ-2G3, 16 GiB, registered, at 2,400 MT/s. Their chips have 4 bits and no mask of bytes, so a
        # write of less than the controller's 64 bytes has to read first: with ECC, over all 72 bits, it does.
        set_property -dict {
            CONFIG.C0.ControllerType DDR4_SDRAM
            CONFIG.C0.DDR4_MemoryType RDIMMs
            CONFIG.C0.DDR4_MemoryPart MTA18ASF2G72PZ-2G3
            CONFIG.C0.DDR4_DataWidth 72
            CONFIG.C0.DDR4_DataMask NONE
            CONFIG.C0.DDR4_Ecc true
            CONFIG.C0.DDR4_TimePeriod 833
            CONFIG.C0.DDR4_InputClockPeriod 3332
            CONFIG.C0.DDR4_CasLatency 17
            CONFIG.C0.DDR4_CasWriteLatency 12
            CONFIG.C0.DDR4_AxiSelection true
            CONFIG.C0.DDR4_AxiDataWidth 512
            CONFIG.C0.DDR4_AxiAddressWidth 34
            CONFIG.C0.BANK_GROUP_WIDTH 2
        } [get_bd_cells $cell]
        create_bd_cell -type ip -vlnv xilinx.com:ip:util_vector_logic not_ui_$channel
        set_property -dict {CONFIG.C_OPERATION not CONFIG.C_SIZE 1} [get_bd_cells not_ui_$channel]
        connect_bd_net [get_bd_ports rst] [get_bd_pins $cell/sys_rst]
        connect_bd_net [get_bd_pins $cell/c0_ddr4_ui_clk] [get_bd_pins joins/aclk[expr {$channel + 1}]]
        connect_bd_net [get_bd_pins $cell/c0_ddr4_ui_clk_sync_rst] [get_bd_pins not_ui_$channel/Op1]
        connect_bd_net [get_bd_pins not_ui_$channel/Res] [get_bd_pins $cell/c0_ddr4_aresetn]
        connect_bd_intf_net [get_bd_intf_pins joins/M0${channel}_AXI] [get_bd_intf_pins $cell/C0_DDR4_S_AXI]
        create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:diff_clock_rtl:1.0 C${channel}_CLK
        set_property CONFIG.FREQ_HZ 300000000 [get_bd_intf_ports C${channel}_CLK]
        connect_bd_intf_net [get_bd_intf_ports C${channel}_CLK] [get_bd_intf_pins $cell/C0_SYS_CLK]
        create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddr4_rtl:1.0 C${channel}_DDR4
        connect_bd_intf_net [get_bd_intf_pins $cell/C0_DDR4] [get_bd_intf_ports C${channel}_DDR4]
        assign_bd_address -offset [expr {$channel * 0x400000000}] -range 16G \
            [get_bd_addr_segs $cell/C0_DDR4_MEMORY_MAP/C0_DDR4_ADDRESS_BLOCK]
    }
    validate_bd_design
    save_bd_design
}

source [file dirname [file normalize [info script]]]/../pcie/build.tcl
