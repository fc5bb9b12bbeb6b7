//! The H3 hash of a key, both halves, a clock later. `docs/rtbd.md`, Hash.
//!
//! ```text
//!  key, 88 bits ──► & column j ──► XOR of all bits ──► hash[j]     j = 0..31
//! ```
//!
//! The matrix has a row for each key bit (`mmio/src/h3.rs`). Hardware wants its columns: bit j of the hash is the parity of
//! the key bits whose rows have bit j, about 44 of them, three levels of 4-input gates. That is written out, for a chain
//! of 88 conditional XORs would be left as deep as it is. Whether both halves name one bucket is such a parity for each bit too, of
//! the columns' difference, and none of them set; it is there with the hash, as what follows addresses block RAMs with it.

use super::KEY_BITS;
use kvcpu_mmio::h3::ROWS;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// `hash` is that of the key a clock before, for 2^B buckets.
#[derive(LogicBlock, Default)]
pub struct Hash<const B: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Tag of the key.
    pub tag: Signal<In, Bits<64>>,
    /// Request of the key.
    pub request: Signal<In, Bits<16>>,
    /// Tenant of the key.
    pub tenant: Signal<In, Bits<8>>,
    /// Its hash, a clock later: hash 0 in bits 15:0, hash 1 in bits 31:16.
    pub hash: Signal<Out, Bits<32>>,
    /// Both name the same bucket, of which the lowest B bits are the number.
    pub same: Signal<Out, Bit>,
}

impl<const B: usize> Logic for Hash<B> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let (tag, request, tenant) = (self.tag.val(), self.request.val(), self.tenant.val());
            let is_set = |bit: usize| match bit {
                0..64 => tag.get_bit(bit),
                64..80 => request.get_bit(bit - 64),
                _ => tenant.get_bit(bit - 80),
            };
            let hash = (0..KEY_BITS).filter(|bit| is_set(*bit)).fold(0, |hash, bit| hash ^ ROWS[bit]);
            self.hash.next = u64::from(hash).into();
            self.same.next = (hash ^ hash >> 16) & ((1 << B) - 1) == 0;
        }
    }

    fn connect(&mut self) {
        self.hash.connect();
        self.same.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut text = String::from("always @(posedge clock) begin\n");
        for bit in 0..32 {
            let _ = writeln!(text, "    hash[{bit}] <= {};", parity(column(bit)));
        }
        let differences: Vec<String> = (0..B).map(|bit| parity(column(bit) ^ column(bit + 16))).collect();
        let _ = writeln!(text, "    same <= ~|{{{}}};", differences.join(", "));
        Verilog::Custom(text + "end\n")
    }
}

/// The parity of these bits of the key.
fn parity(bits: u128) -> String {
    format!("^({{tenant, request, tag}} & {KEY_BITS}'h{bits:022x})")
}

/// The key bits that count for this bit of the hash.
fn column(bit: usize) -> u128 {
    ROWS.iter().enumerate().map(|(key_bit, row)| u128::from(row >> bit & 1) << key_bit).sum()
}
