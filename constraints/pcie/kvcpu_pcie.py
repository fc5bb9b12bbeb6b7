#!/usr/bin/env python3
"""Makes a board's PCIe core: LitePCIe's PHY round the vendor's hard block, and a clock for the device. docs/pcie.md.

    python kvcpu_pcie.py BOARD.yml OUTPUT

BOARD.yml is constraints/<board>/pcie.yml. OUTPUT gets, beside Verilog of LitePCIe's that a family needs:

    kvcpu_pcie_core.v    the core; its ports are the same on every board but for pins
    kvcpu_pcie_ip.tcl    makes the vendor's IP in Vivado
    kvcpu_pcie_place.tcl what LitePCIe wants done before placement
    stubs/hard.v         the vendor's block as LitePCIe knows it, for checks

Vivado is given every *.v of OUTPUT, and none of OUTPUT/stubs. Verilog that was in either is removed first.

LitePCIe's own generator, litepcie_gen, is not used: its core has one BAR, loses byte enables and the BAR's number, and carries out
accesses of four bytes only. What it is good at is taken: clocks, the hard block's many ports, clock domains, width of the bus.
"""

import glob
import os
import re
import sys
from functools import reduce
from operator import xor

import yaml
from litex.build.generic_platform import Misc, Pins, Subsignal
from litex.build.xilinx import Xilinx7SeriesPlatform, XilinxUSPPlatform
from litex.gen import LiteXModule
from litex.soc.cores.clock import S7MMCM, USPMMCM
from litex.soc.interconnect import stream
from litex.soc.interconnect.packet import Arbiter, Dispatcher, PacketFIFO
from litepcie.common import phy_layout
from litepcie.phy.s7pciephy import S7PCIEPHY
from litepcie.phy.usppciephy import USPPCIEPHY
from migen import *
from migen.fhdl.structure import wrap
from migen.genlib.cdc import GrayCounter, MultiReg
from migen.genlib.resetsync import AsyncResetSynchronizer

# Beats of 8 bytes that a packet has at most: 512 bytes of payload and 16 of header.
PACKET_BEATS = (512 + 16) // 8
# MSI-X: 16 vectors, their table at the start of BAR4, pending bits at 0x800 (mmio/src/regs/msix.rs).
VECTORS = 16
PENDING = 0x800


def ports(lanes):
    """All ports of the core. Names without a board's prefix are those of hdl/rtl/kvcpu_pcie.v."""
    return [
        ("pcie", 0,
            Subsignal("rst_n", Pins(1)), Subsignal("clk_p", Pins(1)), Subsignal("clk_n", Pins(1)),
            Subsignal("rx_p", Pins(lanes)), Subsignal("rx_n", Pins(lanes)),
            Subsignal("tx_p", Pins(lanes)), Subsignal("tx_n", Pins(lanes))),
        ("board_clk", 0, Subsignal("p", Pins(1)), Subsignal("n", Pins(1))),
        ("clk", 0, Pins(1)),
        ("ref_clk", 0, Pins(1)),
        ("rst", 0, Pins(1)),
        ("link_up", 0, Pins(1)),
        ("id", 0, Pins(16)),
        ("bus_master", 0, Pins(1)),
        ("msix_enable", 0, Pins(1)),
        ("msix_mask", 0, Pins(1)),
        ("max_payload", 0, Pins(10)),
        ("max_request", 0, Pins(10)),
        ("rx", 0,
            Subsignal("valid", Pins(1)), Subsignal("ready", Pins(1)), Subsignal("last", Pins(1)),
            Subsignal("data", Pins(64))),
        ("tx", 0,
            Subsignal("valid", Pins(1)), Subsignal("ready", Pins(1)), Subsignal("last", Pins(1)),
            Subsignal("data", Pins(64)), Subsignal("keep", Pins(8))),
    ]


class Clock(LiteXModule):
    """The device's clock, from the board's oscillator, and one for a memory controller; reset while the link is."""

    def __init__(self, pads, mmcm, frequency, device_frequency, ref_frequency):
        self.cd_sys = ClockDomain()
        self.cd_ref = ClockDomain(reset_less=True)
        self.mmcm = mmcm
        mmcm.register_clkin(pads, frequency)
        mmcm.create_clkout(self.cd_sys, device_frequency, margin=0, with_reset=False)
        mmcm.create_clkout(self.cd_ref, ref_frequency, margin=0, with_reset=False)
        # LitePCIe's clock domain crossings are reset with either side.
        self.specials += AsyncResetSynchronizer(self.cd_sys, ~mmcm.locked | ResetSignal("pcie"))


