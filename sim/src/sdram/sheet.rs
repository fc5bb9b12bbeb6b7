//! What a chip's data sheet asks for. Not what a controller was made from: that has its own, which is held against this one.

/// Times are the least, in ps, unless they say otherwise; counts are clocks where they say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Of the clock that the chip is given.
    pub period: u64,
    /// Power to the first command.
    pub power_up: u64,
    /// Refreshes before the first row is opened.
    pub refreshes: u32,
    /// tRC.
    pub row_cycle: u64,
    /// tRFC.
    pub refresh_cycle: u64,
    /// tRAS.
    pub row_active: u64,
    /// tRAS at the most.
    pub row_active_most: u64,
    /// tRCD.
    pub row_to_column: u64,
    /// tRP.
    pub precharge: u64,
    /// tRRD.
    pub row_to_row: u64,
    /// tWR.
    pub write_recovery: u64,
    /// tWR, clocks.
    pub write_recovery_clocks: u64,
    /// tMRD, clocks.
    pub mode: u64,
    /// Average time from a refresh to the next, at the most: 64 ms for 8,192.
    pub refresh_interval: u64,
    /// CAS latency, clocks.
    pub cas: u64,
    /// Clocks behind the chip's last data in which it may still drive the bus: tHZ, rounded up.
    pub release: u64,
}

impl Sheet {
    /// At 70 MHz. W9825G6JH-75 (Winbond, revision A04, 9.5), and where AS4C16M16SA-7 (Alliance, revision 3.0, table 16) or
    /// MT48LC16M16A2-75 (Micron) ask for more, that.
    pub const AT_70_MHZ: Sheet = Sheet {
        period: 14_285,
        power_up: 200_000_000,
        refreshes: 8,
        row_cycle: 66_000,
        refresh_cycle: 66_000,
        row_active: 45_000,
        row_active_most: 100_000_000,
        row_to_column: 21_000,
        precharge: 21_000,
        row_to_row: 15_000,
        write_recovery: 15_000,
        write_recovery_clocks: 2,
        mode: 2,
        refresh_interval: 64_000_000_000 / 8192,
        cas: 2,
        release: 1,
    };
    /// At 133 MHz, where the CAS latency has to be 3.
    pub const AT_133_MHZ: Sheet = Sheet { period: 7_519, cas: 3, ..Sheet::AT_70_MHZ };
}
