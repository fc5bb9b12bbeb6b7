//! The PCIe endpoint alone, with a host that does to it what a host may, and worse: answers that are poisoned, refused, cut off, late,
//! or missing, words that nobody asked for, register writes that take long, Bus Master Enable going off and on. Each word of R is
//! either what the host gave, or an error that the host is the cause of.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::pcie::{Beat, Kind, Packet, Request};
use kvcpu_sim::{Model, PCIE};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// Clocks of a span: a read is given up after one to two of them.
const PATIENCE: u64 = 700;
/// Clocks that eight packets may take from their places to R, with pauses.
const SLACK: u64 = 1_500;
/// Bursts of a seed, in each direction.
const BURSTS: u64 = 150;

fn word(address: u64) -> u64 {
    address.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A word that AR asked for.
struct Asked {
    address: u64,
    last: bool,
    /// When its packet was sent, and whether the host gives it.
    packet: Option<(u64, bool)>,
}

/// What is to come of an answer.
struct Answer {
    tag: u8,
    due: u64,
    pieces: VecDeque<Packet>,
}

struct Bench {
    rng: ChaCha8Rng,
    payload: usize,
    asked: VecDeque<Asked>,
    answers: Vec<Answer>,
    written: BTreeMap<u64, u64>,
    /// Completions that the host is owed.
    owed: usize,
    forms: [u32; 7],
}

impl Bench {
    /// A packet of the device.
    fn take(&mut self, packet: &Packet, now: u64, off: bool) {
        let Request { address, words, tag, .. } = packet.as_request();
        match packet.kind() {
            Some(Kind::Completion) => self.owed -= 1,
            Some(Kind::Write) => {
                for (number, pair) in packet.data.chunks(2).enumerate() {
                    let value = u64::from(pair[0]) | u64::from(pair[1]) << 32;
                    self.written.insert(address + 8 * number as u64, value);
                }
            }
            _ => {
                assert!(words <= 64, "{packet:x?}");
                assert!(self.answers.iter().all(|answer| answer.tag != tag), "tag {tag} is in use");
                let (good, answer) = self.answer(address, words as usize, tag, now);
                // What is passed over was not sent, and fails.
                let from = self.asked.iter().position(|asked| asked.packet.is_none()).unwrap();
                let begin = self.asked.iter().skip(from).position(|asked| asked.address == address).unwrap() + from;
                assert!(begin == from || off, "{} words were passed over", begin - from);
                let end = begin + words as usize / 2;
                self.asked.range_mut(from..begin).for_each(|asked| asked.packet = Some((now, false)));
                self.asked.range_mut(begin..end).for_each(|asked| asked.packet = Some((now, good)));
                self.answers.push(answer);
            }
        }
    }

    /// What the host does with a read, and whether it is good.
    fn answer(&mut self, address: u64, words: usize, tag: u8, now: u64) -> (bool, Answer) {
        let mut due = now + self.rng.random_range(0..300);
        let mut pieces = pieces(&mut self.rng, address, words, tag, self.payload / 4);
        let form = if self.rng.random_bool(0.6) { 0 } else { self.rng.random_range(1..7) };
        self.forms[form] += 1;
        let kept = self.rng.random_range(0..pieces.len());
        match form {
            0 => {
                if self.rng.random_bool(0.2) {
                    // A word more than this place waits for, or one of another address, before what is right.
                    let mut wrong = pieces[0].clone();
                    if self.rng.random() {
                        wrong.header[1] += 8
                    } else {
                        wrong.header[2] ^= 8
                    }
                    pieces.push_front(wrong);
                }
            }
            1 => pieces.clear(),
            2 => pieces.truncate(kept),
            3 => pieces[kept].header[0] |= 1 << 14,
            4 | 5 => {
                let mut refusal = pieces[kept].clone();
                pieces.truncate(if form == 4 { kept } else { 0 });
                refusal.header[0] = 0x0A00_0000;
                refusal.header[1] |= [1, 4][form - 4] << 13;
                refusal.data.clear();
                pieces.push_back(refusal);
            }
            _ => due = now + self.rng.random_range(2 * PATIENCE + 100..3 * PATIENCE),
        }
        (form == 0, Answer { tag, due, pieces })
    }

    /// A piece of an answer that is due.
    fn piece(&mut self, now: u64) -> Option<Packet> {
        self.answers.retain(|answer| !answer.pieces.is_empty());
        let due = self.answers.iter_mut().filter(|answer| answer.due <= now);
        due.choose(&mut self.rng)?.pieces.pop_front()
    }

    /// A beat of R.
    fn read(&mut self, data: u64, bad: bool, last: bool, now: u64, off: bool) {
        let Asked { address, last: ends, packet } = self.asked.pop_front().unwrap();
        assert_eq!(last, ends, "{address:#x}");
        match packet {
            Some((_, true)) => assert_eq!((data, bad), (word(address), false), "{address:#x}"),
            Some((since, false)) => assert!(bad && now < since + 2 * PATIENCE + SLACK, "{address:#x}: since {since}"),
            None => assert!(bad && off, "{address:#x} was not asked for"),
        }
    }
}

/// An answer in pieces that end at multiples of 64 bytes.
fn pieces(rng: &mut ChaCha8Rng, address: u64, words: usize, tag: u8, most: usize) -> VecDeque<Packet> {
    let (mut pieces, mut done) = (VecDeque::new(), 0);
    while done < words {
        let at = address + 4 * done as u64;
        let offset = at as usize / 4 % 16;
        let count = (16 * rng.random_range(1..=4) - offset).min(words - done).min(most - offset);
        let data = (done..done + count).map(|number| {
            let place = address + 4 * number as u64;
            (word(place & !7) >> (8 * (place % 8))) as u32
        });
        let header =
            vec![0x4A00_0000 | count as u32, 4 * (words - done) as u32, u32::from(tag) << 8 | at as u32 & 0x7F];
        pieces.push_back(Packet { header, data: data.collect() });
        done += count;
    }
    pieces
}

#[test]
fn every_word_read_is_what_the_host_gave_or_an_error_that_it_made() {
    let seeds: Vec<u64> = match std::env::var("KVCPU_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..10).collect(),
    };
    for seed in seeds {
        println!("replay: KVCPU_SEED={seed} cargo test --release -p kvcpu-sim --test pcie_faults");
        run(seed);
    }
}

fn run(seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (big, payload) = (rng.random(), 128usize << rng.random_range(0..3));
    let request = 128u64 << rng.random_range(0..3);
    let rest = [0.0, 0.2, 0.4][rng.random_range(0..3)];
    let mut model = Model::new(&PCIE, seed as u32 + 1);
    for (port, value) in [
        ("big", u64::from(big)),
        ("patience", PATIENCE - 1),
        ("id", 0x0300),
        ("max_payload", payload as u64),
        ("max_request", request),
    ] {
        model.set(port, value);
    }
    model.reset();
    let bench = ChaCha8Rng::seed_from_u64(!seed);
    let (asked, answers, written, owed, forms) = Default::default();
    let mut bench = Bench { rng: bench, payload, asked, answers, written, owed, forms };
    // Bursts of reads, and of writes: each its own page, so that no address comes twice.
    let (mut reads, mut writes, mut done) = (0, 0, 0);
    let burst = |rng: &mut ChaCha8Rng| rng.random_range(1..=96u64);
    let (mut read_beats, mut write_beats) = (burst(&mut rng), burst(&mut rng));
    let mut words_left = 0;
    let mut under_way: VecDeque<(u64, u64, bool)> = VecDeque::new();
    let (mut rx, mut tx): (VecDeque<Beat>, Vec<Beat>) = Default::default();
    // The registers: clocks until a write or a read is done. Requests of the host that are not.
    let (mut write_due, mut read_due, mut requests) = (None::<u64>, None::<u64>, 0u32);
    let (mut on, mut flips, mut strays, mut off_since) = (true, 400u64, 0, 0u64);
    let mut now = 0;
    while done < BURSTS || !bench.asked.is_empty() || bench.owed > 0 || reads < BURSTS {
        now += 1;
        assert!(now < 2_000_000, "seed {seed}: {reads} reads and {writes} writes taken, {done} writes done");
        if now == flips {
            on = !on;
            (strays, flips) = (2, now + if on { rng.random_range(300..4_000) } else { rng.random_range(1..200) });
        }
        if !on {
            off_since = now;
            under_way.iter_mut().for_each(|(_, _, off)| *off = true);
        }
        // A read may be passed over as long as it was asked for when the bit was off.
        let off = now < off_since + 5 * PATIENCE;
        let mut may = || rng.random_bool(1.0 - rest);
        let (bready, rready, tx_ready) = (may(), may(), may());
        let offered = rx.front().copied().filter(|_| may());
        let (ar, aw, w) = (reads < BURSTS && may(), writes < BURSTS && words_left == 0, words_left > 0);
        let (read_at, write_at) = (0x1_0000_0000 + 0x1000 * reads, 0x2000_0000 + 0x1000 * writes);
        let at = write_at.wrapping_sub(0x1000) + 8 * under_way.back().map_or(0, |burst| burst.1 - words_left);
        for (port, value) in [
            ("bus_master", u64::from(on)),
            ("s_host_arvalid", ar.into()),
            ("s_host_araddr", read_at),
            ("s_host_arlen", read_beats - 1),
            ("s_host_awvalid", aw.into()),
            ("s_host_awaddr", write_at),
            ("s_host_awlen", write_beats - 1),
            ("s_host_wvalid", w.into()),
            ("s_host_wdata", word(at)),
            ("s_host_bready", bready.into()),
            ("s_host_rready", rready.into()),
            ("tx_ready", tx_ready.into()),
            ("rx_valid", offered.is_some().into()),
            ("rx_data", offered.map_or(0, |beat| beat.data)),
            ("rx_last", offered.is_some_and(|beat| beat.last).into()),
            ("m_axil_awready", write_due.is_none().into()),
            ("m_axil_wready", 1),
            ("m_axil_bvalid", write_due.is_some_and(|due| due <= now).into()),
            ("m_axil_arready", read_due.is_none().into()),
            ("m_axil_rvalid", read_due.is_some_and(|due| due <= now).into()),
        ] {
            model.set(port, value);
        }
        model.eval();
        let is = |port: &str| model.get(port) != 0;
        if ar && is("s_host_arready") {
            let word = |beat| Asked { address: read_at + 8 * beat, last: beat + 1 == read_beats, packet: None };
            bench.asked.extend((0..read_beats).map(word));
            (reads, read_beats) = (reads + 1, burst(&mut rng));
        }
        if w && is("s_host_wready") {
            words_left -= 1;
        }
        if aw && is("s_host_awready") {
            under_way.push_back((write_at, write_beats, !on));
            (words_left, writes, write_beats) = (write_beats, writes + 1, burst(&mut rng));
        }
        if bready && is("s_host_bvalid") {
            let (_, _, off) = under_way[0];
            assert!(!is("s_host_bresp") || off, "seed {seed}: a write failed with Bus Master Enable on");
            done += 1;
            under_way.pop_front();
        }
        if rready && is("s_host_rvalid") {
            bench.read(model.get("s_host_rdata"), is("s_host_rresp"), is("s_host_rlast"), now, off);
        }
        if offered.is_some() && is("rx_ready") {
            rx.pop_front();
        }
        if write_due.is_some_and(|due| due <= now) && is("m_axil_bready") {
            (write_due, requests) = (None, requests - 1);
        } else if write_due.is_none() && is("m_axil_awvalid") {
            write_due = Some(now + if rng.random_bool(0.1) { 3 * PATIENCE } else { 5 });
        }
        if read_due.is_some_and(|due| due <= now) && is("m_axil_rready") {
            (read_due, requests) = (None, requests - 1);
        } else if read_due.is_none() && is("m_axil_arvalid") {
            read_due = Some(now + 3);
        }
        if tx_ready && is("tx_valid") {
            if tx.is_empty() && !on {
                assert!(
                    strays > 0 || model.get("tx_data") >> 24 & 0x1F == 0b01010,
                    "seed {seed}: sent with the bit off"
                );
                strays -= u32::from(model.get("tx_data") >> 24 & 0x1F != 0b01010);
            }
            tx.push(Beat { data: model.get("tx_data"), half: model.get("tx_keep") != 0xFF, last: is("tx_last") });
            if is("tx_last") {
                bench.take(&Packet::parse(&std::mem::take(&mut tx), big).unwrap(), now, off);
            }
        }
        model.tick();
        if rx.is_empty() {
            if requests < 12 && rng.random_bool(0.05) {
                let request = Request { address: 0xE000_0040, words: 1, enables: (15, 0), requester: 0, tag: 0 };
                let write: bool = rng.random();
                bench.owed += usize::from(!write);
                requests += 1;
                rx.extend(Packet::request(request, if write { Some(vec![7]) } else { None }, false).beats(big));
            } else if let Some(piece) = bench.piece(now) {
                rx.extend(piece.beats(big));
            }
        }
    }
    assert!(bench.forms.iter().all(|count| *count > 2), "seed {seed}: {:?} is not much of a test", bench.forms);
    assert!(bench.written.iter().all(|(address, value)| *value == word(*address)), "seed {seed}: memory differs");
}
