//! The chip: what it does at an edge of its clock, if no rule forbids what it is told.

use super::sheet::Sheet;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// Columns of a row.
const COLUMNS: usize = 512;
/// Columns of a burst.
const BURST: u64 = 4;

/// The chip's inputs in a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Clock enable.
    pub cke: bool,
    /// CS, RAS, CAS, WE as they are, active low, CS the highest.
    pub command: u64,
    /// Bank.
    pub bank: u64,
    /// A12 to A0.
    pub address: u64,
    /// Masks.
    pub mask: u64,
    /// Data, if it is driven.
    pub data: Option<u16>,
}

/// Commands, as CS, RAS, CAS, WE.
pub mod command {
    /// LOAD MODE.
    pub const MODE: u64 = 0;
    /// AUTO REFRESH.
    pub const REFRESH: u64 = 1;
    /// PRECHARGE.
    pub const PRECHARGE: u64 = 2;
    /// ACTIVE.
    pub const ACTIVE: u64 = 3;
    /// WRITE.
    pub const WRITE: u64 = 4;
    /// READ.
    pub const READ: u64 = 5;
    /// NOP; so is whatever has CS high.
    pub const NOP: u64 = 7;
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name, as in the data sheet if it has one there.
    pub rule: &'static str,
    /// Clock, counted from power-up.
    pub clock: u64,
    /// More about it.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SDRAM, clock {}: {} is broken: {}", self.clock, self.rule, self.what)
    }
}

/// How far the power-up sequence is.
#[derive(Clone, Copy, Debug, Default)]
struct PowerUp {
    precharged: bool,
    refreshes: u32,
    mode: bool,
}

/// Clocks of the last commands; `None` is long ago.
#[derive(Clone, Copy, Debug, Default)]
struct Bank {
    row: Option<u64>,
    active: Option<u64>,
    precharge: Option<u64>,
    /// Last clock of data written.
    written: Option<u64>,
    /// First clock in which a PRECHARGE does not cut what is read.
    read_until: u64,
}

/// What was told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// ACTIVE.
    pub actives: u64,
    /// READ.
    pub reads: u64,
    /// WRITE.
    pub writes: u64,
    /// PRECHARGE, of a bank or all.
    pub precharges: u64,
    /// AUTO REFRESH.
    pub refreshes: u64,
    /// Bytes that masks kept from being written.
    pub masked: u64,
}

/// A chip of 4 banks of 8,192 rows of 512 columns of 16 bits. What was never written reads noise.
#[derive(Debug)]
pub struct Chip {
    sheet: Sheet,
    clock: u64,
    power_up: PowerUp,
    banks: [Bank; 4],
    last_active: Option<u64>,
    last_refresh: Option<u64>,
    last_mode: Option<u64>,
    /// First clock in which another READ or WRITE does not cut the one before.
    column_free: u64,
    /// When the power-up sequence ended, and refreshes since.
    ready: Option<u64>,
    refreshes: u64,
    /// Columns to be driven: clock, and what.
    out: VecDeque<(u64, u16)>,
    /// Columns to be taken: clock, bank, row, column.
    into: VecDeque<(u64, u64, u64, u64)>,
    /// Last clock in which the chip drove.
    drove: Option<u64>,
    /// CKE in the clock before.
    enabled: bool,
    masks: [u64; 2],
    rows: HashMap<(u64, u64), Box<[u16]>>,
    noise: ChaCha8Rng,
    told: Told,
}

impl Chip {
    /// Power is given.
    pub fn new(sheet: Sheet, seed: u64) -> Chip {
        Chip {
            sheet,
            clock: 0,
            power_up: PowerUp::default(),
            banks: [Bank::default(); 4],
            last_active: None,
            last_refresh: None,
            last_mode: None,
            column_free: 0,
            ready: None,
            refreshes: 0,
            out: VecDeque::new(),
            into: VecDeque::new(),
            drove: None,
            enabled: false,
            masks: [3; 2],
            rows: HashMap::new(),
            noise: ChaCha8Rng::seed_from_u64(seed),
            told: Told::default(),
        }
    }

    /// The controller was reset, so nothing is refreshed until the power-up sequence is over: what the chip holds is lost, and that sequence has to come again. Rows that are
    /// open are still open, and all other rules stand.
    pub fn neglect(&mut self) {
        self.rows.clear();
        self.power_up = PowerUp::default();
        self.ready = None;
    }

    /// What it was told.
    pub fn told(&self) -> Told {
        self.told
    }

    fn broken<T>(&self, rule: &'static str, what: impl Into<String>) -> Result<T, Broken> {
        Err(Broken { rule, clock: self.clock, what: what.into() })
    }

