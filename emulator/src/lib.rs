//! The register-accurate KV-CPU device model.
