//! A root complex that speaks packets: it asks for registers, answers reads of its memory in any order and in pieces, and takes writes and
//! messages. What PCI Express forbids a requester ends the simulation.

use super::packet::{Kind, Packet, Request};
use super::reads::Reads;
use crate::bus::Bus;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Range, RangeInclusive};

/// The device's number on the bus.
pub(crate) const DEVICE: u16 = 0x0300;
/// The root complex's.
const ROOT: u16 = 0x0000;
/// Where messages go: as on x86, 16 bytes a vector here.
pub(crate) const MESSAGES: Range<u64> = 0xFEE0_0000..0xFEF0_0000;
/// Traffic class and attributes of the host's requests.
const TRAFFIC: u32 = 1 << 20 | 2 << 12;
/// Read Completion Boundary, bytes.
const BOUNDARY: u64 = 64;

/// What becomes of a read of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It is answered; where nothing is mapped, with Unsupported Request.
    Plain,
    /// It is never answered.
    Silent,
    /// It is answered so many clocks late.
    Late(u64),
    /// The first piece of the answer is poisoned.
    Poisoned,
    /// The first piece is good, then comes Completer Abort.
    ThenRefused,
    /// The first piece is good, then comes nothing.
    ThenSilent,
}

impl Form {
    /// Any that leads to a fault without waiting so long that a test does.
    pub const FAULTS: [Form; 4] = [Form::Silent, Form::Poisoned, Form::ThenRefused, Form::ThenSilent];
}

/// What the link and the configuration space are.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Byte 0 of a payload's word is in bits 31:24, as on the 7 series.
    pub big: bool,
    /// All of the device's headers have four words, as LitePCIe's adapter for UltraScale+ wants them.
    pub extended: bool,
    /// Beats of 8 bytes that make one of the hard block's: 1, 2 or 4.
    pub beats: u32,
    /// Bytes of a payload: 128, 256 or 512.
    pub max_payload: u32,
    /// Bytes that a read may ask for, likewise.
    pub max_request: u32,
    /// Clocks of which the device gives up a read after one to two times so many.
    pub patience: u32,
    /// BARs lie above 4 GiB.
    pub high_bars: bool,
    /// What becomes of reads of these addresses.
    pub form: (Range<u64>, Form),
}

impl Default for LinkOptions {
    fn default() -> LinkOptions {
        LinkOptions {
            big: true,
            extended: false,
            beats: 2,
            max_payload: 256,
            max_request: 512,
            patience: 100_000,
            high_bars: false,
            form: (0..0, Form::Plain),
        }
    }
}

impl LinkOptions {
    /// Address of a BAR on the bus. Bits above a BAR's size are set on purpose: the device must not look at them.
    pub(crate) fn bar(&self, bar: u32) -> u64 {
        let base = if self.high_bars { 0x38_0000_0000 } else { 0xE000_0000 };
        base + [0x005F_0000, 0x0080_0000, 0x005E_F000][bar as usize / 2]
    }
}

/// A read of the device that is being answered: what is left.
struct Answer {
    request: Request,
    due: u64,
    /// Its number among [`Reads`].
    number: u64,
    form: Form,
    /// The words, or none if there is nothing.
    data: Option<Vec<u32>>,
    sent: usize,
}

/// How the host was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Words.
    Data(Vec<u32>),
    /// A status that is not Successful Completion.
    Status(u8),
}

/// The root complex.
pub(crate) struct Host {
    pub(crate) options: LinkOptions,
    bus: Box<dyn Bus>,
    rng: ChaCha8Rng,
    latency: RangeInclusive<u32>,
    requests: VecDeque<Packet>,
    answers: Vec<Answer>,
    /// Requests of the host by tag, with the first word of a completion that refuses them; and what answered them.
    asked: BTreeMap<u8, (Request, u32)>,
    replies: BTreeMap<u8, Reply>,
    next_tag: u8,
    bus_master: bool,
    /// Packets that may have begun before Bus Master Enable went off, and have not come.
    strays: u32,
    pub(crate) reads: Reads,
    /// Messages: address and data.
    pub(crate) messages: Vec<(u64, u32)>,
    /// A write of at most 16 bytes came: it may be a completion.
    pub(crate) completed: bool,
    /// Packets that came: reads, writes, completions.
    pub(crate) counts: [u64; 3],
}

impl Host {
    pub(crate) fn new(options: LinkOptions, bus: Box<dyn Bus>, rng: ChaCha8Rng, latency: RangeInclusive<u32>) -> Host {
        let (requests, answers, asked, replies, messages) = Default::default();
        let (next_tag, bus_master, strays, reads, completed, counts) = Default::default();
        Host {
            options,
            bus,
            rng,
            latency,
            requests,
            answers,
            asked,
            replies,
            next_tag,
            bus_master,
            strays,
            reads,
            messages,
            completed,
            counts,
        }
    }