def seven_series(core, platform, pads, config):
    """The 7 series: one stream each way, 64 bits wide (constraints/sqrl_acorn/pcie.yml says why)."""
    width = config["width"]
    if width != 64:
        sys.exit(f"width {width}: on the 7 series it is 64")
    core.phy = phy = S7PCIEPHY(platform, pads, data_width=width, pcie_data_width=width, bar0_size=0x10000, msi_type="msi-x")
    phy.update_config({
        "mode_selection": "Advanced",
        "Vendor_ID": "1DE5", "Device_ID": "0A10", "Revision_ID": "00",
        "Subsystem_Vendor_ID": "1DE5", "Subsystem_ID": "0A10",
        # PCI's class 05.80.00, memory controller, other: as the model's (driver/serve/src/config_space.rs).
        "Use_Class_Code_Lookup_Assistant": False,
        "Class_Code_Base": "05", "Class_Code_Sub": "80", "Class_Code_Interface": "00",
        "Bar0_64bit": True, "Bar0_Prefetchable": False, "Bar0_Scale": "Kilobytes", "Bar0_Size": 64,
        "Bar2_Enabled": True, "Bar2_64bit": True, "Bar2_Prefetchable": False, "Bar2_Type": "Memory",
        "Bar2_Scale": "Megabytes", "Bar2_Size": 2,
        "Bar4_Enabled": True, "Bar4_64bit": True, "Bar4_Prefetchable": False, "Bar4_Type": "Memory",
        "Bar4_Scale": "Kilobytes", "Bar4_Size": 4,
        "MSI_Enabled": False, "MSIx_Enabled": True,
        # In hexadecimal; a table of 16 has size 0F in the capability, and 10 here.
        "MSIx_Table_Size": f"{VECTORS:x}", "MSIx_Table_Offset": "0", "MSIx_Table_BIR": "BAR_5:4",
        "MSIx_PBA_Offset": f"{PENDING:x}", "MSIx_PBA_BIR": "BAR_5:4",
    })
    parameters = phy.pcie_phy_params
    # Which BAR was hit, into bits 11:10 of a request's first word, where a host's request has 0.
    raw, user = Signal(width), parameters["o_m_axis_rx_tuser"]
    bar = Cat(user[4], user[6])
    received = parameters["o_m_axis_rx_tdata"]
    parameters["o_m_axis_rx_tdata"] = raw
    first = Signal(reset=1)
    valid, ready = parameters["o_m_axis_rx_tvalid"], parameters["i_m_axis_rx_tready"]
    core.sync.pcie += If(valid & ready, first.eq(parameters["o_m_axis_rx_tlast"]))
    core.comb += [received.eq(raw), If(first, received[10:12].eq(bar))]
    mask = Signal()
    parameters["o_cfg_interrupt_msixfm"] = mask
    masked = Signal()
    core.specials += MultiReg(mask, masked)
    control = [phy._msix_enable.status, masked, phy._bus_master_enable.status]
    return phy.source, phy.sink, control


def is_completion(sink):
    """Whether the packet whose first beat stands is one, of a locked read or of anything else: types 01010 and 01011."""
    return sink.dat[25:29] == 0b0101


class Order(LiteXModule):
    """Keeps a completion behind the writes that were sent before it.

    The hard block takes requests and completions on two ports and sends them in no order that could be told (PG213, Transmit
    Transaction Ordering). But it shows a write's sequence number once no completion can pass it any more. `shown` has the writes that it
    shows in a clock; a completion waits here until all writes that went by have been. Requests behind it wait with it.
    """

    def __init__(self, width, shown):
        self.sink, self.source = sink, source = stream.Endpoint(phy_layout(width)), stream.Endpoint(phy_layout(width))
        # The block may show two in a clock, and the count that crosses to the other clock goes on by one.
        self.counter = counter = ClockDomainsRenamer("pcie")(GrayCounter(8))
        uncounted = Signal(8)
        self.comb += counter.ce.eq(uncounted != 0)
        self.sync.pcie += uncounted.eq(uncounted + shown[0] + shown[1] - counter.ce)
        gray, done = Signal(8), Signal(8)
        self.specials += MultiReg(counter.q, gray)
        self.sync += [done[bit].eq(reduce(xor, [gray[other] for other in range(bit, 8)])) for bit in range(8)]
        # Writes that went by, mod 256: LitePCIe's buffers and the block hold far fewer.
        sent = Signal(8)
        first, is_write, waits = Signal(reset=1), Signal(), Signal()
        writes = Signal()
        self.comb += [
            writes.eq(Mux(first, (sink.dat[24:29] == 0) & sink.dat[30], is_write)),
            waits.eq(first & (is_completion(sink)) & (sent != done)),
            sink.connect(source, omit={"valid", "ready"}),
            source.valid.eq(sink.valid & ~waits),
            sink.ready.eq(source.ready & ~waits),
        ]
        self.sync += If(sink.valid & sink.ready,
            first.eq(sink.last),
            is_write.eq(writes),
            If(sink.last & writes, sent.eq(sent + 1)),
        )


