//! Constants that the microprogram may use without declaring them: bus addresses of registers, fields, and the codes of
//! queue entries, all from the register map. And the words of the register file.

use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::queue::{CommandFlags, Opcode, ResultFlags, Scope, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use kvcpu_mmio::{Access, Bar};
use std::collections::BTreeMap;

/// Words of the register file.
pub const FILE_WORDS: usize = 2048;
/// Bus address of the register file.
const FILE: u32 = 0x10_0000;

/// Word of the register file that holds the word at `offset` of BAR0; `None` if it has none.
pub fn file_word(offset: u32) -> Option<usize> {
    (offset < 0x8000 && offset & 0xC00 == 0).then_some(((offset >> 12 & 7) << 8 | offset >> 2 & 0xFF) as usize)
}

/// All predefined constants.
pub(super) fn predefined() -> BTreeMap<String, u32> {
    let mut names = BTreeMap::from([("NONE".to_owned(), u32::MAX)]);
    for register in BLOCKS.iter().flat_map(|block| block.registers) {
        if register.access == Access::Reserved {
            continue;
        }
        if register.bar == Bar::Regs
            && let Some(word) = file_word(register.offset)
        {
            names.insert(format!("CSR_{}", register.name), FILE + word as u32);
        }
        for field in register.fields.iter().filter(|_| register.width == 32) {
            names.insert(format!("{}_{}_LSB", register.name, field.name), field.lsb.into());
            names.insert(format!("{}_{}_MASK", register.name, field.name), field.mask() as u32);
        }
    }
    for &(code, name, _) in Opcode::ALL {
        names.insert(format!("OP_{}", screaming(name)), (code as u8).into());
    }
    for &(code, name, _) in Status::ALL {
        names.insert(format!("STATUS_{}", screaming(name)), (code as u16).into());
    }
    for &(code, name, _) in Scope::ALL {
        names.insert(format!("SCOPE_{}", screaming(name)), (code as u8).into());
    }
    for (name, flag) in ResultFlags::all().iter_names() {
        names.insert(format!("RESULT_{name}"), flag.bits().into());
    }
    for (name, flag) in CommandFlags::all().iter_names() {
        names.insert(format!("COMMAND_{name}"), flag.bits().into());
    }
    for (name, flag) in EntryFlags::all().iter_names() {
        names.insert(format!("FLAG_{name}"), flag.bits().into());
    }
    for (code, name) in ["FREE", "RESIDENT", "IN_FLIGHT", "GHOST"].into_iter().enumerate() {
        names.insert(format!("STATE_{name}"), code as u32);
    }
    names
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}
