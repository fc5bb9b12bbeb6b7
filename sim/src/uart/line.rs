//! A serial line's two ends outside the chip, at its pins: 8 data bits, no parity, a stop bit.
//!
//! ```text
//!  bytes ─► Sender ─► level, a clock at a time          level, a clock at a time ─► Listener ─► bytes
//! ```

use std::collections::VecDeque;

/// Parts of a clock in which a bit's length is counted, so that a rate may be off by less than a clock a bit.
const PARTS: u64 = 1024;
/// Bits of a frame.
const FRAME_BITS: u32 = 10;

/// Sends bytes.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Parts of a bit.
    bit: u64,
    /// Parts that have passed of the bit on the line.
    passed: u64,
    /// Bits of the frame, the one on the line lowest.
    frame: u16,
    left: u32,
    /// Frames to come.
    queue: VecDeque<u16>,
}

impl Sender {
    /// At `bit_clocks` clocks a bit, times `rate`: over 1 is a slower line.
    pub fn new(bit_clocks: u32, rate: f64) -> Sender {
        let bit = (f64::from(bit_clocks) * rate * PARTS as f64) as u64;
        Sender { bit: bit.max(PARTS), passed: 0, frame: 0, left: 0, queue: VecDeque::new() }
    }

    /// Bytes to be sent after those before.
    pub fn send(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes.iter().map(|byte| 0x200 | u16::from(*byte) << 1));
    }

    /// A byte whose stop bit is low, and a line at rest for a frame after it.
    pub fn send_bad(&mut self, byte: u8) {
        self.queue.extend([u16::from(byte) << 1, 0x3FF]);
    }

    /// A line at rest for as long as a byte takes.
    pub fn rest(&mut self) {
        self.queue.push_back(0x3FF);
    }

    /// Bytes that are not yet all sent.
    pub fn waiting(&self) -> usize {
        self.queue.len() + usize::from(self.left > 0)
    }

    /// Whether it is between two frames.
    pub fn is_between(&self) -> bool {
        self.left == 0
    }

    /// The level of the coming clock.
    pub fn level(&mut self) -> bool {
        if self.left == 0 {
            let Some(frame) = self.queue.pop_front() else {
                self.passed = 0;
                return true;
            };
            (self.frame, self.left) = (frame, FRAME_BITS);
        }
        let level = self.frame & 1 == 1;
        self.passed += PARTS;
        if self.passed >= self.bit {
            self.passed -= self.bit;
            self.frame >>= 1;
            self.left -= 1;
        }
        level
    }
}

/// What came over a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A byte.
    Byte(u8),
    /// A frame without a stop bit.
    BadFrame,
}

/// Takes bytes from a line.
#[derive(Clone, Debug)]
pub struct Listener {
    bit_clocks: u32,
    /// Clocks to the next sample; `None` while the line rests.
    wait: Option<u32>,
    frame: u16,
    samples: u32,
    /// Waits for a high line, after a bad frame.
    is_barred: bool,
}

impl Listener {
    /// At `bit_clocks` clocks a bit.
    pub fn new(bit_clocks: u32) -> Listener {
        Listener { bit_clocks, wait: None, frame: 0, samples: 0, is_barred: false }
    }

    /// Whether nothing is on the line.
    pub fn is_quiet(&self) -> bool {
        self.wait.is_none()
    }

    /// The level of a clock.
    pub fn hear(&mut self, level: bool) -> Option<Heard> {
        self.is_barred &= !level;
        let wait = match self.wait {
            None if level || self.is_barred => return None,
            None => {
                (self.frame, self.samples) = (0, 0);
                self.bit_clocks / 2
            }
            Some(wait) => wait - 1,
        };
        self.wait = Some(wait);
        if wait > 0 {
            return None;
        }
        self.frame |= u16::from(level) << self.samples;
        self.samples += 1;
        if self.samples < FRAME_BITS {
            self.wait = Some(self.bit_clocks);
            return None;
        }
        self.wait = None;
        let is_good = self.frame & 1 == 0 && level;
        self.is_barred = !level;
        Some(if is_good { Heard::Byte((self.frame >> 1) as u8) } else { Heard::BadFrame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_heard() {
        for rate in [0.97, 1.0, 1.03] {
            let (mut sender, mut listener) = (Sender::new(16, rate), Listener::new(16));
            let bytes: Vec<u8> = (0..=255).collect();
            sender.send(&bytes);
            let mut heard = Vec::new();
            while sender.waiting() > 0 {
                heard.extend(listener.hear(sender.level()));
            }
            let expected: Vec<Heard> = bytes.into_iter().map(Heard::Byte).collect();
            assert_eq!(heard, expected, "{rate}");
        }
        let (mut sender, mut listener) = (Sender::new(16, 1.0), Listener::new(16));
        sender.send_bad(0x5A);
        sender.send(&[1]);
        let heard: Vec<Heard> = (0..700).filter_map(|_| listener.hear(sender.level())).collect();
        assert_eq!(heard, [Heard::BadFrame, Heard::Byte(1)]);
    }
}
