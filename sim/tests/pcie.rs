//! The PCIe endpoint (`docs/pcie.md`) with a whole device behind it, met by packets: registers, the MSI-X table, messages.
//! Its bus mastering is tested by `kvcpu-tests`, which has a driver to ask for it.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_mmio::regs::{control, irq, msix, queue};
use kvcpu_mmio::{Backing, Bar, Geometry};
use kvcpu_sim::pcie::{LinkOptions, Packet, PcieRtl, Reply, Request};
use kvcpu_sim::{RtlOptions, top};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

fn device(seed: u64, link: LinkOptions) -> PcieRtl {
    let options = RtlOptions { seed, clocks_per_access: 8, back_pressure: 0.2, ..RtlOptions::default() };
    PcieRtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, &options, link).unwrap()
}

/// What the two families of hard blocks are like.
fn links() -> [LinkOptions; 2] {
    let ultrascale = LinkOptions { big: false, extended: true, beats: 4, high_bars: true, ..LinkOptions::default() };
    [LinkOptions::default(), ultrascale]
}

fn bad_accesses(device: &PcieRtl) -> (u32, u64) {
    let record = device.read32(Bar::Regs, control::BAD_ACCESS_ADDR.offset).unwrap();
    let count = device.read32(Bar::Regs, control::BAD_ACCESS_COUNT.offset).unwrap();
    (count, control::BAD_ACCESS_ADDR::CAUSE.get(record.into()))
}

#[test]
fn registers_are_read_and_written_in_4_and_8_bytes() {
    for (seed, link) in links().into_iter().enumerate() {
        let device = device(seed as u64, link);
        assert_eq!(device.read32(Bar::Regs, control::MAGIC.offset).unwrap(), control::MAGIC.reset as u32);
        for value in [0x0123_4567, 0xFEDC_BA98, 0] {
            device.write32(Bar::Regs, control::SCRATCH.offset, value).unwrap();
            assert_eq!(device.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), value);
        }
        // Two registers of 4 bytes in one access, and a register of 8.
        let version = device.read32(Bar::Regs, control::MAGIC.offset + 4).unwrap();
        let both = device.read64(Bar::Regs, control::MAGIC.offset).unwrap();
        assert_eq!(both, control::MAGIC.reset | u64::from(version) << 32);
        let base = queue::SQ_BASE.offset;
        device.write64(Bar::Regs, base, 0x0000_1234_5678_9AC0).unwrap();
        assert_eq!(device.read64(Bar::Regs, base).unwrap(), 0x0000_1234_5678_9AC0);
        assert_eq!(device.read32(Bar::Regs, base + 4).unwrap(), 0x1234);
        assert_eq!(bad_accesses(&device).0, 0, "seed {seed}");
    }
}

