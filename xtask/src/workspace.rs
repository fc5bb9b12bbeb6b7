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
