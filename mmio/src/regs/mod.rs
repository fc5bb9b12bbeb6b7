//! The registers, one block a file.

pub mod command;
pub mod control;
pub mod counter;
pub mod dma;
pub mod hepc;
pub mod irq;
pub mod luf;
pub mod mgmt;
pub mod msix;
pub mod queue;
pub mod rtbd;
pub mod rtbd_entry;
pub mod service;
pub mod tier;
