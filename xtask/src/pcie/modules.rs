//! Which file defines which module. Vivado takes a second definition of one without an error, and not always the wanted one.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// No module is defined twice in these files.
pub(super) fn each_once<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        for module in modules(&text) {
            if let Some(other) = seen.insert(module.to_owned(), file) {
                bail!("module {module} is defined in {} and in {}", other.display(), file.display());
            }
        }
    }
    Ok(())
}

/// The modules of a file, each of which begins a line.
fn modules(verilog: &str) -> impl Iterator<Item = &str> {
    verilog.lines().filter_map(|line| {
        let line = line.trim_start();
        // Attributes may stand before it.
        let line = line.rsplit_once("*)").map_or(line, |(_, rest)| rest.trim_start());
        let name = line.strip_prefix("module ")?.trim_start();
        name.split(|c: char| c.is_whitespace() || "(#;".contains(c)).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_with_attributes_parameters_and_without_ports() {
        let text = "module a(\n  input x);\n// module no(\nendmodule\n(* keep *) module b$c #(parameter D = 1) ();\n  module d;\n";
        assert_eq!(modules(text).collect::<Vec<_>>(), ["a", "b$c", "d"]);
    }

    #[test]
    fn a_module_that_two_files_define_is_named_with_both() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("core.v", "module core(\n);"), ("other.v", "module other;"), ("ports.v", "module core (")];
        let files = files.map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        each_once(&files[..2]).unwrap();
        let fault = each_once(&files).unwrap_err().to_string();
        assert!(
            fault.contains("module core") && fault.contains("core.v and in") && fault.contains("ports.v"),
            "{fault}"
        );
    }
}
