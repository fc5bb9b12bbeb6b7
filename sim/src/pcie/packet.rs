//! Transaction-layer packets, as PCI Express Base 2.1, 2.2 numbers their bits, and as beats of 8 bytes.

/// A packet: header words, and words of payload with byte 0 in bits 7:0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// 3 or 4 words.
    pub header: Vec<u32>,
    /// The payload.
    pub data: Vec<u32>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory read request.
    Read,
    /// Memory write request.
    Write,
    /// Completion, with data or without, of a locked read or of anything else.
    Completion,
}

/// A beat of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Two words, the first in the lower half.
    pub data: u64,
    /// The packet has no word in the upper half.
    pub half: bool,
    /// The packet ends here.
    pub last: bool,
}

/// A memory request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Byte address, a multiple of 4.
    pub address: u64,
    /// Words, 1 to 1,024.
    pub words: u32,
    /// Bytes of the first word, and of the last if there are several.
    pub enables: (u8, u8),
    /// Who asks.
    pub requester: u16,
    /// Which of its requests.
    pub tag: u8,
}

impl Packet {
    /// A request of memory, its header of four words if `extended` or if the address needs it.
    pub fn request(request: Request, data: Option<Vec<u32>>, extended: bool) -> Packet {
        let Request { address, words, enables: (first, last), requester, tag } = request;
        let four = extended || address >> 32 != 0;
        let format = u32::from(four) | u32::from(data.is_some()) << 1;
        let second = u32::from(requester) << 16 | u32::from(tag) << 8 | u32::from(last) << 4 | u32::from(first);
        let mut header = vec![format << 29 | words & 0x3FF, second];
        if four {
            header.push((address >> 32) as u32);
        }
        header.push(address as u32);
        Packet { header, data: data.unwrap_or_default() }
    }

    /// What it is, if it is any of these.
    pub fn kind(&self) -> Option<Kind> {
        match (self.header[0] >> 24 & 0x1F, self.header[0] >> 30 & 1) {
            (0, 0) => Some(Kind::Read),
            (0, _) => Some(Kind::Write),
            (0b01010 | 0b01011, _) => Some(Kind::Completion),
            _ => None,
        }
    }

    /// Words that it says it has, or asks for.
    pub fn words(&self) -> u32 {
        (self.header[0] & 0x3FF).wrapping_sub(1) % 1_024 + 1
    }

    /// The request that it is.
    pub fn as_request(&self) -> Request {
        let second = self.header[1];
        let address = match self.header[..] {
            [_, _, high, low] => u64::from(high) << 32 | u64::from(low),
            _ => self.header[2].into(),
        };
        Request {
            address,
            words: self.words(),
            enables: (second as u8 & 15, second as u8 >> 4),
            requester: (second >> 16) as u16,
            tag: (second >> 8) as u8,
        }
    }

    /// As a stream; `big`: byte 0 of a payload's word in bits 31:24.
    pub fn beats(&self, big: bool) -> Vec<Beat> {
        let data = self.data.iter().map(|word| if big { word.swap_bytes() } else { *word });
        let words: Vec<u32> = self.header.iter().copied().chain(data).collect();
        let count = words.len().div_ceil(2);
        let beat = |(number, pair): (usize, &[u32])| Beat {
            data: u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0xBAD0_BAD0)) << 32,
            half: pair.len() == 1,
            last: number + 1 == count,
        };
        words.chunks(2).enumerate().map(beat).collect()
    }

    /// From a stream, if header and payload are as long as the first word says.
    pub fn parse(beats: &[Beat], big: bool) -> Result<Packet, String> {
        let mut words = Vec::new();
        for beat in beats {
            words.push(beat.data as u32);
            if !beat.half {
                words.push((beat.data >> 32) as u32);
            }
        }
        if let Some(early) = beats.iter().position(|beat| beat.half && !beat.last) {
            return Err(format!("beat {early} is half, and not the last"));
        }
        let first = words[0];
        let header = if first >> 29 & 1 == 1 { 4 } else { 3 };
        let data = if first >> 30 & 1 == 1 { ((first & 0x3FF).wrapping_sub(1) % 1_024 + 1) as usize } else { 0 };
        if words.len() != header + data {
            return Err(format!("{} words instead of {header} and {data}: {words:#x?}", words.len()));
        }
        let data = words.split_off(header);
        let data = data.into_iter().map(|word| if big { word.swap_bytes() } else { word }).collect();
        Ok(Packet { header: words, data })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn a_packet_is_what_its_stream_was() {
        for (address, words, big) in
            [(0x1000, 1, true), (0x1_0000_0004, 2, false), (8, 128, true), (1 << 40, 1_024, false)]
        {
            let request = Request { address, words, enables: (15, 15), requester: 0x0123, tag: 9 };
            let packet = Packet::request(request, Some((0..words).collect()), false);
            let beats = packet.beats(big);
            assert_eq!(Packet::parse(&beats, big).unwrap(), packet);
            assert_eq!((packet.as_request(), packet.kind()), (request, Some(Kind::Write)));
            assert_eq!(beats.last().unwrap().half, (packet.header.len() + words as usize) % 2 == 1);
            assert!(Packet::parse(&beats[1..], big).is_err());
        }
    }

    #[test]
    fn words_stand_where_pci_express_numbers_them() {
        // A write of one word, 3 words of header: figures 2-13 and 2-17 of the specification.
        let request = Request { address: 0xFEE0_1004, words: 1, enables: (15, 0), requester: 0x0100, tag: 0x20 };
        let packet = Packet::request(request, Some(vec![0x0403_0201]), false);
        assert_eq!(packet.header, [0x4000_0001, 0x0100_200F, 0xFEE0_1004]);
        assert_eq!(packet.beats(true)[1].data, 0x0102_0304_FEE0_1004);
        assert_eq!(packet.beats(false)[1].data, 0x0403_0201_FEE0_1004);
    }
}