    /// That so much time has passed since a clock.
    fn since(&self, rule: &'static str, from: Option<u64>, least: u64) -> Result<(), Broken> {
        match from.map(|from| (self.clock - from) * self.sheet.period) {
            Some(passed) if passed < least => self.broken(rule, format!("{passed} ps, not {least}")),
            _ => Ok(()),
        }
    }

    /// The clock's edge, with the pins as they were before it. What is on the bus before the next edge: the chip's data, or noise if it
    /// drives nothing.
    pub fn clock(&mut self, pins: &Pins) -> Result<u16, Broken> {
        self.bus(pins)?;
        self.obey(pins)?;
        self.keep_pace()?;
        self.masks = [pins.mask, self.masks[0]];
        self.clock += 1;
        let noise = self.noise.random();
        match self.out.front() {
            Some(&(clock, data)) if clock == self.clock => {
                self.out.pop_front();
                self.drove = Some(self.clock);
                // Masks reach the data two clocks later.
                let hidden = mask_of(self.masks[1]);
                Ok((data & !hidden) | (noise & hidden))
            }
            _ => Ok(noise),
        }
    }

    /// Who drives the bus; and data to be written is taken.
    fn bus(&mut self, pins: &Pins) -> Result<(), Broken> {
        let drove = self.drove.is_some_and(|clock| self.clock <= clock + self.sheet.release);
        if drove && pins.data.is_some() {
            return self.broken("bus contention", "data is driven when the chip drives");
        }
        // A WRITE takes its first column in its own clock.
        if pins.command == command::WRITE {
            let row = self.banks[pins.bank as usize].row.unwrap_or(0);
            let (base, first) = (pins.address & 0x1FC, pins.address & 3);
            let columns = (0..BURST).map(|beat| base | ((first + beat) % BURST));
            let clocks = self.clock..;
            self.into
                .extend(clocks.zip(columns).map(|(clock, column)| (clock, pins.bank, row, column)));
        }
        if let Some(&(clock, bank, row, column)) = self.into.front()
            && clock == self.clock
        {
            self.into.pop_front();
            let masked = mask_of(pins.mask);
            let data = match pins.data {
                Some(data) => data,
                None if masked == u16::MAX => 0,
                None => return self.broken("write data", "nobody drives it"),
            };
            self.told.masked += u64::from(pins.mask.count_ones());
            let place = &mut self.row(bank, row)[column as usize];
            *place = (*place & masked) | (data & !masked);
            self.banks[bank as usize].written = Some(self.clock);
        }
        Ok(())
    }

    fn row(&mut self, bank: u64, row: u64) -> &mut [u16] {
        let noise = &mut self.noise;
        self.rows
            .entry((bank, row))
            .or_insert_with(|| (0..COLUMNS).map(|_| noise.random()).collect())
    }

    fn obey(&mut self, pins: &Pins) -> Result<(), Broken> {
        let is_idle = pins.command >= command::NOP;
        if !is_idle && !pins.cke {
            return self.broken("CKE", "a command without it");
        }
        if self.enabled && !pins.cke {
            return self.broken("CKE", "it falls");
        }
        self.enabled = pins.cke;
        if is_idle {
            return Ok(());
        }
        if self.clock * self.sheet.period < self.sheet.power_up {
            return self.broken("power-up time", format!("{} clocks", self.clock));
        }
        self.since("tRFC", self.last_refresh, self.sheet.refresh_cycle)?;
        self.since("tMRD", self.last_mode, self.sheet.mode * self.sheet.period)?;
        match pins.command {
            command::ACTIVE => self.active(pins),
            command::READ | command::WRITE => self.column(pins),
            command::PRECHARGE => self.precharge(pins),
            command::REFRESH => self.refresh(),
            command::MODE => self.mode(pins),
            other => self.broken("commands", format!("{other} is none that a controller needs")),
        }
    }

    fn active(&mut self, pins: &Pins) -> Result<(), Broken> {
        let PowerUp { precharged, refreshes, mode } = self.power_up;
        if !precharged || refreshes < self.sheet.refreshes || !mode {
            return self.broken("power-up sequence", format!("ACTIVE after {:?}", self.power_up));
        }
        let bank = self.banks[pins.bank as usize];
        if bank.row.is_some() {
            return self.broken("row open", format!("ACTIVE of bank {} whose row {:?} is open", pins.bank, bank.row));
        }
        self.since("tRP", bank.precharge, self.sheet.precharge)?;
        self.since("tRC", bank.active, self.sheet.row_cycle)?;
        self.since("tRRD", self.last_active, self.sheet.row_to_row)?;
        let bank = &mut self.banks[pins.bank as usize];
        bank.row = Some(pins.address);
        bank.active = Some(self.clock);
        self.last_active = Some(self.clock);
        self.told.actives += 1;
        Ok(())
    }

