//! What all blocks are made of.

mod fifo;
mod gate;
mod kept;
mod multiply;
mod ram;
mod register;
mod shelf;
mod skid;

pub use fifo::Fifo;
pub use gate::Gate;
pub use kept::Kept;
pub use multiply::Multiply;
pub use ram::Ram;
pub use register::Register;
pub use shelf::Shelf;
pub use skid::Skid;
