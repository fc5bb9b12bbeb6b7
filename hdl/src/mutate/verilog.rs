//! Mutants of the exported Verilog: of assignments, conditions and resets.
//!
//! A module that stands in the design several times, once for each lane or channel, is changed in all of them: in the source
//! it is one.

use super::{Block, Candidate, Kind, Mutant, draw};
use anyhow::{Context, Result};
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// How many mutants each block gets.
const COUNTS: [(Block, usize); 4] = [(Block::Hepc, 16), (Block::Rtbd, 14), (Block::Dma, 14), (Block::Csr, 12)];

/// Submodules of the top, and which block they belong to.
const PARTS: [(&str, Block); 6] = [
    ("hepc", Block::Hepc),
    ("directory", Block::Rtbd),
    ("dma", Block::Dma),
    ("front", Block::Csr),
    ("file", Block::Csr),
    ("frames", Block::Csr),
];

/// Operators as they stand in the text, with those that take their place.
const SWAPS: [(&str, &str); 12] = [
    (" + ", " - "),
    (" - ", " + "),
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " != "),
    (" != ", " == "),
    (" & ", " | "),
    (" | ", " & "),
    (" << ", " >> "),
    (" >> ", " << "),
];

/// A change of one line.
enum Change {
    /// Another right side, or condition.
    Other(String),
    /// The assignment is left out.
    Drop,
    /// The register is not reset.
    Keep,
}

struct Edit {
    /// Lines of the file: one in each module that has it.
    lines: Vec<usize>,
    change: Change,
}

/// What can be changed in a line; each has the text as captures.
struct Forms {
    assignment: Regex,
    condition: Regex,
    register: Regex,
    number: Regex,
    comparison: Regex,
    /// A register keeps its value.
    holds: Regex,
}

impl Forms {
    fn new() -> Result<Forms> {
        Ok(Forms {
            assignment: Regex::new(r"^( {8,}|    always @\(\*\) )([\w$\[\]]+) = (.+);$")?,
            condition: Regex::new(r"^( {8,}(?:else )?if )\((.+)\) begin$")?,
            register: Regex::new(r"^( +always @\(posedge clock\) q <= )reset( \? 1'h[01] : d;)$")?,
            number: Regex::new(r"32'h([0-9a-f]+)\b")?,
            comparison: Regex::new(r"^([\w$]+) == 32'h[0-9a-f]+$")?,
            holds: Regex::new(r"^(?: {8}|    always @\(\*\) )([\w$]+)\$d = ([\w$]+)\$q;$")?,
        })
    }

    /// The text with one operator or number changed, in every way.
    fn expressions(&self, text: &str) -> Vec<(Kind, String)> {
        let mut found = Vec::new();
        let mut replace = |kind, at: usize, old: &str, new: &str| {
            found.push((kind, format!("{}{new}{}", &text[..at], &text[at + old.len()..])));
        };
        for (old, new) in SWAPS {
            for (at, _) in text.match_indices(old) {
                // A mask of ones is how rust-hdl widens; it is no operator of the source.
                if !text[at + old.len()..]
                    .split(')')
                    .next()
                    .is_some_and(|mask| mask.ends_with("'hff") || mask.ends_with("ffff"))
                {
                    replace(Kind::Operator, at, old, new);
                }
            }
        }
        for number in self.number.captures_iter(text) {
            let (Some(whole), Ok(value)) = (number.get(0), u32::from_str_radix(&number[1], 16)) else { continue };
            if value < 0xFF {
                replace(Kind::Constant, whole.start(), whole.as_str(), &format!("32'h{:x}", value + 1));
            }
            if (1..0x1_0000).contains(&value) {
                replace(Kind::Constant, whole.start(), whole.as_str(), &format!("32'h{:x}", value - 1));
            }
        }
        found
    }
}

/// A module of the file.
struct Module<'t> {
    /// Name without the top's.
    path: String,
    /// The same with the numbers of instances taken out.
    class: String,
    block: Option<Block>,
    first: usize,
    lines: Vec<&'t str>,
}

/// The modules of a file.
fn modules<'t>(lines: &[&'t str], top: &str) -> Result<Vec<Module<'t>>> {
    let head = Regex::new(r"^module ([\w$]+)\(")?;
    let instance = Regex::new(r"\$\d+")?;
    let mut modules: Vec<Module> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if let Some(name) = head.captures(line) {
            let path = name[1].strip_prefix(top).unwrap_or(&name[1]).trim_start_matches('$').to_owned();
            let part = path.split('$').next().unwrap_or_default();
            let block = PARTS.iter().find(|(name, _)| *name == part).map(|(_, block)| *block);
            let class = instance.replace_all(&path, "$$*").into_owned();
            modules.push(Module { path, class, block, first: number, lines: Vec::new() });
        }
        if let Some(module) = modules.last_mut() {
            module.lines.push(line);
        }
    }
    Ok(modules)
}

