# Clocks of a PCIe board, and paths between them. Those of the memory controllers are the vendor's own.

# The slot's reference clock.
create_clock -name pcie_refclk -period 10.000 [get_ports pcie_clk_p]

# The slot's reset, and the light.
set_false_path -from [get_ports pcie_rst_n]
set_false_path -to [get_ports led]

# LiteX marks first registers of synchronisers (mr_ff) and registers that are reset asynchronously (ars_ff1, ars_ff2).
set_false_path -quiet -through [get_nets -hierarchical -filter {mr_ff == TRUE}]
set_false_path -quiet -to [get_pins -filter {REF_PIN_NAME == PRE} -of_objects \
    [get_cells -hierarchical -filter {ars_ff1 == TRUE || ars_ff2 == TRUE}]]
set_max_delay 2 -quiet -from [get_pins -filter {REF_PIN_NAME == C} -of_objects [get_cells -hierarchical -filter {ars_ff1 == TRUE}]] \
    -to [get_pins -filter {REF_PIN_NAME == D} -of_objects [get_cells -hierarchical -filter {ars_ff2 == TRUE}]]

# Between the device's clock and the hard block's there are asynchronous FIFOs only, whose pointers are in Gray code: no more than a
# period of the faster clock (4 ns at 250 MHz) may lie between the bits of one.
set device_clock [get_clocks -of_objects [get_nets clk]]
set pcie_clock [get_clocks -of_objects [get_nets core/pcie_clk]]
set_max_delay -datapath_only 4.000 -from $device_clock -to $pcie_clock
set_max_delay -datapath_only 4.000 -from $pcie_clock -to $device_clock
