//! TLB shootdowns: interrupts by which processors have each other forget translations, as the kernel counts them.

use std::io::Read;

/// The row of /proc/interrupts, by its label; x86 and RISC-V count them so, other machines flush without interrupts.
const ROW: &str = "TLB:";

/// Shootdowns that all processors took since boot; `None` where the kernel does not count them. What a virtual machine's processors miss
/// while they do not run is not in it.
pub fn shootdowns() -> Option<u64> {
    let mut text = String::new();
    std::fs::File::open("/proc/interrupts").ok()?.read_to_string(&mut text).ok()?;
    count(&text)
}

fn count(text: &str) -> Option<u64> {
    let row = text.lines().find_map(|line| line.trim_start().strip_prefix(ROW))?;
    let numbers = row.split_whitespace().map_while(|field| field.parse::<u64>().ok());
    numbers.reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_row_is_summed_over_the_processors() {
        let text = "            CPU0       CPU1\n  0:         36          0   IO-APIC   2-edge      timer\nTLB:       1200         34   TLB shootdowns\n";
        assert_eq!(count(text), Some(1234));
        assert_eq!(count("CPU0\nRES: 3 Rescheduling interrupts\n"), None);
        assert_eq!(count("TLB: many\n"), None);
    }
}
