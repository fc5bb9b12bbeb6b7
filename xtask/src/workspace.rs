//! Where the workspace lies and what is in it.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use std::path::{Path, PathBuf};

/// The workspace's root directory: the one this crate was built in, unless it has moved.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = manifest.parent().context("xtask's directory has no parent")?;
    Ok(root.to_path_buf())
}

/// `cargo metadata` of the workspace's own crates; resolves nothing and needs no network.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata failed: is a Cargo.toml of the workspace malformed?")
}

/// A file's name for a program that runs in the root: from there on if it is below, so that names in a netlist, and with them the
/// bitstream, are the same in every checkout.
pub(crate) fn below<'a>(root: &Path, file: &'a Path) -> std::path::Display<'a> {
    file.strip_prefix(root).unwrap_or(file).display()
}

/// The same in a script for Yosys, in quotes, as a folder's name may have spaces. Yosys' `tee` does not take them.
pub(crate) fn in_script(root: &Path, file: &Path) -> String {
    format!("\"{}\"", below(root, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_files_from_the_root_on_and_in_quotes() {
        let root = Path::new("/a folder");
        assert_eq!(in_script(root, Path::new("/a folder/hdl/rtl/x.v")), "\"hdl/rtl/x.v\"");
        assert_eq!(in_script(root, Path::new("/elsewhere/my target/x.json")), "\"/elsewhere/my target/x.json\"");
    }
}
