//! Registers as tables and as JSON: the map's line for each, and values taken apart by field.

use kvcpu_mmio::Register;
use kvcpu_mmio::map::BLOCKS;
use serde::Serialize;
use serde_json::{Value, json};

use super::path::{Path, access_name};
use crate::output::{self, Report, to_json};

/// What the map says of a register.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    block: &'static str,
    bar: u8,
    offset: u32,
    width: u8,
    instances: u32,
    elements: u32,
    access: &'static str,
    reset: u64,
    volatile: bool,
    unit: &'static str,
    purpose: &'static str,
    fields: Vec<FieldLine>,
}

/// What the map says of a field, and what it holds.
#[derive(Debug, Serialize)]
struct FieldLine {
    name: &'static str,
    lsb: u8,
    width: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    unit: &'static str,
    purpose: &'static str,
}

fn fields(register: &Register, value: Option<u64>) -> Vec<FieldLine> {
    let line = |field: &kvcpu_mmio::Field| FieldLine {
        name: field.name,
        lsb: field.lsb,
        width: field.width,
        value: value.map(|value| field.get(value)),
        unit: field.unit,
        purpose: field.purpose,
    };
    register.fields.iter().map(line).collect()
}

fn block_of(register: &Register) -> &'static str {
    let inside = |block: &&kvcpu_mmio::Block| block.registers.iter().any(|other| other.name == register.name);
    BLOCKS.iter().find(inside).map_or("", |block| block.name)
}

fn line(register: &Register) -> Line {
    Line {
        name: register.name,
        block: block_of(register),
        bar: register.bar.index(),
        offset: register.offset,
        width: register.width,
        instances: register.instances,
        elements: register.elements,
        access: access_name(register.access),
        reset: register.reset,
        volatile: register.volatile,
        unit: register.unit,
        purpose: register.purpose,
        fields: fields(register, None),
    }
}

/// The map, or a part of it.
#[derive(Debug)]
pub(super) struct Listing(pub(super) Vec<&'static Register>);

impl Report for Listing {
    fn text(&self) -> String {
        let mut table = output::table(&["register", "address", "bits", "access", "reset", "unit", "purpose"]);
        for register in &self.0 {
            let mut name = register.name.to_owned();
            if register.instances > 1 {
                name += &format!("@0..{}", register.instances - 1);
            }
            if register.elements > 1 {
                name += &format!("[0..{}]", register.elements - 1);
            }
            table.add_row([
                name,
                address(register.bar.index(), register.offset),
                register.width.to_string(),
                marks(register),
                format!("{:#x}", register.reset),
                register.unit.to_owned(),
                register.purpose.to_owned(),
            ]);
            for field in register.fields {
                let bits = bits(field.lsb, field.width);
                table.add_row([
                    format!("  .{}", field.name),
                    String::new(),
                    bits,
                    String::new(),
                    String::new(),
                    field.unit.to_owned(),
                    field.purpose.to_owned(),
                ]);
            }
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let lines: Vec<Line> = self.0.iter().map(|register| line(register)).collect();
        json!({ "registers": to_json(&lines) })
    }
}

/// Values that were read.
#[derive(Debug)]
pub(super) struct Values(pub(super) Vec<(Path, u64)>);

impl Values {
    fn object(path: &Path, value: u64) -> Value {
        let register = path.register;
        let mut fields = fields(register, Some(value));
        if let Some(one) = path.field {
            fields.retain(|field| field.name == one.name);
        }
        json!({
            "path": path.to_string(),
            "name": register.name,
            "instance": path.instance,
            "element": path.element,
            "bar": register.bar.index(),
            "offset": path.offset(),
            "access": access_name(register.access),
            "volatile": register.volatile,
            "value": path.field.map_or(value, |field| field.get(value)),
            "hex": format!("{value:#x}"),
            "unit": path.field.map_or(register.unit, |field| field.unit),
            "purpose": path.field.map_or(register.purpose, |field| field.purpose),
            "fields": to_json(&fields),
        })
    }
}

impl Report for Values {
    fn text(&self) -> String {
        let mut table = output::table(&["register", "address", "access", "value", "unit", "purpose"]);
        for (path, value) in &self.0 {
            let register = path.register;
            table.add_row([
                Path { field: None, ..*path }.to_string(),
                address(register.bar.index(), path.offset()),
                marks(register),
                shown(*value),
                register.unit.to_owned(),
                register.purpose.to_owned(),
            ]);
            let wanted = |field: &&kvcpu_mmio::Field| path.field.is_none_or(|one| one == *field);
            for field in register.fields.iter().filter(wanted) {
                table.add_row([
                    format!("  .{}", field.name),
                    bits(field.lsb, field.width),
                    String::new(),
                    shown(field.get(*value)),
                    field.unit.to_owned(),
                    field.purpose.to_owned(),
                ]);
            }
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let values: Vec<Value> = self.0.iter().map(|(path, value)| Values::object(path, *value)).collect();
        json!({ "registers": values })
    }
}

/// Decimal, and hexadecimal where that says more.
fn shown(value: u64) -> String {
    if value < 10 { value.to_string() } else { format!("{value} ({value:#x})") }
}

fn address(bar: u8, offset: u32) -> String {
    format!("BAR{bar}+{offset:#06x}")
}

fn bits(lsb: u8, width: u8) -> String {
    if width == 1 { format!("{lsb}") } else { format!("{}:{lsb}", lsb + width - 1) }
}

/// The access kind, and a mark where reading is not innocent or not repeatable.
fn marks(register: &Register) -> String {
    let clears = if register.access == kvcpu_mmio::Access::RC { ", read clears" } else { "" };
    let volatile = if register.volatile { ", volatile" } else { "" };
    format!("{}{clears}{volatile}", access_name(register.access))
}
