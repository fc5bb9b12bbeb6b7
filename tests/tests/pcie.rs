//! The RTL behind its PCIe endpoint (docs/pcie.md): everything that a driver does becomes packets, and it does what the model does.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::time::Duration;

use kvcpu_driver::{Commands, Insert, sqe};
use kvcpu_mmio::regs::{control, dma, queue};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_sim::pcie::{Form, LinkOptions, PcieRtl};
use kvcpu_sim::{RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::raw::{self, RawQueue};
use kvcpu_tests::setup::{self, key, tiers};
use kvcpu_tests::stream::{self, Kind};
use rand::Rng;

fn device(options: &RtlOptions, link: LinkOptions) -> PcieRtl {
    PcieRtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, options, link).unwrap()
}

/// Random streams over links of every size, both orders of bytes, both forms of headers.
fn streams(test: &str, number: u64, cases: u64, kind: Kind) {
    let make = |seed| {
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(number, seed), kind, Geometry::SMALL);
        scenario.config.deadline = Duration::from_secs(60);
        (scenario, ops)
    };
    check::streams(("pcie", test), cases, make, |scenario, ops| {
        let mut rng = check::rng(number, ops.len() as u64);
        let link = LinkOptions {
            big: rng.random(),
            extended: rng.random(),
            high_bars: rng.random(),
            beats: 1 << rng.random_range(0..3),
            max_payload: 128 << rng.random_range(0..3),
            max_request: 128 << rng.random_range(0..3),
            ..LinkOptions::default()
        };
        let options = RtlOptions {
            seed: ops.len() as u64,
            clocks_per_access: 8,
            host_latency: 2..=200,
            card_latency: 2..=20,
            back_pressure: 0.2,
            ..RtlOptions::default()
        };
        let bus = Bus::default();
        bus.heal();
        stream::run_on(device(&options, link), &bus, scenario, ops).map(drop)
    });
}

#[test]
fn byte_streams_match_the_model_and_read_back() {
    let kind = Kind { bytes: true, t3: true, length: 300, ..Kind::default() };
    streams("byte_streams_match_the_model_and_read_back", 31, 3, kind);
}

/// Clocks of which the endpoint gives a read up after one to two times so many, in these tests.
const PATIENCE: u32 = 2_000;

/// docs/pcie.md, Reads: a host that says no, one that says nothing, and one that says it too late.
#[test]
fn a_read_that_the_host_does_not_answer_is_a_fault_and_nothing_hangs() {
    for seed in 0..2 {
        let link = LinkOptions { patience: PATIENCE, beats: 4, big: seed == 0, ..LinkOptions::default() };
        let options = RtlOptions { seed, ..RtlOptions::default() };
        let (device, _) = setup::device(self::device(&options, link), tiers([0, 8, 0, 0]));
        let backing = device.backing().clone();
        let everywhere = 0..u64::MAX;
        let broken = |queue: &RawQueue<PcieRtl>| {
            for _ in 0..3 * PATIENCE {
                if queue.read(&queue::Q_STATUS) == queue::Q_STATUS::HALTED.mask() {
                    break;
                }
                backing.advance(1).unwrap();
            }
            assert_eq!(queue.read(&queue::Q_STATUS), queue::Q_STATUS::HALTED.mask(), "seed {seed}");
            assert_eq!(queue.read(&queue::Q_ERR), queue::Q_ERR::FETCH_FAULT.mask(), "seed {seed}");
            assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::IOVA_FAULT).unwrap(), 1, "seed {seed}");
            device.write(&dma::DMA_ERR, dma::DMA_ERR::IOVA_FAULT.mask()).unwrap();
        };
        let sound = |number: u64| {
            let mut queue = RawQueue::new(&device, 1, 3, 3, 0);
            queue.submit(sqe::insert(&Insert::new(key(number), 1)));
            queue.submit(sqe::lookup(key(number)));
            assert_eq!(queue.take(2)[1].status, 0, "seed {seed}");
        };
        sound(0);
        // Unsupported Request: nothing is mapped there.
        let mut queue = RawQueue::new(&device, 0, 2, 2, 0);
        backing.dma_free(queue.iovas()[0]).unwrap();
        queue.submit(sqe::nop());
        broken(&queue);
        sound(1);
        // No answer at all; one that is poisoned; one that ends with a refusal, or with nothing.
        for form in Form::FAULTS {
            let mut queue = RawQueue::new(&device, 0, 2, 2, 0);
            backing.set_form(everywhere.clone(), form);
            queue.submit(sqe::nop());
            broken(&queue);
            backing.set_form(0..0, Form::Plain);
            sound(2);
        }
        // An answer that comes when many more reads have been sent: it is taken for nothing.
        let mut queue = RawQueue::new(&device, 0, 2, 2, 0);
        backing.set_form(everywhere, Form::Late(100 * u64::from(PATIENCE)));
        queue.submit(sqe::nop());
        broken(&queue);
        backing.set_form(0..0, Form::Plain);
        let before = backing.packets()[0];
        for number in 3..8 {
            sound(number);
        }
        while backing.unanswered() > 0 {
            sound(8);
        }
        let sent = backing.packets()[0] - before;
        assert!(sent > 32, "seed {seed}: {sent} reads, not as many as there are tags");
        let mut commands = device.single_shot();
        for number in 0..8 {
            commands.lookup(key(number)).unwrap();
        }
    }
}

