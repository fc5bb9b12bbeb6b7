//! `kvctl t3 check`: what a T3 file still holds. Changes nothing in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kvcpu_store::{BlockStore, Recovery, T3File, TornReason};
use serde_json::{Value, json};

use super::Error;
use crate::output::{self, Output, Report};

/// Torn slots shown to people; JSON has them all.
const SHOWN: usize = 20;

/// `kvctl t3 ...`.
#[derive(Args, Debug)]
pub(super) struct T3Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Read every slot of a T3 file and say what is whole, torn or empty
    Check {
        /// The file
        file: PathBuf,
        /// List the whole blocks too
        #[arg(long)]
        list: bool,
    },
}

/// Carries out a verb. A file with damage ends with exit code 1.
pub(super) fn run(args: &T3Args, output: Output) -> Result<ExitCode, Error> {
    let Verb::Check { file, list } = &args.verb;
    let (store, recovery) = T3File::open(file)?;
    let checked = Checked {
        file: file.display().to_string(),
        block_bytes: store.block_bytes(),
        slots: store.slots(),
        direct: store.direct(),
        list: *list,
        recovery,
    };
    output.show(&checked)?;
    let whole = checked.recovery.torn.is_empty() && checked.recovery.missing == 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Checked {
    file: String,
    block_bytes: usize,
    slots: u32,
    direct: bool,
    list: bool,
    recovery: Recovery,
}

impl Report for Checked {
    fn text(&self) -> String {
        let Recovery { whole, torn, empty, missing, .. } = &self.recovery;
        let mut text = output::pairs([
            ("file", self.file.clone()),
            ("slots", format!("{} of {} bytes", self.slots, self.block_bytes)),
            ("whole", whole.len().to_string()),
            ("torn", torn.len().to_string()),
            ("empty", empty.to_string()),
            ("missing", missing.to_string()),
        ]);
        for (slot, reason) in torn.iter().take(SHOWN) {
            text += &format!("\nslot {slot} is torn: {reason}; its block is absent");
        }
        if torn.len() > SHOWN {
            text += &format!("\nand {} more; --json lists all", torn.len() - SHOWN);
        }
        if *missing > 0 {
            text += &format!("\nthe last {missing} slots are cut off; their blocks are absent");
        }
        if self.list {
            let mut table = output::table(&["slot", "block", "generation", "CRC-32C"]);
            for block in whole {
                let (slot, generation) = (block.slot.to_string(), block.generation.to_string());
                table.add_row([slot, block.key.to_string(), generation, format!("{:#010x}", block.crc32c)]);
            }
            text += &format!("\n{table}");
        }
        text
    }

    fn json(&self) -> Value {
        let Recovery { whole, torn, empty, missing, .. } = &self.recovery;
        let torn: Vec<Value> = torn
            .iter()
            .map(|(slot, reason): &(u32, TornReason)| json!({ "slot": slot, "reason": reason.to_string() }))
            .collect();
        let mut object = json!({
            "file": self.file,
            "block_bytes": self.block_bytes,
            "slots": self.slots,
            "direct": self.direct,
            "whole": whole.len(),
            "torn": torn.len(),
            "empty": empty,
            "missing": missing,
            "torn_slots": torn,
        });
        if self.list {
            let blocks = whole.iter().map(|block| {
                json!({
                    "slot": block.slot, "tenant": block.key.tenant, "request": block.key.request, "tag": block.key.tag,
                    "generation": block.generation, "crc32c": block.crc32c,
                })
            });
            object["blocks"] = blocks.collect();
        }
        object
    }
}
