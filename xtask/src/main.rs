//! The build's verbs.
fn main() {}
