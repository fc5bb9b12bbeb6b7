//! What stands round the management core: its memories, its private registers, and its way to the device's register port.
//! `docs/firmware.md`.

mod private;
mod turn;
mod unit;

pub use private::Private;
pub use turn::Turn;
pub use unit::Management;
