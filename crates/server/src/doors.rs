//! How many connections there are, in all and per address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::Limits;

/// Between two lines in the log about refused connections.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The count of connections over all listeners.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    count: usize,
    /// Only kept where addresses are limited.
    per_ip: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    doors: Arc<Doors>,
    ip: Option<IpAddr>,
}

/// Why a connection found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Full {
    #[error("all {0} connections are taken (limits: connection count)")]
    Server(usize),
    #[error("its address has all {0} connections it may have (limits: connections per address)")]
    Ip(usize),
}

/// Refused connections come in swarms: the log speaks of them once a second.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<(Option<Instant>, u64)>);

impl Refusals {
    /// Takes note of one; gives how many there were since the last word on it, if it is time.
    pub(crate) fn note(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (spoken, count) = &mut *state;
        *count += 1;
        if spoken.is_some_and(|spoken| now.saturating_duration_since(spoken) < REFUSAL_PAUSE) {
            return None;
        }
        *spoken = Some(now);
        Some(std::mem::take(count))
    }
}

impl Doors {
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr, limits: &Limits) -> Result<Entered, Full> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.count >= limits.connection_count_max {
            return Err(Full::Server(limits.connection_count_max));
        }
        let ip = limits
            .connections_per_ip_max
            .map(|max| (ip.to_canonical(), max));
        if let Some((ip, max)) = ip {
            let count = inside.per_ip.entry(ip).or_default();
            if *count >= max {
                return Err(Full::Ip(max));
            }
            *count += 1;
        }
        inside.count += 1;
        Ok(Entered {
            doors: Arc::clone(self),
            ip: ip.map(|(ip, _)| ip),
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut inside = self
            .doors
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inside.count -= 1;
        let Some(ip) = self.ip else { return };
        if let Some(count) = inside.per_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                inside.per_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_per_address() {
        let limits = Limits {
            connection_count_max: 3,
            connections_per_ip_max: Some(2),
            ..Limits::default()
        };
        let doors = Arc::new(Doors::default());
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let first = doors.enter(a, &limits).unwrap();
        let _second = doors.enter(a, &limits).unwrap();
        assert_eq!(doors.enter(a, &limits).unwrap_err(), Full::Ip(2));
        let third = doors.enter(b, &limits).unwrap();
        assert_eq!(doors.enter(b, &limits).unwrap_err(), Full::Server(3));
        drop(third);
        drop(first);
        assert!(doors.enter(a, &limits).is_ok());
    }

    #[test]
    fn refusals_are_spoken_of_once_a_second() {
        let start = crate::clock::now().monotonic;
        let refusals = Refusals::default();
        let millis = |count| start + Duration::from_millis(count);
        assert_eq!(refusals.note(start), Some(1));
        assert_eq!(refusals.note(millis(10)), None);
        assert_eq!(refusals.note(millis(999)), None);
        assert_eq!(refusals.note(millis(1000)), Some(3));
    }
}
