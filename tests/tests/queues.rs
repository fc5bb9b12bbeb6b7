//! Queue pairs, by hand: wrap, order between queues, indexes out of range, full completion rings, faults, tenants.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::Arc;

use kvcpu_driver::{Config, Device, Insert, Lookup, TierConfig, sqe};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::queue::{Key, Scope, Sqe, Status};
use kvcpu_mmio::regs::{control, counter, dma, queue};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_tests::raw::{self, BlockedOn, RawQueue, blocked_on};

fn config() -> Config {
    let [t1, t2] = [64, 64].map(TierConfig::blocks);
    Config { tiers: [TierConfig::OFF, t1, t2, TierConfig::OFF], ..Config::default() }
}

fn device() -> Device<Emulator> {
    let emulator = Emulator::new(Geometry::TEST).expect("the test geometry is good");
    let device = Device::probe(Arc::new(emulator)).expect("an emulator is a device");
    device.configure(config()).expect("the configuration fits");
    device
}

fn key(tag: u64) -> Key {
    Key { tenant: 1, request: 7, tag }
}

/// Inserts get frames in the order in which they are executed: their frames tell it.
fn insert(tag: u64) -> Sqe {
    sqe::insert(&Insert::new(key(tag), 1))
}

fn status(code: u16) -> Status {
    Status::from_code(code).expect("a known status")
}

#[test]
fn rings_wrap_and_the_phase_flips_each_time() {
    let device = device();
    for (sq_log2, cq_log2) in [(1, 1), (2, 1), (1, 3), (3, 2)] {
        let mut queue = RawQueue::new(&device, 2, sq_log2, cq_log2, 0);
        for n in 0..40_u16 {
            queue.submit(Sqe { cid: n * 3, ..sqe::nop() });
            let cqe = queue.take(1)[0];
            assert_eq!((cqe.cid, cqe.qid, status(cqe.status)), (n * 3, 2, Status::Ok));
            assert_eq!(cqe.phase, n >> cq_log2 & 1 == 0, "completion {n} of a ring of {}", 1 << cq_log2);
            assert_eq!(u32::from(cqe.sq_head), (u32::from(n) + 1) % (1 << sq_log2));
        }
        assert_eq!(queue.read(&queue::SQ_HEAD), 40 % (1 << sq_log2));
        assert_eq!(queue.read(&queue::CQ_TAIL), 40 % (1 << cq_log2));
    }
}

#[test]
fn a_full_submission_ring_is_served_whole() {
    let device = device();
    let mut queue = RawQueue::new(&device, 0, 3, 4, 0);
    for round in 0..9_u64 {
        for n in 0..7 {
            queue.push(insert(round * 7 + n));
        }
        assert_eq!(queue.room(), 0);
        queue.ring();
        let frames: Vec<u64> = queue.take(7).iter().map(|cqe| cqe.frame.into()).collect();
        assert_eq!(frames, (round * 7..round * 7 + 7).collect::<Vec<_>>());
    }
}

#[test]
fn a_full_completion_ring_holds_the_commands_and_draining_releases_them() {
    let device = device();
    let mut queue = RawQueue::new(&device, 0, 3, 2, 0);
    let mut other = RawQueue::new(&device, 1, 3, 3, 0);
    for tag in 0..6 {
        queue.push(insert(tag));
    }
    queue.ring();
    other.submit(insert(100));
    assert_eq!(blocked_on(&device), BlockedOn::CompletionQueue as u64);
    assert_eq!(device.read(&counter::CNT_COMMANDS).unwrap(), 3, "space is looked for before a command is begun");
    assert!(other.pop().is_none(), "whatever comes later waits too");
    let mut frames = Vec::new();
    for left in (0..3).rev() {
        frames.extend(queue.pop().map(|cqe| cqe.frame));
        assert_eq!(queue.read(&queue::CQ_TAIL), (5 - left) % 4, "nothing is posted before space was given");
        queue.give_back();
        let waits = if left == 0 { BlockedOn::Nothing } else { BlockedOn::CompletionQueue };
        assert_eq!(blocked_on(&device), waits as u64);
    }
    frames.extend(queue.take(3).iter().map(|cqe| cqe.frame));
    assert_eq!(frames, [0, 1, 2, 3, 4, 5]);
    assert_eq!(other.take(1)[0].frame, 6);
}

#[test]
fn doorbells_are_served_in_the_order_in_which_they_arrive() {
    let device = device();
    let mut queues: Vec<_> = [1, 3, 3, 3]
        .into_iter()
        .zip(0..)
        .map(|(cq, qid)| RawQueue::new(&device, qid, 4, cq, 0))
        .collect();
    // Queue 0 has room for one completion: its second command holds up all that comes after.
    queues[0].push(insert(0));
    queues[0].push(insert(1));
    queues[0].ring();
    assert_eq!(blocked_on(&device), BlockedOn::CompletionQueue as u64);
    queues[2].submit(insert(2));
    queues[1].submit(insert(3));
    queues[2].submit(insert(4));
    raw::start(&device, insert(5));
    queues[3].submit(insert(6));
    queues[3].submit(insert(7));
    queues[1].submit(insert(8));
    assert!(raw::done(&device).is_none());
    let first = queues[0].take(2);
    assert_eq!([first[0].frame, first[1].frame], [0, 1]);
    let frames =
        |queue: &mut RawQueue<Emulator>, count| -> Vec<u16> { queue.take(count).iter().map(|cqe| cqe.frame).collect() };
    assert_eq!(frames(&mut queues[2], 2), [2, 4]);
    assert_eq!(frames(&mut queues[1], 2), [3, 8]);
    assert_eq!(raw::done(&device).expect("its turn came").frame, 5);
    assert_eq!(frames(&mut queues[3], 2), [6, 7]);
}

