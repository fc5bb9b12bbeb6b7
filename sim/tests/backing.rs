//! What stands round the device's top, with a stand-in for the top: tests/rtl/kvcpu_standin.v says what that does.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use kvcpu_sim::{Bus, BusFault, FIFO, HostMemory, Rtl, RtlError, RtlOptions, STANDIN};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

const SOURCE: u32 = 0x40;
const DESTINATION: u32 = 0x48;
const BYTES: u32 = 0x50;
const GO: u32 = 0x58;
const IRQ: u32 = 0x60;
const CLOCKS: u32 = 0x68;
const BREAK: u32 = 0x70;
const SEEN: u32 = 0x78;
const NEVER: u32 = 0x80;
const BUSY: u64 = 1;
const FAULT: u64 = 2;

/// Bits of GO.
const FROM_CARD: u64 = 1;
const TO_CARD: u64 = 2;

fn options(seed: u64) -> RtlOptions {
    RtlOptions { seed, ..RtlOptions::default() }
}

fn device(seed: u64) -> Rtl {
    let rtl = Rtl::new(&STANDIN, Geometry::TEST, options(seed)).unwrap();
    rtl.bus_master(true).unwrap();
    rtl
}

fn write(rtl: &Rtl, offset: u32, value: u64) -> Result<(), BackingError> {
    rtl.write64(Bar::Regs, offset, value)
}

/// Copies, and gives what the stand-in says of it.
fn copy(rtl: &Rtl, from: u64, to: u64, bytes: u64, spaces: u64) -> Result<u64, BackingError> {
    write(rtl, SOURCE, from)?;
    write(rtl, DESTINATION, to)?;
    write(rtl, BYTES, bytes)?;
    write(rtl, GO, spaces)?;
    for _ in 0..10_000 {
        let status = rtl.read64(Bar::Regs, GO)?;
        if status & BUSY == 0 {
            return Ok(status);
        }
        rtl.advance(64)?;
    }
    panic!("the copy does not end");
}

fn fill(memory: &dyn DmaMemory, rng: &mut impl Rng) {
    memory.words().iter().for_each(|word| word.store(rng.random(), Ordering::Relaxed));
}

fn contents(memory: &dyn DmaMemory) -> Vec<u64> {
    memory.words().iter().map(|word| word.load(Ordering::Relaxed)).collect()
}

#[test]
fn bytes_travel_on_their_lanes() {
    let rtl = device(1);
    rtl.write64(Bar::Regs, 8, 0x1122_3344_5566_7788).unwrap();
    assert_eq!(rtl.read64(Bar::Regs, 8).unwrap(), 0x1122_3344_5566_7788);
    assert_eq!(rtl.read64(Bar::Regs, SEEN).unwrap() & 0x3F, 0o33);
    rtl.write32(Bar::Regs, 12, 0xAABB_CCDD).unwrap();
    assert_eq!(rtl.read64(Bar::Regs, 8).unwrap(), 0xAABB_CCDD_5566_7788);
    assert_eq!(rtl.read64(Bar::Regs, SEEN).unwrap() & 0x3F, 0o23);
    assert_eq!(rtl.read32(Bar::Regs, 8).unwrap(), 0x5566_7788);
    assert_eq!(rtl.read32(Bar::Regs, 12).unwrap(), 0xAABB_CCDD);
    assert_eq!(rtl.read32(Bar::Regs, 10).unwrap(), 0xCCDD_5566);
    assert_eq!(rtl.read32(Bar::Regs, 14).unwrap(), 0xAABB, "what crosses is cut off");
    assert_eq!(rtl.read64(Bar::Regs, 12).unwrap(), 0xAABB_CCDD);
    rtl.write32(Bar::Regs, 14, 0x9999_8888).unwrap();
    rtl.write64(Bar::Regs, 23, 0x77).unwrap();
    assert_eq!(rtl.read64(Bar::Regs, 8).unwrap(), 0x8888_CCDD_5566_7788);
    assert_eq!(rtl.read64(Bar::Regs, 16).unwrap() >> 56, 0x77);
    assert_eq!(rtl.read64(Bar::Rtbd, 0x1F_FFE8).unwrap(), 0x9F_FFE8);
    for (bar, offset) in [(Bar::Regs, 0x1_0000), (Bar::Rtbd, 0x20_0000)] {
        assert!(matches!(rtl.read32(bar, offset), Err(BackingError::BadAccess { .. })));
    }
}

