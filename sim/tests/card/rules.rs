//! That the chip's rules can be broken: a chip that asks for more than the controller was made for is told wrong, and says which rule; and
//! so does one that is told something no controller should.

use crate::bench::{Bench, FAST, Kind, Places, SDRAM_BYTES, SLOW};
use crate::master::{Manner, Request};
use kvcpu_sim::sdram::command::{ACTIVE, MODE, NOP, PRECHARGE, READ, REFRESH, WRITE};
use kvcpu_sim::sdram::{Broken, Chip, Pins, Sheet};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

const SHEET: Sheet = SLOW.sheet;

/// Random single words of few rows, so that every command follows every other as closely as the controller lets it, until a rule is broken.
fn broken_by_traffic(kind: &Kind) -> Option<Broken> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut bench = Bench::sdram(kind, 7);
    let places = Places { bytes: SDRAM_BYTES, hot: 1.0, stride: 1024 + 4096, wrong: 0.0, beats: 4 };
    for clock in 0..60_000 {
        if bench.master.reads.len() < 4 && bench.master.writes.len() < 4 {
            let request = places.draw(&mut rng);
            let queue = if request.data.is_some() { &mut bench.master.writes } else { &mut bench.master.reads };
            queue.push_back(request);
        }
        // Bursts one at a time now and then, with rests between them.
        let open = if clock / 2000 % 2 == 0 { 1 } else { 16 };
        bench.master.manner = Manner { ar: 0.5, aw: 0.5, open, ..Manner::EAGER };
        bench.clock();
        if bench.broken.is_some() {
            break;
        }
    }
    bench.broken
}

#[test]
fn a_chip_that_asks_for_more_is_told_wrong() {
    // Clocks that the controllers take at the least: for tRCD, tRP, REFRESH, behind data; and with them, for tRAS, tRC, tRRD.
    for (kind, [column, precharge, refresh, recovery, active, cycle, row]) in
        [(SLOW, [2, 2, 5, 2, 6, 8, 6]), (FAST, [3, 3, 10, 3, 7, 10, 7])]
    {
        let sheet = kind.sheet;
        let longer = |clocks: u64| clocks * sheet.period + 1;
        assert_eq!(broken_by_traffic(&kind), None);
        for (rule, sheet) in [
            ("power-up time", Sheet { power_up: sheet.power_up + 10 * sheet.period, ..sheet }),
            ("power-up sequence", Sheet { refreshes: 9, ..sheet }),
            ("mode", Sheet { cas: 5 - sheet.cas, ..sheet }),
            ("tMRD", Sheet { mode: 3, ..sheet }),
            ("tRCD", Sheet { row_to_column: longer(column), ..sheet }),
            ("tRP", Sheet { precharge: longer(precharge), ..sheet }),
            ("tRFC", Sheet { refresh_cycle: longer(refresh), ..sheet }),
            ("tWR", Sheet { write_recovery: longer(recovery), ..sheet }),
            ("tWR", Sheet { write_recovery_clocks: recovery + 1, ..sheet }),
            ("tRAS", Sheet { row_active: longer(active), ..sheet }),
            ("tRC", Sheet { row_cycle: longer(cycle), ..sheet }),
            ("tRRD", Sheet { row_to_row: longer(row), ..sheet }),
            ("tRAS at the most", Sheet { row_active_most: 300 * sheet.period, ..sheet }),
            ("refresh interval", Sheet { refresh_interval: sheet.refresh_interval * 56 / 64, ..sheet }),
            ("bus contention", Sheet { release: 3, ..sheet }),
        ] {
            let broken = broken_by_traffic(&Kind { sheet, ..kind });
            assert_eq!(broken.as_ref().map(|broken| broken.rule), Some(rule), "{broken:?}");
        }
    }
}

const REST: Pins = Pins { cke: true, command: NOP, bank: 0, address: 0, mask: 0, data: None };

fn told(command: u64, bank: u64, address: u64) -> Pins {
    Pins { command, bank, address, ..REST }
}

