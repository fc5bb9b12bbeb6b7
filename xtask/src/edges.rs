//! `cargo xtask edges`: who may import whom among the workspace's crates.
//!
//! The table below is the rule. Normal and build dependencies must be in a row's `may`;
//! development dependencies are free, except for what `NEVER` forbids everywhere.

use crate::workspace;
use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata};

/// What one crate may depend on.
struct Rule {
    name: &'static str,
    may: &'static [&'static str],
    reason: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "kvcpu-mmio",
        may: &[],
        reason: "the map is the ground everything stands on, so it stands on nothing",
    },
    Rule {
        name: "kvcpu-ring",
        may: &["kvcpu-mmio"],
        reason: "host services speak the ring without a device, so it knows only the entry formats",
    },
    Rule {
        name: "kvcpu-emulator",
        may: &["kvcpu-mmio"],
        reason: "the model is written from the spec; what it shared with the RTL or the driver, lockstep could not check",
    },
    Rule {
        name: "kvcpu-firmware",
        may: &["kvcpu-mmio"],
        reason: "the firmware runs on a core without an operating system and meets the device at its registers alone",
    },
    Rule {
        name: "kvcpu-firmware-iss",
        may: &["kvcpu-mmio", "kvcpu-firmware", "kvcpu-emulator"],
        reason: "the simulated core runs the firmware's binary beside the device model; drivers meet both at the backing",
    },
    Rule {
        name: "kvcpu-hdl",
        may: &["kvcpu-mmio"],
        reason: "the RTL is written from the spec; what it shared with the emulator, lockstep could not check",
    },
    Rule {
        name: "kvcpu-driver",
        may: &["kvcpu-mmio", "kvcpu-ring"],
        reason: "the driver is generic over its backing: which device answers is chosen by its user",
    },
    Rule {
        name: "kvcpu-store",
        may: &["kvcpu-mmio", "kvcpu-ring", "kvcpu-driver"],
        reason: "the store serves the driver's T3 requests and knows no particular device",
    },
    Rule {
        name: "kvcpu-pager",
        may: &["kvcpu-mmio", "kvcpu-driver"],
        reason: "the pager asks a device which block goes, whichever device that is",
    },
    Rule {
        name: "kvcpu-pager-c",
        may: &["kvcpu-mmio", "kvcpu-driver", "kvcpu-emulator", "kvcpu-pager"],
        reason: "programs in C have no backing to hand over: the device that chooses victims for them is emulated here",
    },
    Rule {
        name: "kvcpu-sim",
        may: &["kvcpu-mmio", "kvcpu-ring", "kvcpu-driver", "kvcpu-emulator", "kvcpu-hdl"],
        reason: "the simulator is where model and RTL meet; tools sit above it",
    },
    Rule {
        name: "kvcpu-serve",
        may: &["kvcpu-mmio", "kvcpu-driver", "kvcpu-emulator", "kvcpu-sim"],
        reason: "the server shows a simulated device and speaks the driver's protocol; it neither drives nor stores",
    },
    Rule {
        name: "kvcpu-uapi",
        may: &["kvcpu-mmio", "kvcpu-driver"],
        reason: "the character device gives the driver's commands, whichever device is behind them",
    },
    Rule {
        name: "kvctl",
        may: &[
            "kvcpu-mmio",
            "kvcpu-ring",
            "kvcpu-driver",
            "kvcpu-serve",
            "kvcpu-uapi",
            "kvcpu-store",
            "kvcpu-pager",
            "kvcpu-emulator",
            "kvcpu-firmware",
            "kvcpu-firmware-iss",
            "kvcpu-sim",
        ],
        reason: "the tool chooses a backing and drives it; it does not reach into the RTL",
    },
    Rule {
        name: "kvcpu-tests",
        may: &[
            "kvcpu-mmio",
            "kvcpu-ring",
            "kvcpu-emulator",
            "kvcpu-hdl",
            "kvcpu-driver",
            "kvcpu-serve",
            "kvcpu-uapi",
            "kvcpu-store",
            "kvcpu-sim",
            "kvctl",
        ],
        reason: "cross-crate tests may use every crate of the product, but not the build's verbs",
    },
    Rule { name: "xtask", may: &["kvcpu-mmio"], reason: "it must build when everything but the map is broken" },
];

/// Edges that not even tests may have.
const NEVER: &[(&str, &str, &str)] = &[
    ("kvcpu-hdl", "kvcpu-emulator", "sharing behaviour would make lockstep check itself"),
    ("kvcpu-emulator", "kvcpu-hdl", "sharing behaviour would make lockstep check itself"),
    ("*", "kvcpu-tests", "tests are the top of the graph"),
    ("*", "xtask", "the build's verbs are no library"),
];

/// A dependency of one workspace crate on another.
#[derive(Clone, Debug)]
struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

/// Checks the workspace; the error lists every offence.
pub(crate) fn check() -> Result<()> {
    let metadata = workspace::metadata(&workspace::root()?)?;
    let (crates, edges) = graph(&metadata);
    let offences = offences(&crates, &edges);
    if !offences.is_empty() {
        bail!("{} forbidden edges between crates:\n\n{}", offences.len(), offences.join("\n\n"));
    }
    println!("edges: {} crates, {} dependencies among them, all allowed", crates.len(), edges.len());
    Ok(())
}

/// The workspace's crates and the dependencies between them.
fn graph(metadata: &Metadata) -> (Vec<String>, Vec<Edge>) {
    let packages = metadata.workspace_packages();
    let crates: Vec<String> = packages.iter().map(|p| p.name.to_string()).collect();
    let edges = packages
        .iter()
        .flat_map(|p| p.dependencies.iter().map(move |d| (p.name.to_string(), d)))
        .filter(|(_, d)| crates.contains(&d.name))
        .map(|(from, d)| Edge { from, to: d.name.clone(), kind: d.kind })
        .collect();
    (crates, edges)
}

