//! `cargo xtask testplan`: tests/testplan.toml against the tree.
//!
//! The plan says which test holds which behaviour of which block. A listed test must exist as a
//! function; every block of the register map must have an item. Whether a test passes is the
//! test run's business.

use crate::workspace;
use anyhow::{Context, Result, bail};
use kvcpu_mmio::map::BLOCKS;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;

/// Where the plan lies in the workspace.
const PLAN: &str = "tests/testplan.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    item: Vec<Item>,
}

/// One behaviour and what tests it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    block: String,
    behaviour: String,
    tests: Vec<String>,
}

/// Checks the plan; the error lists every offence.
pub(crate) fn check() -> Result<()> {
    let root = workspace::root()?;
    let text = std::fs::read_to_string(root.join(PLAN))
        .with_context(|| format!("{PLAN} cannot be read; it must list the tests of every register block"))?;
    let plan: Plan = toml::from_str(&text).with_context(|| format!("{PLAN} is malformed"))?;
    let mut functions = HashSet::new();
    collect_functions(&root, &mut functions)?;
    let blocks: Vec<&str> = BLOCKS.iter().map(|b| b.name).collect();
    let offences = offences(&plan, &functions, &blocks);
    if !offences.is_empty() {
        bail!("{PLAN}:\n  {}", offences.join("\n  "));
    }
    let tests: usize = plan.item.iter().map(|i| i.tests.len()).sum();
    println!("testplan: {} behaviours, {tests} tests, all {} register blocks covered", plan.item.len(), blocks.len());
    Ok(())
}

/// What is wrong with a plan, given the names of all functions of the tree and of all blocks.
fn offences(plan: &Plan, functions: &HashSet<String>, blocks: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for item in &plan.item {
        let at = format!("item `{}` of block `{}`", item.behaviour, item.block);
        if item.behaviour.trim().is_empty() {
            offences.push(format!("an item of block `{}` names no behaviour", item.block));
        }
        if item.tests.is_empty() {
            offences.push(format!("{at} lists no test"));
        }
        for test in &item.tests {
            let name = test.rsplit("::").next().unwrap_or(test);
            if !functions.contains(name) {
                offences.push(format!("{at}: test `{test}` does not exist (no `fn {name}` in any .rs file)"));
            }
        }
    }
    for block in blocks {
        if !plan.item.iter().any(|item| item.block == *block) {
            offences.push(format!("register block `{block}` has no item"));
        }
    }
    offences
}

/// Adds the name of every function in every Rust file below `directory`.
fn collect_functions(directory: &Path, names: &mut HashSet<String>) -> Result<()> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "target";
        if entry.file_type()?.is_dir() {
            if !hidden {
                collect_functions(&path, names)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            names.extend(functions_in(&text).map(String::from));
        }
    }
    Ok(())
}

/// The names that follow the word `fn` outside of line comments.
fn functions_in(text: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).flat_map(move |line| {
        line.match_indices("fn ").filter_map(move |(at, _)| {
            if line[..at].chars().next_back().is_some_and(word) {
                return None;
            }
            let rest = line[at + 3..].trim_start();
            let name = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
            (!name.is_empty()).then_some(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences_of(plan: &str) -> Vec<String> {
        let functions = ["doorbell_out_of_range".to_string(), "reset_clears".to_string()].into();
        offences(&toml::from_str(plan).unwrap(), &functions, &["queue", "tier"])
    }

    const GOOD: &str = r#"
        [[item]]
        block = "queue"
        behaviour = "a doorbell out of range is ignored and counted"
        tests = ["kvcpu_tests::queue::doorbell_out_of_range", "reset_clears"]
        [[item]]
        block = "tier"
        behaviour = "reset clears the tier"
        tests = ["kvcpu_tests::reset_clears"]
        [[item]]
        block = "store"
        behaviour = "blocks that are no register block may be listed"
        tests = ["reset_clears"]
    "#;

    #[test]
    fn a_plan_of_existing_tests_that_covers_the_map_passes() {
        assert_eq!(offences_of(GOOD), [""; 0]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_named() {
        let found = offences_of(&GOOD.replace("queue::doorbell_out", "queue::doorbell_far_out"));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("kvcpu_tests::queue::doorbell_far_out_of_range"), "{found:?}");
    }

    #[test]
    fn a_block_without_an_item_is_named() {
        let found = offences_of(&GOOD.replace("\"tier\"", "\"teir\""));
        assert_eq!(found, ["register block `tier` has no item"]);
    }

    #[test]
    fn an_item_without_tests_or_behaviour_is_refused() {
        let found = offences_of(&GOOD.replace("[\"kvcpu_tests::reset_clears\"]", "[]"));
        assert_eq!(found, ["item `reset clears the tier` of block `tier` lists no test"]);
        let found = offences_of(&GOOD.replace("reset clears the tier", " "));
        assert_eq!(found, ["an item of block `tier` names no behaviour"]);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(toml::from_str::<Plan>(&GOOD.replace("behaviour", "behavior")).is_err());
    }

    #[test]
    fn functions_are_found_where_they_are_defined() {
        let text =
            "fn one() {}\n    async fn two<T>() {}\n// fn three\nlet often = 3; pub const fn four (x: u8) fn five";
        assert_eq!(functions_in(text).collect::<Vec<_>>(), ["one", "two", "four", "five"]);
        let mut names = HashSet::new();
        collect_functions(&workspace::root().unwrap().join("mmio"), &mut names).unwrap();
        assert!(names.contains("the_presets_are_good"));
    }
}