#[test]
fn copies_arrive_whatever_the_order_of_completions() {
    for seed in 0..8 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let back_pressure = [0.0, 0.1, 0.5, 0.9][seed as usize % 4];
        let latency = if seed < 4 { 0..=3 } else { 20..=200 };
        let options = RtlOptions { back_pressure, host_latency: latency, ..options(seed) };
        let rtl = Rtl::new(&STANDIN, Geometry::TEST, options).unwrap();
        rtl.bus_master(true).unwrap();
        let (from, to) = (rtl.dma_alloc(8192).unwrap(), rtl.dma_alloc(8192).unwrap());
        fill(&*from, &mut rng);
        let card = rng.random_range(0..(64 << 20) / 8192) * 8192;
        for (source, target, spaces) in [
            (from.iova(), to.iova(), 0),
            (from.iova(), card, TO_CARD),
            (card, card ^ 1 << 20, FROM_CARD | TO_CARD),
            (card ^ 1 << 20, to.iova(), FROM_CARD),
        ] {
            to.words().iter().for_each(|word| word.store(0, Ordering::Relaxed));
            assert_eq!(copy(&rtl, source, target, 8192, spaces), Ok(0), "seed {seed}, spaces {spaces}");
            if spaces & TO_CARD == 0 {
                assert!(contents(&*from) == contents(&*to), "seed {seed}, spaces {spaces}");
            }
        }
        if seed >= 4 {
            assert_eq!(rtl.read64(Bar::Regs, SEEN).unwrap() >> 7, 7, "seed {seed}: not every order was seen");
        }
    }
}

#[test]
fn what_is_not_there_faults() {
    let rtl = device(3);
    let memory = rtl.dma_alloc(4096).unwrap();
    let card_end = Geometry::TEST.tables_base() + Geometry::TEST.tables_bytes();
    let iova = memory.iova();
    assert_eq!(copy(&rtl, iova, iova + 0x1000, 256, 0), Ok(FAULT));
    assert_eq!(copy(&rtl, iova - 256, iova, 256, 0), Ok(FAULT));
    assert_eq!(copy(&rtl, iova, card_end, 256, TO_CARD), Ok(FAULT));
    assert_eq!(copy(&rtl, iova, card_end - 256, 256, TO_CARD), Ok(0));
    assert_eq!(contents(&*memory), [0; 512], "what was read of a fault reached memory");
    rtl.bus_master(false).unwrap();
    assert_eq!(rtl.read64(Bar::Regs, SEEN).unwrap() >> 6 & 1, 0);
    assert_eq!(copy(&rtl, iova, iova + 256, 256, 0), Ok(FAULT));
    rtl.bus_master(true).unwrap();
    assert_eq!(rtl.read64(Bar::Regs, SEEN).unwrap() >> 6 & 1, 1);
    assert_eq!(copy(&rtl, iova, iova + 256, 256, 0), Ok(0));
    rtl.dma_free(iova).unwrap();
    assert_eq!(copy(&rtl, iova, iova + 256, 256, 0), Ok(FAULT));
}

/// Faults, as a test orders them.
#[derive(Default)]
struct Orders {
    accesses: u64,
    fault_at: Option<u64>,
    corrupt_at: Option<u64>,
    torn: Option<Range<u64>>,
}

struct Wire(HostMemory, Arc<Mutex<Orders>>);

impl Wire {
    fn access(&self, address: u64, words: usize) -> Result<bool, BusFault> {
        let mut orders = self.1.lock().unwrap();
        let number = orders.accesses;
        orders.accesses += 1;
        let end = address + 8 * words as u64;
        let torn = orders.torn.iter().any(|torn| address < torn.end && torn.start < end);
        let faults = torn || orders.fault_at == Some(number);
        if faults { Err(BusFault { address }) } else { Ok(orders.corrupt_at == Some(number)) }
    }
}

