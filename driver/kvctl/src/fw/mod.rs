//! `kvctl fw`: the firmware of a device, seen and told what to do (`docs/firmware.md`).
//!
//! What the commands mean is in the driver's `firmware`; how the answers look in `show.rs`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_driver::firmware::Image;
use kvcpu_driver::{Device, Firmware};
use kvcpu_mmio::firmware::{IMAGE_MAX_BYTES, Parameter};

use crate::cli::Error;
use crate::cli::parse::small;
use crate::output::Report;
use show::{Kind, Log, Parameters, Shown, Tested, Updated};

mod show;

/// The longest that a heart may take to beat; on a card it takes 20 ms.
const BEAT: Duration = Duration::from_secs(1);
/// Bytes of an ELF with all its symbols, at the most: a file that is longer is none.
const FILE_MOST: u64 = 1024 * IMAGE_MAX_BYTES as u64;

/// `kvctl fw ...`.
#[derive(Args, Clone, Debug)]
pub struct FwArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Clone, Debug)]
enum Verb {
    /// Show state, version, self-test, temperature, throttling
    Status,
    /// Show the last 32 events
    Log,
    /// Send an image, start it and wait until it is confirmed; the device works on
    Update {
        /// firmware/image/kvcpu-fw.elf, or a flat image
        file: PathBuf,
    },
    /// Test DMA and CRC with a block that is copied; the device must not be enabled
    Selftest,
    /// Show parameters, or set one until the core is reset
    Param {
        /// Which; all if left out
        #[arg(value_parser = parameter)]
        name: Option<Parameter>,
        /// Its new value
        #[arg(value_parser = small::<u32>)]
        value: Option<u32>,
    },
    /// Reset the core and wait until it is back; the device works on
    Restart,
}

fn parameter(text: &str) -> Result<Parameter, String> {
    let all = || Parameter::ALL.iter().map(|(parameter, ..)| *parameter);
    all().find(|of| of.name() == text).ok_or_else(|| {
        let names: Vec<_> = all().map(Parameter::name).collect();
        format!("there is no such parameter; there are {}", names.join(", "))
    })
}

/// Carries out a verb.
pub fn run(args: &FwArgs, device: &Device) -> Result<Box<dyn Report>, Error> {
    let firmware = device.firmware();
    Ok(match &args.verb {
        Verb::Status => shown(Kind::Status, device)?,
        Verb::Log => Box::new(Log(firmware.log()?)),
        Verb::Update { file } => update(&firmware, file)?,
        Verb::Selftest => {
            let found = firmware.self_test()?;
            if !found.is_good() {
                return Err(format!("the firmware's self-test failed: {found}; kvctl selftest says more").into());
            }
            Box::new(Tested(found))
        }
        Verb::Param { name, value } => {
            if let (Some(name), Some(value)) = (name, value) {
                let range = firmware.parameter(*name)?;
                if *value < range.least || *value > range.most {
                    let (name, least, most) = (name.name(), range.least, range.most);
                    return Err(format!("{name} is {least} to {most}, not {value}").into());
                }
                firmware.set_parameter(*name, *value)?;
            }
            let all = Parameter::ALL.iter().map(|(parameter, ..)| *parameter);
            let asked = all.filter(|of| name.is_none_or(|name| name == *of));
            let read = |of| Ok::<_, Error>((of, firmware.parameter(of)?));
            Box::new(Parameters(asked.map(read).collect::<Result<_, _>>()?))
        }
        Verb::Restart => {
            firmware.restart()?;
            shown(Kind::Restart, device)?
        }
    })
}

fn shown(kind: Kind, device: &Device) -> Result<Box<dyn Report>, Error> {
    let firmware = device.firmware();
    firmware.present()?;
    // A device that was opened a moment ago may be testing itself. If that does not end, it is what there is to be seen.
    if let Err(error) = firmware.wait_ready() {
        tracing::warn!("{error}");
    }
    let alive = firmware.is_alive(device.deadline().min(BEAT))?;
    Ok(Box::new(Shown { kind, device: device.backing().name(), alive, status: firmware.present()? }))
}

fn update(firmware: &Firmware, file: &Path) -> Result<Box<dyn Report>, Error> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut bytes = Vec::new();
    // What a device file holds has no end.
    let open = File::open(file).map_err(|e| named(&e))?;
    open.take(FILE_MOST + 1).read_to_end(&mut bytes).map_err(|e| named(&e))?;
    if bytes.len() as u64 > FILE_MOST {
        let problem = format!("more than {FILE_MOST} bytes are no firmware image; give firmware/image/kvcpu-fw.elf");
        return Err(named(&problem).into());
    }
    let image = Image::from_file(&bytes).map_err(|e| named(&e))?;
    let before = firmware.wait_ready()?.version;
    let bar = ProgressBar::new(image.bytes().len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} sent{msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let updated = firmware.update(&image, |sent, all| {
        bar.set_position(sent as u64);
        if sent == all {
            bar.set_message(", it is checked and started");
        }
    });
    bar.finish_and_clear();
    Ok(Box::new(Updated { file: file.display().to_string(), bytes: image.bytes().len(), before, after: updated? }))
}
