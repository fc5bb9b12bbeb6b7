//! Requests to the kernel that `vfio-ioctls` does not make, or whose outcome it swallows: interrupts vector by vector, resets.
//!
//! Source: include/uapi/linux/vfio.h. Both structures here are 32-bit words followed by descriptors.
#![allow(unsafe_code, reason = "requests to the kernel")]

use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode, ioctl, opcode};
use vfio_bindings::bindings::vfio::{
    VFIO_BASE, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_TYPE,
    vfio_irq_set, vfio_pci_hot_reset,
};

const fn request(number: u32) -> Opcode {
    opcode::none(VFIO_TYPE, (VFIO_BASE + number) as u8)
}

const DEVICE_SET_IRQS: Opcode = request(10);
const DEVICE_RESET: Opcode = request(11);
const DEVICE_PCI_HOT_RESET: Opcode = request(13);

/// argsz, flags, index, start, count.
const IRQ_SET_WORDS: usize = 5;
/// argsz, flags, count.
const HOT_RESET_WORDS: usize = 3;
const _: () = assert!(size_of::<vfio_irq_set>() == 4 * IRQ_SET_WORDS);
const _: () = assert!(size_of::<vfio_pci_hot_reset>() == 4 * HOT_RESET_WORDS);

/// A request with a structure of words, whose first is its length in bytes.
struct WithWords<'a, const OPCODE: Opcode>(&'a mut [u32]);

// SAFETY: the kernel reads so many bytes as the structure's first word says, which `send` sets, and writes none. It answers 0, a
// negative error, which rustix takes out, or a count.
unsafe impl<const OPCODE: Opcode> Ioctl for WithWords<'_, OPCODE> {
    type Output = IoctlOutput;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> Result<IoctlOutput, Errno> {
        Ok(out)
    }
}

fn send<const OPCODE: Opcode>(device: BorrowedFd<'_>, mut words: Vec<u32>) -> Result<IoctlOutput, Errno> {
    words[0] = 4 * words.len() as u32;
    // SAFETY: the opcodes used are those of structures of words, as laid out by the callers.
    unsafe { ioctl(device, WithWords::<OPCODE>(&mut words)) }
}

/// Sets the eventfds of the MSI-X vectors from `start` on. The first request also says how many vectors there will be at all.
pub(super) fn set_vectors(device: BorrowedFd<'_>, start: u16, fds: &[Option<BorrowedFd<'_>>]) -> Result<(), Errno> {
    let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    let mut words = vec![0, flags, VFIO_PCI_MSIX_IRQ_INDEX, start.into(), fds.len() as u32];
    // -1 is a vector without one: it stays masked.
    words.extend(fds.iter().map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd()) as u32));
    match send::<DEVICE_SET_IRQS>(device, words)? {
        0 => Ok(()),
        // So many vectors the host would have had, and has set up none.
        _ => Err(Errno::NOSPC),
    }
}

/// Resets the function.
pub(super) fn reset(device: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: a request without an argument.
    unsafe { ioctl(device, NoArg::<DEVICE_RESET>::new()) }
}

/// Resets the bus or slot of the function. The descriptor of its group is proof that all on it are ours; with iommufd the device's
/// own is.
pub(super) fn hot_reset(device: BorrowedFd<'_>, group: Option<RawFd>) -> Result<(), Errno> {
    let mut words = vec![0, 0, u32::from(group.is_some())];
    words.extend(group.map(|number| number as u32));
    send::<DEVICE_PCI_HOT_RESET>(device, words).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn requests_have_the_numbers_of_the_kernel() {
        // VFIO_DEVICE_RESET is _IO(';', 111).
        assert_eq!(DEVICE_RESET, 0x3B6F);
        assert_eq!((DEVICE_SET_IRQS, DEVICE_PCI_HOT_RESET), (0x3B6E, 0x3B71));
    }

    #[test]
    fn what_is_no_device_refuses_them() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        assert_eq!(set_vectors(fd, 0, &[None, Some(fd)]), Err(Errno::NOTTY));
        assert_eq!((reset(fd), hot_reset(fd, Some(fd.as_raw_fd()))), (Err(Errno::NOTTY), Err(Errno::NOTTY)));
    }
}
