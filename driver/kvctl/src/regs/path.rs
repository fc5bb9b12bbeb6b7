//! How a register is named on the command line: `NAME[.FIELD][@INSTANCE][[ELEMENT]]`.
//!
//! Names come from the map alone, in any letter case; what is not there is answered with the nearest
//! that is.

use std::fmt;
use std::str::FromStr;

use kvcpu_mmio::map::{by_name, registers};
use kvcpu_mmio::{Access, Field, Register};

use crate::cli::number;

/// A register, one of its fields or all of it, in one instance of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The register.
    pub register: &'static Register,
    /// One field of it.
    pub field: Option<&'static Field>,
    /// Instance of its block.
    pub instance: u32,
    /// Element of an array register.
    pub element: u32,
}

impl Path {
    /// The whole register.
    pub const fn of(register: &'static Register, instance: u32, element: u32) -> Path {
        Path { register, field: None, instance, element }
    }

    /// Byte offset in the BAR.
    pub fn offset(&self) -> u32 {
        self.register.at(self.instance) + (self.register.element(self.element) - self.register.offset)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.register.name.to_owned();
        if let Some(field) = self.field {
            text += &format!(".{}", field.name);
        }
        if self.register.instances > 1 {
            text += &format!("@{}", self.instance);
        }
        if self.register.elements > 1 {
            text += &format!("[{}]", self.element);
        }
        f.pad(&text)
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(s: &str) -> Result<Path, String> {
        let end = s.find(['.', '@', '[']).unwrap_or(s.len());
        let (name, mut rest) = s.split_at(end);
        let register = by_name(name).ok_or_else(|| unknown_register(name))?;
        let (mut field, mut instance, mut element) = (None, None, None);
        while let Some(kind) = rest.chars().next() {
            let end = rest[1..].find(['.', '@', '[']).map_or(rest.len(), |at| at + 1);
            let part;
            (part, rest) = rest.split_at(end);
            let doubled = match kind {
                '.' => field.replace(find_field(register, &part[1..])?).is_some(),
                '@' => instance
                    .replace(index(&part[1..], register.instances, "instance", register.name)?)
                    .is_some(),
                _ => {
                    let inner = part[1..].strip_suffix(']').ok_or("`[` without `]`; an element is written [3]")?;
                    element.replace(index(inner, register.elements, "element", register.name)?).is_some()
                }
            };
            if doubled {
                return Err(format!("`{part}` is one too many; write NAME[.FIELD][@INSTANCE][[ELEMENT]]"));
            }
        }
        Ok(Path { register, field, instance: instance.unwrap_or(0), element: element.unwrap_or(0) })
    }
}

fn index(text: &str, count: u32, what: &str, name: &str) -> Result<u32, String> {
    match u32::try_from(number(text)?) {
        Ok(index) if index < count => Ok(index),
        _ if count == 1 => Err(format!("{name} has only {what} 0")),
        _ => Err(format!("{name} has {what}s 0 to {}", count - 1)),
    }
}

fn unknown_register(name: &str) -> String {
    let nearest = nearest(name, registers().map(|register| register.name));
    format!("there is no register `{name}`{nearest}; `kvctl regs list` shows all")
}

fn find_field(register: &'static Register, name: &str) -> Result<&'static Field, String> {
    register.field(name).ok_or_else(|| {
        let nearest = nearest(name, register.fields.iter().map(|field| field.name));
        let all: Vec<_> = register.fields.iter().map(|field| field.name).collect();
        match all.len() {
            0 => format!("{} has no fields; leave out `.{name}`", register.name),
            _ => format!("{} has no field `{name}`{nearest}; it has {}", register.name, all.join(", ")),
        }
    })
}

/// `, did you mean X?` if a name is near enough to be a slip.
fn nearest(typed: &str, names: impl Iterator<Item = &'static str>) -> String {
    let typed = typed.to_ascii_uppercase();
    let similar = |name: &&str| {
        let prefix = if !typed.is_empty() && name.starts_with(&typed) { 0.3 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(&typed, name) + prefix
    };
    let best = names.map(|name| (similar(&name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.4)
        .map_or(String::new(), |(_, name)| format!(", did you mean {name}?"))
}

/// How the map writes an access kind.
pub fn access_name(access: Access) -> &'static str {
    match access {
        Access::RO => "RO",
        Access::RW => "RW",
        Access::WO => "WO",
        Access::W1C => "W1C",
        Access::RC => "RC",
        Access::Reserved => "reserved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_field_and_element_has_a_path_that_reads_back() {
        for register in registers() {
            let last = Path::of(register, register.instances - 1, register.elements - 1);
            assert_eq!(last.to_string().parse(), Ok(last));
            for field in register.fields {
                let path = Path { field: Some(field), ..last };
                assert_eq!(path.to_string().to_lowercase().parse(), Ok(path));
            }
        }
    }

    #[test]
    fn slips_are_answered_with_the_nearest_name() {
        let said = |path: &str| path.parse::<Path>().expect_err("there is no such thing");
        assert!(said("SCRATHC").contains("did you mean SCRATCH?"), "{}", said("SCRATHC"));
        assert!(said("STATUS.BLOKED").contains("did you mean BLOCKED?"), "{}", said("STATUS.BLOKED"));
        assert!(said("SCRATCH.X").contains("no fields"));
        assert!(said("TIER_LIMIT@4").contains("instances 0 to 3"));
        assert!(said("SCRATCH@1").contains("only instance 0"));
        assert!(said("CNT_HITS[4]").contains("elements 0 to 3"));
        assert!(said("CNT_HITS[1").contains("without"));
        assert!(said("CNT_HITS[1][2]").contains("one too many"));
        assert!(said("").contains("no register"));
    }
}