#[test]
fn with_twelve_doorbells_waiting_a_queue_joins_its_last_one() {
    let device = device();
    let mut queues: Vec<_> = [1, 4, 4]
        .into_iter()
        .zip(0..)
        .map(|(cq, qid)| RawQueue::new(&device, qid, 4, cq, 0))
        .collect();
    queues[0].push(insert(0));
    queues[0].push(insert(1));
    queues[0].ring();
    // With queue 0's that makes twelve; the thirteenth joins the eleventh.
    for n in 0..12 {
        queues[1 + n % 2].submit(insert(2 + n as u64));
    }
    let frames =
        |queue: &mut RawQueue<Emulator>, count| -> Vec<u16> { queue.take(count).iter().map(|cqe| cqe.frame).collect() };
    assert_eq!(frames(&mut queues[0], 2), [0, 1]);
    assert_eq!(frames(&mut queues[1], 6), [2, 4, 6, 8, 10, 13]);
    assert_eq!(frames(&mut queues[2], 6), [3, 5, 7, 9, 11, 12]);
}

#[test]
fn an_index_out_of_range_is_ignored_and_noted() {
    let device = device();
    let mut queue = RawQueue::new(&device, 3, 2, 2, 0);
    queue.push(insert(0));
    for (register, index) in [
        (&queue::SQ_DOORBELL, 4),
        (&queue::SQ_DOORBELL, 0xFFFF),
        (&queue::CQ_DOORBELL, 4),
        (&queue::CQ_DOORBELL, 0xFFFF),
    ] {
        queue.write(register, index);
        assert_eq!(queue.read(&queue::Q_ERR), queue::Q_ERR::BAD_DOORBELL.mask(), "{} {index}", register.name);
        assert_eq!(device.read_field(&control::ERR_STATUS, &control::ERR_STATUS::QUEUE).unwrap(), 1);
        queue.write(&queue::Q_ERR, u64::from(u32::MAX));
        device.write(&control::ERR_STATUS, u64::from(u32::MAX)).unwrap();
        assert_eq!(queue.read(&queue::Q_STATUS), queue::Q_STATUS::RUNNING.mask());
    }
    assert_eq!(device.read(&counter::CNT_COMMANDS).unwrap(), 0);
    queue.ring();
    assert_eq!(queue.take(1)[0].frame, 0, "the queue goes on");
    let idle = RawQueue::new(&device, 1, 2, 2, 0);
    idle.write(&queue::Q_CTRL, 0);
    idle.ring();
    assert_eq!(idle.read(&queue::Q_ERR), queue::Q_ERR::NOT_RUNNING.mask());
}

#[test]
fn an_impossible_queue_does_not_start() {
    let device = device();
    let queue = RawQueue::new(&device, 1, 2, 2, 0);
    let [sq, cq] = queue.iovas();
    let good = (sq, cq, 2, 2);
    for (sq, cq, sq_log2, cq_log2) in [
        (sq + 32, cq, 2, 2),
        (sq, cq + 8, 2, 2),
        (sq, cq, 0, 2),
        (sq, cq, 16, 2),
        (sq, cq, 2, 0),
        (sq, cq, 2, 31),
        good,
    ] {
        queue.write(&queue::Q_CTRL, 0);
        queue.write(&queue::SQ_BASE, sq);
        queue.write(&queue::CQ_BASE, cq);
        queue.write(&queue::Q_SIZE, sq_log2 | cq_log2 << 8);
        queue.write(&queue::Q_ERR, u64::from(u32::MAX));
        queue.write(&queue::Q_CTRL, 1);
        let starts = (sq, cq, sq_log2, cq_log2) == good;
        let error = if starts { 0 } else { queue::Q_ERR::BAD_CONFIG.mask() };
        assert_eq!((queue.read(&queue::Q_STATUS), queue.read(&queue::Q_ERR)), (u64::from(starts), error));
        assert_eq!(queue.read(&queue::Q_CTRL), u64::from(starts));
    }
}

#[test]
fn a_fault_on_fetching_halts_that_queue_alone() {
    let device = device();
    let mut broken = RawQueue::new(&device, 0, 2, 2, 0);
    let mut sound = RawQueue::new(&device, 1, 2, 2, 0);
    device.backing().dma_free(broken.iovas()[0]).unwrap();
    broken.submit(insert(0));
    assert_eq!(broken.read(&queue::Q_STATUS), queue::Q_STATUS::HALTED.mask());
    assert_eq!(broken.read(&queue::Q_ERR), queue::Q_ERR::FETCH_FAULT.mask());
    assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::IOVA_FAULT).unwrap(), 1);
    sound.submit(insert(1));
    assert_eq!(sound.take(1)[0].frame, 0, "the other was not held up, and nothing of the first was executed");
    let mut again = RawQueue::new(&device, 0, 2, 2, 0);
    again.submit(insert(2));
    assert_eq!(again.take(1)[0].frame, 1);
}

