# Vivado's part of a PCIe board, sourced by constraints/<board>/build.tcl, which sets `board`, `part` and `device` and has a procedure
# `card_memory` that makes the block design of that name. Ends with an error where timing is not met. Not run: docs/pcie.md.

set here [file dirname [file normalize [info script]]]
set root [file normalize $here/../..]
set core $root/target/pcie/$board
set out $core/vivado

if {![file exists $core/kvcpu_pcie_core.v]} {
    error "$core/kvcpu_pcie_core.v is not there; `cargo xtask pcie --board $board` makes it"
}

create_project -force kvcpu $out -part $part
read_verilog [list $root/constraints/$board/top.v $root/hdl/rtl/kvcpu_pcie.v $root/hdl/rtl/$device.v]
read_verilog [glob $core/*.v]
source $core/kvcpu_pcie_ip.tcl
card_memory
set design [get_files card_memory.bd]
set_property synth_checkpoint_mode None $design
generate_target all $design
read_verilog [make_wrapper -files $design -top]
read_xdc $root/constraints/$board/pins.xdc
read_xdc $here/timing.xdc

synth_design -top kvcpu_$board -part $part
report_utilization -file $out/utilization_synth.rpt
opt_design
source $core/kvcpu_pcie_place.tcl
place_design
phys_opt_design
route_design
phys_opt_design
report_timing_summary -file $out/timing.rpt
report_utilization -hierarchical -file $out/utilization.rpt
report_clock_interaction -file $out/clocks.rpt
write_checkpoint -force $out/kvcpu_$board.dcp

foreach {kind name} {max setup min hold} {
    set path [get_timing_paths -delay_type $kind -max_paths 1]
    set slack [expr {[llength $path] ? [get_property SLACK $path] : "none"}]
    puts "$board: worst $name slack $slack ns"
    if {$slack eq "none" || $slack < 0} { error "timing is not met ($name: $slack ns); $out/timing.rpt shows where" }
}
write_bitstream -force $out/kvcpu_$board.bit
puts "$board: $out/kvcpu_$board.bit"
