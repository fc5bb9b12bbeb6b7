//! What Yosys says of a design in figures.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Of `stat -json`, the cells of the whole design by their kinds.
pub(crate) fn cells_by_type(said: &str) -> Result<BTreeMap<String, u64>> {
    #[derive(Deserialize)]
    struct Stat {
        design: Design,
    }
    #[derive(Deserialize)]
    struct Design {
        num_cells_by_type: BTreeMap<String, u64>,
    }
    // What is before the object is a header of the log.
    let start = said.find('{').context("no object in it")?;
    let stat: Stat = serde_json::from_str(&said[start..])?;
    Ok(stat.design.num_cells_by_type)
}
