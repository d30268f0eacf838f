//! One namespace's meter: four buckets, the usage of the last second, and auto-inflate.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::{
    AutoInflate, Units, UnitsChange,
    bucket::Bucket,
    inflate::{Observer, Sight, changeable, per_second, units_needed},
    units::{EGRESS_BYTES, EGRESS_EVENTS, INGRESS_BYTES, INGRESS_EVENTS},
};

/// The time over which usage is averaged.
const USAGE_WINDOW: Duration = Duration::from_secs(1);

/// Which way the events go, seen from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ingress,
    Egress,
}

/// What a charge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// How long until the debt is paid back. A caller that waits less leaves the rest as debt.
    pub wait: Duration,
    /// The units in force changed by themselves.
    pub change: Option<UnitsChange>,
}

/// What went through in the last whole second, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub ingress_bytes: u64,
    pub ingress_events: u64,
    pub egress_bytes: u64,
    pub egress_events: u64,
}

/// A namespace's throughput units at work.
#[derive(Clone, Debug)]
pub struct Meter {
    units: Units,
    ingress: Pair,
    egress: Pair,
    observer: Option<Observer>,
    window_start: Instant,
    window: Usage,
    last: Usage,
}

/// Bytes and events in one direction; the worse of the two counts.
#[derive(Clone, Debug)]
struct Pair {
    bytes: Bucket,
    events: Bucket,
}

impl Meter {
    /// A meter with full buckets.
    #[must_use]
    pub fn new(units: Units, auto_inflate: Option<AutoInflate>, now: Instant) -> Self {
        let count = bucket_units(units);
        Self {
            units,
            ingress: Pair::new(count, INGRESS_BYTES, INGRESS_EVENTS, now),
            egress: Pair::new(count, EGRESS_BYTES, EGRESS_EVENTS, now),
            observer: auto_inflate.map(|rule| Observer::new(rule, now)),
            window_start: now,
            window: Usage::default(),
            last: Usage::default(),
        }
    }

    /// Takes what went through, in full, and says how long the caller should be made to wait.
    pub fn charge(
        &mut self,
        direction: Direction,
        bytes: u64,
        events: u64,
        now: Instant,
    ) -> Charge {
        let closed = self.close_window(now);
        self.window.add(direction, bytes, events);
        let Some(units) = changeable(self.units) else {
            return Charge {
                wait: Duration::ZERO,
                change: None,
            };
        };
        let relaxed = self.ingress.is_relaxed(now);
        let wait = self.pair(direction).charge(bytes, events, now);
        let change = match direction {
            Direction::Ingress => {
                let sight = Sight {
                    bytes,
                    events,
                    in_debt: !self.ingress.wait().is_zero(),
                    relaxed,
                };
                self.observe(units, sight, now)
            }
            Direction::Egress => None,
        };
        let Some(change) = change else {
            return Charge {
                wait,
                change: closed,
            };
        };
        self.apply(change, now);
        Charge {
            wait: self.pair(direction).wait(),
            change: Some(change),
        }
    }

    /// Lets time pass without a charge, once a second or so: raises the units while the callers
    /// wait, lowers them when nobody calls.
    pub fn tick(&mut self, now: Instant) -> Option<UnitsChange> {
        if let Some(change) = self.close_window(now) {
            return Some(change);
        }
        let units = changeable(self.units)?;
        let relaxed = self.ingress.is_relaxed(now);
        let sight = Sight {
            bytes: 0,
            events: 0,
            in_debt: !self.ingress.wait().is_zero(),
            relaxed,
        };
        let change = self.observe(units, sight, now)?;
        self.apply(change, now);
        Some(change)
    }

    /// The units in force: what has to survive a restart.
    #[must_use]
    pub fn units(&self) -> Units {
        self.units
    }

    /// Changes the units from now on; debt stays debt.
    pub fn set_units(&mut self, units: Units, now: Instant) {
        let was_unlimited = self.units == Units::Unlimited;
        self.units = units;
        let count = bucket_units(units);
        if was_unlimited {
            self.ingress = Pair::new(count, INGRESS_BYTES, INGRESS_EVENTS, now);
            self.egress = Pair::new(count, EGRESS_BYTES, EGRESS_EVENTS, now);
        } else {
            self.ingress
                .set_units(count, INGRESS_BYTES, INGRESS_EVENTS, now);
            self.egress
                .set_units(count, EGRESS_BYTES, EGRESS_EVENTS, now);
        }
    }

