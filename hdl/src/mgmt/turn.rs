//! Host and management core at the device's register port, in turns. `docs/firmware.md`.
//!
//! ```text
//!  host, AXI4-Lite ──► open accesses ─┐
//!                                     ├─► device
//!  core, a word ─────► its channels ──┘
//! ```
//!
//! The core's turn comes when none of the host's accesses is open. While it wants one, none of the host's begins but the half of a write
//! whose other half was taken, and reads beside such a half; then the host has its turn until the core wants another.
//!
//! An offer of the host's may be withdrawn when the core wants its turn: the device's front takes what is offered at once if this block
//! knows of none that is open, so it never is; nothing that holds offers back may stand between the two. A reset of the device forgets what is
//! open; what the core wants it begins again.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Who has the port.
#[derive(LogicBlock, Default)]
pub struct Turn {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: the device's.
    pub reset: Signal<In, Bit>,

    /// The host's write address stands.
    pub awvalid: Signal<In, Bit>,
    /// It is taken.
    pub awready: Signal<Out, Bit>,
    /// The host's write data stands.
    pub wvalid: Signal<In, Bit>,
    /// It is taken.
    pub wready: Signal<Out, Bit>,
    /// The host's write is done.
    pub bvalid: Signal<Out, Bit>,
    /// That is taken.
    pub bready: Signal<In, Bit>,
    /// The host's read address stands.
    pub arvalid: Signal<In, Bit>,
    /// It is taken.
    pub arready: Signal<Out, Bit>,
    /// The host's data stands.
    pub rvalid: Signal<Out, Bit>,
    /// It is taken.
    pub rready: Signal<In, Bit>,

    /// The core wants an access, until it is done.
    pub wants: Signal<In, Bit>,
    /// It writes.
    pub writes: Signal<In, Bit>,
    /// It is done in this clock.
    pub done: Signal<Out, Bit>,
    /// The core has the port: address and data are to be its own.
    pub is_cores: Signal<Out, Bit>,

    /// To the device.
    pub d_awvalid: Signal<Out, Bit>,
    /// From the device.
    pub d_awready: Signal<In, Bit>,
    /// To the device.
    pub d_wvalid: Signal<Out, Bit>,
    /// From the device.
    pub d_wready: Signal<In, Bit>,
    /// From the device.
    pub d_bvalid: Signal<In, Bit>,
    /// To the device.
    pub d_bready: Signal<Out, Bit>,
    /// To the device.
    pub d_arvalid: Signal<Out, Bit>,
    /// From the device.
    pub d_arready: Signal<In, Bit>,
    /// From the device.
    pub d_rvalid: Signal<In, Bit>,
    /// To the device.
    pub d_rready: Signal<Out, Bit>,

    cores: Register<Bit>,
    /// Of the access under way, whoever's: taken, and not answered.
    address: Register<Bit>,
    data: Register<Bit>,
    read: Register<Bit>,
    may_address: Signal<Local, Bit>,
    may_data: Signal<Local, Bit>,
    may_read: Signal<Local, Bit>,
    asks_address: Signal<Local, Bit>,
    asks_data: Signal<Local, Bit>,
    asks_read: Signal<Local, Bit>,
    took_address: Signal<Local, Bit>,
    took_data: Signal<Local, Bit>,
    took_read: Signal<Local, Bit>,
    wrote: Signal<Local, Bit>,
    has_read: Signal<Local, Bit>,
    quiet: Signal<Local, Bit>,
}

impl Logic for Turn {
    #[hdl_gen]
    fn update(&mut self) {
        self.cores.clock.next = self.clock.val();
        self.address.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.read.clock.next = self.clock.val();
        self.cores.reset.next = self.reset.val();
        self.address.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();
        self.read.reset.next = self.reset.val();

        // One write and one read of the host may be open; of the core, one access.
        self.may_address.next = !self.address.q.val() & (!self.wants.val() | self.data.q.val());
        self.may_data.next = !self.data.q.val() & (!self.wants.val() | self.address.q.val());
        self.may_read.next = !self.read.q.val() & (!self.wants.val() | (self.address.q.val() ^ self.data.q.val()));
        self.asks_address.next = self.awvalid.val() & self.may_address.val();
        self.asks_data.next = self.wvalid.val() & self.may_data.val();
        self.asks_read.next = self.arvalid.val() & self.may_read.val();
        self.d_bready.next = self.bready.val();
        self.d_rready.next = self.rready.val();
        if self.cores.q.val() {
            self.asks_address.next = self.wants.val() & self.writes.val() & !self.address.q.val();
            self.asks_data.next = self.wants.val() & self.writes.val() & !self.data.q.val();
            self.asks_read.next = self.wants.val() & !self.writes.val() & !self.read.q.val();
            self.d_bready.next = true;
            self.d_rready.next = true;
        }
        self.d_awvalid.next = self.asks_address.val();
        self.d_wvalid.next = self.asks_data.val();
        self.d_arvalid.next = self.asks_read.val();
        self.took_address.next = self.asks_address.val() & self.d_awready.val();
        self.took_data.next = self.asks_data.val() & self.d_wready.val();
        self.took_read.next = self.asks_read.val() & self.d_arready.val();
        self.wrote.next = self.d_bvalid.val() & (self.cores.q.val() | self.bready.val());
        self.has_read.next = self.d_rvalid.val() & (self.cores.q.val() | self.rready.val());
        self.awready.next = !self.cores.q.val() & self.took_address.val();
        self.wready.next = !self.cores.q.val() & self.took_data.val();
        self.arready.next = !self.cores.q.val() & self.took_read.val();
        self.bvalid.next = self.d_bvalid.val() & !self.cores.q.val();
        self.rvalid.next = self.d_rvalid.val() & !self.cores.q.val();

        self.address.d.next = (self.address.q.val() | self.took_address.val()) & !self.wrote.val();
        self.data.d.next = (self.data.q.val() | self.took_data.val()) & !self.wrote.val();
        self.read.d.next = (self.read.q.val() | self.took_read.val()) & !self.has_read.val();

        self.quiet.next = !self.address.q.val()
            & !self.data.q.val()
            & !self.read.q.val()
            & !self.took_address.val()
            & !self.took_data.val()
            & !self.took_read.val();
        self.done.next = self.cores.q.val() & (self.wrote.val() | self.has_read.val());
        self.cores.d.next = self.cores.q.val();
        if self.cores.q.val() {
            if self.wrote.val() | self.has_read.val() {
                self.cores.d.next = false;
            }
        } else {
            self.cores.d.next = self.wants.val() & self.quiet.val();
        }
        self.is_cores.next = self.cores.q.val();
    }
}
