//! A file, sealed to a container: what it is, and what the parts of it are called. `docs/tza.md`, Sealing.
//!
//! The arena is the file, byte for byte. A safetensors or GGUF file gives its tensors' names to the regions of the arena; any other is one
//! region with the file's name, and so is one that looks like either but is damaged: its fault is in the report.

mod gguf;
mod safetensors;

pub use gguf::{GgufFault, read_gguf};
pub use safetensors::{SafetensorsFault, read_safetensors};

use crate::claim::Requirement;
use crate::container::{ContainerError, Region, Summary, Writer, WriterOptions};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How a file is sealed.
#[derive(Clone, Default)]
pub struct SealOptions<'a> {
    /// How the container is written.
    pub writer: WriterOptions<'a>,
    /// The tenant whose blocks they are.
    pub tenant: u8,
    /// What a claim must say to read them; `None` if none is needed.
    pub requirement: Option<Requirement>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tensors after a header in JSON.
    Safetensors,
    /// Tensors after a header in binary.
    Gguf,
    /// Anything else.
    Other,
}

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealReport {
    /// What the file is.
    pub form: Form,
    /// If it is like safetensors or GGUF, why it is not.
    pub fault: Option<String>,
    /// Regions it has.
    pub regions: usize,
    /// What was written.
    pub summary: Summary,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes sealed.
    pub done_bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
    /// Bytes they take in the container.
    pub stored_bytes: u64,
}

/// Bytes read at once, a whole number of blocks of any size.
const CHUNK_BYTES: usize = 4 << 20;

/// Seals `input` to a new container at `output`. The file is not to change meanwhile; one that becomes shorter is refused.
pub fn seal_file(
    input: &Path,
    output: &Path,
    options: &SealOptions<'_>,
    mut progress: impl FnMut(Progress),
) -> Result<SealReport, ContainerError> {
    let name = input.display().to_string();
    let io = |doing| {
        let name = name.clone();
        move |error| ContainerError::Io { name, doing, error }
    };
    let file = File::open(input).map_err(io("opening"))?;
    let total_bytes = file.metadata().map_err(io("reading its length"))?.len();
    let mut file = BufReader::new(file);
    let stem = input.file_name().map_or(name.clone(), |name| name.to_string_lossy().into_owned());
    let (form, regions, fault) = regions(&mut file, total_bytes, &stem);
    file.seek(SeekFrom::Start(0)).map_err(io("reading"))?;

    let mut writer = Writer::create(output, options.writer)?;
    writer.tenant(options.tenant)?;
    if let Some(need) = &options.requirement {
        writer.require(options.tenant, need.clone())?;
    }
    let count = regions.len();
    regions.into_iter().for_each(|region| writer.region(region));
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut done_bytes = 0;
    while done_bytes < total_bytes {
        let length = usize::try_from(total_bytes - done_bytes).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
        let chunk = &mut chunk[..length];
        file.read_exact(chunk).map_err(io("reading"))?;
        writer.write(chunk)?;
        done_bytes += length as u64;
        progress(Progress { done_bytes, total_bytes, stored_bytes: writer.summary().stored_bytes });
    }
    Ok(SealReport { form, fault, regions: count, summary: writer.finish()? })
}

/// What a file of so many bytes is, its regions, and why it is not what it looks like.
fn regions<R: BufRead + Seek>(file: &mut R, bytes: u64, name: &str) -> (Form, Vec<Region>, Option<String>) {
    let starts_with_gguf = file.fill_buf().is_ok_and(|start| start.starts_with(gguf::MAGIC));
    let looks_like_json = file.fill_buf().is_ok_and(|start| start.get(8) == Some(&b'{'));
    let read = if starts_with_gguf {
        read_gguf(file, bytes)
            .map(|regions| (Form::Gguf, regions))
            .map_err(|fault| fault.to_string())
    } else if looks_like_json || name.ends_with(".safetensors") {
        read_safetensors(file, bytes)
            .map(|regions| (Form::Safetensors, regions))
            .map_err(|fault| fault.to_string())
    } else {
        Ok((Form::Other, Vec::new()))
    };
    let whole = || vec![Region { name: name.into(), offset: 0, bytes, dtype: String::new(), shape: vec![bytes] }];
    match read {
        Ok((Form::Other, _)) => (Form::Other, whole(), None),
        Ok((form, regions)) => (form, regions, None),
        Err(fault) => (Form::Other, whole(), Some(fault)),
    }
}
