//! A folder of generated files: written, or compared with what would be written.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Files: name and text.
pub(crate) type Files = Vec<(&'static str, String)>;

/// Where the files of a verb go.
pub(crate) struct Folder {
    /// From the workspace's root.
    pub(crate) path: &'static str,
    /// The verb.
    pub(crate) command: &'static str,
    /// What the files are made from.
    pub(crate) source: &'static str,
}

impl Folder {
    /// Writes the files that are not already as they should be.
    pub(crate) fn write(&self, files: &Files) -> Result<()> {
        let directory = workspace::root()?.join(self.path);
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, text) in files {
            let path = directory.join(name);
            let fresh = std::fs::read_to_string(&path).is_ok_and(|old| old == *text);
            if !fresh {
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
            println!("{}/{name}: {}", self.path, if fresh { "unchanged" } else { "written" });
        }
        Ok(())
    }

    /// Fails if a file is missing, differs, or is none of the verb's.
    pub(crate) fn check(&self, files: &Files) -> Result<()> {
        let Folder { path, command, .. } = self;
        let stale = self.stale(&workspace::root()?.join(path), files)?;
        if !stale.is_empty() {
            bail!("{path} is stale:\n  {}\nremedy: cargo xtask {command}, and commit the result", stale.join("\n  "));
        }
        println!("{command}: {} files of {path} are up to date", files.len());
        Ok(())
    }

    /// What is wrong with the files of a directory.
    fn stale(&self, directory: &Path, files: &Files) -> Result<Vec<String>> {
        let mut stale = Vec::new();
        for (name, text) in files {
            match std::fs::read_to_string(directory.join(name)) {
                Ok(old) if old == *text => {}
                Ok(_) => stale.push(format!("{name}: differs from what {} says", self.source)),
                Err(error) => stale.push(format!("{name}: {error}")),
            }
        }
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !files.iter().any(|(ours, _)| *ours == name) {
                stale.push(format!("{name}: is not made by this command; delete it"));
            }
        }
        Ok(stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_a_changed_and_a_foreign_file_are_stale() {
        let directory = tempfile::tempdir().unwrap();
        let files = vec![("a", "1".to_string()), ("b", "2".to_string()), ("c", "3".to_string())];
        let folder = Folder { path: "here", command: "make", source: "the test" };
        for (name, text) in [("a", "1"), ("b", "changed"), ("d", "")] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let stale = folder.stale(directory.path(), &files).unwrap();
        assert_eq!(stale.len(), 3, "{stale:?}");
        assert!(stale[0].starts_with("b: differs") && stale[1].starts_with("c: ") && stale[2].starts_with("d: is not"));
    }
}
