//! Interrupts: a message for each rising bit, pending where it cannot leave.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::time::Duration;

use kvcpu_driver::{Commands, Device, Source, sqe};
use kvcpu_mmio::regs::{irq, msix};
use kvcpu_mmio::{Backing, Bar};
use kvcpu_tests::raw::RawQueue;
use kvcpu_tests::setup::{device, emulator, tiers};

type Emulated = Device<kvcpu_emulator::Emulator>;

fn quick(device: &Emulated, source: Source) -> bool {
    device.wait_interrupt(source, Duration::from_millis(5)).unwrap()
}

fn pending(device: &Emulated) -> u32 {
    device.backing().read32(Bar::Msix, msix::PBA_OFFSET).unwrap()
}

const SOURCES: [Source; 9] = [
    Source::Queue(0),
    Source::Queue(1),
    Source::Queue(2),
    Source::Queue(3),
    Source::Service,
    Source::Error,
    Source::Command,
    Source::Invalidate,
    Source::Management,
];

#[test]
fn each_source_signals_its_vector_once_until_cleared() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    for source in SOURCES {
        device.enable_interrupts(&[source]).unwrap();
        device.force_interrupt(source).unwrap();
        assert!(quick(&device, source), "{source:?}");
        device.force_interrupt(source).unwrap();
        assert!(quick(&device, source), "{source:?}, cleared in between");
        device.disable_interrupts(&[source]).unwrap();
    }
    device.enable_interrupts(&[Source::Command]).unwrap();
    let mut commands = device.single_shot();
    commands.nop().unwrap();
    commands.nop().unwrap();
    let fd = device.backing().irq_fd(Source::Command.vector()).unwrap();
    assert!(fd >= 0);
    assert!(quick(&device, Source::Command));
    assert!(!quick(&device, Source::Command), "the bit did not fall between the two");
}

#[test]
fn what_bus_mastering_holds_back_is_pending_and_comes_later() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    device.enable_interrupts(&[Source::Command]).unwrap();
    device.backing().bus_master(false).unwrap();
    device.single_shot().nop().unwrap();
    assert!(!quick(&device, Source::Command));
    assert_eq!(pending(&device), Source::Command.bit() as u32);
    device.backing().bus_master(true).unwrap();
    assert!(quick(&device, Source::Command));
    assert_eq!(pending(&device), 0);
}

#[test]
fn pending_messages_outlive_the_devices_reset_and_not_the_functions() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    for (function_level, left) in [(false, Source::Error.bit() as u32), (true, 0)] {
        device.enable_interrupts(&[Source::Error]).unwrap();
        device.write_at(&msix::MSIX_CONTROL, Source::Error.vector().into(), 0, 1).unwrap();
        device.force_interrupt(Source::Error).unwrap();
        if function_level {
            device.reset().unwrap();
        } else {
            device
                .write(&kvcpu_mmio::regs::control::CTRL, kvcpu_mmio::regs::control::CTRL::RESET.mask())
                .unwrap();
        }
        assert_eq!(pending(&device), left, "function level: {function_level}");
    }
}

#[test]
fn what_the_table_masks_is_pending_and_comes_on_unmasking() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    device.enable_interrupts(&[Source::Queue(2)]).unwrap();
    let mask = |masked| device.write_at(&msix::MSIX_CONTROL, 2, 0, masked).unwrap();
    mask(1);
    let mut queue = RawQueue::new(&device, 2, 2, 2, 0);
    queue.submit(sqe::nop());
    assert_eq!(queue.take(1).len(), 1);
    assert!(!quick(&device, Source::Queue(2)));
    assert_eq!(pending(&device), 1 << 2);
    mask(0);
    assert!(quick(&device, Source::Queue(2)));
    assert_eq!(pending(&device), 0);
}

#[test]
fn enabling_a_source_whose_status_is_set_signals() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    device.enable_interrupts(&[Source::Error]).unwrap();
    device.disable_interrupts(&[Source::Error]).unwrap();
    device.write(&kvcpu_mmio::regs::control::MAGIC, 0).unwrap();
    assert_eq!(irq::INT_STATUS::ERROR.get(device.read(&irq::INT_STATUS).unwrap()), 1);
    assert!(!quick(&device, Source::Error));
    device.enable_interrupts(&[Source::Error]).unwrap();
    assert!(quick(&device, Source::Error));
}
