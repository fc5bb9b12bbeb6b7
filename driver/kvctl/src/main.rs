//! The KV-CPU command line. Everything is in the library; `docs/kvctl.md` has an example of each verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    kvctl::cli::main()
}