/// Gives each command so many clocks after the one before; what is broken.
fn tell(chip: &mut Chip, commands: &[(u64, Pins)]) -> Option<&'static str> {
    for (clocks, pins) in commands {
        for _ in 1..*clocks {
            if let Err(broken) = chip.clock(&REST) {
                return Some(broken.rule);
            }
        }
        if let Err(broken) = chip.clock(pins) {
            return Some(broken.rule);
        }
    }
    None
}

/// A chip that is ready.
fn ready() -> Chip {
    let mut chip = Chip::new(SHEET, 1);
    let mut commands = vec![(14_002, told(PRECHARGE, 0, 1 << 10))];
    commands.extend([(6, told(REFRESH, 0, 0)); 8]);
    commands.push((6, told(MODE, 0, 0x22)));
    assert_eq!(tell(&mut chip, &commands), None);
    chip
}

#[test]
fn a_chip_that_is_told_nonsense_says_so() {
    let (open, read) = ((4, told(ACTIVE, 1, 5)), told(READ, 1, 8));
    let write = Pins { data: Some(1), ..told(WRITE, 1, 8) };
    let data = (1, Pins { data: Some(2), ..REST });
    let all = told(PRECHARGE, 0, 1 << 10);
    for (rule, commands) in [
        ("row closed", vec![(4, read)]),
        ("row closed", vec![open, (6, told(PRECHARGE, 1, 0)), (3, read)]),
        ("row open", vec![open, (6, told(ACTIVE, 1, 6))]),
        ("row open", vec![open, (6, told(REFRESH, 0, 0))]),
        ("burst cut", vec![open, (4, read), (3, read)]),
        ("burst cut", vec![open, (4, read), (3, all)]),
        ("burst cut", vec![open, (4, write), data, (1, Pins { data: Some(3), ..told(PRECHARGE, 1, 0) })]),
        ("write data", vec![open, (4, write), (1, REST)]),
        ("bus contention", vec![open, (4, read), (2, Pins { data: Some(1), ..REST })]),
        ("bus contention", vec![open, (4, read), (6, write)]),
        ("auto precharge", vec![open, (4, told(READ, 1, 1 << 10))]),
        ("CKE", vec![(4, Pins { cke: false, ..open.1 })]),
        ("CKE", vec![open, (4, Pins { cke: false, ..REST })]),
        ("commands", vec![(4, told(6, 0, 0))]),
        ("mode", vec![(4, all), (4, told(MODE, 0, 0x23))]),
    ] {
        assert_eq!(tell(&mut ready(), &commands), Some(rule), "{commands:?}");
    }
    let mut chip = ready();
    assert_eq!(tell(&mut chip, &[open]), None);
    chip.neglect();
    assert_eq!(tell(&mut chip, &[(8, told(REFRESH, 0, 0))]), Some("power-up sequence"), "neglected");
    assert_eq!(tell(&mut chip, &[(8_000, REST)]), Some("tRAS at the most"), "neglected, with its row open");
    let fresh = |commands: &[(u64, Pins)]| tell(&mut Chip::new(SHEET, 1), commands);
    assert_eq!(fresh(&[(14_002, told(REFRESH, 0, 0))]), Some("power-up sequence"));
    assert_eq!(fresh(&[(14_002, all), (4, told(MODE, 0, 0x22)), (4, open.1)]), Some("power-up sequence"));
    // What is right is not wrong, and reads what was written, a latency of two clocks later.
    let mut chip = ready();
    assert_eq!(tell(&mut chip, &[open, (4, write), data, data, data, (1, read)]), None);
    assert_eq!([chip.clock(&REST), chip.clock(&REST)], [Ok(1), Ok(2)]);
}

#[test]
fn data_that_comes_a_clock_late_is_noticed() {
    let mut bench = Bench::sdram(&SLOW, 3);
    bench.wired.as_mut().unwrap().delay(1);
    let write = Request::write(0, 64, vec![(0x1122_3344_5566_7788, 0xFF); 4]);
    bench.master.writes.push_back(write);
    bench.settle();
    bench.master.reads.push_back(Request::read(0, 64, 4));
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.settle()));
    assert!(read.is_err_and(|why| why.downcast_ref::<String>().is_some_and(|why| why.contains("of word 0x8 is"))));
}
