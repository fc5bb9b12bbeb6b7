# vivado -mode batch -source constraints/sqrl_acorn/build.tcl
#
# First: cargo xtask pcie --board sqrl_acorn, and a file mig.prj beside this one (README.md, Memory). Not run: docs/pcie.md.

set board sqrl_acorn
set part xc7a200tfbg484-3
set device kvcpu_board

# DDR3 behind Xilinx's controller, which is 64 bits wide towards the device and has a clock of its own.
proc card_memory {} {
    global root board
    set settings $root/constraints/$board/mig.prj
    if {![file exists $settings]} {
        error "$settings is not there; Vivado's Memory Interface Generator writes it, with the settings of README.md, Memory"
    }
    create_bd_design card_memory
    create_bd_port -dir I -type clk -freq_hz 100000000 clk
    create_bd_port -dir I -type clk -freq_hz 200000000 ref_clk
    create_bd_port -dir I -type rst rst
    set_property CONFIG.POLARITY ACTIVE_HIGH [get_bd_ports rst]
    create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:aximm_rtl:1.0 S_CARD
    set_property -dict {CONFIG.PROTOCOL AXI4 CONFIG.ADDR_WIDTH 64 CONFIG.DATA_WIDTH 64 CONFIG.ID_WIDTH 2 CONFIG.FREQ_HZ 100000000
        CONFIG.HAS_CACHE 0 CONFIG.HAS_LOCK 0 CONFIG.HAS_PROT 0 CONFIG.HAS_QOS 0 CONFIG.HAS_REGION 0} [get_bd_intf_ports S_CARD]
    set_property CONFIG.ASSOCIATED_BUSIF S_CARD [get_bd_ports clk]

    create_bd_cell -type ip -vlnv xilinx.com:ip:mig_7series mig
    set_property -dict [list CONFIG.XML_INPUT_FILE $settings CONFIG.RESET_BOARD_INTERFACE Custom] [get_bd_cells mig]
    create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect joins
    set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1 CONFIG.NUM_CLKS 2} [get_bd_cells joins]
    foreach {cell input} {not_rst rst not_ui mig/ui_clk_sync_rst} {
        create_bd_cell -type ip -vlnv xilinx.com:ip:util_vector_logic $cell
        set_property -dict {CONFIG.C_OPERATION not CONFIG.C_SIZE 1} [get_bd_cells $cell]
    }
    connect_bd_net [get_bd_ports rst] [get_bd_pins not_rst/Op1]
    connect_bd_net [get_bd_pins mig/ui_clk_sync_rst] [get_bd_pins not_ui/Op1]
    # sys_rst is active low in mig.prj.
    connect_bd_net [get_bd_pins not_rst/Res] [get_bd_pins mig/sys_rst] [get_bd_pins joins/aresetn]
    connect_bd_net [get_bd_pins not_ui/Res] [get_bd_pins mig/aresetn]
    connect_bd_net [get_bd_ports ref_clk] [get_bd_pins mig/sys_clk_i]
    connect_bd_net [get_bd_ports clk] [get_bd_pins joins/aclk]
    connect_bd_net [get_bd_pins mig/ui_clk] [get_bd_pins joins/aclk1]
    connect_bd_intf_net [get_bd_intf_ports S_CARD] [get_bd_intf_pins joins/S00_AXI]
    connect_bd_intf_net [get_bd_intf_pins joins/M00_AXI] [get_bd_intf_pins mig/S_AXI]
    create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddrx_rtl:1.0 DDR3
    connect_bd_intf_net [get_bd_intf_pins mig/DDR3] [get_bd_intf_ports DDR3]
    # T1 and the tables above it: 65.25 MiB of 1,024.
    assign_bd_address -offset 0x0 -range 1G [get_bd_addr_segs mig/memmap/memaddr]
    validate_bd_design
    save_bd_design
}

source [file dirname [file normalize [info script]]]/../pcie/build.tcl
