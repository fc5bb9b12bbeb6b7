//! T3: a file-backed block tier over io_uring.
