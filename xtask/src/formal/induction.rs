//! The step of an induction: if all assertions hold in `k` states one after another, each holds in the next.
//!
//! ```text
//!  SymbiYosys' model ─► k + 1 states, transitions, all assertions in the first k ─┬─► not assertion 0 in the last? ─► unsat
//!                                                                                ├─► not assertion 1 ...
//! ```
//!
//! Asked for one by one, since the solver answers at once for each, and not in hours for their conjunction.

use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::path::Path;

/// Yosys' model of the wrapper, in SMT-LIB, and what it says of its assertions.
pub(super) struct Model {
    text: String,
    /// Where in the source each stands.
    places: Vec<String>,
}

impl Model {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // ; yosys-smt2-assert <number> <name> <place>
        let places = text
            .lines()
            .filter_map(|line| line.strip_prefix("; yosys-smt2-assert "))
            .map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>();
        ensure!(!places.is_empty(), "{} has no assertions", path.display());
        Ok(Self { text, places })
    }

    /// A query for each assertion, in SMT-LIB; the solver answers them in turn.
    pub(super) fn queries(&self, k: u32) -> String {
        let mut text = format!("(set-logic QF_UFBV)\n{}\n", self.text);
        for state in 0..=k {
            let _ = writeln!(
                text,
                "(declare-fun s{state} () |formal_s|)\n\
                 (assert (and (|formal_h| s{state}) (|formal_u| s{state}) (not (|formal_is| s{state}))))"
            );
        }
        for (state, next) in (0..k).zip(1..) {
            let _ = writeln!(text, "(assert (and (|formal_a| s{state}) (|formal_t| s{state} s{next})))");
        }
        // What comes before them must be possible.
        text += "(check-sat)\n";
        for number in 0..self.places.len() {
            let _ = writeln!(text, "(push 1)\n(assert (not (|formal_a {number}| s{k})))\n(check-sat)\n(pop 1)");
        }
        text
    }

    /// What the answers say.
    pub(super) fn judge(&self, answers: &str) -> Result<()> {
        let mut lines = answers.lines();
        ensure!(lines.next() == Some("sat"), "the step's assumptions contradict each other: {answers}");
        for place in &self.places {
            match lines.next() {
                Some("unsat") => {}
                Some("sat") => {
                    bail!("the step does not hold: {place} may fail behind states in which all assertions hold")
                }
                other => bail!("no answer about {place}: {}", other.unwrap_or("the solver ended")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    fn model() -> Model {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("design.smt2");
        std::fs::write(&path, "; yosys-smt2-assert 0 a p.sv:1.2-1.3\n; yosys-smt2-assert 1 b p.sv:4.5-4.6\n").unwrap();
        Model::read(&path).unwrap()
    }

    #[test]
    fn each_assertion_is_a_query_and_its_answer_is_told_by_its_place() {
        let model = model();
        let text = model.queries(2);
        assert_eq!(text.matches("(check-sat)").count(), 3);
        assert!(text.contains("(assert (and (|formal_a| s1) (|formal_t| s1 s2)))"));
        assert!(text.contains("(assert (not (|formal_a 1| s2)))"));
        model.judge("sat\nunsat\nunsat\n").unwrap();
        assert!(model.judge("sat\nunsat\nsat\n").unwrap_err().to_string().contains("p.sv:4.5-4.6"));
        assert!(
            model
                .judge("sat\nunsat\n")
                .unwrap_err()
                .to_string()
                .contains("no answer about p.sv:4.5-4.6")
        );
        model.judge("unsat\nunsat\nunsat\n").unwrap_err();
    }
}
