//! Submission and completion rings over shared memory.
