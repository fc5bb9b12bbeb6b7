//! The KV-CPU command line: replay, registers, commands, selftest.
fn main() {}
