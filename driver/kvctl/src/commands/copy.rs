//! `copy in`, `copy out`: a block's bytes from and to files.

use kvcpu_driver::{Commands, Device};

use super::args::CopyWay;
use super::reply::{Body, Reply};
use crate::cli::Error;

/// Bytes of a block that are shown if they are not written to a file.
const HEAD_BYTES: usize = 64;

pub(super) fn copy(device: &Device, way: &mut impl Commands, args: &CopyWay) -> Result<Reply, Error> {
    let bytes = way.block_bytes();
    let buffer = device.dma_alloc(bytes as usize)?;
    match args {
        CopyWay::In { key, file, fill } => {
            if let Some(file) = file {
                let data = std::fs::read(file)
                    .map_err(|error| format!("{}: {error}; name a readable file", file.display()))?;
                if data.len() != bytes as usize {
                    let (name, found) = (file.display(), data.len());
                    return Err(format!("{name} has {found} bytes, a block has {bytes}; give exactly a block").into());
                }
                buffer.write(0, &data)?;
            }
            if let Some(byte) = fill {
                buffer.fill(*byte);
            }
            let crc32c = way.copy_in(*key, &buffer, 0)?;
            let file = file.as_ref().map(|file| file.display().to_string());
            Ok(Reply { command: "copy_in", body: Body::Copied { key: *key, bytes, crc32c, file, head: None } })
        }
        CopyWay::Out { key, file } => {
            let crc32c = way.copy_out(*key, &buffer, 0)?;
            let mut data = vec![0; bytes as usize];
            buffer.read(0, &mut data)?;
            let head = file.is_none().then(|| data[..HEAD_BYTES.min(data.len())].to_vec());
            if let Some(file) = file {
                std::fs::write(file, &data)
                    .map_err(|error| format!("{}: {error}; name a writable file", file.display()))?;
            }
            let file = file.as_ref().map(|file| file.display().to_string());
            Ok(Reply { command: "copy_out", body: Body::Copied { key: *key, bytes, crc32c, file, head } })
        }
    }
}
