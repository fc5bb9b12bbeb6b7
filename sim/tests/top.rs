//! The whole device answers registers as `docs/csr.md` says, from its reset on.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::regs::control;
use kvcpu_mmio::{Access, Backing, Bar, Geometry};
use kvcpu_sim::{Rtl, RtlOptions, top};

fn small() -> Rtl {
    Rtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, RtlOptions::default()).unwrap()
}

#[test]
fn registers_have_their_reset_values() {
    let rtl = small();
    assert_eq!(rtl.read32(Bar::Regs, control::MAGIC.offset).unwrap(), control::MAGIC.reset as u32);
    println!("first answer after {} clocks", rtl.clocks());
    let shown = |register: &kvcpu_mmio::Register| !register.volatile && register.access == Access::RW;
    for register in BLOCKS.iter().filter(|block| block.bar == Bar::Regs).flat_map(|block| block.registers) {
        if shown(register) && register.width == 32 {
            let value = rtl.read32(Bar::Regs, register.offset).unwrap();
            assert_eq!(u64::from(value), register.reset, "{}", register.name);
        }
    }
    rtl.write32(Bar::Regs, control::SCRATCH.offset, 0xDEAD_BEEF).unwrap();
    assert_eq!(rtl.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), 0xDEAD_BEEF);
    assert_eq!(rtl.read32(Bar::Regs, control::BAD_ACCESS_COUNT.offset).unwrap(), 0);
    assert_eq!(rtl.read32(Bar::Regs, 0x2000).unwrap(), 0);
    assert_eq!(rtl.read32(Bar::Regs, control::BAD_ACCESS_COUNT.offset).unwrap(), 1);
    let clocks = rtl.clocks();
    rtl.read32(Bar::Regs, control::SCRATCH.offset).unwrap();
    println!("a read takes {} clocks", rtl.clocks() - clocks - 32);
}
