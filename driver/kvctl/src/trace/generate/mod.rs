//! Made workloads: multi-turn chat, agent loops, retrieval-augmented questions, and a mix of them; and four that are
//! hard on a policy.
//!
//! ```text
//!   workload  which there are
//!   engine    a clock of events: sessions arrive (Poisson), each takes its steps, each step is a request
//!   session   what a step of each kind of session adds to its context, and how long until the next
//!   news      which documents are talked about at a time
//!   context   text as segments, cut into blocks named by parent and content: prefix-closed by construction
//!   dist      the distributions, over ChaCha8 and software floating-point functions
//!   params    every number, with its default and its reason, those of the four in adverse; validate refuses
//!             senseless ones
//! ```
//!
//! A trace depends on its parameters alone, on every platform to the last bit: randomness is ChaCha8, each session
//! draws from its own stream, and exponentials and logarithms come from `libm`, not from the system.

mod adverse;
mod context;
mod dist;
mod engine;
mod news;
mod params;
mod session;
mod validate;
mod workload;

pub use adverse::{Batch, Drift, Loop, Scan};
pub use engine::generate;
pub use params::{Agent, Chat, LogNormal, Mix, Params, Rag, System};
pub use validate::GenerateError;
pub use workload::{UnknownWorkload, Workload};
