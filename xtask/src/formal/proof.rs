//! A proof, as its folder in hdl/formal declares it: `proof.toml`, and the properties in `properties.sv`.
//!
//! ```text
//! hdl/rtl/<design>.v ─► mutant's edit ─┐
//! properties.sv ───────────────────────┴─► flat design ─► taps joined ─► SymbiYosys ─► PASS, FAIL
//! ```

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A proof.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    /// What is proved, in a line.
    pub(super) about: String,
    /// The exported design it is about: `hdl/rtl/<design>.v`.
    pub(super) design: String,
    /// The module of it that the proof is about, with all below it; by default all of the design.
    pub(super) part: Option<String>,
    /// Modules left out, for which `properties.sv` has others that may do more.
    #[serde(default)]
    pub(super) without: Vec<String>,
    /// Proved for all time, by induction over so many clocks; without, for the first `clocks` only.
    pub(super) induction: Option<u32>,
    /// Clocks after the start in which mutants must fail and covers be reached, and all that a bounded proof looks at.
    pub(super) clocks: u32,
    /// Wires of `properties.sv` and the wires of the flat design that drive them, highest bits first. `{7..0}` stands
    /// for a name with each of these numbers.
    #[serde(default)]
    pub(super) taps: BTreeMap<String, String>,
    /// What must be noticed.
    pub(super) mutants: Vec<Mutant>,
}

/// An edit of the design that breaks it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutant {
    /// What is broken, in a line.
    pub(super) name: String,
    /// Text that stands once in the design.
    pub(super) old: String,
    /// What takes its place.
    pub(super) new: String,
}

/// What SymbiYosys is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Prove what the proof says.
    Hold,
    /// Reach every cover statement: the assumptions leave something to be proved.
    Cover,
    /// Find a counterexample to this mutant.
    Catch(usize),
}

impl Proof {
    /// Reads it from its folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("proof.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let proof: Self = toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
        ensure!(!proof.mutants.is_empty(), "{}: a proof needs a mutant that fails it", path.display());
        Ok(proof)
    }

    /// The modules of the design's text that the proof is about.
    pub(super) fn choose(&self, design: &str) -> Result<String> {
        let mut names = Vec::new();
        let mut chosen = String::new();
        for module in design.split_inclusive("\nendmodule") {
            let Some(start) = module.find("module ") else { continue };
            let text = &module[start..];
            let name = text["module ".len()..].split('(').next().unwrap_or_default().trim();
            let below = |top: &String| {
                name.strip_prefix(top.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('$'))
            };
            if self.part.as_ref().is_none_or(below) {
                names.push(name);
                if !self.without.iter().any(below) {
                    chosen += text;
                    chosen += "\n";
                }
            }
        }
        for wanted in self.part.iter().chain(&self.without) {
            ensure!(names.contains(&wanted.as_str()), "there is no module `{wanted}`");
        }
        Ok(chosen)
    }

    /// How much is proved.
    pub(super) fn extent(&self) -> String {
        match self.induction {
            Some(depth) => format!("inductive, k = {depth}"),
            None => format!("bounded, {} clocks", self.clocks),
        }
    }

    /// The SymbiYosys file of a task, on `design.v` and `properties.sv` beside it.
    pub(super) fn sby(&self, task: Task) -> Result<String> {
        let (mode, depth, inductive) = match (task, self.induction) {
            // The base of it; the step is `induction`'s.
            (Task::Hold, Some(depth)) => ("bmc", depth, true),
            (Task::Cover, _) => ("cover", self.clocks, false),
            (Task::Hold | Task::Catch(_), _) => ("bmc", self.clocks, false),
        };
        // Assertions that only carry the induction are not what a mutant must fail.
        let define = if inductive { "-D INDUCTION " } else { "" };
        let mut taps = String::new();
        for (wire, source) in &self.taps {
            taps += &format!("connect -nounset -set {wire} {}\n", sources(source)?);
        }
        // A read of a word that is written in the same clock gives an unknown word: no_rw_check of the exported RAMs.
        Ok(format!(
            "[options]\nmode {mode}\ndepth {depth}\n\n[engines]\nsmtbmc yices\n\n[script]\n\
             read_verilog -formal -sv {define}properties.sv design.v\nhierarchy -check -top formal\nproc\nflatten\n\
             memory_dff\nmemory_collect\nmemory_map\n{taps}opt_clean\ncheck -assert\nsetundef -anyseq\nprep -top formal\n\n\
             [files]\nproperties.sv\ndesign.v\n"
        ))
    }
}

