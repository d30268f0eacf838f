//! Numbers for the metrics: counters live in the structures, a walk shows them.

/// How a request ended, for Azure's request counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    Success,
    /// Delayed to hold the throughput units.
    Throttled,
    /// The client's fault.
    UserError,
    /// Ours.
    ServerError,
    /// Refused for exceeding the units.
    QuotaExceeded,
}