/// docs/pcie.md, Requests: what is not an access of 4 or 8 bytes.
#[test]
fn requests_of_any_other_form_do_no_harm() {
    let scratch = u64::from(control::SCRATCH.offset);
    for (seed, link) in links().into_iter().enumerate() {
        let device = device(10 + seed as u64, link);
        let ask = |bar, offset, enables, words| device.request(bar, offset, enables, words, None).unwrap().unwrap();
        device.write32(Bar::Regs, control::SCRATCH.offset, 0xA5A5_5A5A).unwrap();

        // Bytes, half words and gaps are counted by the device: cause 2, or 1 where they are not aligned.
        for (enables, cause) in
            [(1, 2), (2, 2), (4, 2), (8, 2), (3, 2), (6, 1), (12, 2), (7, 2), (14, 2), (5, 2), (9, 2)]
        {
            assert_eq!(ask(0, scratch, (enables, 0), 1), Reply::Data(vec![0]), "{enables:#x}");
            assert_eq!(bad_accesses(&device), (1, cause), "read {enables:#x}");
            device.request(0, scratch, (enables, 0), 1, Some(vec![!0])).unwrap();
            assert_eq!(bad_accesses(&device), (1, cause), "write {enables:#x}");
        }
        // Eight bytes in two words that begin at an odd word, or with bytes missing.
        for (offset, enables, cause) in [(scratch, (15, 15), 1), (scratch - 4, (15, 3), 2), (scratch - 4, (14, 15), 2)]
        {
            assert_eq!(ask(0, offset, enables, 2), Reply::Data(vec![0, 0]));
            assert_eq!(bad_accesses(&device), (1, cause), "{offset:#x} {enables:?}");
            device.request(0, offset, enables, 2, Some(vec![!0; 2])).unwrap();
            assert_eq!(bad_accesses(&device), (1, cause), "{offset:#x} {enables:?}");
        }
        // None of these reaches the device.
        assert_eq!(ask(0, scratch, (0, 0), 1), Reply::Data(vec![0]), "a flush");
        device.request(0, scratch, (0, 0), 1, Some(vec![!0])).unwrap();
        for words in [3, 4, 128, 1_024] {
            assert_eq!(ask(0, scratch, (15, 15), words), Reply::Status(4), "{words} words: Completer Abort");
            device
                .request(0, scratch, (15, 15), words.min(64), Some(vec![!0; words.min(64) as usize]))
                .unwrap();
        }
        let request = Request { address: 0xE05F_0000 + scratch, words: 1, enables: (15, 0), requester: 0, tag: 0 };
        let mut poisoned = Packet::request(request, Some(vec![!0]), false);
        poisoned.header[0] |= 1 << 14;
        device.send(poisoned).unwrap();
        // A locked read and the three atomic operations, of one and two operands, are answered with Unsupported Request, the first with a
        // completion of its own kind.
        for (first, data) in [(0x0100_0001, 0), (0x4C00_0001, 1), (0x4D00_0002, 2), (0x4E00_0004, 4)] {
            let scratch = 0xE05F_0000 + scratch as u32;
            let enables = if first & 0x3FF > 1 { 0xFF } else { 0x0F };
            let packet = Packet { header: vec![first, 0x2_2000 | enables, scratch], data: vec![!0; data] };
            assert_eq!(device.send_odd(packet).unwrap(), Reply::Status(1), "{first:#x}");
        }
        // A message (vendor defined), with data: a kind that this device does not know.
        device.send(Packet { header: vec![0x7400_0001, 0x7F, 0, 0], data: vec![!0] }).unwrap();
        assert_eq!(ask(4, 0, (3, 0), 1), Reply::Data(vec![0]));
        assert_eq!(ask(4, 4, (15, 15), 2), Reply::Data(vec![0, 0]));
        assert_eq!(bad_accesses(&device).0, 0, "seed {seed}");
        assert_eq!(device.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), 0xA5A5_5A5A);
    }
}

/// What the table should hold, done plainly.
struct Table {
    words: [u32; 64],
}

impl Table {
    fn word(&self, offset: u32) -> u32 {
        self.words.get(offset as usize / 4).copied().unwrap_or(0)
    }

    fn write(&mut self, offset: u32, value: u32) {
        if let Some(word) = self.words.get_mut(offset as usize / 4) {
            *word = if offset % 16 == 12 { value & 1 } else { value };
        }
    }
}

/// Random accesses of registers and table, against plain Rust, over links of every size.
#[test]
fn random_accesses_read_what_was_written() {
    const ACCESSES: u32 = 400;
    let seeds: Vec<u64> = match std::env::var("KVCPU_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (100..106).collect(),
    };
    for seed in seeds {
        println!("replay: KVCPU_SEED={seed} cargo test --release -p kvcpu-sim --test pcie random_accesses");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let link = LinkOptions {
            big: rng.random(),
            extended: rng.random(),
            high_bars: rng.random(),
            beats: 1 << rng.random_range(0..3),
            max_payload: 128 << rng.random_range(0..3),
            ..LinkOptions::default()
        };
        let device = device(seed, link);
        let mut table = Table { words: [0; 64] };
        for entry in 0..16 {
            // Only masks have a value after a reset.
            for (word, value) in [(0, 0), (4, 0), (8, 0), (12, 1)] {
                table.write(16 * entry + word, value);
                device.write32(Bar::Msix, 16 * entry + word, value).unwrap();
            }
        }
        let mut registers = [0u32; 2];
        let places = [control::SCRATCH.offset, irq::INT_ENABLE.offset];
        let masks = [u32::MAX, irq::INT_ENABLE.writable() as u32];
        for number in 0..ACCESSES {
            let value: u64 = rng.random();
            let at = rng.random_range(0..80) * 4;
            match rng.random_range(0..6) {
                0 => {
                    let which = rng.random_range(0..2);
                    device.write32(Bar::Regs, places[which], value as u32).unwrap();
                    registers[which] = value as u32 & masks[which];
                }
                1 => {
                    let which = rng.random_range(0..2);
                    let read = device.read32(Bar::Regs, places[which]).unwrap();
                    assert_eq!(read, registers[which], "access {number}, seed {seed}");
                }
                2 => {
                    device.write32(Bar::Msix, at, value as u32).unwrap();
                    table.write(at, value as u32);
                }
                3 => assert_eq!(device.read32(Bar::Msix, at).unwrap(), table.word(at), "{at:#x}, seed {seed}"),
                4 => {
                    let at = at & !7;
                    device.write64(Bar::Msix, at, value).unwrap();
                    table.write(at, value as u32);
                    table.write(at + 4, (value >> 32) as u32);
                }
                _ => {
                    let at = at & !7;
                    let expected = u64::from(table.word(at)) | u64::from(table.word(at + 4)) << 32;
                    assert_eq!(device.read64(Bar::Msix, at).unwrap(), expected, "{at:#x}, seed {seed}");
                }
            }
        }
        let [reads, writes, completions] = device.packets();
        assert!(reads == 0 && writes == 0 && completions > 100, "{:?}", device.packets());
    }
}