    fn column(&mut self, pins: &Pins) -> Result<(), Broken> {
        let bank = self.banks[pins.bank as usize];
        let Some(row) = bank.row else {
            return self.broken("row closed", format!("READ or WRITE of bank {}, where no row is open", pins.bank));
        };
        if pins.address >> 10 & 1 == 1 {
            return self.broken("auto precharge", "A10 is high");
        }
        self.since("tRCD", bank.active, self.sheet.row_to_column)?;
        if self.clock < self.column_free {
            return self.broken("burst cut", "READ or WRITE within the burst before");
        }
        self.column_free = self.clock + BURST;
        if pins.command == command::WRITE {
            self.told.writes += 1;
            return Ok(());
        }
        let (base, first, from) = (pins.address & 0x1FC, pins.address & 3, self.clock + self.sheet.cas);
        for beat in 0..BURST {
            let data = self.row(pins.bank, row)[(base | ((first + beat) % BURST)) as usize];
            self.out.push_back((from + beat, data));
        }
        self.banks[pins.bank as usize].read_until = self.clock + BURST;
        self.told.reads += 1;
        Ok(())
    }

    fn precharge(&mut self, pins: &Pins) -> Result<(), Broken> {
        let all = pins.address >> 10 & 1 == 1;
        for number in 0..4 {
            let bank = self.banks[number];
            if !all && pins.bank != number as u64 {
                continue;
            }
            if bank.row.is_some() {
                let writing = self.into.iter().any(|&(_, of, ..)| of == number as u64);
                if self.clock < bank.read_until || writing {
                    return self.broken("burst cut", "PRECHARGE within a burst");
                }
                self.since("tRAS", bank.active, self.sheet.row_active)?;
                self.since("tWR", bank.written, self.sheet.write_recovery)?;
                self.since("tWR", bank.written, self.sheet.write_recovery_clocks * self.sheet.period)?;
                self.banks[number].row = None;
            }
            self.banks[number].precharge = Some(self.clock);
        }
        self.power_up.precharged |= all;
        self.told.precharges += 1;
        Ok(())
    }

    /// For REFRESH and LOAD MODE, which want all banks closed.
    fn all_closed(&self) -> Result<(), Broken> {
        if !self.power_up.precharged {
            return self.broken("power-up sequence", "the banks were not precharged");
        }
        if self.banks.iter().any(|bank| bank.row.is_some()) {
            return self.broken("row open", "REFRESH or LOAD MODE with a row open");
        }
        self.banks
            .iter()
            .try_for_each(|bank| self.since("tRP", bank.precharge, self.sheet.precharge))
    }

    fn refresh(&mut self) -> Result<(), Broken> {
        self.all_closed()?;
        for bank in &self.banks {
            self.since("tRC", bank.active, self.sheet.row_cycle)?;
        }
        self.last_refresh = Some(self.clock);
        self.power_up.refreshes += 1;
        self.refreshes += 1;
        self.told.refreshes += 1;
        Ok(())
    }

    fn mode(&mut self, pins: &Pins) -> Result<(), Broken> {
        self.all_closed()?;
        // Burst length 4, sequential, CAS latency, bursts written too; all else 0.
        let wanted = self.sheet.cas << 4 | 2;
        if (pins.bank, pins.address) != (0, wanted) {
            return self.broken("mode", format!("{:#x} in bank {}, not {wanted:#x}", pins.address, pins.bank));
        }
        self.power_up.mode = true;
        self.last_mode = Some(self.clock);
        Ok(())
    }

    /// That refreshes are as many as time asks for, but for one, and that no row is open too long.
    fn keep_pace(&mut self) -> Result<(), Broken> {
        let PowerUp { mode, refreshes, .. } = self.power_up;
        if self.ready.is_none() && mode && refreshes >= self.sheet.refreshes {
            self.ready = Some(self.clock);
            self.refreshes = 0;
        }
        if let Some(ready) = self.ready {
            let passed = (self.clock - ready) * self.sheet.period;
            if passed > (self.refreshes + 2) * self.sheet.refresh_interval {
                return self.broken("refresh interval", format!("{} in {passed} ps", self.refreshes));
            }
        }
        let longest = self.banks.iter().filter_map(|bank| bank.row.and(bank.active)).min();
        match longest.map(|from| (self.clock - from) * self.sheet.period) {
            Some(passed) if passed > self.sheet.row_active_most => {
                self.broken("tRAS at the most", format!("{passed} ps"))
            }
            _ => Ok(()),
        }
    }
}

/// Bits of the bytes that are masked.
fn mask_of(mask: u64) -> u16 {
    [0, 0xFF, 0xFF00, 0xFFFF][(mask & 3) as usize]
}
