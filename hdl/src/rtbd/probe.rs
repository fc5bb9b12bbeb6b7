//! The directory of the test geometry with ports of at most 64 bits, for simulation and proofs; not part of the device.
//!
//! ```text
//!  id_i, place_i, state_i ─► row_write_data[i] ─► Directory ─► entries[i] ─► word `look` ─► seen_i
//! ```

use super::{Directory, ENTRY_BITS, INDEX_BITS, SWEPT_BITS};
use rust_hdl::prelude::*;

/// 1,024 entries, 4 lanes, a stash of 8.
#[derive(LogicBlock, Default)]
pub struct DirectoryProbe {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// As the directory's.
    pub bus_select: Signal<In, Bit>,
    /// As the directory's.
    pub bus_write: Signal<In, Bit>,
    /// As the directory's.
    pub bus_address: Signal<In, Bits<24>>,
    /// As the directory's.
    pub bus_data: Signal<In, Bits<32>>,
    /// As the directory's.
    pub bus_ready: Signal<Out, Bit>,
    /// As the directory's.
    pub bus_read: Signal<Out, Bits<32>>,
    /// As the directory's.
    pub row_read: Signal<In, Bit>,
    /// As the directory's.
    pub row: Signal<In, Bits<INDEX_BITS>>,
    /// As the directory's.
    pub row_taken: Signal<Out, Bit>,
    /// Word that `seen` shows of each entry, in the same clock.
    pub look: Signal<In, Bits<3>>,
    /// Of lane 0.
    pub seen_0: Signal<Out, Bits<32>>,
    /// Of lane 1.
    pub seen_1: Signal<Out, Bits<32>>,
    /// Of lane 2.
    pub seen_2: Signal<Out, Bits<32>>,
    /// Of lane 3.
    pub seen_3: Signal<Out, Bits<32>>,
    /// As the directory's.
    pub row_write: Signal<In, Bit>,
    /// As the directory's.
    pub row_write_row: Signal<In, Bits<INDEX_BITS>>,
    /// As the directory's.
    pub row_write_lanes: Signal<In, Bits<16>>,
    /// Words PLACE and ID of lane 0.
    pub place_id_0: Signal<In, Bits<64>>,
    /// Of lane 1.
    pub place_id_1: Signal<In, Bits<64>>,
    /// Of lane 2.
    pub place_id_2: Signal<In, Bits<64>>,
    /// Of lane 3.
    pub place_id_3: Signal<In, Bits<64>>,
    /// Word STATE of lane 0.
    pub state_0: Signal<In, Bits<32>>,
    /// Of lane 1.
    pub state_1: Signal<In, Bits<32>>,
    /// Of lane 2.
    pub state_2: Signal<In, Bits<32>>,
    /// Of lane 3.
    pub state_3: Signal<In, Bits<32>>,

    directory: Directory<8, 10, 8, 4, 2, 8, 3>,
    entry: [Signal<Local, Bits<ENTRY_BITS>>; 4],
    offset: Signal<Local, Bits<8>>,
}

impl Logic for DirectoryProbe {
    #[hdl_gen]
    fn update(&mut self) {
        self.directory.clock.next = self.clock.val();
        self.directory.reset.next = self.reset.val();
        self.directory.bus_select.next = self.bus_select.val();
        self.directory.bus_write.next = self.bus_write.val();
        self.directory.bus_address.next = self.bus_address.val();
        self.directory.bus_data.next = self.bus_data.val();
        self.bus_ready.next = self.directory.bus_ready.val();
        self.bus_read.next = self.directory.bus_read.val();
        self.directory.row_read.next = self.row_read.val();
        self.directory.row.next = self.row.val();
        self.row_taken.next = self.directory.row_taken.val();
        self.offset.next = bit_cast::<8, 3>(self.look.val()) << 5;
        for i in 0..4 {
            self.entry[i].next = self.directory.entries[i].val();
        }
        self.seen_0.next = self.entry[0].val().get_bits::<32>(self.offset.val().index());
        self.seen_1.next = self.entry[1].val().get_bits::<32>(self.offset.val().index());
        self.seen_2.next = self.entry[2].val().get_bits::<32>(self.offset.val().index());
        self.seen_3.next = self.entry[3].val().get_bits::<32>(self.offset.val().index());
        self.directory.row_write.next = self.row_write.val();
        self.directory.row_write_row.next = self.row_write_row.val();
        self.directory.row_write_lanes.next = self.row_write_lanes.val();
        self.directory.row_write_data[0].next =
            (bit_cast::<SWEPT_BITS, 32>(self.state_0.val()) << 64) | bit_cast::<SWEPT_BITS, 64>(self.place_id_0.val());
        self.directory.row_write_data[1].next =
            (bit_cast::<SWEPT_BITS, 32>(self.state_1.val()) << 64) | bit_cast::<SWEPT_BITS, 64>(self.place_id_1.val());
        self.directory.row_write_data[2].next =
            (bit_cast::<SWEPT_BITS, 32>(self.state_2.val()) << 64) | bit_cast::<SWEPT_BITS, 64>(self.place_id_2.val());
        self.directory.row_write_data[3].next =
            (bit_cast::<SWEPT_BITS, 32>(self.state_3.val()) << 64) | bit_cast::<SWEPT_BITS, 64>(self.place_id_3.val());
    }
}
