//! Against the crate `vfio_user`, written by others from the same specification: its client at this server, and the driver at its server.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use common::Running;
use kvcpu_driver::vfio_user::{ConnectError, VfioUser};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES};
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use kvcpu_mmio::regs::{control, irq};
use kvcpu_mmio::{Backing, Bar, Geometry};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use vfio_bindings::bindings::vfio::vfio_region_info;
use vfio_user::{Client, DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

#[test]
fn the_crates_client_finds_a_pci_device_with_registers_interrupts_and_memory() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let mut client = Client::new(&server.socket()).unwrap();
        let sizes: Vec<u64> = (0..9).map(|index| client.region(index).unwrap().size).collect();
        assert_eq!(sizes, [BAR0_BYTES.into(), 0, BAR2_BYTES.into(), 0, BAR4_BYTES.into(), 0, 0, 4096, 0]);
        let msix = client.get_irq_info(2).unwrap();
        assert_eq!((msix.count, client.get_irq_info(0).unwrap().count), (16, 0));
        assert_eq!(msix.flags, 1, "by eventfd, and vector by vector: not NORESIZE");

        let mut word = [0; 4];
        client.region_read(0, control::MAGIC.offset.into(), &mut word).unwrap();
        assert_eq!(word, [0xFF; 4], "memory is not enabled yet");
        client.region_write(7, 4, &[6, 0]).unwrap();
        client.region_read(0, control::MAGIC.offset.into(), &mut word).unwrap();
        assert_eq!(u32::from_le_bytes(word), control::MAGIC_VALUE);
        let mut entries = vec![1; 2048];
        client.region_read(2, 0, &mut entries).unwrap();
        assert!(entries.iter().all(|byte| *byte == 0), "64 entries, empty, in one message");

        let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        client.set_irqs(2, 0x24, 0, 1, &[event.as_raw_fd()]).unwrap();
        client.region_write(0, irq::INT_ENABLE.offset.into(), &1u32.to_le_bytes()).unwrap();
        client.region_write(0, irq::INT_FORCE.offset.into(), &1u32.to_le_bytes()).unwrap();
        let mut count = [0; 8];
        let arrived = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            rustix::io::read(&event, &mut count).is_ok()
        });
        assert!(arrived);

        let memory: OwnedFd = memfd_create("dma", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, 1 << 20).unwrap();
        // Many small maps of one file, as QEMU makes them.
        for page in 0..64 {
            client.dma_map(page << 13, page << 13, 4096, memory.as_raw_fd()).unwrap();
        }
        for page in 0..64 {
            client.dma_unmap(page << 13, 4096).unwrap();
        }
        client.reset().unwrap();
        client.shutdown().unwrap();
    }
    server.ends();
}

/// The emulator behind the crate's server.
struct Shown {
    device: Emulator,
    config: [u8; 256],
}

impl ServerBackend for Shown {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> std::io::Result<()> {
        match region {
            0 => data.copy_from_slice(&self.device.read32(Bar::Regs, offset as u32).unwrap().to_le_bytes()),
            _ => data.copy_from_slice(&self.config[offset as usize..][..data.len()]),
        }
        Ok(())
    }
    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> std::io::Result<()> {
        match region {
            0 => self
                .device
                .write32(Bar::Regs, offset as u32, u32::from_le_bytes(data.try_into().unwrap()))
                .unwrap(),
            _ => self.config[offset as usize..][..data.len()].copy_from_slice(data),
        }
        Ok(())
    }
    fn dma_map(&mut self, _: DmaMapFlags, offset: u64, _: u64, _: u64, fd: Option<File>) -> std::io::Result<()> {
        assert_eq!((offset, fd.is_some()), (0, true));
        Ok(())
    }
    fn dma_unmap(&mut self, _: DmaUnmapFlags, _: u64, size: u64) -> std::io::Result<()> {
        assert_eq!(size, 8192);
        Ok(())
    }
    fn reset(&mut self) -> std::io::Result<()> {
        self.device.reset().unwrap();
        Ok(())
    }
    fn set_irqs(&mut self, index: u32, flags: u32, start: u32, count: u32, fds: Vec<File>) -> std::io::Result<()> {
        assert_eq!((index, flags, start, count, fds.len()), (2, 0x24, 5, 1, 1));
        Ok(())
    }
}

/// The driver connects to the crate's server, which shows these ids and this BAR0.
fn at_the_crates_server(ids: [u8; 4], bar0: u64, then: impl FnOnce(Result<VfioUser, ConnectError>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    let region = |index: u32| {
        let size = [bar0, 0, BAR2_BYTES.into(), 0, BAR4_BYTES.into(), 0, 0, 256, 0][index as usize];
        let region_info = vfio_region_info { argsz: 32, flags: 3, index, size, ..Default::default() };
        ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None }
    };
    let irqs = (0..5).map(|index| IrqInfo { index, flags: 1, count: 16 }).collect();
    let server = Server::new(&path, true, irqs, (0..9).map(region).collect()).unwrap();
    let thread = std::thread::spawn(move || {
        let mut config = [0; 256];
        config[..4].copy_from_slice(&ids);
        server.run(&mut Shown { device: Emulator::new(Geometry::SMALL).unwrap(), config })
    });
    then(VfioUser::connect(&path));
    thread.join().unwrap().unwrap();
}

#[test]
fn the_driver_drives_a_device_at_the_crates_server() {
    at_the_crates_server([0xE5, 0x1D, 0x10, 0x0A], BAR0_BYTES.into(), |device| {
        let device = Arc::new(device.unwrap());
        assert_eq!(device.read32(Bar::Regs, control::MAGIC.offset).unwrap(), control::MAGIC_VALUE);
        device.write32(Bar::Regs, control::SCRATCH.offset, 5).unwrap();
        let memory = device.dma_alloc(8192).unwrap();
        device.dma_free(memory.iova()).unwrap();
        device.irq_fd(5).unwrap();
        device.reset().unwrap();
        assert_eq!(device.read32(Bar::Regs, control::SCRATCH.offset).unwrap(), control::SCRATCH.reset as u32);
    });
}

#[test]
fn another_device_and_a_small_bar_are_named() {
    at_the_crates_server([1, 2, 3, 4], BAR0_BYTES.into(), |device| {
        let text = device.unwrap_err().to_string();
        assert!(text.contains("0201:0403") && text.contains("1de5:0a10"), "{text}");
    });
    at_the_crates_server([0xE5, 0x1D, 0x10, 0x0A], 4096, |device| {
        let text = device.unwrap_err().to_string();
        assert!(text.contains("BAR0") && text.contains("4096"), "{text}");
    });
}