/// Every change that is thought of.
fn candidates(lines: &[&str], top: &str) -> Result<Vec<Candidate<Edit>>> {
    let forms = Forms::new()?;
    let mut classes: BTreeMap<String, Vec<Module>> = BTreeMap::new();
    let mut holding = BTreeSet::new();
    for module in modules(lines, top)? {
        let holds = module
            .lines
            .iter()
            .filter_map(|line| forms.holds.captures(line))
            .filter(|parts| parts[1] == parts[2]);
        holding.extend(holds.map(|parts| format!("{}${}", module.path, &parts[1])));
        classes.entry(module.class.clone()).or_default().push(module);
    }
    let mut candidates = Vec::new();
    for (class, modules) in &classes {
        let Some(first) = modules.first() else { continue };
        let Some(block) = first.block else { continue };
        for (at, line) in first.lines.iter().enumerate() {
            // The head and the end have names of their own.
            let same = modules.iter().filter(|module| module.lines.get(at) == Some(line));
            let edited: Vec<usize> = same.map(|module| module.first + at).collect();
            for (kind, change) in changes(&forms, &first.lines, at) {
                // What takes a new value each clock has one soon after a reset that it missed; wider ones wait for a bit that was reset.
                if kind == Kind::Reset && !holding.contains(&first.path) {
                    continue;
                }
                let place = format!("{class}:{at}");
                candidates.push(Candidate { block, kind, place, edit: Edit { lines: edited.clone(), change } });
            }
        }
    }
    Ok(candidates)
}

fn changes(forms: &Forms, lines: &[&str], at: usize) -> Vec<(Kind, Change)> {
    let line = lines[at];
    let mut found = Vec::new();
    if let Some(parts) = forms.assignment.captures(line) {
        let other = forms.expressions(&parts[3]).into_iter();
        found.extend(other.map(|(kind, text)| (kind, Change::Other(text))));
        // In a branch only: what is always assigned would be a latch.
        if parts[1].len() > 8 && parts[1].trim().is_empty() {
            found.push((Kind::Dropped, Change::Drop));
        }
    } else if let Some(parts) = forms.condition.captures(line) {
        let condition = &parts[2];
        let other = forms.expressions(condition).into_iter();
        found.extend(other.map(|(kind, text)| (kind, Change::Other(text))));
        found.push((Kind::Branches, Change::Other(format!("!({condition})"))));
        let indent = line.len() - line.trim_start().len();
        let below = lines[at + 1..].iter().find(|line| {
            let text = line.trim_start();
            line.len() - text.len() <= indent && text != "end"
        });
        let next = below
            .and_then(|line| forms.condition.captures(line))
            .filter(|next| next[1].ends_with("else if "));
        if let Some(next) = next {
            // Of two comparisons of one signal with numbers no more than one holds.
            let of = |text| forms.comparison.captures(text).map(|parts| parts[1].to_owned());
            if of(condition).is_none() || of(condition) != of(&next[2]) {
                found.push((Kind::Priority, Change::Other(format!("({condition}) && !({})", &next[2]))));
            }
        }
    } else if forms.register.is_match(line) {
        found.push((Kind::Reset, Change::Keep));
    }
    found
}

/// The line with the mutant in it, chosen by `active`; and the line as it would be in the mutant alone.
fn rewrite(forms: &Forms, line: &str, change: &Change, active: &str) -> Option<(String, String)> {
    let both = match change {
        Change::Other(text) => match forms.assignment.captures(line) {
            Some(parts) => {
                let (indent, left, right) = (&parts[1], &parts[2], &parts[3]);
                let chosen = format!("{indent}if ({active}) {left} = {text}; else {left} = {right};");
                (chosen, format!("{left} = {text};"))
            }
            None => {
                let parts = forms.condition.captures(line)?;
                let (head, condition) = (&parts[1], &parts[2]);
                // `&&` takes each side by itself, so that neither condition is widened by the other.
                let chosen = format!("{head}(({active} && ({text})) || (!{active} && ({condition}))) begin");
                (chosen, format!("{}({text}) begin", head.trim_start()))
            }
        },
        Change::Drop => {
            (format!("{}if (!{active}) {}", forms.assignment.captures(line)?.get(1)?.as_str(), line.trim()), ";".into())
        }
        Change::Keep => {
            let parts = forms.register.captures(line)?;
            (format!("{}(reset && !{active}){}", &parts[1], &parts[2]), "always @(posedge clock) q <= d;".into())
        }
    };
    Some(both)
}

/// Puts mutants into the Verilog of a device; gives it the input `mutant`. Their numbers begin with 1.
pub fn mutate(text: &str, top: &str, rng: &mut ChaCha8Rng) -> Result<(String, Vec<Mutant>)> {
    let forms = Forms::new()?;
    let lines: Vec<&str> = text.lines().collect();
    let mut out: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let mut mutants = Vec::new();
    for of_block in COUNTS {
        draw(candidates(&lines, top)?, of_block, rng, |candidate| {
            let number = mutants.len() as u16 + 1;
            let active = format!("({top}.mutant == 16'd{number})");
            let Edit { lines: places, change } = &candidate.edit;
            let Some(was) = places.first().map(|first| lines[*first]) else { return false };
            let Some((chosen, is)) = rewrite(&forms, was, change, &active) else { return false };
            for place in places {
                out[*place] = chosen.clone();
            }
            let (place, was) = (candidate.place.clone(), was.trim().to_owned());
            let (block, kind) = (candidate.block, candidate.kind);
            mutants.push(Mutant { number, block, place, kind, was, is });
            true
        });
    }
    let head = format!("module {top}(");
    let at = lines
        .iter()
        .position(|line| line.starts_with(&head))
        .context("the top's module is not there")?;
    let port = lines
        .iter()
        .position(|line| line.trim().starts_with("input wire"))
        .context("the top has no inputs")?;
    out[at] = out[at].replacen('(', "(mutant,", 1);
    out[port] = format!("    input wire [15:0] mutant;\n{}", out[port]);
    Ok((out.join("\n") + "\n", mutants))
}
