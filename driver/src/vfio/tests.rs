//! The backing over a file that stands for the device: its BARs and configuration space are mapped, read and written for real;
//! what only the kernel can do is noted.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::Weak;
use std::sync::atomic::Ordering;

use super::kernel::Region;
use super::*;

const CONFIG: u64 = 0x10_0000;
const BARS: [(u32, u64, u64); 3] = [(0, 0, 0x1_0000), (2, 0x2_0000, 0x4000), (4, 0x8_0000, 0x1000)];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Map(u64, usize),
    Unmap(u64),
    /// From which vector on, and which have an eventfd.
    Vectors(u16, Vec<bool>),
    Reset,
}

/// A kernel with one card.
struct Slot {
    file: File,
    bars: Vec<(u32, u64, u64)>,
    mappable: bool,
    vectors: usize,
    events: Mutex<Vec<Event>>,
    /// What the next request is refused with.
    refusal: Mutex<Option<Errno>>,
    /// Whether a reset is its end.
    frail: bool,
}

impl Slot {
    fn new() -> Slot {
        let file = tempfile::tempfile().unwrap();
        file.set_len(CONFIG + 0x1000).unwrap();
        Slot {
            file,
            bars: BARS.into(),
            mappable: true,
            vectors: 16,
            events: Mutex::default(),
            refusal: Mutex::default(),
            frail: false,
        }
    }

    fn note(&self, event: Event) -> Result<(), Errno> {
        lock(&self.events).push(event);
        lock(&self.refusal).take().map_or(Ok(()), Err)
    }

    fn put(&self, offset: u64, bytes: &[u8]) {
        rustix::io::pwrite(&self.file, bytes, offset).unwrap();
    }

    fn command(&self) -> u16 {
        let mut bytes = [0; 2];
        rustix::io::pread(&self.file, &mut bytes, CONFIG + 4).unwrap();
        u16::from_le_bytes(bytes)
    }

    /// Pulls the card: all ones.
    fn pull(&self) {
        for (_, offset, bytes) in BARS {
            self.put(offset, &vec![0xFF; bytes as usize]);
        }
        self.put(CONFIG, &[0xFF; 64]);
    }

    fn refuse(&self, errno: Errno) {
        *lock(&self.refusal) = Some(errno);
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut lock(&self.events))
    }

    fn open(self) -> (Arc<Slot>, Result<Vfio, OpenError>) {
        let slot = Arc::new(self);
        let space = IovaSpace::new(&[]);
        (slot.clone(), Vfio::new("05:00.0".parse().unwrap(), Box::new(slot), space))
    }
}

