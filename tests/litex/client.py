"""LiteX's client against the board: `cargo xtask litex`, docs/uart.md. Arguments: port, MAGIC, its value, SCRATCH."""

import sys

from litex.tools.litex_client import RemoteClient

port, magic, magic_value, scratch = (int(word, 0) for word in sys.argv[1:])
# Byte addresses that lie in no BAR, and the BAR2 of the directory.
NOTHING, BAR2 = 0x4000_0000, 0x80_0000


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found} and not {expected}")
    print(f"{what}: {found}")


bus = RemoteClient(host="127.0.0.1", port=port)
bus.open()
expect("MAGIC", bus.read(magic), magic_value)
for value in (0x12345678, 0, 0xFFFFFFFF, 0xA5A5A5A5):
    bus.write(scratch, value)
    expect("SCRATCH", bus.read(scratch), value)
expect("SCRATCH thrice", bus.read(scratch, 3, burst="fixed"), [0xA5A5A5A5] * 3)
words = [bus.read(magic + 4 * at) for at in range(4)]
expect("4 words at once", bus.read(magic, 4), words)
bus.write(scratch, [1])
expect("an entry of the directory", bus.read(BAR2, 8), [0] * 8)
expect("nothing", bus.read(NOTHING), 0xFFFFFFFF)
expect("SCRATCH in the end", bus.read(scratch), 1)
bus.close()