/// docs/queue.md, Interrupts.
#[test]
fn a_message_waits_for_mask_function_mask_enable_and_bus_master() {
    for (seed, link) in links().into_iter().enumerate() {
        let device = device(20 + seed as u64, link);
        let force = |sources: u32| device.write32(Bar::Regs, irq::INT_FORCE.offset, sources).unwrap();
        let clear = || device.write32(Bar::Regs, irq::INT_STATUS.offset, 0xFF).unwrap();
        // A message takes some clocks; what may go has gone so many after the writes before it, which a read waits for.
        let pending = || {
            device.read32(Bar::Regs, control::MAGIC.offset).unwrap();
            (0..16).for_each(|_| device.advance(32).unwrap());
            device.read64(Bar::Msix, msix::PBA_OFFSET).unwrap()
        };
        let mask = |vector: u32, masked: u32| device.write32(Bar::Msix, 16 * vector + 12, masked).unwrap();
        device.write32(Bar::Regs, irq::INT_ENABLE.offset, 0xFF).unwrap();
        for vector in 0..8 {
            device.irq_fd(vector).unwrap();
        }
        let mut expected = [0u64; 16];
        // Bus Master Enable.
        force(0b101);
        assert_eq!((pending(), device.messages()), (0b101, expected));
        device.bus_master(true).unwrap();
        assert_eq!(pending(), 0);
        (expected[0], expected[2]) = (1, 1);
        assert_eq!(device.messages(), expected);
        clear();
        // Function Mask and MSI-X Enable.
        for (enable, masked) in [(true, true), (false, false), (false, true)] {
            device.set_msix(enable, masked);
            force(0b1000_0000);
            assert_eq!((pending(), device.messages()), (0b1000_0000, expected));
            device.set_msix(true, false);
            assert_eq!(pending(), 0);
            expected[7] += 1;
            assert_eq!(device.messages(), expected);
            clear();
        }
        // Each vector's own: raised twice, sent once.
        mask(3, 1);
        force(0b1_1000);
        clear();
        force(0b1_1000);
        expected[4] += 2;
        assert_eq!((pending(), device.messages()), (0b1000, expected));
        mask(3, 0);
        assert_eq!(pending(), 0);
        expected[3] += 1;
        assert_eq!(device.messages(), expected);
        clear();
        // All at once, and a reset, after which all are masked but for what the system unmasks again.
        force(0xFF);
        assert_eq!(pending(), 0);
        (0..8).for_each(|vector| expected[vector] += 1);
        assert_eq!(device.messages(), expected);
        mask(1, 1);
        clear();
        force(0b10);
        assert_eq!(pending(), 0b10);
        device.reset().unwrap();
        assert_eq!((pending(), device.messages()), (0, expected));
        assert_eq!(device.read32(Bar::Msix, 16 * 9 + 12).unwrap(), 1);
    }
}

/// Two reads and more at once, among writes: each is answered with what the writes before it made of the register.
#[test]
fn requests_that_come_before_others_are_done_are_carried_out_in_order() {
    for (seed, link) in links().into_iter().enumerate() {
        let device = device(30 + seed as u64, link);
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut expected = 0u32;
        device.write32(Bar::Regs, control::SCRATCH.offset, expected).unwrap();
        // The answer to a read is that the device has come out of its reset.
        assert_eq!(device.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), expected);
        for _ in 0..40 {
            let mut reads = Vec::new();
            for _ in 0..rng.random_range(2..30) {
                let at = control::SCRATCH.offset.into();
                if rng.random() {
                    expected = rng.random();
                    device.post(0, at, 1, Some(vec![expected]));
                } else {
                    reads.push((device.post(0, at, 1, None), expected));
                }
            }
            for (tag, expected) in reads {
                let reply = (0..20_000).find_map(|_| {
                    device.advance(1).unwrap();
                    device.reply(tag)
                });
                assert_eq!(reply, Some(Reply::Data(vec![expected])), "seed {seed}");
            }
        }
    }
}
