//! The memory of this process.

use std::fs;

/// What is in memory, in bytes.
pub(crate) fn resident() -> usize {
    status("VmRSS:")
}

/// The most that was in memory since [`forget_peak`].
pub(crate) fn peak() -> usize {
    status("VmHWM:")
}

/// proc_pid_clear_refs(5).
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kilobytes = line.split_whitespace().next().and_then(|number| number.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}
