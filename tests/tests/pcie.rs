//! The RTL behind its PCIe endpoint (docs/pcie.md): everything that a driver does becomes packets, and it does what the model does.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::time::Duration;

use kvcpu_driver::{Commands, Insert, sqe};
use kvcpu_mmio::regs::{dma, queue};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_sim::pcie::{LinkOptions, PcieRtl};
use kvcpu_sim::{RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::raw::RawQueue;
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

/// Clocks without a completion after which the endpoint gives a read up, in these tests.
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
            for _ in 0..2 * PATIENCE {
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
        // No answer at all.
        let mut queue = RawQueue::new(&device, 0, 2, 2, 0);
        backing.set_silent(everywhere.clone());
        queue.submit(sqe::nop());
        broken(&queue);
        backing.set_silent(0..0);
        sound(2);
        // Answers that come when the next reads are under way: they are taken for nothing.
        let mut queue = RawQueue::new(&device, 0, 2, 2, 0);
        backing.set_late(everywhere, 6 * u64::from(PATIENCE));
        queue.submit(sqe::nop());
        broken(&queue);
        backing.set_late(0..0, 0);
        for number in 3..8 {
            sound(number);
        }
        let mut commands = device.single_shot();
        for number in 0..8 {
            commands.lookup(key(number)).unwrap();
        }
    }
}
