//! The KV-CPU user-space driver, generic over a backing.
