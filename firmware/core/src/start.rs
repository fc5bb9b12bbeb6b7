//! From reset to the firmware: stack, memory of the statics, then `kvcpu_firmware::run`.
//!
//! A core after reset has anything in its registers and RAM. No control and status register is touched: the core need not have them. Nor
//! is there a trap handler: what would trap stops the core (an access outside the address space, an illegal instruction).
// The first instructions are run without a stack.
#![allow(unsafe_code)]

use crate::platform::Core;
use core::arch::global_asm;

global_asm!(
    ".section .start, \"ax\"",
    ".globl _start",
    "_start:",
    "la sp, _stack_top",
    // What statics begin as, from flash.
    "la a0, _data_begin",
    "la a1, _data_end",
    "la a2, _data_load",
    "1:",
    "bgeu a0, a1, 2f",
    "lw a3, 0(a2)",
    "sw a3, 0(a0)",
    "addi a0, a0, 4",
    "addi a2, a2, 4",
    "j 1b",
    // Those that begin as 0.
    "2:",
    "la a0, _bss_begin",
    "la a1, _bss_end",
    "3:",
    "bgeu a0, a1, 4f",
    "sw zero, 0(a0)",
    "addi a0, a0, 4",
    "j 3b",
    "4:",
    "call main",
    "5:",
    "j 5b",
);

// SAFETY: no other symbol of the binary is called that; the lines above call it once, with the stack and the statics as Rust wants them.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    kvcpu_firmware::run(Core::new())
}
