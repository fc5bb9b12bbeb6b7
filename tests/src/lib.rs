//! Cross-crate tests of KV-CPU.