impl Kernel for Arc<Slot> {
    fn device(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn region(&self, index: u32) -> Region {
        let bar = self.bars.iter().find(|(bar, ..)| *bar == index);
        match bar {
            _ if index == VFIO_PCI_CONFIG_REGION_INDEX => Region { offset: CONFIG, bytes: 0x1000, mappable: false },
            Some((_, offset, bytes)) => Region { offset: *offset, bytes: *bytes, mappable: self.mappable },
            None => Region { offset: 0, bytes: 0, mappable: false },
        }
    }

    fn vectors(&self) -> usize {
        self.vectors
    }

    fn map(&self, iova: u64, pages: &Pages) -> Result<(), Errno> {
        self.note(Event::Map(iova, pages.bytes()))
    }

    fn unmap(&self, iova: u64, _: &Pages) -> Result<(), Errno> {
        self.note(Event::Unmap(iova))
    }

    fn set_vectors(&self, start: u16, fds: &[Option<BorrowedFd<'_>>]) -> Result<(), Errno> {
        self.note(Event::Vectors(start, fds.iter().map(Option::is_some).collect()))
    }

    fn reset(&self) -> Result<(), Errno> {
        // As a reset of the function does.
        self.put(CONFIG + 4, &[0, 0]);
        if self.frail {
            self.pull();
        }
        self.note(Event::Reset)
    }
}

fn card() -> (Arc<Slot>, Vfio) {
    let (slot, opened) = Slot::new().open();
    (slot, opened.unwrap())
}

#[test]
fn accesses_reach_their_bar_in_one_piece() {
    let (slot, vfio) = card();
    vfio.write32(Bar::Regs, 0x10, 0x1234_5678).unwrap();
    vfio.write64(Bar::Rtbd, 0x20, 0x1122_3344_5566_7788).unwrap();
    slot.put(0x8_0000 + 0x800, &[0xA5, 0, 0, 0]);
    assert_eq!(vfio.read32(Bar::Regs, 0x10), Ok(0x1234_5678));
    assert_eq!(vfio.read32(Bar::Rtbd, 0x24), Ok(0x1122_3344));
    assert_eq!(vfio.read64(Bar::Rtbd, 0x20), Ok(0x1122_3344_5566_7788));
    assert_eq!(vfio.read32(Bar::Msix, 0x800), Ok(0xA5));
    assert_eq!(vfio.name(), "vfio:0000:05:00.0");
    assert_eq!(vfio.advance(1000), Ok(()));
}

#[test]
fn accesses_that_fit_no_word_are_refused() {
    let (_, vfio) = card();
    for (bar, offset) in [(Bar::Regs, 2), (Bar::Regs, 0x1_0000), (Bar::Rtbd, 0x4000), (Bar::Msix, 0x1000)] {
        assert!(matches!(vfio.read32(bar, offset), Err(BackingError::BadAccess { .. })), "{bar:?} {offset:#x}");
    }
    assert!(matches!(vfio.write64(Bar::Regs, 4, 0), Err(BackingError::BadAccess { .. })));
    assert!(matches!(vfio.write32(Bar::Msix, 0xC, 0), Err(BackingError::Unsupported(_))), "the kernel's table");
}

#[test]
fn bars_that_do_not_fit_are_refused() {
    let open = |change: fn(&mut Slot)| {
        let mut slot = Slot::new();
        change(&mut slot);
        slot.open().1.unwrap_err().to_string()
    };
    let small = open(|slot| slot.bars[0].2 = 0x1000);
    assert!(small.contains("BAR0 of 0000:05:00.0 has 4096 bytes and 65536 are needed"), "{small}");
    let missing = open(|slot| slot.bars.retain(|(bar, ..)| *bar != 2));
    assert!(missing.contains("BAR2") && missing.contains("has 0 bytes"), "{missing}");
    let kept = open(|slot| slot.mappable = false);
    assert!(kept.contains("BAR0") && kept.contains("cannot be mapped"), "{kept}");
    let dead = open(|slot| slot.pull());
    assert!(dead.contains("reads all ones") && dead.contains("lspci -vv"), "{dead}");
}

#[test]
fn bus_mastering_and_reset_leave_memory_on() {
    let (slot, vfio) = card();
    assert_eq!(slot.command(), 2);
    vfio.bus_master(true).unwrap();
    assert_eq!(slot.command(), 6);
    vfio.reset().unwrap();
    assert_eq!((slot.command(), slot.events()), (6, vec![Event::Reset]));
    vfio.bus_master(false).unwrap();
    assert_eq!(slot.command(), 2);
}

#[test]
fn a_card_that_was_not_reset_is_still_there() {
    let (slot, vfio) = card();
    let refused = |errno| {
        slot.refuse(errno);
        vfio.reset().unwrap_err()
    };
    let never = refused(Errno::NOTTY);
    assert!(matches!(&never, BackingError::Unsupported(why) if why.contains("IOMMU group")), "{never}");
    // A selftest that takes this for a missing reset would pass.
    let busy = refused(Errno::AGAIN);
    assert!(!matches!(busy, BackingError::Unsupported(_)), "{busy}");
    assert!(busy.to_string().contains("bus was busy") && busy.to_string().contains("try again"), "{busy}");
    let failed = refused(Errno::IO);
    assert!(!matches!(failed, BackingError::Unsupported(_)) && failed.to_string().contains("dmesg"), "{failed}");
    assert_eq!(slot.command(), 2, "its memory still answers");
    assert_eq!(vfio.read32(Bar::Regs, 0), Ok(0));
    vfio.reset().unwrap();
}

#[test]
fn all_ones_are_a_value_while_the_card_is_there() {
    let (slot, vfio) = card();
    vfio.write32(Bar::Regs, 0x10, u32::MAX).unwrap();
    assert_eq!(vfio.read32(Bar::Regs, 0x10), Ok(u32::MAX));
    slot.pull();
    let gone = vfio.read64(Bar::Regs, 0);
    assert!(matches!(&gone, Err(BackingError::Gone(why)) if why.contains("all ones")), "{gone:?}");
    // It stays gone, whatever is plugged in its place.
    slot.put(CONFIG, &[0; 64]);
    slot.put(0, &[0; 64]);
    assert_eq!(vfio.read64(Bar::Regs, 0), gone);
    assert_eq!(vfio.write32(Bar::Regs, 0, 1), gone.clone().map(drop));
    assert_eq!(vfio.reset(), gone.clone().map(drop));
    assert_eq!(vfio.bus_master(true), gone.clone().map(drop));
    assert!(vfio.dma_alloc(1).is_err() && vfio.irq_fd(0).is_err());
    assert_eq!(slot.events(), []);
}

#[test]
fn a_reset_that_kills_the_card_says_so() {
    for errno in [None, Some(Errno::IO), Some(Errno::AGAIN), Some(Errno::NOTTY)] {
        let mut slot = Slot::new();
        slot.frail = true;
        let (slot, opened) = slot.open();
        let vfio = opened.unwrap();
        *lock(&slot.refusal) = errno;
        let gone = vfio.reset();
        assert!(matches!(&gone, Err(BackingError::Gone(why)) if why.contains("all ones")), "{errno:?}: {gone:?}");
        assert_eq!(vfio.read32(Bar::Regs, 0), gone.map(|()| 0), "{errno:?}: it stays gone");
    }
}

#[test]
fn memory_is_mapped_apart_and_outlives_its_mapping() {
    let (slot, vfio) = card();
    let first = vfio.dma_alloc(5000).unwrap();
    let second = vfio.dma_alloc(1).unwrap();
    assert_eq!(first.words().len(), 1024);
    assert!(second.iova() > first.iova() + 8192, "a guard between them");
    first.words()[0].store(7, Ordering::Relaxed);
    vfio.dma_free(first.iova()).unwrap();
    assert_eq!(first.words()[0].load(Ordering::Relaxed), 7);
    assert!(matches!(vfio.dma_free(first.iova()), Err(BackingError::Dma(why)) if why.contains("once")));
    let events = [Event::Map(first.iova(), 8192), Event::Map(second.iova(), 4096), Event::Unmap(first.iova())];
    assert_eq!(slot.events(), events);
    drop(vfio);
    assert_eq!((first.words()[0].load(Ordering::Relaxed), second.words()[0].load(Ordering::Relaxed)), (7, 0));
}

#[test]
fn mapped_memory_stays_although_its_handle_is_dropped() {
    let (_, vfio) = card();
    let memory = vfio.dma_alloc(4096).unwrap();
    let iova = memory.iova();
    let still: Weak<Memory> = Arc::downgrade(&lock(&vfio.mappings).memories[&iova]);
    drop(memory);
    assert!(still.upgrade().is_some());
    vfio.dma_free(iova).unwrap();
    assert!(still.upgrade().is_none());
}

#[test]
fn large_memory_lies_at_huge_pages() {
    let (_, vfio) = card();
    vfio.dma_alloc(4096).unwrap();
    let large = vfio.dma_alloc(5 << 20).unwrap();
    assert_eq!(large.iova() % (2 << 20), 0);
    assert_eq!(large.words().len() * 8, 5 << 20);
}

#[test]
fn refused_mappings_name_their_limit() {
    let (slot, vfio) = card();
    slot.refuse(Errno::NOMEM);
    let error = vfio.dma_alloc(1 << 20).unwrap_err().to_string();
    assert!(error.contains("ulimit -l") && error.contains("1048576 bytes"), "{error}");
    slot.refuse(Errno::NOSPC);
    let error = vfio.dma_alloc(4096).unwrap_err().to_string();
    assert!(error.contains("dma_entry_limit"), "{error}");
    assert!(lock(&vfio.mappings).memories.is_empty());
}

#[test]
fn a_vector_more_leaves_those_wired_before() {
    let (slot, vfio) = card();
    let third = vfio.irq_fd(3).unwrap();
    let mut only = vec![false; 16];
    only[3] = true;
    assert_eq!(slot.events(), [Event::Vectors(0, only)], "all are allocated, one is wired");
    let fifth = vfio.irq_fd(15).unwrap();
    assert_eq!(slot.events(), [Event::Vectors(15, vec![true])]);
    assert_eq!((vfio.irq_fd(3), vfio.irq_fd(15)), (Ok(third), Ok(fifth)));
    assert_eq!(slot.events(), [], "asked again, the same");
    assert!(matches!(vfio.irq_fd(16), Err(BackingError::Irq(why)) if why.contains("has 16")));
}

#[test]
fn a_vector_that_was_refused_can_be_asked_for_again() {
    let mut slot = Slot::new();
    slot.vectors = 2;
    let (slot, opened) = slot.open();
    let vfio = opened.unwrap();
    slot.refuse(Errno::NOSPC);
    assert!(matches!(vfio.irq_fd(1), Err(BackingError::Irq(why)) if why.contains("/proc/interrupts")));
    assert!(vfio.irq_fd(2).is_err());
    slot.events();
    vfio.irq_fd(1).unwrap();
    assert_eq!(slot.events(), [Event::Vectors(0, vec![false, true])]);
}