    /// Changes the leave to change by itself.
    pub fn set_auto_inflate(&mut self, auto_inflate: Option<AutoInflate>, now: Instant) {
        self.observer = auto_inflate.map(|rule| Observer::new(rule, now));
    }

    /// What went through in the last whole second.
    pub fn usage(&mut self, now: Instant) -> Usage {
        // A change that falls due here is found again at the next tick's second.
        self.roll_window(now);
        self.last
    }

    fn observe(&mut self, units: NonZeroU32, sight: Sight, now: Instant) -> Option<UnitsChange> {
        self.observer.as_mut()?.observe(units, sight, now)
    }

    fn apply(&mut self, change: UnitsChange, now: Instant) {
        if let Some(units) = change.units() {
            self.set_units(units, now);
        }
    }

    /// Ends the usage window if its time is over; that may lower the units.
    fn close_window(&mut self, now: Instant) -> Option<UnitsChange> {
        if !self.roll_window(now) {
            return None;
        }
        let units = changeable(self.units)?;
        let needed = units_needed(self.last.ingress_bytes, self.last.ingress_events);
        let change = self.observer.as_mut()?.observe_second(units, needed, now)?;
        self.apply(change, now);
        Some(change)
    }

    fn roll_window(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed < USAGE_WINDOW {
            return false;
        }
        self.last = self.window.per_second(elapsed);
        self.window = Usage::default();
        self.window_start = now;
        true
    }

    fn pair(&mut self, direction: Direction) -> &mut Pair {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

impl Pair {
    fn new(units: u64, bytes: u64, events: u64, now: Instant) -> Self {
        Self {
            bytes: Bucket::new(units.saturating_mul(bytes), now),
            events: Bucket::new(units.saturating_mul(events), now),
        }
    }

    fn charge(&mut self, bytes: u64, events: u64, now: Instant) -> Duration {
        self.bytes
            .charge(bytes, now)
            .max(self.events.charge(events, now))
    }

    fn wait(&self) -> Duration {
        self.bytes.wait().max(self.events.wait())
    }

    fn is_relaxed(&mut self, now: Instant) -> bool {
        self.bytes.is_relaxed(now) && self.events.is_relaxed(now)
    }

    fn set_units(&mut self, units: u64, bytes: u64, events: u64, now: Instant) {
        self.bytes.set_rate(units.saturating_mul(bytes), now);
        self.events.set_rate(units.saturating_mul(events), now);
    }
}

impl Usage {
    fn add(&mut self, direction: Direction, bytes: u64, events: u64) {
        let (sum_bytes, sum_events) = match direction {
            Direction::Ingress => (&mut self.ingress_bytes, &mut self.ingress_events),
            Direction::Egress => (&mut self.egress_bytes, &mut self.egress_events),
        };
        *sum_bytes = sum_bytes.saturating_add(bytes);
        *sum_events = sum_events.saturating_add(events);
    }

    fn per_second(&self, elapsed: Duration) -> Self {
        Self {
            ingress_bytes: per_second(self.ingress_bytes, elapsed),
            ingress_events: per_second(self.ingress_events, elapsed),
            egress_bytes: per_second(self.egress_bytes, elapsed),
            egress_events: per_second(self.egress_events, elapsed),
        }
    }

    /// The units that this usage takes up, in thousandths, by the scarcest of the four.
    #[must_use]
    pub fn units_milli(&self) -> u64 {
        let share = |used: u64, unit: u64| used.saturating_mul(1000) / unit;
        share(self.ingress_bytes, INGRESS_BYTES)
            .max(share(self.ingress_events, INGRESS_EVENTS))
            .max(share(self.egress_bytes, EGRESS_BYTES))
            .max(share(self.egress_events, EGRESS_EVENTS))
    }
}

/// The units that the buckets are made for. An unlimited namespace's buckets are never asked, so
/// any size will do; they are made anew when a limit comes.
fn bucket_units(units: Units) -> u64 {
    u64::from(units.count().unwrap_or(1))
}

#[cfg(test)]
mod tests;