    /// Nothing is under way any more.
    pub(crate) fn reset(&mut self) {
        self.requests.clear();
        self.answers.clear();
        self.asked.clear();
        self.reads.reset();
    }

    /// Bus Master Enable. What had begun when it goes off still comes: a packet on the pins, and one in the endpoint's last buffer.
    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.bus_master = on;
        self.strays = 2;
        self.reads.set_bus_master(on);
    }

    /// Reads of the device that the host has not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.answers.len()
    }

    /// Sends a request, with bits 11:10 of its first word as the core's generator sets them; its tag.
    pub(crate) fn ask(&mut self, bar: u32, offset: u64, enables: (u8, u8), words: u32, data: Option<Vec<u32>>) -> u8 {
        let tag = self.next_tag;
        let request = Request { address: self.options.bar(bar) + offset, words, enables, requester: ROOT, tag };
        if data.is_none() {
            self.next_tag = self.next_tag.wrapping_add(1);
            self.asked.insert(tag, (request, 0x0A00_0000 | TRAFFIC));
        }
        let mut packet = Packet::request(request, data, false);
        packet.header[0] |= ((bar / 2) << 10) | TRAFFIC;
        self.requests.push_back(packet);
        tag
    }

    /// Sends any packet.
    pub(crate) fn send(&mut self, packet: Packet) {
        self.requests.push_back(packet);
    }

    /// Sends a request that is neither a read nor a write, and is refused; its tag. The completion of a locked read is of its own kind.
    pub(crate) fn send_odd(&mut self, packet: Packet) -> u8 {
        let request = packet.as_request();
        let kind = if packet.header[0] >> 24 == 1 { 0x0B00_0000 } else { 0x0A00_0000 };
        self.asked.insert(request.tag, (request, kind));
        self.requests.push_back(packet);
        request.tag
    }

    pub(crate) fn reply(&mut self, tag: u8) -> Option<Reply> {
        self.replies.remove(&tag)
    }

    /// All requests have been handed to the link.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// The next packet for the device, if there is one.
    pub(crate) fn next(&mut self, now: u64) -> Option<Packet> {
        let due: Vec<usize> = (0..self.answers.len()).filter(|&number| self.answers[number].due <= now).collect();
        if !self.requests.is_empty() && (due.is_empty() || self.rng.random()) {
            return self.requests.pop_front();
        }
        let number = *due.choose(&mut self.rng)?;
        let answer = &mut self.answers[number];
        let request = answer.request;
        let at = request.address + 4 * answer.sent as u64;
        let left = request.words as usize - answer.sent;
        let lower = (at & 0x7F) as u32;
        let tail = u32::from(request.requester) << 16 | u32::from(request.tag) << 8 | lower;
        let middle = |status: u32| u32::from(ROOT) << 16 | status << 13 | (4 * left as u32) & 0xFFF;
        // To a boundary, or all that is left.
        let boundaries = (at % BOUNDARY + 4 * left as u64).div_ceil(BOUNDARY);
        let ends_early = match answer.form {
            Form::ThenRefused | Form::ThenSilent => answer.sent > 0 || boundaries == 1,
            _ => false,
        };
        let (true, false, Some(data)) = (answer.form != Form::Silent, ends_early, &answer.data) else {
            let Answer { number, form, data, .. } = self.answers.swap_remove(number);
            if matches!(form, Form::Silent | Form::ThenSilent) {
                return None;
            }
            // Unsupported Request where nothing is, Completer Abort where there was something.
            let status = if data.is_none() { 1 } else { 4 };
            self.reads.given(number, 0, false, now);
            return Some(Packet { header: vec![0x0A00_0000, middle(status), tail], data: Vec::new() });
        };
        let most = if answer.form == Form::Plain { boundaries } else { boundaries.max(2) - 1 };
        let pieces = self.rng.random_range(1..=most);
        let words = ((pieces * BOUNDARY - at % BOUNDARY) as usize / 4).min(left);
        let words = words.min(self.options.max_payload as usize / 4);
        let piece = data[answer.sent..answer.sent + words].to_vec();
        let poisoned = answer.form == Form::Poisoned && answer.sent == 0;
        answer.sent += words;
        answer.due = now + u64::from(self.rng.random_range(0..8u32));
        self.reads.given(answer.number, words / 2, !poisoned, now);
        if answer.sent == request.words as usize {
            self.answers.swap_remove(number);
        }
        Some(Packet {
            header: vec![0x4A00_0000 | u32::from(poisoned) << 14 | words as u32, middle(0), tail],
            data: piece,
        })
    }

    /// A packet from the device.
    pub(crate) fn take(&mut self, packet: Packet, now: u64) -> Result<(), String> {
        match packet.kind() {
            Some(Kind::Completion) => self.completion(&packet),
            Some(kind) => self.request(&packet, kind, now),
            None => Err(format!("a packet of no known kind: {packet:x?}")),
        }
    }

    fn completion(&mut self, packet: &Packet) -> Result<(), String> {
        self.counts[2] += 1;
        let (tag, status) = ((packet.header[2] >> 8) as u8, (packet.header[1] >> 13 & 7) as u8);
        let Some((request, refusal)) = self.asked.remove(&tag) else {
            return Err(format!("nothing was asked: {packet:x?}"));
        };
        let Request { address, words, enables: (first, last), requester, .. } = request;
        let end = if words == 1 { first } else { last };
        let (lead, trail) = (first.trailing_zeros().min(4) % 4, 3_u32.saturating_sub(7 - end.leading_zeros()));
        let bytes = if first == 0 { 1 } else { 4 * words - lead - trail };
        let expected = [
            if status == 0 { 0x4000_0000 | refusal | words } else { refusal },
            u32::from(DEVICE) << 16 | u32::from(status) << 13 | bytes & 0xFFF,
            u32::from(requester) << 16 | u32::from(tag) << 8 | ((address as u32 & 0x7C) + lead),
        ];
        if packet.header != expected {
            return Err(format!("a completion of {:x?} instead of {expected:x?} for {request:x?}", packet.header));
        }
        let reply = if status == 0 { Reply::Data(packet.data.clone()) } else { Reply::Status(status) };
        self.replies.insert(tag, reply);
        Ok(())
    }

    fn request(&mut self, packet: &Packet, kind: Kind, now: u64) -> Result<(), String> {
        let request = packet.as_request();
        let bad = |what: &str| Err(format!("{what}: {packet:x?}"));
        let Request { address, words, enables, requester, tag } = request;
        let (most, number) = match kind {
            Kind::Write => (self.options.max_payload, 1),
            _ => (self.options.max_request, 0),
        };
        self.counts[number] += 1;
        if !self.bus_master {
            if self.strays == 0 {
                return bad("a request without Bus Master Enable");
            }
            self.strays -= 1;
        }
        if packet.header[0] & !0x6000_03FF != 0 || !address.is_multiple_of(4) || requester != DEVICE {
            return bad("header");
        }
        if (packet.header.len() == 4) != (self.options.extended || address >> 32 != 0) {
            return bad("words of the header");
        }
        if 4 * words > most || address % 4096 + u64::from(4 * words) > 4096 {
            return bad("too long, or across 4 KiB");
        }
        if enables != (15, if words == 1 { 0 } else { 15 }) {
            return bad("byte enables");
        }
        if kind == Kind::Write {
            return self.write(address, &packet.data);
        }
        // One that was given up is in use until its answer has come.
        if tag >= 32 || self.answers.iter().any(|answer| answer.request.tag == tag) {
            return bad("a tag that is in use");
        }
        if !address.is_multiple_of(8) || !words.is_multiple_of(2) {
            return bad("not whole words of 8 bytes");
        }
        let mut data = vec![0; words as usize / 2];
        let there = self.bus.read(address, &mut data).is_ok();
        let number = self.reads.sent(address, data.clone(), now)?;
        let halves = data.iter().flat_map(|word| [*word as u32, (*word >> 32) as u32]).collect();
        let (range, form) = &self.options.form;
        let form = if range.contains(&address) { *form } else { Form::Plain };
        let delay = if let Form::Late(clocks) = form { clocks } else { 0 };
        let due = now + u64::from(self.rng.random_range(self.latency.clone())) + delay;
        self.answers
            .push(Answer { request, due, number, form, data: there.then_some(halves), sent: 0 });
        Ok(())
    }

    fn write(&mut self, address: u64, data: &[u32]) -> Result<(), String> {
        if MESSAGES.contains(&address) {
            self.messages.push((address, data[0]));
            return if data.len() == 1 { Ok(()) } else { Err("a message is one word".into()) };
        }
        if !address.is_multiple_of(8) || !data.len().is_multiple_of(2) {
            return Err(format!("{} words written at {address:#x}: not whole words of 8 bytes", data.len()));
        }
        let words: Vec<u64> = data.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect();
        self.completed |= data.len() <= 4;
        // A write that nothing takes is dropped: a posted request has no answer.
        let _ = self.bus.write(address, &words, &vec![0xFF; words.len()]);
        Ok(())
    }
}
