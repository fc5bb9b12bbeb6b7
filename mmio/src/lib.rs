//! The KV-CPU register map, queue formats and backing trait.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod backing;
