//! What a chip asks for, in ns, and what that is in clocks.
//!
//! Sources. AS4C16M16SA: Alliance, revision 3.0 (March 2015), table 16, grade -7. W9825G6: Winbond W9825G6JH, revision A04, 9.5, grade -75, whose
//! successor is W9825G6KH. MT48LC16M16A2: Micron, 256Mb SDRAM, table 12, grade -75. IS42S16160: as LiteDRAM's `modules.py`
//! has it. An ULX3S may carry any of them, and at 70 MHz the slowest value of a rule costs a clock more than
//! the fastest, or none.

/// Nanoseconds of a second.
const NS: u64 = 1_000_000_000;

/// A chip's data sheet. Times are the least, in ns, unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Power and clock stable, until the first command, in us.
    pub power_up_us: u32,
    /// Refreshes that the power-up sequence has.
    pub power_up_refreshes: u32,
    /// tRC: ACTIVE to ACTIVE of a bank.
    pub row_cycle: u32,
    /// tRFC: REFRESH to the next command.
    pub refresh_cycle: u32,
    /// tRAS: ACTIVE to PRECHARGE.
    pub row_active: u32,
    /// tRCD: ACTIVE to READ or WRITE.
    pub row_to_column: u32,
    /// tRP: PRECHARGE to ACTIVE or REFRESH.
    pub precharge: u32,
    /// tRRD: ACTIVE to ACTIVE of another bank.
    pub row_to_row: u32,
    /// tWR: last data written to PRECHARGE.
    pub write_recovery: u32,
    /// tWR in clocks, if that is more.
    pub write_recovery_clocks: u32,
    /// tMRD: LOAD MODE to the next command, in clocks.
    pub mode_clocks: u32,
    /// All rows are refreshed in so many ms.
    pub refresh_ms: u32,
    /// Rows, and so refreshes in that time.
    pub rows: u32,
    /// CAS latency: 2 up to 100 MHz, 3 beyond.
    pub cas: u32,
}

impl Chip {
    /// Any chip that an ULX3S carries: of each rule the slowest.
    pub const ULX3S: Chip = Chip {
        power_up_us: 200,         // W9825G6, MT48LC16M16A2 asks for 100
        power_up_refreshes: 8,    // W9825G6
        row_cycle: 66,            // MT48LC16M16A2
        refresh_cycle: 70,        // IS42S16160
        row_active: 45,           // W9825G6
        row_to_column: 21,        // AS4C16M16SA
        precharge: 21,            // AS4C16M16SA
        row_to_row: 15,           // MT48LC16M16A2
        write_recovery: 20,       // IS42S16160
        write_recovery_clocks: 2, // W9825G6
        mode_clocks: 2,           // W9825G6, MT48LC16M16A2
        refresh_ms: 64,
        rows: 8192,
        cas: 2,
    };
    /// The same beyond 100 MHz.
    pub const ULX3S_FAST: Chip = Chip { cas: 3, ..Chip::ULX3S };
}

/// The same in clocks: from a command to the first clock in which the other may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Until the first command.
    pub power_up: u64,
    /// Refreshes of the power-up sequence.
    pub power_up_refreshes: u64,
    /// PRECHARGE to ACTIVE or REFRESH.
    pub precharge: u64,
    /// REFRESH to whatever is next.
    pub refresh: u64,
    /// LOAD MODE to whatever is next.
    pub mode: u64,
    /// ACTIVE to READ or WRITE.
    pub column: u64,
    /// ACTIVE to PRECHARGE.
    pub active: u64,
    /// WRITE of four columns to PRECHARGE.
    pub written: u64,
    /// READ of four columns to WRITE: the chip's last word, and two clocks in which nobody drives the bus.
    pub turn: u64,
    /// A refresh to the next, at the most.
    pub interval: u64,
    /// CAS latency.
    pub cas: u64,
}

impl Clocks {
    /// Rounded up, but for the interval.
    ///
    /// # Panics
    ///
    /// If the chip does not work at `clock_hz`: its CAS latency is not 2 or 3, or a count is greater than the controller's counters.
    pub fn of(chip: &Chip, clock_hz: u32) -> Clocks {
        let hz = u64::from(clock_hz);
        let up = |ns: u32| (u64::from(ns) * hz).div_ceil(NS);
        let (cas, precharge) = (u64::from(chip.cas), up(chip.precharge).max(2));
        let recovery = up(chip.write_recovery).max(chip.write_recovery_clocks.into());
        let clocks = Clocks {
            power_up: up(chip.power_up_us * 1000),
            power_up_refreshes: chip.power_up_refreshes.into(),
            precharge,
            refresh: up(chip.refresh_cycle).max(up(chip.row_cycle)).max(2),
            mode: u64::from(chip.mode_clocks).max(2),
            column: up(chip.row_to_column).max(2),
            // A bank is precharged in between, so both together are its cycle.
            active: up(chip.row_active).max(up(chip.row_cycle).saturating_sub(precharge)),
            written: 3 + recovery,
            turn: cas + 4 + 2,
            interval: u64::from(chip.refresh_ms) * (hz / 1000) / u64::from(chip.rows),
            cas,
        };
        assert!(matches!(cas, 2 | 3), "the CAS latency is 2 or 3, not {cas}");
        // Of another row there is a column at the least, of four clocks, between two ACTIVE.
        assert!(up(chip.row_to_row) <= clocks.column + 4, "tRRD is longer than a row's first access at {clock_hz} Hz");
        // A READ behind a WRITE holds PRECHARGE up for 4 clocks, beginning with the fifth.
        assert!(recovery <= 5, "tWR is more than 5 clocks at {clock_hz} Hz");
        let counts =
            [clocks.precharge, clocks.refresh, clocks.mode, clocks.column, clocks.active, clocks.written, clocks.turn];
        assert!(counts.iter().all(|count| *count <= 16), "{clocks:?}: more than 16 clocks at {clock_hz} Hz");
        assert!(clocks.power_up < 1 << 16 && clocks.interval > 64, "{clocks:?}: beyond the timer at {clock_hz} Hz");
        clocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_the_interval_down() {
        let clocks = Clocks::of(&Chip::ULX3S, 70_000_000);
        let expected = Clocks {
            power_up: 14_000,
            power_up_refreshes: 8,
            precharge: 2,
            refresh: 5,
            mode: 2,
            column: 2,
            active: 4,
            written: 5,
            turn: 8,
            interval: 546,
            cas: 2,
        };
        assert_eq!(clocks, expected);
        let fast = Clocks::of(&Chip::ULX3S_FAST, 133_000_000);
        assert_eq!((fast.precharge, fast.refresh, fast.active, fast.written, fast.interval), (3, 10, 6, 6, 1039));
    }

    #[test]
    #[should_panic(expected = "CAS latency is 2 or 3, not 1")]
    fn a_latency_that_no_chip_has_is_refused() {
        Clocks::of(&Chip { cas: 1, ..Chip::ULX3S }, 70_000_000);
    }
}