/// Everything in the graph that the rules forbid, as messages.
fn offences(crates: &[String], edges: &[Edge]) -> Vec<String> {
    let mut offences = Vec::new();
    for name in crates.iter().filter(|name| rule(name).is_none()) {
        offences.push(format!(
            "crate `{name}` is not in the table\n  remedy: add a row for it to RULES in xtask/src/edges.rs, with the reason"
        ));
    }
    for Edge { from, to, kind } in edges {
        let manifest = match kind {
            DependencyKind::Development => "dev-dependencies",
            DependencyKind::Build => "build-dependencies",
            _ => "dependencies",
        };
        let never = NEVER.iter().find(|(f, t, _)| (*f == "*" || f == from) && t == to);
        let (rule, reason) = if let Some((_, _, reason)) = never {
            (format!("nothing of `{from}`, tests included, depends on `{to}`"), *reason)
        } else if *kind == DependencyKind::Development {
            continue;
        } else {
            match rule(from) {
                Some(rule) if !rule.may.contains(&to.as_str()) => {
                    let may =
                        if rule.may.is_empty() { "no crate of the workspace".into() } else { rule.may.join(", ") };
                    (format!("`{from}` may depend on {may}"), rule.reason)
                }
                _ => continue,
            }
        };
        offences.push(format!(
            "`{from}` -> `{to}` ([{manifest}])\n  rule: {rule}\n  why: {reason}\n  remedy: take `{to}` out of [{manifest}] \
             of `{from}`; move what both need down into a crate both may see, or change the rule in xtask/src/edges.rs"
        ));
    }
    offences
}

fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DependencyKind::{Build, Development, Normal};

    /// The offences of a graph given as `(from, to, kind)`.
    fn offences_of(edges: &[(&str, &str, DependencyKind)]) -> Vec<String> {
        let mut crates: Vec<String> = edges.iter().flat_map(|(f, t, _)| [f.to_string(), t.to_string()]).collect();
        crates.sort();
        crates.dedup();
        let edge = |&(f, t, kind): &(&str, &str, _)| Edge { from: f.into(), to: t.into(), kind };
        offences(&crates, &edges.iter().map(edge).collect::<Vec<_>>())
    }

    #[test]
    fn what_the_table_allows_passes() {
        for rule in RULES {
            for to in rule.may {
                assert_eq!(offences_of(&[(rule.name, to, Normal)]), [""; 0], "{} -> {to}", rule.name);
            }
        }
    }

    #[test]
    fn each_forbidden_edge_is_named_with_rule_and_remedy() {
        let forbidden = [
            ("kvcpu-mmio", "kvcpu-ring"),
            ("kvcpu-ring", "kvcpu-driver"),
            ("kvcpu-emulator", "kvcpu-ring"),
            ("kvcpu-emulator", "kvcpu-hdl"),
            ("kvcpu-hdl", "kvcpu-emulator"),
            ("kvcpu-driver", "kvcpu-emulator"),
            ("kvcpu-driver", "kvcpu-store"),
            ("kvcpu-store", "kvcpu-emulator"),
            ("kvctl", "kvcpu-hdl"),
            ("kvctl", "kvcpu-tests"),
            ("kvcpu-tests", "xtask"),
            ("xtask", "kvcpu-driver"),
        ];
        for (from, to) in forbidden {
            for kind in [Normal, Build] {
                let found = offences_of(&[(from, to, kind)]);
                assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
                assert!(found[0].starts_with(&format!("`{from}` -> `{to}`")), "{found:?}");
                for part in ["rule: ", "why: ", "remedy: "] {
                    assert!(found[0].contains(part), "{found:?}");
                }
            }
        }
    }

    #[test]
    fn tests_of_a_crate_may_look_further_but_not_everywhere() {
        assert_eq!(offences_of(&[("kvcpu-driver", "kvcpu-emulator", Development)]), [""; 0]);
        assert_eq!(offences_of(&[("kvcpu-driver", "kvcpu-store", Development)]), [""; 0]);
        for (from, to) in [("kvcpu-hdl", "kvcpu-emulator"), ("kvcpu-emulator", "kvcpu-hdl"), ("kvctl", "kvcpu-tests")] {
            let found = offences_of(&[(from, to, Development)]);
            assert_eq!(found.len(), 1, "{from} -> {to}");
            assert!(found[0].contains("[dev-dependencies]"), "{found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_is_an_error_that_says_what_to_do() {
        let found = offences_of(&[("kvcpu-new", "kvcpu-mmio", Normal)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`kvcpu-new`") && found[0].contains("add a row"), "{found:?}");
    }

    #[test]
    fn every_offence_of_a_graph_is_listed() {
        let found = offences_of(&[
            ("kvcpu-mmio", "kvcpu-ring", Normal),
            ("kvcpu-ring", "kvcpu-mmio", Normal),
            ("kvcpu-store", "xtask", Build),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn the_table_has_one_row_a_crate_and_names_only_crates_of_the_table() {
        for (i, rule) in RULES.iter().enumerate() {
            assert!(RULES[i + 1..].iter().all(|other| other.name != rule.name), "{} has two rows", rule.name);
            assert!(rule.may.iter().all(|to| self::rule(to).is_some()), "{}", rule.name);
        }
    }

    #[test]
    fn this_workspace_is_read() {
        let (crates, edges) = graph(&workspace::metadata(&workspace::root().unwrap()).unwrap());
        assert!(crates.iter().any(|c| c == "kvcpu-mmio"));
        assert!(edges.iter().any(|e| e.from == "xtask" && e.to == "kvcpu-mmio" && e.kind == Normal));
    }
}
