//! The PCIe endpoint alone, under bursts that no device of ours makes: up to 256 beats from any address, three ids at once, over links of
//! every size, against memory in plain Rust.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::pcie::{Beat, Kind, Packet, Request};
use kvcpu_sim::{Model, PCIE};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// Bursts of a seed, in each direction.
const BURSTS: usize = 120;

/// A burst of the master.
#[derive(Clone, Debug)]
struct Burst {
    id: u64,
    address: u64,
    words: Vec<u64>,
}

/// Host memory: what was never written is its address, stirred.
#[derive(Default)]
struct Memory(BTreeMap<u64, u64>);

impl Memory {
    fn word(&self, address: u64) -> u64 {
        self.0.get(&address).copied().unwrap_or(address.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// A burst that does not cross 4 KiB.
fn burst(rng: &mut ChaCha8Rng, page: u64) -> Burst {
    let first = rng.random_range(0..512);
    let beats = if rng.random() { rng.random_range(1..=256) } else { rng.random_range(1..=9) }.min(512 - first);
    let words = (0..beats).map(|_| rng.random()).collect();
    Burst { id: rng.random_range(0..3), address: page + 8 * first, words }
}

#[test]
fn bursts_of_any_length_are_read_and_written_in_order() {
    let seeds: Vec<u64> = match std::env::var("KVCPU_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..12).collect(),
    };
    for seed in seeds {
        println!("replay: KVCPU_SEED={seed} cargo test --release -p kvcpu-sim --test pcie_bursts");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (big, extended): (bool, bool) = (rng.random(), rng.random());
        let fill = [0, 1, 3][rng.random_range(0..3)];
        let (payload, request) = (128u32 << rng.random_range(0..3), 128u32 << rng.random_range(0..3));
        let rest = [0.0, 0.2, 0.6][rng.random_range(0..3)];
        let mut model = Model::new(&PCIE, seed as u32 + 1);
        for (port, value) in [
            ("big", u64::from(big)),
            ("extended", extended.into()),
            ("fill", fill),
            ("patience", 0xFF_FFFF),
            ("id", 0x0300),
            ("bus_master", 1),
            ("max_payload", payload.into()),
            ("max_request", request.into()),
        ] {
            model.set(port, value);
        }
        model.reset();
        // Pages below and above 4 GiB.
        let page = |rng: &mut ChaCha8Rng| {
            rng.random_range(0..4u64) * 0x1000 + [0x8000_0000, 0x12_3456_0000][rng.random_range(0..2)]
        };
        let writes: Vec<Burst> = (0..BURSTS)
            .map(|_| {
                let at = page(&mut rng);
                burst(&mut rng, at)
            })
            .collect();
        let reads: Vec<Burst> = (0..BURSTS)
            .map(|_| {
                let at = page(&mut rng) + 0x10_0000;
                burst(&mut rng, at)
            })
            .collect();

        let mut memory = Memory::default();
        let (mut next_write, mut next_read) = (0, 0);
        let mut beats_to_write: VecDeque<u64> = VecDeque::new();
        let mut answers_due: VecDeque<u64> = VecDeque::new();
        let mut words_due: VecDeque<(u64, u64, bool)> = VecDeque::new();
        // Completions that are on their way, each tag's in order.
        let mut pieces: Vec<VecDeque<Packet>> = Vec::new();
        let mut rx: VecDeque<Beat> = VecDeque::new();
        let mut tx: Vec<Beat> = Vec::new();
        let mut sent = [0usize; 2];
        let mut clocks = 0;
        // B says that a write cannot be overtaken any more, not that it has left: so some clocks without a beat end it.
        let mut quiet = 0;
        while next_write < BURSTS
            || next_read < BURSTS
            || !answers_due.is_empty()
            || !words_due.is_empty()
            || quiet < 64
        {
            clocks += 1;
            quiet += 1;
            assert!(clocks < 2_000_000, "seed {seed}: {next_write} writes, {next_read} reads were taken");
            let mut may = || rng.random_bool(1.0 - rest);
            let aw = next_write < BURSTS;
            let ar = next_read < BURSTS;
            let w = !beats_to_write.is_empty();
            let (bready, rready, tx_ready) = (may(), may(), may());
            let offered = rx.front().copied().filter(|_| may());
            if let Some(Burst { id, address, words }) = writes.get(next_write) {
                model
                    .set("s_host_awid", *id)
                    .set("s_host_awaddr", *address)
                    .set("s_host_awlen", words.len() as u64 - 1);
            }
            if let Some(Burst { id, address, words }) = reads.get(next_read) {
                model
                    .set("s_host_arid", *id)
                    .set("s_host_araddr", *address)
                    .set("s_host_arlen", words.len() as u64 - 1);
            }
            model
                .set("s_host_awvalid", aw.into())
                .set("s_host_arvalid", ar.into())
                .set("s_host_wvalid", w.into());
            model.set("s_host_wdata", beats_to_write.front().copied().unwrap_or(0));
            model
                .set("s_host_bready", bready.into())
                .set("s_host_rready", rready.into())
                .set("tx_ready", tx_ready.into());
            model.set("rx_valid", offered.is_some().into());
            model.set("rx_data", offered.map_or(0, |beat| beat.data));
            model.set("rx_last", offered.is_some_and(|beat| beat.last).into());
            model.eval();
            let is = |port: &str| model.get(port) != 0;
            if aw && is("s_host_awready") {
                beats_to_write.extend(&writes[next_write].words);
                answers_due.push_back(writes[next_write].id);
                next_write += 1;
            }
            if w && is("s_host_wready") {
                beats_to_write.pop_front();
            }
            if ar && is("s_host_arready") {
                let Burst { id, address, words } = &reads[next_read];
                for number in 0..words.len() {
                    let word = Memory::default().word(address + 8 * number as u64);
                    words_due.push_back((*id, word, number + 1 == words.len()));
                }
                next_read += 1;
            }
            if bready && is("s_host_bvalid") {
                assert_eq!(Some(model.get("s_host_bid")), answers_due.pop_front(), "seed {seed}");
            }
            if rready && is("s_host_rvalid") {
                let got = (model.get("s_host_rid"), model.get("s_host_rdata"), is("s_host_rlast"));
                assert_eq!((Some(got), model.get("s_host_rresp")), (words_due.pop_front(), 0), "seed {seed}");
            }
            if offered.is_some() && is("rx_ready") {
                rx.pop_front();
            }
            if is("tx_valid") {
                quiet = 0;
            }
            if tx_ready && is("tx_valid") {
                let keep = model.get("tx_keep");
                tx.push(Beat { data: model.get("tx_data"), half: keep != 0xFF, last: is("tx_last") });
                if keep == 0 {
                    tx.pop();
                }
                if is("tx_last") {
                    let mut beats = std::mem::take(&mut tx);
                    beats.last_mut().unwrap().last = true;
                    let packet = Packet::parse(&beats, big).unwrap();
                    let Request { address, words, tag, .. } = packet.as_request();
                    assert!(address % 4096 + 4 * u64::from(words) <= 4096, "seed {seed}: {packet:x?}");
                    if packet.kind() == Some(Kind::Write) {
                        assert!(4 * words <= payload, "seed {seed}: {packet:x?}");
                        sent[1] += 1;
                        for (number, pair) in packet.data.chunks(2).enumerate() {
                            let word = u64::from(pair[0]) | u64::from(pair[1]) << 32;
                            memory.0.insert(address + 8 * number as u64, word);
                        }
                    } else {
                        assert!(4 * words <= request, "seed {seed}: {packet:x?}");
                        sent[0] += 1;
                        pieces.push(completions(&mut rng, address, words as usize, tag, payload as usize / 4));
                    }
                }
            }
            model.tick();
            if rx.is_empty() && !pieces.is_empty() && rng.random_bool(0.7) {
                let number = rng.random_range(0..pieces.len());
                let mut beats = pieces[number].pop_front().unwrap().beats(big);
                while !beats.len().is_multiple_of(fill as usize + 1) {
                    beats.iter_mut().for_each(|beat| beat.last = false);
                    beats.push(Beat { data: rng.random(), half: false, last: true });
                }
                rx.extend(beats);
                if pieces[number].is_empty() {
                    pieces.swap_remove(number);
                }
            }
        }
        assert!(beats_to_write.is_empty() && pieces.is_empty(), "seed {seed}");
        // Of bursts to the same word the last counts.
        let mut expected = Memory::default();
        for Burst { address, words, .. } in &writes {
            for (number, word) in words.iter().enumerate() {
                expected.0.insert(address + 8 * number as u64, *word);
            }
        }
        assert!(memory.0 == expected.0, "seed {seed}: memory differs");
        assert!(sent[0] > BURSTS && sent[1] > BURSTS, "seed {seed}: {sent:?} packets are not much of a test");
    }
}

/// What a host makes of a read: pieces that end at multiples of 64 bytes, in order.
fn completions(rng: &mut ChaCha8Rng, address: u64, words: usize, tag: u8, most: usize) -> VecDeque<Packet> {
    let mut pieces = VecDeque::new();
    let mut done = 0;
    while done < words {
        let at = address + 4 * done as u64;
        let to_line = 16 - (at / 4 % 16) as usize;
        let count = (to_line + 16 * rng.random_range(0..8))
            .min(words - done)
            .min(most - (at / 4) as usize % 16);
        let data = (done..done + count)
            .map(|word| {
                let place = address + 4 * word as u64;
                (Memory::default().word(place & !7) >> (8 * (place % 8))) as u32
            })
            .collect();
        let left = (4 * (words - done)) as u32 & 0xFFF;
        pieces.push_back(Packet {
            header: vec![0x4A00_0000 | count as u32, left, u32::from(tag) << 8 | at as u32 & 0x7F],
            data,
        });
        done += count;
    }
    pieces
}