impl Mutant {
    /// The design with the edit made.
    pub(super) fn apply(&self, design: &str) -> Result<String> {
        let found = design.matches(&self.old).count();
        ensure!(found == 1, "mutant `{}`: its old text stands {found} times in the design, not once", self.name);
        ensure!(self.old != self.new, "mutant `{}` changes nothing", self.name);
        Ok(design.replacen(&self.old, &self.new, 1))
    }
}

/// The wires that a tap's source names, as Yosys writes them.
fn sources(source: &str) -> Result<String> {
    let Some((before, rest)) = source.split_once('{') else { return Ok(format!("\\{source}")) };
    let (range, after) = rest.split_once('}').with_context(|| format!("tap `{source}`: no `}}`"))?;
    let (first, last) = range.split_once("..").with_context(|| format!("tap `{source}`: no `..`"))?;
    let (first, last): (u32, u32) = (first.parse()?, last.parse()?);
    ensure!(first >= last, "tap `{source}`: highest first");
    let names: Vec<String> = (last..=first).rev().map(|number| format!("\\{before}{number}{after}")).collect();
    Ok(names.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    fn proof() -> Proof {
        let text = "about = ''\ndesign = 'd'\nclocks = 20\ntaps.words = 'dut.mem[{2..0}]'\n\
                    [[mutants]]\nname = 'm'\nold = 'a & b'\nnew = 'a'\n";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_task_chooses_mode_and_depth() {
        let mut proof = proof();
        let head = |proof: &Proof, task| proof.sby(task).unwrap().lines().skip(1).take(2).collect::<Vec<_>>().join(" ");
        assert_eq!(head(&proof, Task::Hold), "mode bmc depth 20");
        assert_eq!(head(&proof, Task::Cover), "mode cover depth 20");
        proof.induction = Some(3);
        assert_eq!(head(&proof, Task::Hold), "mode bmc depth 3");
        assert!(proof.sby(Task::Hold).unwrap().contains("-D INDUCTION"));
        assert!(!proof.sby(Task::Catch(0)).unwrap().contains("-D INDUCTION"));
        assert_eq!(head(&proof, Task::Catch(0)), "mode bmc depth 20");
    }

    #[test]
    fn a_part_is_a_module_and_those_below_it_less_those_left_out() {
        let design = "// x\n\nmodule a(c);\n\nendmodule // a\n\nmodule a$b(c);\n1\nendmodule // a$b\n\nmodule a$b$c(c);\n2\nendmodule\nmodule a$bc(c);\n\nendmodule";
        let mut proof = proof();
        assert_eq!(proof.choose(design).unwrap().matches("endmodule").count(), 4);
        proof.part = Some("a$b".to_owned());
        assert_eq!(proof.choose(design).unwrap(), "module a$b(c);\n1\nendmodule\nmodule a$b$c(c);\n2\nendmodule\n");
        proof.without = vec!["a$b$c".to_owned()];
        assert_eq!(proof.choose(design).unwrap(), "module a$b(c);\n1\nendmodule\n");
        proof.without = vec!["a$d".to_owned()];
        assert!(proof.choose(design).unwrap_err().to_string().contains("no module `a$d`"));
    }

    #[test]
    fn taps_name_wires_highest_first() {
        let text = proof().sby(Task::Hold).unwrap();
        assert!(text.contains("connect -nounset -set words \\dut.mem[2],\\dut.mem[1],\\dut.mem[0]\n"), "{text}");
        assert_eq!(sources("dut.a$q").unwrap(), "\\dut.a$q");
        assert!(sources("m[{0..2}]").unwrap_err().to_string().contains("highest first"));
    }

    #[test]
    fn a_mutant_edits_one_place_or_is_refused() {
        let mutant = &proof().mutants[0];
        assert_eq!(mutant.apply("x = a & b;").unwrap(), "x = a;");
        assert!(mutant.apply("x = a | b;").unwrap_err().to_string().contains("stands 0 times"));
        assert!(mutant.apply("a & b; a & b;").unwrap_err().to_string().contains("stands 2 times"));
    }
}