impl Bus for Wire {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.access(address, out.len())?;
        self.0.read(address, out)
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault> {
        let mut data = data.to_vec();
        if self.access(address, data.len())? {
            data[3] ^= 1 << 17;
        }
        self.0.write(address, &data, strobes)
    }
}

#[test]
fn a_decorator_of_the_bus_faults_corrupts_and_tears() {
    let orders = Arc::new(Mutex::new(Orders::default()));
    let control = orders.clone();
    let decorate = |memory| -> Box<dyn Bus> { Box::new(Wire(memory, control)) };
    let rtl = Rtl::with_bus(&STANDIN, Geometry::TEST, options(5), decorate).unwrap();
    rtl.bus_master(true).unwrap();
    let (from, to) = (rtl.dma_alloc(4096).unwrap(), rtl.dma_alloc(4096).unwrap());
    fill(&*from, &mut ChaCha8Rng::seed_from_u64(5));
    let run = || copy(&rtl, from.iova(), to.iova(), 512, 0).unwrap();
    assert_eq!((run(), orders.lock().unwrap().accesses), (0, 16));
    for number in 0..8 {
        *orders.lock().unwrap() = Orders { fault_at: Some(number), ..Orders::default() };
        assert_eq!(run(), FAULT, "access {number}");
    }
    *orders.lock().unwrap() = Orders { corrupt_at: Some(6), ..Orders::default() };
    assert_eq!(run(), 0);
    let (have, want) = (contents(&*to), contents(&*from));
    let differ: Vec<u64> = have.iter().zip(&want).take(64).map(|(a, b)| a ^ b).filter(|bits| *bits != 0).collect();
    assert_eq!(differ, [1 << 17]);
    let torn = to.iova() + 0x1F8;
    *orders.lock().unwrap() = Orders { torn: Some(torn..torn + 8), ..Orders::default() };
    assert_eq!(run(), FAULT);
    *orders.lock().unwrap() = Orders::default();
    assert_eq!(run(), 0);
}

#[test]
fn interrupt_lines_reach_msix() {
    let rtl = device(6);
    write(&rtl, IRQ, 0x8001).unwrap();
    assert_eq!(rtl.read32(Bar::Msix, 0x800).unwrap(), 0x8001, "masked");
    rtl.irq_fd(0).unwrap();
    assert_eq!(rtl.read32(Bar::Msix, 0x800).unwrap(), 0x8000);
    write(&rtl, IRQ, 1).unwrap();
    assert_eq!(rtl.read32(Bar::Msix, 0x800).unwrap(), 0x8000);
    rtl.write32(Bar::Msix, 8, 77).unwrap();
    rtl.reset().unwrap();
    assert_eq!(rtl.read32(Bar::Msix, 0x800).unwrap(), 0);
    assert_eq!(rtl.read64(Bar::Msix, 8).unwrap(), 77, "the table stays, unmasked");
    assert!(matches!(rtl.irq_fd(16), Err(BackingError::Irq(_))));
}

#[test]
fn a_reset_in_a_copy_leaves_mappings_and_nothing_behind() {
    for seed in 0..20 {
        let rtl = device(seed);
        let (from, to) = (rtl.dma_alloc(8192).unwrap(), rtl.dma_alloc(8192).unwrap());
        fill(&*from, &mut ChaCha8Rng::seed_from_u64(seed));
        write(&rtl, SOURCE, from.iova()).unwrap();
        write(&rtl, DESTINATION, to.iova()).unwrap();
        write(&rtl, BYTES, 8192).unwrap();
        write(&rtl, GO, 0).unwrap();
        rtl.advance(37 * seed).unwrap();
        rtl.reset().unwrap();
        assert_eq!(copy(&rtl, from.iova(), to.iova(), 8192, 0), Ok(0), "seed {seed}");
        assert!(contents(&*from) == contents(&*to), "seed {seed}");
    }
}

