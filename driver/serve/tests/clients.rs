//! The driver at the server: everything it does with a device in this process works across the socket.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::Running;
use kvcpu_driver::vfio_user::{ConnectError, VfioUser};
use kvcpu_driver::{Commands, Config, Device, Insert, TierConfig, WaitMode, sqe};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::{control, dma, irq};
use kvcpu_mmio::{Backing, BackingError, Bar, Geometry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn config() -> Config {
    let tiers = [TierConfig::OFF, TierConfig::blocks(4), TierConfig::blocks(32), TierConfig::OFF];
    Config { tiers, ..Config::default() }
}

fn device(server: &Running) -> Device<VfioUser> {
    let device = Device::probe(Arc::new(VfioUser::connect(&server.socket()).unwrap())).unwrap();
    device.configure(config()).unwrap();
    device
}

#[test]
fn blocks_keep_their_bytes_through_the_tiers_behind_the_socket() {
    let server = Running::new(Geometry::TEST, 1);
    {
        let device = device(&server);
        let mut queue = device.queue_pair(0).unwrap();
        let buffer = device.dma_alloc(4096).unwrap();
        let content = |tag: u64| (0..4096).map(|at| (at as u64 * 7 + tag * 31) as u8).collect::<Vec<_>>();
        for tag in 0..24 {
            queue.insert(&Insert::new(Key::shared(0, tag), 1)).unwrap();
            buffer.write(0, &content(tag)).unwrap();
            queue.copy_in(Key::shared(0, tag), &buffer, 0).unwrap();
        }
        queue.step_advance(1).unwrap();
        for tag in 0..24 {
            queue.copy_out(Key::shared(0, tag), &buffer, 0).unwrap();
            let mut found = vec![0; 4096];
            buffer.read(0, &mut found).unwrap();
            assert_eq!(found, content(tag), "block {tag}");
        }
        let below = device.entries().map(Result::unwrap).filter(|entry| entry.tier == 2).count();
        assert!(below >= 20, "{below} blocks went down through the client's memory");
    }
    server.ends();
}

#[test]
fn an_interrupt_of_the_device_arrives_at_the_clients_eventfd() {
    let server = Running::new(Geometry::TEST, 1);
    {
        let device = VfioUser::connect(&server.socket()).unwrap();
        device.bus_master(true).unwrap();
        let fd = device.irq_fd(3).unwrap();
        // SAFETY: the backing keeps it open while it lives.
        #[allow(unsafe_code, reason = "a backing names its eventfds by number")]
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let arrives = |milliseconds: i64| {
            let timeout = Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
        };
        device.write32(Bar::Regs, irq::INT_ENABLE.offset, 1 << 3).unwrap();
        assert!(!arrives(50));
        device.write32(Bar::Regs, irq::INT_FORCE.offset, 1 << 3).unwrap();
        assert!(arrives(10_000));
        // And a driver that sleeps on its queue's is woken.
        let device = Device::probe(Arc::new(device)).unwrap();
        device.configure(Config { wait: WaitMode::Interrupt, ..config() }).unwrap();
        device.queue_pair(0).unwrap().nop().unwrap();
    }
    server.ends();
}

#[test]
fn memory_that_was_freed_faults_and_the_device_says_where() {
    let server = Running::new(Geometry::TEST, 1);
    {
        let device = device(&server);
        let mut queue = device.queue_pair(0).unwrap();
        let key = Key::shared(0, 1);
        queue.insert(&Insert::new(key, 1)).unwrap();
        let kept = device.backing().dma_alloc(4096).unwrap();
        device.backing().dma_free(kept.iova()).unwrap();
        let refused = queue.execute(sqe::copy_in(key, kept.iova(), 4096)).unwrap();
        assert_ne!(refused.status, Status::Ok.code());
        assert_eq!(device.read(&dma::DMA_ERR_IOVA).unwrap(), kept.iova());
        kept.words()[0].store(3, Ordering::Relaxed);
        assert!(matches!(device.backing().dma_free(kept.iova()), Err(BackingError::Dma(_))), "twice");
    }
    server.ends();
}

#[test]
fn one_client_has_the_device_and_the_next_finds_it_reset() {
    let server = Running::new(Geometry::SMALL, 2);
    let first = VfioUser::connect(&server.socket()).unwrap();
    first.write32(Bar::Regs, control::SCRATCH.offset, 7).unwrap();
    let second = VfioUser::connect(&server.socket()).unwrap_err();
    assert!(matches!(second, ConnectError::Busy(_)), "{second}");
    assert_eq!(first.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), 7, "the first goes on");
    drop(first);
    let next = VfioUser::connect(&server.socket()).unwrap();
    assert_eq!(next.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), control::SCRATCH.reset as u32);
    drop(next);
    server.ends();
}

#[test]
fn a_reset_clears_registers_and_what_is_not_there_is_refused() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let device = VfioUser::connect(&server.socket()).unwrap();
        device.bus_master(true).unwrap();
        device.write32(Bar::Regs, control::SCRATCH.offset, 9).unwrap();
        device.reset().unwrap();
        assert_eq!(device.read32(Bar::Regs, control::MAGIC.offset).unwrap(), control::MAGIC_VALUE);
        assert_eq!(device.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), control::SCRATCH.reset as u32);
        let outside = device.read32(Bar::Regs, 0x1_0000).unwrap_err();
        assert!(matches!(outside, BackingError::BadAccess { .. }), "{outside}");
        assert!(outside.to_string().contains("EINVAL"), "{outside}");
        assert!(matches!(device.irq_fd(16), Err(BackingError::Irq(_))));
    }
    server.ends();
}

#[test]
fn a_socket_without_a_server_says_how_to_start_one() {
    let server = Running::new(Geometry::TEST, 1);
    let socket = server.socket();
    let nobody = VfioUser::connect(&socket.with_extension("other")).unwrap_err();
    assert!(nobody.to_string().contains("kvctl serve"), "{nobody}");
    drop(device(&server));
    server.ends();
    let left = VfioUser::connect(&socket).unwrap_err();
    assert!(matches!(left, ConnectError::NoServer { .. }), "{left}");
}
