//! The report as a self-contained HTML page.

use super::ReplayError;
use super::report::Report;
use crate::trace::Trace;

/// The page.
pub(super) fn page(report: &Report, _trace: &Trace) -> Result<String, ReplayError> {
    Ok(format!("<!doctype html><pre>{report}</pre>"))
}