/// What the device's end says.
fn gone<T: std::fmt::Debug>(result: Result<T, BackingError>) -> String {
    match result {
        Err(BackingError::Gone(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn broken_rules_end_the_simulation_with_their_name() {
    for (rule, name) in [
        (1, "m_host AR: valid was taken back"),
        (2, "m_host AR: payload changed"),
        (3, "m_host W: wlast is 1 in beat 7 of 8"),
        (4, "s_axil an answer"),
        (5, "s_axil response 2"),
    ] {
        let rtl = device(rule);
        let memory = rtl.dma_alloc(4096).unwrap();
        let broken = write(&rtl, BREAK, rule);
        let why = gone(broken.and_then(|()| copy(&rtl, memory.iova(), memory.iova() + 2048, 2048, 0)));
        assert!(why.contains(name) && why.starts_with("clock "), "rule {rule}: {why}");
        assert_eq!(gone(rtl.read32(Bar::Regs, 0)), why, "it stays so");
        assert_eq!(gone(rtl.advance(1)), why);
    }
    let rtl = device(9);
    let memory = rtl.dma_alloc(8192).unwrap();
    let why = gone(copy(&rtl, memory.iova() + 0xFC8, memory.iova(), 256, 0));
    assert!(why.contains("crosses a 4 KiB boundary"), "{why}");
}

#[test]
fn an_access_without_an_answer_is_named() {
    let options = RtlOptions { watchdog: 1000, ..options(10) };
    let rtl = Rtl::new(&STANDIN, Geometry::TEST, options).unwrap();
    let why = gone(rtl.read32(Bar::Regs, NEVER));
    assert!(why.contains("a read of 4 bytes from BAR0 offset 0x80") && why.contains("1000 clocks"), "{why}");
}

#[test]
fn a_seed_gives_the_same_clocks_each_time() {
    let run = |seed| {
        let rtl = device(seed);
        let memory = rtl.dma_alloc(8192).unwrap();
        copy(&rtl, memory.iova(), 0, 8192, TO_CARD).unwrap();
        (rtl.clocks(), rtl.read64(Bar::Regs, CLOCKS).unwrap())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_cannot_be_built_says_why() {
    let build = |design, options| Rtl::new(design, Geometry::TEST, options).err().unwrap();
    assert!(matches!(build(&FIFO, options(0)), RtlError::Ports(_)));
    assert!(matches!(build(&STANDIN, RtlOptions { back_pressure: 1.0, ..options(0) }), RtlError::Option(_)));
    assert!(matches!(build(&STANDIN, RtlOptions { lulls: 0.6, ..options(0) }), RtlError::Option(_)));
    let impossible = Geometry { lanes: 3, ..Geometry::TEST };
    assert!(matches!(Rtl::new(&STANDIN, impossible, options(0)), Err(RtlError::Geometry(_))));
    let nowhere = Some("/nonexistent/wave.vcd".into());
    assert!(matches!(build(&STANDIN, RtlOptions { waveform: nowhere, ..options(0) }), RtlError::Waveform(_)));
}

#[cfg(feature = "trace")]
#[test]
fn a_waveform_is_written() {
    let path = std::env::temp_dir().join(format!("kvcpu-sim-{}.vcd", std::process::id()));
    let rtl = Rtl::new(&STANDIN, Geometry::TEST, RtlOptions { waveform: Some(path.clone()), ..options(1) }).unwrap();
    rtl.write32(Bar::Regs, 0, 1).unwrap();
    drop(rtl);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.contains("s_axil_awvalid") && text.contains("#64"), "{}", text.len());
}

/// Clocks a second of everything but the device, which is small here; of interest with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let rtl = device(1);
    let memory = rtl.dma_alloc(1 << 20).unwrap();
    let rate = |what: &str, work: &mut dyn FnMut()| {
        let (start, clocks) = (std::time::Instant::now(), rtl.clocks());
        work();
        println!("{what}: {:.2} M clocks/s", (rtl.clocks() - clocks) as f64 / start.elapsed().as_secs_f64() / 1e6);
    };
    rate("idle", &mut || rtl.advance(3_000_000).unwrap());
    rate("copying", &mut || {
        copy(&rtl, memory.iova(), 0, 1 << 20, TO_CARD).unwrap();
    });
    rate("register reads", &mut || {
        for _ in 0..50_000 {
            std::hint::black_box(rtl.read64(Bar::Regs, CLOCKS).unwrap());
        }
    });
}
