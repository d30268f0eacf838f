//! When a namespace gets more units by itself, and when it gives them back.
//!
//! | State | charge leaves debt | in debt after a second, charged >= allowed | bucket relaxed |
//! |---|---|---|---|
//! | calm | => in excess, counts from here | - | - |
//! | in excess | counts on | => raise, calm | => calm |

use std::{
    fmt,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::{
    Units,
    units::{INGRESS_BYTES, INGRESS_EVENTS},
};

/// How long an excess has to last before the units are raised.
const SUSTAINED: Duration = Duration::from_secs(1);
/// How long the load has to fit in fewer units before they are lowered.
const QUIET: Duration = Duration::from_secs(300);

/// A namespace's leave to change its units by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoInflate {
    /// Never above.
    pub maximum: NonZeroU32,
    /// Lower the units again, one at a time, down to this many. Event Hubs never does.
    pub deflate_to: Option<NonZeroU32>,
}

/// The units changed by themselves; worth a line in the log and a durable record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitsChange {
    pub from: u32,
    pub to: u32,
    pub reason: Reason,
}

/// Why they changed; `Display` has Event Hubs' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    IncomingBytesPerSecond(u64),
    IncomingMessagesPerSecond(u64),
    /// The load fits in fewer units for a while.
    Quiet,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncomingBytesPerSecond(reached) => {
                write!(f, "IncomingBytesPerSecond reached {reached}")
            }
            Self::IncomingMessagesPerSecond(reached) => {
                write!(f, "IncomingMessagesPerSecond reached {reached}")
            }
            Self::Quiet => write!(f, "load fits in fewer units for {} s", QUIET.as_secs()),
        }
    }
}

/// What is seen of the ingress at one charge, or at a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) bytes: u64,
    pub(crate) events: u64,
    /// The charge leaves a debt.
    pub(crate) in_debt: bool,
    /// Before the charge, both buckets were at least half full.
    pub(crate) relaxed: bool,
}

/// Watches one namespace's ingress.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    rule: AutoInflate,
    excess: Option<Excess>,
    quiet: Quiet,
}

/// What was charged since an excess began.
#[derive(Clone, Copy, Debug)]
struct Excess {
    since: Instant,
    bytes: u64,
    events: u64,
}

/// The most units that any second needed since a quiet spell began.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    since: Instant,
    peak: u64,
}

impl Observer {
    pub(crate) fn new(rule: AutoInflate, now: Instant) -> Self {
        Self {
            rule,
            excess: None,
            quiet: Quiet {
                since: now,
                peak: 0,
            },
        }
    }

    /// Takes note, and says to how many units the namespace should go.
    pub(crate) fn observe(
        &mut self,
        units: NonZeroU32,
        sight: Sight,
        now: Instant,
    ) -> Option<UnitsChange> {
        if sight.relaxed {
            self.excess = None;
        }
        if self.excess.is_none() && sight.in_debt {
            self.excess = Some(Excess {
                since: now,
                bytes: 0,
                events: 0,
            });
        }
        let excess = self.excess.as_mut()?;
        excess.bytes = excess.bytes.saturating_add(sight.bytes);
        excess.events = excess.events.saturating_add(sight.events);
        let elapsed = now.saturating_duration_since(excess.since);
        if elapsed < SUSTAINED || !sight.in_debt || units >= self.rule.maximum {
            return None;
        }
        let change = excess.raise(units, self.rule.maximum, elapsed)?;
        self.excess = None;
        self.quiet = Quiet {
            since: now,
            peak: 0,
        };
        Some(change)
    }

    /// Takes note of a second that has ended, and says whether the units should go down by one.
    pub(crate) fn observe_second(
        &mut self,
        units: NonZeroU32,
        needed: u64,
        now: Instant,
    ) -> Option<UnitsChange> {
        let floor = self.rule.deflate_to?;
        self.quiet.peak = self.quiet.peak.max(needed);
        if now.saturating_duration_since(self.quiet.since) < QUIET {
            return None;
        }
        let fits = self.quiet.peak < u64::from(units.get());
        self.quiet = Quiet {
            since: now,
            peak: 0,
        };
        (fits && units > floor).then(|| UnitsChange {
            from: units.get(),
            to: units.get() - 1,
            reason: Reason::Quiet,
        })
    }
}

impl Excess {
    /// The load may exceed what it could show, because it was made to wait; so the units grow by
    /// half at least, and more where the load showed more.
    fn raise(
        &self,
        units: NonZeroU32,
        maximum: NonZeroU32,
        elapsed: Duration,
    ) -> Option<UnitsChange> {
        let from = units.get();
        let bytes = per_second(self.bytes, elapsed);
        let events = per_second(self.events, elapsed);
        let bytes_units = bytes.div_ceil(INGRESS_BYTES);
        let events_units = events.div_ceil(INGRESS_EVENTS);
        let allowed = |unit: u64| u64::from(from).saturating_mul(unit);
        if bytes < allowed(INGRESS_BYTES) && events < allowed(INGRESS_EVENTS) {
            return None;
        }
        let shown = u32::try_from(bytes_units.max(events_units)).unwrap_or(u32::MAX);
        let to = from
            .saturating_add((from / 2).max(1))
            .max(shown)
            .min(maximum.get());
        let reason = if events_units > bytes_units {
            Reason::IncomingMessagesPerSecond(events)
        } else {
            Reason::IncomingBytesPerSecond(bytes)
        };
        Some(UnitsChange { from, to, reason })
    }
}

/// The units that a second's ingress would have needed.
pub(crate) fn units_needed(bytes: u64, events: u64) -> u64 {
    bytes
        .div_ceil(INGRESS_BYTES)
        .max(events.div_ceil(INGRESS_EVENTS))
}

/// The rate that the count over the time makes.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let nanos = elapsed.as_nanos().max(1);
    let rate = u128::from(count).saturating_mul(1_000_000_000) / nanos;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The units of a [`Units`] that can change by themselves.
pub(crate) fn changeable(units: Units) -> Option<NonZeroU32> {
    match units {
        Units::Limited(count) => Some(count),
        Units::Unlimited => None,
    }
}

impl UnitsChange {
    /// The units after the change.
    #[must_use]
    pub fn units(&self) -> Option<Units> {
        Units::limited(self.to)
    }
}
