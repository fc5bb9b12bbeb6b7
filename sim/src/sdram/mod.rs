//! An SDR SDRAM chip that holds its controller to the data sheet: each command that breaks a rule ends the simulation with the rule's
//! name.
//!
//! ```text
//!  pins in a clock ─► bus: who drives ─► command: its rules ─► refreshes, open rows: do they keep pace? ─► data of the next clock
//!                                           └─► banks, rows
//! ```
//!
//! Time is counted in ps of the chip's clock, and each rule in what the data sheet says, so a controller that rounds wrong is caught. A
//! mask, a latency or a byte that is wrong shows in what is read back. A controller's reset is no reset of the chip: [`Chip::neglect`] says what it costs. Left out: what is faster or slower than a clock, that is set-up,
//! hold, access time; self refresh, power down, auto precharge and cut bursts, which no controller here uses and which count as errors.

mod chip;
mod sheet;

pub use chip::{Broken, Chip, Pins, Told, command};
pub use sheet::Sheet;
