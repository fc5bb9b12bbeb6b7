//! The invariants of the register map that the compiler does not check: look-up by address and by
//! name agree with the tables, names are unique, fields and reset values fit.

use kvcpu_mmio::map::{BLOCKS, PCI_DEVICE, PCI_VENDOR, Place, WINDOWS, by_name, by_offset, registers};
use kvcpu_mmio::regs::{control, counter, queue, rtbd_entry, tier};
use kvcpu_mmio::{Access, Bar, Block, Register};
use std::collections::HashSet;

/// All ones of a register's width.
fn ones(register: &Register) -> u64 {
    if register.width == 64 { u64::MAX } else { u64::from(u32::MAX) }
}

/// The size of a BAR as far as the map reaches.
fn bar_end(bar: Bar) -> u32 {
    BLOCKS
        .iter()
        .filter(|b| b.bar == bar)
        .map(|b| b.base + b.instances * b.stride)
        .max()
        .unwrap_or(0)
}

fn block_of(register: &Register) -> &'static Block {
    BLOCKS
        .iter()
        .find(|b| b.registers.iter().any(|r| r.name == register.name))
        .expect("every register is in a block")
}

#[test]
fn every_word_of_every_instance_and_element_is_found_at_its_address() {
    for register in registers() {
        for instance in 0..register.instances {
            for element in 0..register.elements {
                for byte in (0..register.bytes()).step_by(4) {
                    let offset = register.at(instance) + (register.element(element) - register.offset) + byte;
                    let place = by_offset(register.bar, offset);
                    let place = place.unwrap_or_else(|| panic!("{}: {offset:#x} is not found", register.name));
                    assert_eq!(place, Place { register, instance, element, byte }, "{offset:#x}");
                }
            }
        }
    }
}

#[test]
fn no_address_outside_the_registers_is_found() {
    for bar in [Bar::Regs, Bar::Rtbd, Bar::Msix] {
        let mut words = HashSet::new();
        for r in registers().filter(|r| r.bar == bar) {
            for instance in 0..r.instances {
                words.extend((0..r.elements * r.bytes() / 4).map(|word| r.at(instance) + 4 * word));
            }
        }
        for offset in (0..bar_end(bar) + 0x100).step_by(4) {
            assert_eq!(by_offset(bar, offset).is_some(), words.contains(&offset), "{bar:?} {offset:#x}");
        }
        assert_eq!(by_offset(bar, u32::MAX - 3), None);
    }
}

#[test]
fn register_names_are_unique_and_found_in_any_case() {
    let mut names = HashSet::new();
    for block in &BLOCKS {
        for register in block.registers {
            assert!(names.insert(register.name.to_ascii_lowercase()), "{} is there twice", register.name);
            let found = by_name(&register.name.to_ascii_lowercase());
            let expected = (register.access != Access::Reserved).then_some(register.name);
            assert_eq!(found.map(|r| r.name), expected);
        }
    }
    assert_eq!(by_name("NO_SUCH_REGISTER"), None);
}

#[test]
fn block_names_are_unique() {
    let names: HashSet<_> = BLOCKS.iter().map(|b| b.name).collect();
    assert_eq!(names.len(), BLOCKS.len());
}

#[test]
fn a_register_agrees_with_its_block() {
    for block in &BLOCKS {
        let mut next = block.base;
        for register in block.registers {
            assert_eq!(
                (register.bar, register.instances, register.stride),
                (block.bar, block.instances, block.stride),
                "{}",
                register.name
            );
            assert_eq!(register.offset, next, "{}: hole or overlap", register.name);
            next += register.elements * register.bytes();
        }
        assert!(next <= block.base + block.stride, "{}", block.name);
    }
}

#[test]
fn a_block_of_bar0_stays_in_its_window() {
    for block in BLOCKS.iter().filter(|b| b.bar == Bar::Regs) {
        let window = WINDOWS.iter().find(|w| (w.base..w.base + w.size).contains(&block.base));
        let window = window.unwrap_or_else(|| panic!("{} lies in no window", block.name));
        assert!(block.base + block.instances * block.stride <= window.base + window.size, "{}", block.name);
    }
}

