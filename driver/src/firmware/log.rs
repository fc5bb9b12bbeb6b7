//! The firmware's log: read whole, and told in words.

use kvcpu_mmio::Backing;
use kvcpu_mmio::firmware::{
    EventCode, ImageFault, LOG_ENTRIES, LOG_ENTRY_BYTES, LogEntry, MailboxResult, Opcode, Parameter, ResetCause,
    SensorFault,
};

use super::Firmware;
use super::mailbox::Turn;
use super::status::{SelfTest, Version};
use crate::{DriverError, Weights};

/// Commands that one reading of the log may take; firmware that logs as fast as it is read does not hold it up for ever.
const MOST_CALLS: u32 = 2 * LOG_ENTRIES;

impl<B: Backing + ?Sized + 'static> Firmware<B> {
    /// Every entry that it still holds, the oldest first.
    pub fn log(&self) -> Result<Vec<LogEntry>, DriverError> {
        self.present()?;
        let mut turn = Turn::take(&self.device);
        let mut entries = Vec::new();
        let mut from = 0;
        for _ in 0..MOST_CALLS {
            let answer = turn.ask(Opcode::Log, [from, 0], &[])?;
            let [first, given, _] = answer.values;
            let held = (answer.data.len() / LOG_ENTRY_BYTES as usize) as u32;
            if given > held {
                let (expected, found) = (held.into(), given.into());
                return Err(DriverError::Protocol { what: "entries of the log in MBOX_ANSWER", expected, found });
            }
            if given == 0 {
                break;
            }
            let words = |entry| std::array::from_fn(|word| answer.word(entry * 4 + word));
            entries.extend((0..given as usize).map(|entry| LogEntry::from_words(words(entry))));
            from = first.wrapping_add(given);
        }
        Ok(entries)
    }
}

/// What an entry says, in a sentence.
pub fn describe(entry: &LogEntry) -> String {
    let [a, b] = entry.words;
    let Some(code) = EventCode::from_code(entry.code.into()) else {
        return format!("event {} ({a:#x}, {b:#x}), which this driver does not know", entry.code);
    };
    let version = |word: u32| Version::from_register(word.into());
    match code {
        EventCode::Boot => format!("booted, version {}, after {}", version(b), cause(a)),
        EventCode::SelfTest => format!("self-test: {}", SelfTest::from_registers(a.into(), b)),
        EventCode::Throttled => format!("throttles to {a}/16 at {}", celsius(b)),
        EventCode::Unthrottled => format!("no longer throttles, at {}", celsius(b)),
        EventCode::Critical => format!("critical temperature: {}, throttled to {a}/16", celsius(b)),
        EventCode::SensorFailed => {
            let why = SensorFault::from_code(a).map_or("why is unknown", SensorFault::describe);
            format!("the sensor failed at {}: {}", celsius(b), sentence(why))
        }
        EventCode::SensorBack => format!("the sensor works again, at {}", celsius(b)),
        EventCode::UpdateBegun => format!("update begun: {a} bytes, CRC-32C {b:#010x}"),
        EventCode::UpdateRefused => {
            let result = MailboxResult::from_code(a);
            let why = sentence(result.map_or("why is unknown", MailboxResult::describe));
            match (result, ImageFault::from_code(b)) {
                (Some(MailboxResult::BadImage), Some(fault)) => {
                    format!("update refused: {}", sentence(fault.describe()))
                }
                (Some(MailboxResult::Flash), _) => format!("update refused after {b} bytes: {why}"),
                _ => format!("update refused, value {b}: {why}"),
            }
        }
        EventCode::UpdateCommitted => format!("update to version {} committed, CRC-32C {b:#010x}", version(a)),
        EventCode::WeightsChanged => format!("weights changed from {} to {}", weights(a), weights(b)),
        EventCode::ParameterChanged => match Parameter::from_code(a) {
            Some(parameter) => format!("parameter {} set to {b}", parameter.name()),
            None => format!("parameter {a} set to {b}"),
        },
        EventCode::TrialConfirmed => format!("version {} confirmed, CRC-32C {b:#010x}", version(a)),
    }
}

fn cause(code: u32) -> &'static str {
    match ResetCause::from_code(code) {
        Some(ResetCause::PowerUp) => "power-up",
        Some(ResetCause::Watchdog) => "a watchdog bite",
        Some(ResetCause::Asked) => "a reset that it asked for",
        Some(ResetCause::TrialFailed) => "a watchdog bite of the image on trial",
        None => "a reset whose cause this driver does not know",
    }
}

/// A description without its full stop and its capital.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn celsius(millidegrees: u32) -> String {
    let millidegrees = millidegrees as i32;
    format!("{:.1} °C", f64::from(millidegrees) / 1000.0)
}

fn weights(register: u32) -> String {
    let Weights { wr, wf, ws, wd } = Weights::from_register(register.into());
    format!("WR {wr} WF {wf} WS {ws} WD {wd}")
}
