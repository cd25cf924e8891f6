//! Threads that let others go first.

/// For the lanes of passwords, which are at work for tens of milliseconds.
pub(crate) const BACKGROUND: i32 = 10;

/// For the writer of a database: answers wait for it.
#[cfg(feature = "sqlite")]
pub(crate) const BEHIND_REQUESTS: i32 = 5;

/// Adds to the `nice` value of this thread: where processors are short, the threads that answer
/// requests come first. Elsewhere than on Linux, where `nice` is about processes, it does nothing.
pub(crate) fn step_back(by: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(by) {
        tracing::debug!(%error, "the priority of a thread cannot be lowered");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = by;
}