def ultrascale(core, platform, pads, config):
    """UltraScale+: four streams, joined to one each way. 256 bits wide, as LitePCIe's adapter knows 64-bit addresses there only."""
    core.phy = phy = USPPCIEPHY(platform, pads, data_width=config["width"], pcie_data_width=config["width"], bar0_size=0x10000)
    phy.update_config({
        "mode_selection": "Advanced",
        "PF0_DEVICE_ID": "0A10", "vendor_id": "1DE5", "PF0_SUBSYSTEM_VENDOR_ID": "1DE5", "PF0_SUBSYSTEM_ID": "0A10",
        "PF0_CLASS_CODE": "058000",
        "pf0_bar0_64bit": True, "pf0_bar0_prefetchable": False, "pf0_bar0_scale": "Kilobytes", "pf0_bar0_size": 64,
        "pf0_bar2_enabled": True, "pf0_bar2_64bit": True, "pf0_bar2_prefetchable": False, "pf0_bar2_type": "Memory",
        "pf0_bar2_scale": "Megabytes", "pf0_bar2_size": 2,
        "pf0_bar4_enabled": True, "pf0_bar4_64bit": True, "pf0_bar4_prefetchable": False, "pf0_bar4_type": "Memory",
        "pf0_bar4_scale": "Kilobytes", "pf0_bar4_size": 4,
        # The table is ours.
        "pf0_msi_enabled": False, "pf0_msix_enabled": True, "MSI_X_OPTIONS": "MSI-X_External",
        "PF0_MSIX_CAP_TABLE_SIZE": f"{VECTORS - 1:03x}",
        "PF0_MSIX_CAP_TABLE_BIR": "BAR_5:4", "PF0_MSIX_CAP_TABLE_OFFSET": "00000000",
        "PF0_MSIX_CAP_PBA_BIR": "BAR_5:4", "PF0_MSIX_CAP_PBA_OFFSET": f"{PENDING:08x}",
    })
    parameters = phy.pcie_phy_params
    # Which BAR was hit: the adapter has its number in bits 8:6 of the user word while the packet's first beat stands.
    width = config["width"]
    raw, user = Signal(width), parameters["o_m_axis_cq_tuser"]
    received = parameters["o_m_axis_cq_tdata"]
    parameters["o_m_axis_cq_tdata"] = raw
    first = Signal(reset=1)
    valid, ready, last = (parameters[f"{direction}_m_axis_cq_t{what}"]
        for direction, what in (("o", "valid"), ("i", "ready"), ("o", "last")))
    core.sync.pcie += If(valid & ready, first.eq(last))
    core.comb += [received.eq(raw), If(first, received[10:12].eq(user[7:9]))]
    # The hard block wants a packet without a pause (PG213, s_axis_rq_tvalid), and the device is slower than it: packets are held
    # until they are whole.
    for name in ("rq", "cc"):
        fifo = PacketFIFO(phy_layout(width), 4 * PACKET_BEATS * 64 // width, 8, buffered=True)
        fifo = ClockDomainsRenamer("pcie")(fifo)
        core.add_module(f"{name}_fifo", fifo)
        datapath = getattr(phy, f"{name}_datapath").source
        core.comb += [datapath.connect(fifo.sink, omit={"ready"})]
        core.comb += parameters[f"o_s_axis_{name}_tready"].eq(fifo.sink.ready)
        parameters[f"o_s_axis_{name}_tready"] = fifo.source.ready
        parameters[f"i_s_axis_{name}_tvalid"] = fifo.source.valid
        parameters[f"i_s_axis_{name}_tlast"] = fifo.source.last
        parameters[f"i_s_axis_{name}_tdata"] = fifo.source.dat
        parameters[f"i_s_axis_{name}_tkeep"] = fifo.source.be
    # One stream each way: what comes, in turns; what goes, by its kind.
    source, sink = stream.Endpoint(phy_layout(width)), stream.Endpoint(phy_layout(width))
    core.arbiter = Arbiter([phy.req_source, phy.cmp_source], source)
    core.dispatcher = Dispatcher(sink, [phy.req_sink, phy.cmp_sink])
    core.comb += core.dispatcher.sel.eq(is_completion(sink))
    shown = Signal(2)
    parameters["o_pcie_rq_shown"] = shown
    core.order = Order(width, shown)
    core.comb += core.order.source.connect(sink)
    # MSI-X Enable and Function Mask: ports that LitePCIe's wrapper leaves out, added to it by `support`.
    enable, mask, master = Signal(), Signal(), Signal()
    parameters["o_cfg_interrupt_msix_enable"] = enable
    parameters["o_cfg_interrupt_msix_mask"] = mask
    # Bit 2 of the function's status; LitePCIe's own register shows bit 0, which is I/O Space Enable.
    status = Signal(16)
    parameters["o_cfg_function_status"] = status
    control = [Signal(), Signal(), master]
    core.specials += [MultiReg(enable, control[0]), MultiReg(mask, control[1]), MultiReg(status[2], master)]
    return source, core.order.sink, control


class Core(LiteXModule):
    """PHY, clock, and streams of 64 bits in the device's clock domain."""

    def __init__(self, platform, config):
        make, mmcm = {"7series": (seven_series, S7MMCM), "ultrascale+": (ultrascale, USPMMCM)}[config["family"]]
        self.clock = Clock(platform.request("board_clk"), mmcm(speedgrade=config["speedgrade"]),
            *(float(config[clock]) for clock in ("board_clk", "device_clk", "ref_clk")))
        source, sink, (enable, mask, master) = make(self, platform, platform.request("pcie"), config)
        rx, tx = platform.request("rx"), platform.request("tx")
        # From and to 64 bits here: LitePCIe's receiving side, told to do it, keeps 64 bits of each beat and loses the others.
        width = config["width"]
        self.narrow = narrow = stream.StrideConverter(phy_layout(width), phy_layout(64))
        self.widen = widen = stream.StrideConverter(phy_layout(64), phy_layout(width))
        self.comb += [source.connect(narrow.sink), widen.source.connect(sink)]
        self.comb += [
            platform.request("clk").eq(ClockSignal("sys")),
            platform.request("ref_clk").eq(ClockSignal("ref")),
            platform.request("rst").eq(ResetSignal("sys")),
            platform.request("link_up").eq(self.phy._link_status.fields.status),
            platform.request("id").eq(self.phy.id),
            platform.request("bus_master").eq(master),
            platform.request("msix_enable").eq(enable),
            platform.request("msix_mask").eq(mask),
            platform.request("max_payload").eq(self.phy.max_payload_size),
            platform.request("max_request").eq(self.phy.max_request_size),
            rx.valid.eq(narrow.source.valid), rx.last.eq(narrow.source.last), rx.data.eq(narrow.source.dat),
            narrow.source.ready.eq(rx.ready),
            widen.sink.valid.eq(tx.valid), widen.sink.last.eq(tx.last), widen.sink.dat.eq(tx.data), widen.sink.be.eq(tx.keep),
            tx.ready.eq(widen.sink.ready),
        ]


def once(text, old, new):
    """Replaces what must be there once: another version of LitePCIe has to be looked at."""
    if text.count(old) != 1:
        sys.exit(f"a file of LitePCIe has {text.count(old)} times, not once: {old.strip()}")
    return text.replace(old, new)


def support(text):
    """LitePCIe's wrapper of the UltraScale+ block with the two MSI-X bits as ports, and the writes that no completion passes any more."""
    function_status = re.compile(r"^(\s*)output\s+\[15:0\]\s+cfg_function_status,", re.M).search(text).group(0)
    text = once(text, function_status,
        "  output cfg_interrupt_msix_enable,\n  output cfg_interrupt_msix_mask,\n  output [1:0] pcie_rq_shown,\n" + function_status)
    instance = re.compile(r"^ *\.cfg_function_status *\( cfg_function_status \),", re.M).search(text).group(0)
    text = once(text, instance,
        "    .pcie_rq_seq_num0 ( pcie_rq_seq_num0 ),\n    .pcie_rq_seq_num_vld0 ( pcie_rq_seq_num_vld0 ),\n"
        "    .pcie_rq_seq_num1 ( pcie_rq_seq_num1 ),\n    .pcie_rq_seq_num_vld1 ( pcie_rq_seq_num_vld1 ),\n"
        "    .cfg_interrupt_msix_enable ( cfg_interrupt_msix_enable_x4 ),\n"
        "    .cfg_interrupt_msix_mask ( cfg_interrupt_msix_mask_x4 ),\n" + instance)
    wire = "  wire [3:0]      cfg_interrupt_msi_enable_x4;\n"
    return once(text, wire, wire
        + "  wire [3:0]      cfg_interrupt_msix_enable_x4;\n  wire [3:0]      cfg_interrupt_msix_mask_x4;\n"
        + "  assign          cfg_interrupt_msix_enable = cfg_interrupt_msix_enable_x4[0];\n"
        + "  assign          cfg_interrupt_msix_mask = cfg_interrupt_msix_mask_x4[0];\n"
        + "  wire [5:0]      pcie_rq_seq_num0, pcie_rq_seq_num1;\n  wire            pcie_rq_seq_num_vld0, pcie_rq_seq_num_vld1;\n"
        + "  assign          pcie_rq_shown = {pcie_rq_seq_num_vld1 & pcie_rq_seq_num1[0], pcie_rq_seq_num_vld0 & pcie_rq_seq_num0[0]};\n")


def completer(text):
    """LitePCIe's adapter of completions with a completion's status where PG213 has it: the count before it has 11 bits, not 10."""
    return once(text, "2'b0, s_axis_cc_poison, s_axis_cc_cmpstatus, s_axis_cc_dwordcnt,",
        "1'b0, s_axis_cc_poison, s_axis_cc_cmpstatus, 1'b0, s_axis_cc_dwordcnt,")


def requester(text):
    """LitePCIe's adapter of requests with sequence number 1 for a write, 0 for a read (PG213, s_axis_rq_tuser, bits 27:24)."""
    return once(text, "{32'b0, 4'b0, 1'b0, 8'b0,", "{32'b0, 3'b0, (s_axis_rq_reqtype_ff == 4'b0001), 1'b0, 8'b0,")


def stub(core, platform):
    """The vendor's module with the ports that LitePCIe connects: their names, and where they are known their sides and widths."""
    if isinstance(core.phy, S7PCIEPHY):
        sides = {"i": "input", "o": "output"}
        bits = {key: 1 if isinstance(value, (ClockSignal, ResetSignal)) else len(wrap(value))
            for key, value in core.phy.pcie_phy_params.items()}
        lines = [f"{sides[key[0]]} wire [{count - 1}:0] {key[2:]}" for key, count in bits.items()]
        name = "pcie_s7"
    else:
        with open(next(path for path, *_ in platform.sources if path.endswith("support.v")), encoding="utf-8") as file:
            instance = support(file.read()).split("pcie_usp_i (")[1].split(");")[0]
        lines = [f"inout wire {port}" for port in re.findall(r"^\s*\.(\w+)\s*\(", instance, re.M)]
        name = "pcie_usp"
    return f"(* blackbox *)\nmodule {name} (\n    " + ",\n    ".join(lines) + "\n);\nendmodule\n"


def main():
    board, output = sys.argv[1:]
    with open(board, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    stubs = os.path.join(output, "stubs")
    os.makedirs(stubs, exist_ok=True)
    for folder in (output, stubs):
        for path in glob.glob(os.path.join(glob.escape(folder), "*.v")):
            os.remove(path)
    kind = {"7series": Xilinx7SeriesPlatform, "ultrascale+": XilinxUSPPlatform}[config["family"]]
    platform = kind(config["part"], ports(config["lanes"]), toolchain="vivado")
    core = Core(platform, config)
    verilog = platform.get_verilog(core, name="kvcpu_pcie_core")
    verilog.write(os.path.join(output, "kvcpu_pcie_core.v"))
    for path, *_ in platform.sources:
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        edit = {"pcie_usp_support.v": support, "s_axis_cc_adapt_256b.v": completer, "s_axis_rq_adapt_256b.v": requester}.get(name)
        if edit:
            text = edit(text)
        with open(os.path.join(output, name), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(stubs, "hard.v"), "w", encoding="utf-8") as file:
        file.write(stub(core, platform))
    toolchain = platform.toolchain
    for name, commands in (("ip", toolchain.pre_synthesis_commands), ("place", toolchain.pre_placement_commands)):
        # Braces are doubled, as LiteX formats such text; a command comes by itself or with what to format it with.
        texts = [command if isinstance(command, str) else command[0] for command in commands]
        with open(os.path.join(output, f"kvcpu_pcie_{name}.tcl"), "w", encoding="utf-8") as file:
            file.writelines(text.replace("{{", "{").replace("}}", "}") + "\n" for text in texts)


main()
