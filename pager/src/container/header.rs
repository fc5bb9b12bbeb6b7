//! The header of a `.tza` file: 256 bytes, in two slots. `docs/tza.md`, Header.
//!
//! A commit writes one slot, waits until it is on disk, then writes the other: whenever it is cut, one of them is whole, and what that one
//! names is whole too, because nothing in the file is ever overwritten but these slots.

use super::error::{ContainerError, Fault};
use crate::codec::BlockSize;
use crate::keys::{ArenaId, ArenaKeys, PublicKey};
use crate::reader::Reader;

/// Where the slots are, bytes from the start: in pages of their own, so that no write touches both.
pub(super) const SLOT_OFFSETS: [u64; 2] = [0, 4096];
/// Where data begins.
pub(super) const DATA_OFFSET: u64 = 8192;
/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 256;
/// Bytes of it that the MAC covers.
const COVERED_BYTES: usize = 128;
/// As PNG's: tells a file that went through a conversion of line ends.
const MAGIC: [u8; 8] = *b"KVTZA\r\n\x1a";
/// The version of the format.
pub const TZA_VERSION: u32 = 1;
const ENCRYPTED: u32 = 1;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether blocks are encrypted, and header and index have a MAC.
    pub encrypted: bool,
    /// Bytes of a block.
    pub block_size: BlockSize,
    /// Counts the commits, from 1.
    pub sequence: u64,
    /// The arena.
    pub arena: ArenaId,
    /// Bytes of the arena; what the last block has beyond them is zeros.
    pub total_bytes: u64,
    /// Where the index is, bytes from the start of the file.
    pub index_offset: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Whose claims count; `None` if there is no owner.
    pub owner: Option<PublicKey>,
    pub(super) key_check: [u8; 16],
    pub(super) mac: [u8; 32],
    pub(super) index_crc: u32,
}

impl Header {
    /// Blocks of the arena.
    pub fn blocks(&self) -> u64 {
        self.block_size.blocks(self.total_bytes)
    }

    /// The part that the MAC covers, with the index.
    pub(super) fn covered(&self) -> [u8; COVERED_BYTES] {
        let mut bytes = [0; COVERED_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&TZA_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(u32::from(self.encrypted) * ENCRYPTED).to_le_bytes());
        bytes[16] = self.block_size.log2();
        bytes[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.arena.0);
        bytes[48..56].copy_from_slice(&self.total_bytes.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.blocks().to_le_bytes());
        bytes[64..72].copy_from_slice(&self.index_offset.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.index_bytes.to_le_bytes());
        bytes[80..112].copy_from_slice(&self.owner.map_or([0; 32], |owner| owner.0));
        bytes[112..128].copy_from_slice(&self.key_check);
        bytes
    }

    /// Sets what protects the index: its length, its checksum, and with keys the MAC.
    pub(super) fn seal(&mut self, index: &[u8], keys: Option<&ArenaKeys>) {
        self.index_bytes = index.len() as u64;
        self.index_crc = crc32c::crc32c(index);
        self.mac = keys.map_or([0; 32], |keys| keys.sign_index(&self.covered(), index));
    }

    /// As bytes.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..COVERED_BYTES].copy_from_slice(&self.covered());
        bytes[128..160].copy_from_slice(&self.mac);
        bytes[160..164].copy_from_slice(&self.index_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// From the bytes of a slot.
    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Fault> {
        let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        if bytes[..8] != MAGIC {
            return Err(Fault::NotTza);
        }
        if bytes[HEADER_BYTES - 4..] != crc.to_le_bytes() {
            return Err(Fault::HeaderCrc);
        }
        let header = Header::fields(Reader(&bytes[8..]))?;
        // Also that reserved bytes are zeros, and the count of blocks is that of the bytes.
        if header.to_bytes() != *bytes {
            return Err(Fault::HeaderField("reserved bytes, or the count of blocks"));
        }
        Ok(header)
    }

    fn fields(mut reader: Reader<'_>) -> Result<Header, Fault> {
        const SHORT: Fault = Fault::HeaderField("length");
        match reader.u32().ok_or(SHORT)? {
            TZA_VERSION => {}
            found => return Err(Fault::Version { found }),
        }
        let encrypted = match reader.u32().ok_or(SHORT)? {
            0 => false,
            ENCRYPTED => true,
            _ => return Err(Fault::HeaderField("flags")),
        };
        let [log2, ..] = reader.array::<8>().ok_or(SHORT)?;
        let block_size = BlockSize::from_log2(log2).ok_or(Fault::HeaderField("block size"))?;
        let sequence = reader.u64().ok_or(SHORT)?;
        let arena = ArenaId(reader.array().ok_or(SHORT)?);
        let total_bytes = reader.u64().ok_or(SHORT)?;
        let _blocks = reader.u64().ok_or(SHORT)?;
        let index_offset = reader.u64().ok_or(SHORT)?;
        let index_bytes = reader.u64().ok_or(SHORT)?;
        let owner = Some(reader.array().ok_or(SHORT)?).filter(|owner| *owner != [0; 32]).map(PublicKey);
        let key_check = reader.array().ok_or(SHORT)?;
        let mac = reader.array().ok_or(SHORT)?;
        let index_crc = reader.u32().ok_or(SHORT)?;
        Ok(Header {
            encrypted,
            block_size,
            sequence,
            arena,
            total_bytes,
            index_offset,
            index_bytes,
            owner,
            key_check,
            mac,
            index_crc,
        })
    }
}

/// The newest header, and the number of a slot that has it.
pub(super) fn newest(slots: [Result<Header, Fault>; 2]) -> Result<(Header, usize), Fault> {
    match slots {
        [Ok(first), Ok(second)] if second.sequence > first.sequence => Ok((second, 1)),
        [Ok(header), _] => Ok((header, 0)),
        [Err(_), Ok(header)] => Ok((header, 1)),
        // A slot that is damaged says more than one that is none.
        [Err(Fault::NotTza), Err(fault)] | [Err(fault), Err(_)] => Err(fault),
    }
}

/// Reads the header of a file, and the number of a slot that has it.
pub(super) fn read(file: &std::fs::File, name: &str) -> Result<(Header, usize), ContainerError> {
    let mut slots = [[0; HEADER_BYTES]; 2];
    for (slot, offset) in slots.iter_mut().zip(SLOT_OFFSETS) {
        super::file::read_exact_at(file, slot, offset).map_err(|error| match error {
            rustix::io::Errno::NODATA => ContainerError::bad(name, Fault::NotTza),
            error => ContainerError::io(name, "reading", error),
        })?;
    }
    newest(slots.each_ref().map(Header::from_bytes)).map_err(|fault| ContainerError::bad(name, fault))
}
