//! The firmware as the management core runs it: start-up, the core's registers as a `Platform`, and the header of the image.
//!
//! `docs/firmware.md` has the address space and the image; what the firmware does is in `kvcpu-firmware`. Whatever goes wrong here ends
//! in a core that does nothing, so that the watchdog bites.
#![no_std]
#![no_main]

mod header;
mod platform;
mod registers;
mod start;

use core::panic::PanicInfo;

/// Nobody is there to be told.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop()
}

/// Does nothing any more: the watchdog bites.
fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