#[test]
fn fields_lie_in_their_register_and_do_not_meet() {
    for register in registers() {
        let (mut taken, mut names) = (0, HashSet::new());
        for field in register.fields {
            let name = format!("{}.{}", register.name, field.name);
            assert!(field.width > 0 && field.lsb + field.width <= register.width, "{name} leaves the register");
            assert_eq!(taken & field.mask(), 0, "{name} overlaps another field");
            assert!(names.insert(field.name), "{name} is there twice");
            assert_eq!(register.field(&field.name.to_ascii_lowercase()), Some(field));
            taken |= field.mask();
        }
        assert!(register.fields.windows(2).all(|f| f[0].lsb < f[1].lsb), "{}: fields out of order", register.name);
    }
}

#[test]
fn reset_values_fit_and_lie_in_fields() {
    for register in registers() {
        assert_eq!(register.reset & !ones(register), 0, "{}", register.name);
        if !register.fields.is_empty() {
            let fields = register.fields.iter().fold(0, |mask, f| mask | f.mask());
            assert_eq!(register.reset & !fields, 0, "{}: reset value outside its fields", register.name);
        }
    }
}

#[test]
fn writable_bits_follow_from_access_and_fields() {
    for register in registers() {
        let expected = match register.access {
            Access::RO | Access::RC | Access::Reserved => 0,
            _ if register.fields.is_empty() => ones(register),
            _ => register.fields.iter().fold(0, |mask, f| mask | f.mask()),
        };
        assert_eq!(register.writable(), expected, "{}", register.name);
    }
}

#[test]
fn a_field_is_taken_out_and_put_back_without_touching_the_rest() {
    for field in registers().flat_map(|r| r.fields) {
        for value in [0, u64::MAX, 0xA5A5_5A5A_0FF0_C33C] {
            let all = field.mask() >> field.lsb;
            let set = field.set(value, 0x1234_5678_9ABC_DEF1);
            assert_eq!(field.get(set), 0x1234_5678_9ABC_DEF1 & all);
            assert_eq!(set & !field.mask(), value & !field.mask());
        }
    }
}

#[test]
fn every_register_and_field_says_what_it_is_for() {
    for register in registers() {
        let words = std::iter::once((register.name, register.purpose)).chain(
            register.fields.iter().map(|f| (f.name, f.purpose)), // a field is named within its register
        );
        for (name, purpose) in words {
            assert!(!purpose.is_empty() && purpose == purpose.trim(), "{name}: {purpose:?}");
            assert!(purpose.ends_with('.'), "{name}: {purpose:?} is not a sentence");
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        }
    }
}

#[test]
fn addresses_that_software_outside_relies_on() {
    // Fixed for good: a driver reads these before it knows the map's version.
    assert_eq!((control::MAGIC.offset, control::MAGIC.reset), (0, 0x4B56_4350));
    assert_eq!(control::MAP_VERSION.offset, 4);
    assert_eq!((PCI_VENDOR, PCI_DEVICE), (0x1DE5, 0x0A10));
    // One look at each kind of address: instance, element, entry.
    assert_eq!(queue::SQ_DOORBELL.at(3), 0x1018 + 3 * 0x40);
    assert_eq!(tier::TIER_USED.at(2), 0x02A0);
    assert_eq!(counter::CNT_MOVE_BYTES.element(7), 0x6000 + 0xD0 + 7 * 8);
    assert_eq!(rtbd_entry::ENTRY_STATE.at(65_535), 65_535 * 32 + 28);
    assert_eq!(block_of(&queue::SQ_DOORBELL).name, "queue");
}

#[test]
#[should_panic(expected = "no such instance")]
fn an_instance_that_does_not_exist_has_no_address() {
    let _ = queue::SQ_DOORBELL.at(4);
}

#[test]
#[should_panic(expected = "no such element")]
fn an_element_that_does_not_exist_has_no_address() {
    let _ = counter::CNT_HITS.element(4);
}