#[test]
fn doorbells_that_wait_behind_a_queue_that_halts_are_served() {
    let device = device();
    let mut first = RawQueue::new(&device, 0, 3, 1, 0);
    let mut broken = RawQueue::new(&device, 1, 3, 3, 0);
    let mut last = RawQueue::new(&device, 2, 3, 3, 0);
    device.backing().dma_free(broken.iovas()[0]).unwrap();
    first.push(insert(0));
    first.push(insert(1));
    first.ring();
    broken.submit(insert(2));
    last.submit(insert(3));
    broken.submit(insert(4));
    assert_eq!(blocked_on(&device), BlockedOn::CompletionQueue as u64);
    assert_eq!(first.take(2)[1].frame, 1);
    assert_eq!(broken.read(&queue::Q_STATUS), queue::Q_STATUS::HALTED.mask());
    assert_eq!(last.take(1)[0].frame, 2);
}

#[test]
fn a_fault_on_posting_halts_the_queue_after_the_command_was_executed() {
    let device = device();
    let mut broken = RawQueue::new(&device, 0, 2, 2, 0);
    let mut sound = RawQueue::new(&device, 1, 2, 2, 0);
    device.backing().dma_free(broken.iovas()[1]).unwrap();
    broken.push(insert(0));
    broken.push(insert(1));
    broken.ring();
    assert_eq!(broken.read(&queue::Q_STATUS), queue::Q_STATUS::HALTED.mask());
    assert_eq!(broken.read(&queue::Q_ERR), queue::Q_ERR::POST_FAULT.mask());
    for (tag, expected) in [(0, Status::Ok), (1, Status::NotFound)] {
        sound.submit(sqe::lookup(key(tag)));
        assert_eq!(status(sound.take(1)[0].status), expected, "block {tag}");
    }
}

#[test]
fn a_queue_of_a_tenant_names_no_other() {
    let device = device();
    let ctrl = queue::Q_CTRL::TENANT_ENFORCE.mask() | queue::Q_CTRL::TENANT.set(0, 1);
    let mut queue = RawQueue::new(&device, 0, 3, 3, ctrl);
    let mut open = RawQueue::new(&device, 1, 3, 3, 0);
    let theirs = Key { tenant: 2, request: 7, tag: 5 };
    open.submit(sqe::insert(&Insert::new(theirs, 1)));
    assert_eq!(status(open.take(1)[0].status), Status::Ok);
    let range = Sqe { scope: Scope::Range.code(), count: 3, ..sqe::demote(theirs.into(), 2) };
    let copy = sqe::copy_out(theirs, 0, 4096);
    let cases = [
        (sqe::lookup(theirs), Status::NotFound),
        (sqe::touch(theirs, None), Status::NotFound),
        (sqe::insert(&Insert::new(theirs, 1)), Status::WrongTenant),
        (range, Status::WrongTenant),
        (copy, Status::WrongTenant),
        (Sqe { key: theirs, ..sqe::nop() }, Status::Ok),
        (Sqe { key: theirs, ..sqe::fence() }, Status::Ok),
        (Sqe { key: theirs, ..sqe::step_advance(3) }, Status::Ok),
        (insert(0), Status::Ok),
    ];
    for (sqe, expected) in cases {
        queue.submit(sqe);
        let cqe = queue.take(1)[0];
        assert_eq!((status(cqe.status), cqe.flags & !1), (expected, 0), "{sqe:?}");
    }
    assert_eq!(device.read(&counter::CNT_DENIALS).unwrap(), 5);
    let entry = device.entries().map(Result::unwrap).find(|entry| entry.key == theirs).expect("it stays");
    assert_eq!((entry.frequency, entry.tier), (1, 1), "denied commands leave no trace");
}

#[test]
fn the_driver_drives_four_queues_at_once() {
    let device = device();
    let threads: Vec<_> = (0..4_u16)
        .map(|qid| {
            let mut queue = device.queue_pair(qid).unwrap();
            std::thread::spawn(move || {
                let tags = u64::from(qid) * 16..u64::from(qid) * 16 + 16;
                let sqes: Vec<Sqe> = tags.clone().map(insert).chain(tags.map(|tag| sqe::lookup(key(tag)))).collect();
                let mut out = Vec::new();
                queue.run(&sqes, &mut out).unwrap();
                let looked: Vec<_> = out[16..].iter().map(|cqe| Lookup::of(cqe).and_then(Lookup::placed)).collect();
                looked
                    .into_iter()
                    .map(|place| place.expect("it was inserted before").frame)
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut frames: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    frames.sort_unstable();
    assert_eq!(frames, (0..64).collect::<Vec<_>>(), "each block has its frame");
}
