//! Gives each independent part of a kernel's Verilog an `always` block of its own.
//!
//! ```text
//!  always @(*) begin          always @(*) a = b;
//!      a = b;                 always @(*) begin
//!      c = d;           ─►        c = d;
//!      if (e) c = f;              if (e) c = f;
//!  end                        end
//! ```
//!
//! rust-hdl puts a whole kernel into one block, so all that it makes depends on all that it reads, and a simulator that
//! evaluates only what may have changed evaluates everything. Statements that assign the same signal stay together, in
//! their order; nothing else of a kernel depends on order. A block that reads no signal would never be evaluated, so
//! constants are assigned in the block of another statement.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where a kernel begins and ends, and its statements.
const BEGIN: &str = "    always @(*) begin";
const END: &str = "    end";
const INDENT: &str = "        ";

/// The same Verilog, its kernels split.
pub(crate) fn split(verilog: &str) -> String {
    let mut text = String::with_capacity(verilog.len() + verilog.len() / 8);
    let mut lines = verilog.lines();
    while let Some(line) = lines.next() {
        if line == BEGIN {
            let kernel: Vec<&str> = lines.by_ref().take_while(|line| *line != END).collect();
            write_kernel(&mut text, &kernel);
        } else {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// Statements that belong together, as lines.
type Group<'a> = Vec<&'a str>;

fn write_kernel(text: &mut String, kernel: &[&str]) {
    for group in groups(&statements(kernel)) {
        if let [line] = group[..] {
            let _ = writeln!(text, "    always @(*) {}", line.trim());
            continue;
        }
        let _ = writeln!(text, "{BEGIN}");
        for line in group {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "{END}");
    }
}

/// A kernel's statements: an assignment, or an `if` with all its branches.
fn statements<'a>(kernel: &[&'a str]) -> Vec<Group<'a>> {
    let mut statements: Vec<Group> = Vec::new();
    for line in kernel {
        let starts = line
            .strip_prefix(INDENT)
            .is_some_and(|rest| !matches!(rest.split(' ').next(), None | Some("" | "end" | "endcase" | "else")));
        match statements.last_mut() {
            Some(statement) if !starts => statement.push(line),
            _ => statements.push(vec![line]),
        }
    }
    statements
}

/// What a line assigns, and whether it reads anything.
fn assignment(line: &str) -> Option<(&str, bool)> {
    let (target, value) = line.trim().split_once(" = ")?;
    let name = target.split('[').next().unwrap_or(target);
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    is_name.then(|| (name, reads(value)))
}

/// Whether an expression names a signal: letters that are not part of a number such as `8'hff`.
fn reads(value: &str) -> bool {
    let mut words = value.split(|c: char| !c.is_ascii_alphanumeric() && !"_$'".contains(c));
    words.any(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// Statements by what they assign, in the order of their first.
fn groups<'a>(statements: &[Group<'a>]) -> Vec<Group<'a>> {
    // The group of a statement is the least number of those joined with it.
    let mut group: Vec<usize> = (0..statements.len()).collect();
    let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, statement) in statements.iter().enumerate() {
        for (name, _) in statement.iter().filter_map(|line| assignment(line)) {
            let first = *owner.entry(name).or_insert(number);
            join(&mut group, first, number);
        }
    }
    let is_constant = |statement: &Group| match statement[..] {
        [line] => assignment(line).is_some_and(|(_, reads)| !reads),
        _ => false,
    };
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, first) in group.iter().enumerate() {
        members.entry(*first).or_default().push(number);
    }
    let (constant, mut made): (Vec<_>, Vec<_>) = members
        .into_values()
        .partition(|members| members.iter().all(|&number| is_constant(&statements[number])));
    // The last one: a clock or a reset is assigned first.
    match made.last_mut() {
        Some(last) => last.splice(0..0, constant.into_iter().flatten()).for_each(drop),
        None => made = vec![constant.into_iter().flatten().collect()],
    }
    made.into_iter()
        .filter(|members| !members.is_empty())
        .map(|members| members.into_iter().flat_map(|number| statements[number].iter().copied()).collect())
        .collect()
}

/// Joins the groups of two statements.
fn join(group: &mut [usize], a: usize, b: usize) {
    let (a, b) = (group[a], group[b]);
    let (least, other) = (a.min(b), a.max(b));
    group.iter_mut().filter(|of| **of == other).for_each(|of| *of = least);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(body: &str) -> String {
        let lines: Vec<String> = body.lines().map(|line| format!("{INDENT}{line}")).collect();
        split(&format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
    }

    #[test]
    fn independent_assignments_are_blocks_of_their_own() {
        assert_eq!(kernel("a = b;\nc$d = e;"), "    always @(*) a = b;\n    always @(*) c$d = e;\n");
    }

    #[test]
    fn what_assigns_the_same_signal_stays_together_in_order() {
        let text = kernel("a = b;\nc = d;\nif (e) begin\n    a = c;\nend\nelse begin\n    a[3:0] = f;\nend");
        let expected = "    always @(*) begin\n        a = b;\n        if (e) begin\n            a = c;\n        end\n        else begin\n            \
                        a[3:0] = f;\n        end\n    end\n    always @(*) c = d;\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_condition_joins_all_that_it_assigns() {
        let text = kernel("a = b;\nc = d;\nif (e) begin\n    a = 1'b1;\n    c = 1'b0;\nend");
        assert_eq!(text.matches("always").count(), 1, "{text}");
    }

    #[test]
    fn a_constant_is_assigned_beside_something_that_is_read() {
        let text = kernel("a = 8'hff;\nb = c;");
        assert_eq!(text, "    always @(*) begin\n        a = 8'hff;\n        b = c;\n    end\n");
        assert_eq!(kernel("a = 8'hff;"), "    always @(*) a = 8'hff;\n");
    }

    #[test]
    fn a_signal_may_be_named_like_the_end_of_a_branch() {
        assert_eq!(kernel("a = b;\nend_row = c;").matches("always").count(), 2);
        assert_eq!(kernel("case (a)\n    1'b0: b = c;\nendcase").matches("always").count(), 1);
    }

    #[test]
    fn what_is_no_kernel_stays_as_it_is() {
        let text = "module m(a);\n    always @(posedge clock) q <= d;\nendmodule\n";
        assert_eq!(split(text), text);
    }
}
