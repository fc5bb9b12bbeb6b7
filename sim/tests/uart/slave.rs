//! The device's side of AXI4-Lite: it takes its time, and holds the master to AXI's rules.

use crate::protocol::{Access, Registers};
use kvcpu_sim::Model;
use kvcpu_sim::axi::Rules;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Registers at a design's `m_axil`.
pub(crate) struct Slave {
    rng: ChaCha8Rng,
    pub(crate) registers: Registers,
    aw: Rules,
    w: Rules,
    ar: Rules,
    address: Option<Vec<u64>>,
    data: Option<Vec<u64>>,
    /// Clocks until the answer to a write, and to a read.
    b: Option<u32>,
    r: Option<(u32, u64)>,
    pub(crate) accesses: Vec<Access>,
    /// Clocks that an access may take at the most, and one in 20 does.
    pub(crate) most: u32,
}

impl Slave {
    pub(crate) fn new(seed: u64, most: u32) -> Slave {
        Slave {
            rng: ChaCha8Rng::seed_from_u64(seed),
            registers: Registers::default(),
            aw: Rules::new("m_axil", "aw", &["addr", "size"]),
            w: Rules::new("m_axil", "w", &["data", "strb"]),
            ar: Rules::new("m_axil", "ar", &["addr", "size"]),
            address: None,
            data: None,
            b: None,
            r: None,
            accesses: Vec::new(),
            most,
        }
    }

    /// Whether an access is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.b.is_some() || self.r.is_some() || self.address.is_some() || self.data.is_some()
    }

    /// Sets the inputs of a clock, and looks at it; the model is to be ticked then.
    pub(crate) fn clock(&mut self, model: &mut Model) {
        let noise: u64 = self.rng.random();
        for ready in ["m_axil_awready", "m_axil_wready", "m_axil_arready"] {
            model.set(ready, self.rng.random());
        }
        let b_valid = self.b.is_some_and(|wait| wait == 0);
        let r = self.r.filter(|(wait, _)| *wait == 0);
        model.set("m_axil_bvalid", b_valid.into()).set("m_axil_rvalid", r.is_some().into());
        model.set("m_axil_rdata", r.map_or(noise, |(_, data)| data));
        model.eval();
        if b_valid && model.get("m_axil_bready") == 1 {
            self.b = None;
        }
        if r.is_some() && model.get("m_axil_rready") == 1 {
            self.r = None;
        }
        self.b = self.b.map(|wait| wait.saturating_sub(1));
        self.r = self.r.map(|(wait, data)| (wait.saturating_sub(1), data));
        // The device may take some hundred clocks for a register, and more after a reset.
        let wait = if self.rng.random_range(0..20) == 0 { self.most } else { self.rng.random_range(0..40) };
        self.address = self.aw.observe(model).or(self.address.take());
        self.data = self.w.observe(model).or(self.data.take());
        if let (Some(address), Some(data)) = (&self.address, &self.data) {
            let (address, size, data, strobes) = (address[0], address[1], data[0], data[1]);
            assert_eq!(self.b, None, "a write before the one before is answered");
            self.registers.set(address, data, strobes);
            // Lanes that are not written may carry anything.
            let mask = (0..8)
                .filter(|lane| strobes >> lane & 1 == 1)
                .fold(0, |mask, lane| mask | 0xFF << (8 * lane));
            self.accesses.push(Access::Write { address, size, data: data & mask, strobes });
            (self.address, self.data, self.b) = (None, None, Some(wait));
        }
        if let Some(read) = self.ar.observe(model) {
            let (address, size) = (read[0], read[1]);
            assert_eq!((self.b, self.r), (None, None), "a read before the access before is answered");
            // The half that was not asked for is noise.
            let value = self.registers.get(address);
            let half = 0xFFFF_FFFF << (8 * (address & 4));
            let data = if size == 3 { value } else { value & half | noise & !half };
            self.accesses.push(Access::Read { address, size });
            self.r = Some((wait, data));
        }
    }
}
