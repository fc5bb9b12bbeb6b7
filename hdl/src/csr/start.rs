//! HEPC's bus, from the sequencer and from the front, which may start a sweep.
//!
//! ```text
//!  sequencer's request ──┐
//!                        ├─► HEPC
//!  front: SWEEP ─────────┘   before it; the sequencer has none then
//! ```

use rust_hdl::prelude::*;

/// Who is heard by HEPC.
#[derive(LogicBlock)]
pub struct Start {
    /// The front starts a sweep.
    pub sweeps: Signal<In, Bit>,
    /// A request of the sequencer's stands.
    pub from_select: Signal<In, Bit>,
    /// It writes.
    pub from_write: Signal<In, Bit>,
    /// Its address.
    pub from_address: Signal<In, Bits<24>>,
    /// What it writes.
    pub from_data: Signal<In, Bits<32>>,

    /// A request stands.
    pub select: Signal<Out, Bit>,
    /// It writes.
    pub write: Signal<Out, Bit>,
    /// Its address.
    pub address: Signal<Out, Bits<24>>,
    /// What it writes.
    pub data: Signal<Out, Bits<32>>,

    /// Where SWEEP is.
    sweep_address: Constant<Bits<24>>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            sweeps: Default::default(),
            from_select: Default::default(),
            from_write: Default::default(),
            from_address: Default::default(),
            from_data: Default::default(),
            select: Default::default(),
            write: Default::default(),
            address: Default::default(),
            data: Default::default(),
            sweep_address: Constant::new(0x60_0028u64.into()),
        }
    }
}

impl Logic for Start {
    #[hdl_gen]
    fn update(&mut self) {
        self.select.next = self.from_select.val();
        self.write.next = self.from_write.val();
        self.address.next = self.from_address.val();
        self.data.next = self.from_data.val();
        if self.sweeps.val() {
            self.select.next = true;
            self.write.next = true;
            self.address.next = self.sweep_address.val();
            self.data.next = 0.into();
        }
    }
}
