//! Bits of the lanes side by side.

use rust_hdl::prelude::*;

/// `L` bits as one word; bits above are 0.
#[derive(LogicBlock)]
pub(super) struct Flags<const L: usize> {
    /// A lane's bit.
    pub lanes: [Signal<In, Bit>; L],
    /// Lane i's is bit i.
    pub all: Signal<Out, Bits<16>>,
}

impl<const L: usize> Default for Flags<L> {
    fn default() -> Self {
        Self { lanes: std::array::from_fn(|_| Default::default()), all: Default::default() }
    }
}

impl<const L: usize> Logic for Flags<L> {
    fn update(&mut self) {
        let set = (0..L).filter(|lane| self.lanes[*lane].val());
        self.all.next = set.map(|lane| 1u64 << lane).sum::<u64>().into();
    }

    fn connect(&mut self) {
        self.all.connect();
    }

    fn hdl(&self) -> Verilog {
        let lanes: Vec<String> = (0..L).rev().map(|lane| format!("lanes${lane}")).collect();
        Verilog::Custom(format!("always @(*) all = {{{}}};\n", lanes.join(", ")))
    }
}
