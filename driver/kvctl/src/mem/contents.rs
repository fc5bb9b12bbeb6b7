//! `kvctl mem list` and `kvctl mem verify`: what a sealed file holds, and whether all of it is as it was sealed.

use kvcpu_pager::Source;
use kvcpu_pager::container::{Region, Verification};
use serde_json::json;

use super::{Sealed, bar};
use crate::cli::Error;
use crate::output::{Report, table};

/// Damaged blocks that are shown to people; JSON has them all.
const SHOWN: usize = 20;

/// The parts of a file.
pub(super) struct Listed {
    file: String,
    regions: Vec<Region>,
}

pub(super) fn list(sealed: &Sealed) -> Result<Listed, Error> {
    Ok(Listed { file: sealed.file.display().to_string(), regions: sealed.open()?.regions().to_vec() })
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut table = table(&["name", "offset", "bytes", "type", "shape"]);
        for Region { name, offset, bytes, dtype, shape } in &self.regions {
            table.add_row([name.clone(), offset.to_string(), bytes.to_string(), dtype.clone(), format!("{shape:?}")]);
        }
        table.to_string()
    }

    fn json(&self) -> serde_json::Value {
        let region = |region: &Region| {
            let Region { name, offset, bytes, dtype, shape } = region;
            json!({ "name": name, "offset": offset, "bytes": bytes, "dtype": dtype, "shape": shape })
        };
        let regions: Vec<_> = self.regions.iter().map(region).collect();
        json!({ "command": "mem_list", "file": self.file, "regions": regions })
    }
}

/// What a look at every block found.
pub(super) struct Verified {
    file: String,
    found: Verification,
}

impl Verified {
    pub(super) fn is_whole(&self) -> bool {
        self.found.damaged.is_empty()
    }
}

pub(super) fn verify(sealed: &Sealed) -> Result<Verified, Error> {
    let container = sealed.open()?;
    let (block, bytes) = (container.header().block_size.bytes() as u64, container.bytes());
    let bar = bar(bytes, "read");
    let found = container.verify(|done, _| bar.set_position((done * block).min(bytes)));
    bar.finish_and_clear();
    Ok(Verified { file: sealed.file.display().to_string(), found })
}

impl Report for Verified {
    fn text(&self) -> String {
        let Verification { blocks, damaged } = &self.found;
        let mut text = format!("{}: {blocks} blocks read, {} damaged", self.file, damaged.len());
        for block in damaged.iter().take(SHOWN) {
            text += &format!("\n  {block}");
        }
        if damaged.len() > SHOWN {
            text += &format!("\n  and {} more; --json has them all", damaged.len() - SHOWN);
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let block = |block: &kvcpu_pager::container::DamagedBlock| {
            let error = block.error.to_string();
            json!({ "block": block.block, "tenant": block.tenant, "error": error, "regions": block.regions })
        };
        let damaged: Vec<_> = self.found.damaged.iter().map(block).collect();
        json!({ "command": "mem_verify", "file": self.file, "blocks": self.found.blocks, "damaged": damaged })
    }
}
