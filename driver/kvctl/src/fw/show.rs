//! What `kvctl fw` answers, as tables and as objects.

use std::fmt::Debug;

use kvcpu_driver::firmware::{ParameterValue, SelfTest, Status, Version, describe};
use kvcpu_mmio::firmware::{EventCode, LogEntry, Parameter, ResetCause, State, ThermalState};
use serde_json::{Value, json};

use crate::output::{self, Report};

/// A code by name, if this kvctl knows it.
fn known<T: Debug>(code: Option<T>) -> String {
    code.map_or_else(|| "unknown".into(), |code| format!("{code:?}"))
}

fn said(text: Option<&'static str>) -> &'static str {
    text.unwrap_or("This kvctl does not know it").trim_end_matches('.')
}

fn celsius(millidegrees: i32) -> f64 {
    f64::from(millidegrees) / 1000.0
}

/// Which verb shows a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Status,
    Restart,
}

/// What the firmware shows.
pub(super) struct Shown {
    pub(super) kind: Kind,
    pub(super) device: String,
    pub(super) alive: bool,
    pub(super) status: Status,
}

impl Report for Shown {
    fn text(&self) -> String {
        let s = &self.status;
        let heart = if self.alive { "beats" } else { "STANDS STILL: the firmware hangs, the device works without it" };
        let trial = if s.trial { ", on trial" } else { "" };
        let event = s.event.event().map_or("none", EventCode::describe).trim_end_matches('.');
        let tuning = if s.tuning { "on" } else { "off" };
        output::pairs([
            ("device", self.device.clone()),
            ("state", said(s.state.map(State::describe)).to_owned()),
            ("version", format!("{} in bank {}{trial}", s.version, s.bank)),
            ("heart", format!("{heart} ({} rounds)", s.heartbeat)),
            ("last reset", said(s.reset_cause.map(ResetCause::describe)).to_owned()),
            ("watchdog bites", s.bites.to_string()),
            ("self-test", s.self_test.to_string()),
            (
                "temperature",
                format!("{:.1} °C, at most {:.1}", celsius(s.temperature_millicelsius), celsius(s.peak_millicelsius)),
            ),
            ("thermal state", said(s.thermal.map(ThermalState::describe)).to_owned()),
            ("throttling", format!("level {}/16; DMA {}/16, sweep {}/16", s.level, s.throttle_dma, s.throttle_sweep)),
            ("tuning", format!("{tuning}, {} changes of weights", s.weight_changes)),
            ("last event", format!("{event} ({} so far)", s.event.count)),
        ])
    }

    fn json(&self) -> Value {
        let s = &self.status;
        json!({
            "command": match self.kind { Kind::Status => "fw_status", Kind::Restart => "fw_restart" },
            "device": self.device,
            "alive": self.alive,
            "state": known(s.state),
            "version": s.version.to_string(),
            "bank": s.bank,
            "trial": s.trial,
            "heartbeat": s.heartbeat,
            "reset_cause": known(s.reset_cause),
            "bites": s.bites,
            "self_test": self_test(&s.self_test),
            "celsius": celsius(s.temperature_millicelsius),
            "peak_celsius": celsius(s.peak_millicelsius),
            "thermal_state": known(s.thermal),
            "level": s.level,
            "throttle_dma": s.throttle_dma,
            "throttle_sweep": s.throttle_sweep,
            "tuning": s.tuning,
            "weight_changes": s.weight_changes,
            "last_event": { "code": s.event.code, "name": s.event.event().map(|e| format!("{e:?}")), "count": s.event.count },
        })
    }
}

fn self_test(found: &SelfTest) -> Value {
    let mut object = json!({ "detail": found.detail });
    for (name, outcome) in found.parts() {
        object[name] = format!("{outcome:?}").into();
    }
    object
}

/// What the self-test found, and it is good.
pub(super) struct Tested(pub(super) SelfTest);

impl Report for Tested {
    fn text(&self) -> String {
        self.0.to_string()
    }

    fn json(&self) -> Value {
        json!({ "command": "fw_selftest", "self_test": self_test(&self.0) })
    }
}

/// The log.
pub(super) struct Log(pub(super) Vec<LogEntry>);

impl Report for Log {
    fn text(&self) -> String {
        let mut table = output::table(&["event", "seconds", "what"]);
        for entry in &self.0 {
            let seconds = format!("{:.3}", f64::from(entry.ms) / 1000.0);
            table.add_row([entry.count.to_string(), seconds, describe(entry)]);
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let entry = |entry: &LogEntry| {
            let name = EventCode::from_code(entry.code.into()).map(|code| format!("{code:?}"));
            let (count, ms, code, words) = (entry.count, entry.ms, entry.code, entry.words);
            json!({ "count": count, "ms": ms, "code": code, "name": name, "words": words, "text": describe(entry) })
        };
        json!({ "command": "fw_log", "entries": self.0.iter().map(entry).collect::<Vec<_>>() })
    }
}

/// Parameters.
pub(super) struct Parameters(pub(super) Vec<(Parameter, ParameterValue)>);

impl Report for Parameters {
    fn text(&self) -> String {
        let mut table = output::table(&["parameter", "value", "least", "most", "meaning"]);
        for (of, ParameterValue { value, least, most }) in &self.0 {
            let numbers = [value, least, most].map(u32::to_string);
            let row = std::iter::once(of.name().to_owned()).chain(numbers);
            table.add_row(row.chain([of.describe().trim_end_matches('.').to_owned()]));
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let one = |(of, ParameterValue { value, least, most }): &(Parameter, ParameterValue)| json!({ "name": of.name(), "value": value, "least": least, "most": most });
        json!({ "command": "fw_param", "parameters": self.0.iter().map(one).collect::<Vec<_>>() })
    }
}

/// An update that runs.
pub(super) struct Updated {
    pub(super) file: String,
    pub(super) bytes: usize,
    pub(super) before: Version,
    pub(super) after: Status,
}

impl Report for Updated {
    fn text(&self) -> String {
        let Updated { file, bytes, before, after } = self;
        format!(
            "{file}: {bytes} bytes; version {before} was replaced by {}, which runs from bank {} and is confirmed",
            after.version, after.bank
        )
    }

    fn json(&self) -> Value {
        let (before, after) = (self.before.to_string(), self.after.version.to_string());
        json!({
            "command": "fw_update", "file": self.file, "bytes": self.bytes,
            "version_before": before, "version": after, "bank": self.after.bank,
        })
    }
}
