//! The whole map as JSON, for tools in other languages.
//!
//! Through structs rather than `json!`: their order of keys does not depend on which features of
//! serde_json another crate of the build turned on.

use super::MADE_BY;
use super::entries::{codes, entries};
use anyhow::Result;
use kvcpu_mmio::h3::{KEY_BITS, ROWS};
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES, BLOCKS, PCI_DEVICE, PCI_VENDOR, WINDOWS};
use kvcpu_mmio::regs::control::{MAP_MAJOR, MAP_MINOR};
use kvcpu_mmio::regs::msix::{BAR4_BYTES, PBA_OFFSET};
use kvcpu_mmio::{Access, Bar, Block, Geometry, Register};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    generator: &'static str,
    map_version: [u16; 2],
    pci: Pci,
    bars: Vec<BarJson>,
    msix_pba_offset: u32,
    windows: Vec<Window>,
    blocks: Vec<BlockJson>,
    entries: Vec<EntryJson>,
    codes: Vec<CodesJson>,
    geometries: Vec<GeometryJson>,
    h3: H3,
}

#[derive(Serialize)]
struct Pci {
    vendor: u16,
    device: u16,
}

#[derive(Serialize)]
struct BarJson {
    index: u8,
    bytes: u32,
}

#[derive(Serialize)]
struct Window {
    base: u32,
    bytes: u32,
    purpose: &'static str,
}

#[derive(Serialize)]
struct BlockJson {
    name: &'static str,
    bar: u8,
    base: u32,
    instances: u32,
    stride: u32,
    purpose: &'static str,
    registers: Vec<RegisterJson>,
}

#[derive(Serialize)]
struct RegisterJson {
    name: &'static str,
    offset: u32,
    width: u8,
    elements: u32,
    access: &'static str,
    reset: u64,
    writable: u64,
    volatile: bool,
    unit: &'static str,
    purpose: &'static str,
    fields: Vec<FieldJson>,
}

#[derive(Serialize)]
struct FieldJson {
    name: &'static str,
    lsb: u8,
    width: u8,
    unit: &'static str,
    purpose: &'static str,
}

#[derive(Serialize)]
struct EntryJson {
    name: &'static str,
    bytes: usize,
    purpose: &'static str,
    fields: Vec<EntryFieldJson>,
}

#[derive(Serialize)]
struct EntryFieldJson {
    name: &'static str,
    word: usize,
    lsb: u32,
    width: u32,
    purpose: &'static str,
}

#[derive(Serialize)]
struct CodesJson {
    name: &'static str,
    purpose: &'static str,
    flags: bool,
    width: u32,
    values: Vec<CodeJson>,
}

#[derive(Serialize)]
struct CodeJson {
    name: String,
    value: u64,
    purpose: &'static str,
}

#[derive(Serialize)]
struct GeometryJson {
    name: &'static str,
    entries_log2: u32,
    lanes: u32,
    victim_k: u32,
    stash: u32,
    queues: u32,
    agents: u32,
    t1_kib: u32,
    min_block_shift: u32,
    max_block_shift: u32,
}

#[derive(Serialize)]
struct H3 {
    key_bits: usize,
    rows: &'static [u32],
}

/// The whole file.
pub(super) fn document() -> Result<String> {
    let bars = [(Bar::Regs, BAR0_BYTES), (Bar::Rtbd, BAR2_BYTES), (Bar::Msix, BAR4_BYTES)];
    let geometries = [("TEST", Geometry::TEST), ("BOARD", Geometry::BOARD), ("FULL", Geometry::FULL)];
    let document = Document {
        generator: MADE_BY,
        map_version: [MAP_MAJOR, MAP_MINOR],
        pci: Pci { vendor: PCI_VENDOR, device: PCI_DEVICE },
        bars: bars.map(|(bar, bytes)| BarJson { index: bar.index(), bytes }).into(),
        msix_pba_offset: PBA_OFFSET,
        windows: WINDOWS.map(|w| Window { base: w.base, bytes: w.size, purpose: w.purpose }).into(),
        blocks: BLOCKS.iter().map(block).collect(),
        entries: entries().into_iter().map(entry).collect(),
        codes: codes().into_iter().map(code_table).collect(),
        geometries: geometries.map(|(name, g)| geometry(name, g)).into(),
        h3: H3 { key_bits: KEY_BITS, rows: &ROWS },
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn block(b: &Block) -> BlockJson {
    BlockJson {
        name: b.name,
        bar: b.bar.index(),
        base: b.base,
        instances: b.instances,
        stride: b.stride,
        purpose: b.purpose,
        registers: b.registers.iter().filter(|r| r.access != Access::Reserved).map(register).collect(),
    }
}

fn register(r: &Register) -> RegisterJson {
    let fields = r.fields.iter();
    RegisterJson {
        name: r.name,
        offset: r.offset,
        width: r.width,
        elements: r.elements,
        access: match r.access {
            Access::RO => "RO",
            Access::RW => "RW",
            Access::WO => "WO",
            Access::W1C => "W1C",
            Access::RC => "RC",
            Access::Reserved => "reserved",
        },
        reset: r.reset,
        writable: r.writable(),
        volatile: r.volatile,
        unit: r.unit,
        purpose: r.purpose,
        fields: fields
            .map(|f| FieldJson { name: f.name, lsb: f.lsb, width: f.width, unit: f.unit, purpose: f.purpose })
            .collect(),
    }
}

fn entry(e: super::entries::Entry) -> EntryJson {
    let field = |f: super::entries::EntryField| EntryFieldJson {
        name: f.name,
        word: f.word,
        lsb: f.lsb,
        width: f.width,
        purpose: f.purpose,
    };
    EntryJson {
        name: e.name,
        bytes: e.words * 8,
        purpose: e.purpose,
        fields: e.fields.into_iter().map(field).collect(),
    }
}

fn code_table(t: super::entries::Codes) -> CodesJson {
    let values = t
        .values
        .into_iter()
        .map(|(name, value, purpose)| CodeJson { name, value, purpose })
        .collect();
    CodesJson { name: t.name, purpose: t.purpose, flags: t.flags, width: t.width, values }
}

fn geometry(name: &'static str, g: Geometry) -> GeometryJson {
    let Geometry { entries_log2, lanes, victim_k, stash, queues, agents, t1_kib, min_block_shift, max_block_shift } = g;
    GeometryJson {
        name,
        entries_log2,
        lanes,
        victim_k,
        stash,
        queues,
        agents,
        t1_kib,
        min_block_shift,
        max_block_shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvcpu_mmio::map::registers;

    #[test]
    fn every_register_is_there_with_its_offset_and_fields() {
        let json: serde_json::Value = serde_json::from_str(&document().unwrap()).unwrap();
        let blocks = json["blocks"].as_array().unwrap();
        let all: Vec<_> = blocks.iter().flat_map(|b| b["registers"].as_array().unwrap()).collect();
        assert_eq!(all.len(), registers().count());
        for (json, r) in all.iter().zip(registers()) {
            assert_eq!((json["name"].as_str(), json["offset"].as_u64()), (Some(r.name), Some(r.offset.into())));
            assert_eq!(json["fields"].as_array().unwrap().len(), r.fields.len());
        }
        assert_eq!(json["h3"]["rows"].as_array().unwrap().len(), KEY_BITS);
    }
}
