//! Writing a trace in the Mooncake format, byte for byte the way the published traces are laid out.

use std::io::{self, Write};

use super::Trace;

/// Writes `trace` as JSONL: `", "` between fields and ids, one `\n` after each request.
pub fn write(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for (request, ids) in trace.iter() {
        line.clear();
        line.push_str("{\"timestamp\": ");
        push_number(&mut line, request.timestamp_ms);
        line.push_str(", \"input_length\": ");
        push_number(&mut line, request.input_tokens.into());
        line.push_str(", \"output_length\": ");
        push_number(&mut line, request.output_tokens.into());
        line.push_str(", \"hash_ids\": [");
        for (i, &id) in ids.iter().enumerate() {
            if i > 0 {
                line.push_str(", ");
            }
            push_number(&mut line, id);
        }
        line.push_str("]}\n");
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn push_number(line: &mut String, n: u64) {
    use std::fmt::Write as _;
    // Writing to a String does not fail.
    let _ = write!(line, "{n}");
}
