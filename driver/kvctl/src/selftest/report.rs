//! The verdict: a row for each test, for people on a bench and for programs.

use serde::Serialize;
use serde_json::{Value, json};

use crate::output::{self, Report as Shown, to_json};

/// Something that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Register or place, as `kvctl regs` names it.
    pub register: String,
    /// What had to be there.
    pub expected: String,
    /// What was.
    pub found: String,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As specified.
    Pass,
    /// Not; the first few deviations, and how many there were.
    Fail(Vec<Failure>, usize),
    /// This backing cannot do what the test needs.
    NotAvailable(String),
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name, as `--only` takes it.
    pub name: &'static str,
    /// What was checked.
    pub checked: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What to probe next if it failed.
    pub hint: &'static str,
}

/// All rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the backing.
    pub device: String,
    /// The rows, in the order they were run.
    pub rows: Vec<Row>,
}

impl Row {
    fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail(..) => "FAIL",
            Verdict::NotAvailable(_) => "not available",
        }
    }
}

impl Report {
    /// Rows that failed.
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Fail(..))).count()
    }

    /// Rows that passed.
    pub fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Pass).count()
    }

    /// The row of that name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

impl Shown for Report {
    fn text(&self) -> String {
        let mut table = output::table(&["test", "result", "checked"]);
        for row in &self.rows {
            let checked = match &row.verdict {
                Verdict::NotAvailable(why) => why,
                Verdict::Pass | Verdict::Fail(..) => &row.checked,
            };
            table.add_row([row.name, row.result(), checked]);
        }
        let mut text = table.to_string();
        for row in &self.rows {
            let Verdict::Fail(failures, total) = &row.verdict else { continue };
            text += &format!("\n\n{} failed:", row.name);
            for Failure { register, expected, found } in failures {
                text += &format!("\n  {register}: expected {expected}, found {found}");
            }
            if *total > failures.len() {
                text += &format!("\n  and {} more", total - failures.len());
            }
            text += &format!("\n  next: {}", row.hint);
        }
        let (passed, failed) = (self.passed(), self.failed());
        let missing = self.rows.len() - passed - failed;
        text + &format!("\n\n{}: {passed} passed, {failed} failed, {missing} not available", self.device)
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            let (result, failures, total, reason) = match &row.verdict {
                Verdict::Pass => ("pass", &[][..], 0, Value::Null),
                Verdict::Fail(failures, total) => ("fail", &failures[..], *total, Value::Null),
                Verdict::NotAvailable(why) => ("not_available", &[][..], 0, why.clone().into()),
            };
            json!({
                "name": row.name,
                "result": result,
                "checked": row.checked,
                "failures": to_json(&failures),
                "failures_total": total,
                "hint": if result == "fail" { row.hint.into() } else { Value::Null },
                "reason": reason,
            })
        };
        let (passed, failed) = (self.passed(), self.failed());
        json!({
            "device": self.device,
            "passed": passed,
            "failed": failed,
            "not_available": self.rows.len() - passed - failed,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}