/// lifecycle.rs of the device's program: a write that stops the device is done once nothing is under way, and what is under way are
/// reads, whose completions PCI Express puts behind that write.
#[test]
fn a_write_that_stops_the_device_lets_the_answers_it_waits_for_pass() {
    for (seed, behind) in [(0, 0), (1, 0), (2, 12)] {
        let link = LinkOptions { max_request: 128, beats: 4, big: seed == 1, ..LinkOptions::default() };
        let options = RtlOptions { seed, host_latency: 1_000..=3_000, ..RtlOptions::default() };
        let config = kvcpu_driver::Config { block_shift: 12, ..tiers([0, 8, 0, 0]) };
        let (device, _) = setup::device(self::device(&options, link), config);
        let backing = device.backing().clone();
        device.single_shot().insert(&Insert::new(key(0), 1)).unwrap();
        let buffer = device.dma_alloc(4_096).unwrap();
        raw::start(&device, sqe::copy_in(key(0), buffer.iova(), 4_096));
        while backing.unanswered() < 8 {
            backing.advance(1).unwrap();
        }
        let begin = backing.clocks();
        // More writes may stand behind it, and the answers behind those.
        backing.post(0, control::CTRL.offset.into(), 1, Some(vec![0]));
        for value in 0..behind {
            backing.post(0, control::SCRATCH.offset.into(), 1, Some(vec![value]));
        }
        assert_eq!(device.read(&control::CTRL).unwrap(), 0, "seed {seed}");
        let clocks = backing.clocks() - begin;
        // Bursts that were asked for go on to their end: some rounds of reads, and far from the 100,000 clocks of one that is given up.
        assert!(clocks < 30_000, "seed {seed}: {clocks} clocks, with answers after 3,000 at most");
        assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::IOVA_FAULT).unwrap(), 0, "seed {seed}");
    }
}

/// Bus Master Enable goes off while a burst is being sent: what had not begun is not sent, and fails.
#[test]
fn a_transfer_that_bus_master_enable_ends_is_a_fault_and_nothing_hangs() {
    for seed in 0..6 {
        let link = LinkOptions { max_request: 128, max_payload: 128, beats: 1 << (seed % 3), ..LinkOptions::default() };
        let options = RtlOptions { seed, back_pressure: 0.3, ..RtlOptions::default() };
        let config = kvcpu_driver::Config { block_shift: 12, ..tiers([0, 8, 0, 0]) };
        let (device, _) = setup::device(self::device(&options, link), config);
        let backing = device.backing().clone();
        let mut commands = device.single_shot();
        commands.insert(&Insert::new(key(0), 1)).unwrap();
        let buffer = device.dma_alloc(4_096).unwrap();
        commands.copy_in(key(0), &buffer, 0).unwrap();
        for out in [false, true] {
            let sqe = if out { sqe::copy_out } else { sqe::copy_in };
            let before = backing.packets()[usize::from(out)];
            raw::start(&device, sqe(key(0), buffer.iova(), 4_096));
            while backing.packets()[usize::from(out)] < before + 2 + seed {
                backing.advance(1).unwrap();
            }
            backing.bus_master(false).unwrap();
            let done = (0..20_000).find_map(|_| {
                backing.advance(1).unwrap();
                raw::done(&device)
            });
            assert!(done.is_some_and(|cqe| cqe.status != 0), "seed {seed}, out {out}: {done:?}");
            backing.bus_master(true).unwrap();
            commands.copy_in(key(0), &buffer, 0).unwrap();
            commands.copy_out(key(0), &buffer, 0).unwrap();
        }
    }
}
