//! Fields of bytes that anyone may have written: each read says whether there was enough.

/// Bytes, from the front on.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// An array.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Little-endian.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Little-endian.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Little-endian.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Text in UTF-8 after its length in 16 bits.
    pub(crate) fn text(&mut self) -> Option<String> {
        let length = self.u16()?;
        String::from_utf8(self.bytes(length.into())?.into()).ok()
    }
}

/// Appends what [`Reader::text`] reads; `None` if it is longer than 65,535 bytes.
pub(crate) fn put_text(to: &mut Vec<u8>, text: &str) -> Option<()> {
    to.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
    to.extend_from_slice(text.as_bytes());
    Some(())
}
