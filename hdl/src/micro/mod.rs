//! The control unit: a sequencer, its control store, and the compiler that fills it from `hdl/micro/*.rs`. `docs/control.md`.

mod alu;
pub mod code;
mod compile;
mod decode;
mod expr;
mod isa;
mod names;
mod place;
mod polish;
pub mod program;
pub mod sequencer;
mod store;

pub use code::Code;
pub(crate) use isa::REGISTER_BITS;
pub use isa::{Op, STORE_BITS, Second, WORD_BITS, Word};
pub use names::{FILE_WORDS, file_word};
pub use sequencer::Sequencer;
pub(crate) use store::initial;
pub use store::room;
