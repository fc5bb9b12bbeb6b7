//! What a command answers, as a line and as an object.

use kvcpu_driver::{Affected, Lookup, Placement, Target};
use kvcpu_mmio::queue::{Cqe, Key, ResultFlags, Status};
use serde_json::{Value, json};

use crate::cli::parse::show_key;
use crate::output::Report;

/// The answer to one command.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The verb.
    pub command: &'static str,
    /// What it found or did.
    pub body: Body,
}

/// What a command found or did.
#[derive(Clone, Debug)]
pub enum Body {
    /// It completed; there is nothing to add.
    Done,
    /// STEP_ADVANCE.
    Step(u32),
    /// INSERT.
    Placed(Key, Placement),
    /// LOOKUP, TOUCH.
    Found(Key, Lookup),
    /// A scoped command.
    Affected(Target, Affected),
    /// COPY.
    Copied {
        /// The block.
        key: Key,
        /// Bytes of it.
        bytes: u32,
        /// CRC-32C as the device computed it.
        crc32c: u32,
        /// The file read or written.
        file: Option<String>,
        /// First bytes, if they were not written to a file.
        head: Option<Vec<u8>>,
    },
    /// A raw entry.
    Completion(Cqe),
}

fn place(placement: Option<Placement>) -> Value {
    placement.map_or(Value::Null, |Placement { tier, frame, in_flight, existed }| {
        json!({ "tier": tier, "frame": frame, "in_flight": in_flight, "existed": existed })
    })
}

fn place_text(placement: Placement) -> String {
    let Placement { tier, frame, in_flight, existed } = placement;
    let moving = if in_flight { ", in flight" } else { "" };
    let existed = if existed { ", existed" } else { "" };
    format!("T{tier} frame {frame}{moving}{existed}")
}

fn key_json(key: &Key) -> Value {
    json!({ "tenant": key.tenant, "request": key.request, "tag": key.tag, "text": show_key(key) })
}

fn target_json(target: Target) -> Value {
    match target {
        Target::Single(key) => json!({ "scope": "single", "key": key_json(&key) }),
        Target::Range(key, count) => json!({ "scope": "range", "key": key_json(&key), "count": count }),
        Target::Request(tenant, request) => json!({ "scope": "request", "tenant": tenant, "request": request }),
    }
}

fn target_text(target: Target) -> String {
    match target {
        Target::Single(key) => show_key(&key),
        Target::Range(key, count) => format!("{} and {} after it", show_key(&key), count - 1),
        Target::Request(tenant, request) => format!("request {tenant}:{request}"),
    }
}

fn found(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Placed(_) => "placed",
        Lookup::Ghost => "ghost",
        Lookup::Miss => "miss",
    }
}

/// A status by name, or its number.
pub(super) fn status_name(code: u16) -> String {
    Status::from_code(code).map_or_else(|| format!("status {code}"), |status| format!("{status:?}"))
}

impl Report for Reply {
    fn text(&self) -> String {
        let said = match &self.body {
            Body::Done => "done".into(),
            Body::Step(step) => format!("now at step {step}"),
            Body::Placed(key, placement) => format!("{}: {}", show_key(key), place_text(*placement)),
            Body::Found(key, Lookup::Placed(placement)) => format!("{}: {}", show_key(key), place_text(*placement)),
            Body::Found(key, other) => format!("{}: {}", show_key(key), found(*other)),
            Body::Affected(target, Affected { blocks, placement, ghost }) => {
                let ghost = if *ghost { ", now a ghost" } else { "" };
                let place = placement.map_or(String::new(), |placement| format!(", now in {}", place_text(placement)));
                format!("{}: {blocks} block(s){place}{ghost}", target_text(*target))
            }
            Body::Copied { key, bytes, crc32c, file, head } => {
                let file = file.as_ref().map_or(String::new(), |file| format!(", {file}"));
                let dump = head.as_ref().map_or(String::new(), |head| format!("\n{}", hex(head)));
                format!("{}: {bytes} bytes, CRC-32C {crc32c:#010x}{file}{dump}", show_key(key))
            }
            Body::Completion(cqe) => {
                let flags = ResultFlags::from_bits_retain(cqe.flags);
                let (status, value) = (status_name(cqe.status), cqe.value);
                format!("{status}, value {value:#x}, tier {}, frame {}, flags {flags:?}", cqe.tier, cqe.frame)
            }
        };
        format!("{} {said}", self.command)
    }

    fn json(&self) -> Value {
        let mut object = match &self.body {
            Body::Done => json!({}),
            Body::Step(step) => json!({ "step": step }),
            Body::Placed(key, placement) => json!({ "key": key_json(key), "placement": place(Some(*placement)) }),
            Body::Found(key, lookup) => {
                json!({ "key": key_json(key), "result": found(*lookup), "placement": place(lookup.placed()) })
            }
            Body::Affected(target, Affected { blocks, placement, ghost }) => {
                json!({ "target": target_json(*target), "blocks": blocks, "placement": place(*placement), "ghost": ghost })
            }
            Body::Copied { key, bytes, crc32c, file, head } => json!({
                "key": key_json(key), "bytes": bytes, "crc32c": crc32c, "file": file,
                "head": head.as_ref().map(|head| head.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            }),
            Body::Completion(cqe) => json!({
                "status": cqe.status, "status_name": status_name(cqe.status), "value": cqe.value,
                "tier": cqe.tier, "frame": cqe.frame, "flags": cqe.flags,
            }),
        };
        object["command"] = self.command.into();
        object
    }
}

/// Sixteen bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |(number, bytes): (usize, &[u8])| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("  {:04x}: {}", number * 16, digits.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}
