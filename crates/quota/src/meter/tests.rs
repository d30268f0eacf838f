//! The rate holds, whoever calls with whatever sizes; units change when they should.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::Reason;

const MB: u64 = 1_048_576;

/// A moment to count from. Tests move time by adding to it.
fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can be made in no other way"
    )]
    Instant::now()
}

fn units(count: u32) -> Units {
    Units::limited(count).unwrap()
}

fn inflate_to(maximum: u32) -> AutoInflate {
    AutoInflate {
        maximum: NonZeroU32::new(maximum).unwrap(),
        deflate_to: None,
    }
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_debt_has_an_end_whatever_was_claimed() {
    let t = start();
    let mut meter = Meter::new(units(1), None, t);
    let events = u64::try_from(i32::MAX).unwrap();
    let charge = meter.charge(Direction::Ingress, 70, events, t);
    let longest = Duration::from_secs(crate::bucket::DEBT_SECONDS_MAX);
    assert_eq!(charge.wait, longest);
}

#[test]
fn a_second_of_rate_is_free_and_the_rest_waits() {
    let t = start();
    let cases = [
        (Direction::Ingress, MB, 1, Duration::ZERO),
        (Direction::Ingress, 2 * MB, 1, Duration::from_secs(1)),
        (Direction::Ingress, 1, 1500, millis(500)),
        (Direction::Egress, 2 * MB, 4096, Duration::ZERO),
        (Direction::Egress, 3 * MB, 1, millis(500)),
        (Direction::Egress, 0, 8192, Duration::from_secs(1)),
        (Direction::Ingress, 11 * MB, 0, Duration::from_secs(10)),
    ];
    for (direction, bytes, events, wait) in cases {
        let mut meter = Meter::new(units(1), None, t);
        let charge = meter.charge(direction, bytes, events, t);
        assert_eq!(charge.wait, wait, "{direction:?} {bytes} {events}");
    }
}

#[test]
fn the_directions_are_apart() {
    let t = start();
    let mut meter = Meter::new(units(1), None, t);
    assert!(
        !meter
            .charge(Direction::Ingress, 9 * MB, 1, t)
            .wait
            .is_zero()
    );
    assert!(meter.charge(Direction::Egress, 2 * MB, 1, t).wait.is_zero());
}

#[test]
fn unlimited_never_waits_and_a_later_limit_starts_full() {
    let t = start();
    let mut meter = Meter::new(Units::Unlimited, None, t);
    assert!(
        meter
            .charge(Direction::Ingress, u64::MAX, u64::MAX, t)
            .wait
            .is_zero()
    );
    meter.set_units(units(1), t);
    assert!(meter.charge(Direction::Ingress, MB, 1000, t).wait.is_zero());
    assert!(!meter.charge(Direction::Ingress, 1, 1, t).wait.is_zero());
}

#[test]
fn more_units_shorten_the_wait_for_debt_already_made() {
    let t = start();
    let mut meter = Meter::new(units(1), None, t);
    assert_eq!(
        meter.charge(Direction::Ingress, 5 * MB, 1, t).wait,
        Duration::from_secs(4)
    );
    meter.set_units(units(4), t);
    assert_eq!(
        meter.charge(Direction::Ingress, 0, 0, t).wait,
        Duration::from_secs(1)
    );
}

#[test]
fn a_clock_that_steps_back_earns_nothing() {
    let t = start();
    let mut meter = Meter::new(units(1), None, t);
    let later = t + Duration::from_secs(5);
    assert_eq!(
        meter.charge(Direction::Ingress, 2 * MB, 1, later).wait,
        Duration::from_secs(1)
    );
    assert_eq!(
        meter.charge(Direction::Ingress, 0, 0, t).wait,
        Duration::from_secs(1)
    );
    assert_eq!(
        meter.charge(Direction::Ingress, 0, 0, later).wait,
        Duration::from_secs(1)
    );
}

/// Connections that send as fast as they may, each waiting as it is told; gives the bytes charged
/// in the span.
fn saturate(meter: &mut Meter, t: Instant, span: Duration, connections: usize, bytes: u64) -> u64 {
    let mut free_at = vec![Duration::ZERO; connections];
    let mut total = 0;
    loop {
        let next = free_at.iter_mut().min().unwrap();
        if *next >= span {
            return total;
        }
        let charge = meter.charge(Direction::Ingress, bytes, 1, t + *next);
        // Sending itself takes a while: this is what 50 MB/s takes.
        *next += charge.wait.min(Duration::from_secs(10)).max(millis(20));
        total += bytes;
    }
}

#[test]
fn the_rate_holds_within_five_percent_over_thirty_seconds() {
    for (connections, bytes, count) in [(1, 100_000, 1), (5, 65_536, 1), (1, MB / 2, 4)] {
        let t = start();
        let mut meter = Meter::new(units(count), None, t);
        let total = saturate(&mut meter, t, Duration::from_secs(30), connections, bytes);
        let expected = 30 * MB * u64::from(count);
        let error = total.abs_diff(expected) * 100;
        assert!(
            error <= 5 * expected,
            "{connections} x {bytes}: {total} of {expected}"
        );
    }
}

#[test]
fn sustained_excess_raises_the_units_within_two_seconds_up_to_the_maximum() {
    let t = start();
    let mut meter = Meter::new(units(1), Some(inflate_to(4)), t);
    let mut changes = Vec::new();
    // 5 MB/s are offered, a tenth of a second each, by a caller who never waits.
    for tenth in 0..80 {
        let now = t + millis(100 * tenth);
        let charge = meter.charge(Direction::Ingress, MB / 2, 10, now);
        changes.extend(charge.change.map(|change| (tenth, change)));
    }
    assert_eq!(meter.units(), units(4));
    let (tenth, first) = changes.first().unwrap();
    assert!(*tenth <= 20, "raised after {tenth} tenths");
    assert_eq!(
        (first.from, first.to),
        (1, 4),
        "the load showed what it needs"
    );
    assert!(
        first
            .reason
            .to_string()
            .starts_with("IncomingBytesPerSecond reached 5")
    );
}

#[test]
fn a_caller_that_waits_as_told_also_raises_the_units() {
    let t = start();
    let mut meter = Meter::new(units(1), Some(inflate_to(4)), t);
    saturate(&mut meter, t, Duration::from_secs(6), 1, 100_000);
    assert_eq!(meter.units(), units(4));
}

#[test]
fn one_large_request_raises_the_units_while_its_caller_waits() {
    let t = start();
    let mut meter = Meter::new(units(1), Some(inflate_to(20)), t);
    let charge = meter.charge(Direction::Ingress, 10 * MB, 1, t);
    assert_eq!(charge.change, None);
    assert_eq!(meter.tick(t + millis(500)), None);
    let change = meter.tick(t + millis(1000)).unwrap();
    assert_eq!((change.from, change.to), (1, 10));
}

#[test]
fn a_load_that_fits_or_a_short_burst_raises_nothing() {
    let t = start();
    let mut meter = Meter::new(units(1), Some(inflate_to(4)), t);
    assert!(
        !meter
            .charge(Direction::Ingress, MB + MB / 4, 1, t)
            .wait
            .is_zero()
    );
    for second in 1..60 {
        let now = t + Duration::from_secs(second);
        assert_eq!(
            meter.charge(Direction::Ingress, MB / 4, 900, now).change,
            None
        );
        assert_eq!(
            meter.charge(Direction::Egress, 99 * MB, 1, now).change,
            None
        );
    }
    assert_eq!(meter.units(), units(1));
}

#[test]
fn too_many_events_are_named_as_the_reason() {
    let t = start();
    let mut meter = Meter::new(units(1), Some(inflate_to(8)), t);
    let change = (0..30)
        .find_map(|tenth| {
            meter
                .charge(Direction::Ingress, 1000, 217, t + millis(100 * tenth))
                .change
        })
        .unwrap();
    assert!(
        matches!(
            change.reason,
            Reason::IncomingMessagesPerSecond(2170..=2400)
        ),
        "{change:?}"
    );
}

#[test]
fn deflation_is_off_by_default_and_steps_down_in_quiet_times() {
    let t = start();
    let quiet = |deflate_to| {
        let rule = AutoInflate {
            deflate_to,
            ..inflate_to(4)
        };
        let mut meter = Meter::new(units(4), Some(rule), t);
        for second in 1..=1300 {
            meter.tick(t + Duration::from_secs(second));
        }
        meter.units()
    };
    assert_eq!(quiet(None), units(4));
    assert_eq!(quiet(NonZeroU32::new(2)), units(2));
}

#[test]
fn usage_is_that_of_the_last_whole_second() {
    let t = start();
    let mut meter = Meter::new(units(4), None, t);
    meter.charge(Direction::Ingress, MB / 2, 10, t);
    meter.charge(Direction::Egress, MB, 20, t + millis(500));
    assert_eq!(meter.usage(t + millis(900)), Usage::default());
    let usage = meter.usage(t + millis(1000));
    assert_eq!(usage.ingress_bytes, MB / 2);
    assert_eq!((usage.ingress_events, usage.egress_events), (10, 20));
    assert_eq!(usage.units_milli(), 500);
    assert_eq!(meter.usage(t + millis(2000)), Usage::default());
}

proptest! {
    /// Over any interval that begins with a charge and ends when the last charge is paid for, no
    /// more goes through than a full bucket and the rate's integral.
    #[test]
    fn no_interval_exceeds_a_bucket_and_the_rate(
        steps in prop::collection::vec((0..3 * MB, 0..5000u64, 0..3000u64, 1..6u32), 1..60),
    ) {
        let t = start();
        let mut meter = Meter::new(units(1), None, t);
        let mut now = t;
        // (begin, end, bytes, events, integral of the units over the interval in unit-nanoseconds)
        let mut charges: Vec<(u64, u64, u128)> = Vec::new();
        let mut count = 1;
        for (bytes, events, idle, next_units) in steps {
            let wait = meter.charge(Direction::Ingress, bytes, events, now).wait;
            let span = wait + millis(idle);
            charges.push((bytes, events, wait.as_nanos() * u128::from(count)));
            let (mut sum_bytes, mut sum_events, mut integral) = (0u128, 0u128, 0u128);
            for (bytes, events, earned) in charges.iter().rev() {
                sum_bytes += u128::from(*bytes);
                sum_events += u128::from(*events);
                integral += earned;
                // The bucket was at most full, at the most units that were in force, when the
                // interval began.
                let allowed = 5_000_000_000 + integral;
                prop_assert!(sum_bytes * 1_000_000_000 <= allowed * u128::from(MB));
                prop_assert!(sum_events * 1_000_000_000 <= allowed * 1000);
            }
            if let Some(last) = charges.last_mut() {
                last.2 = span.as_nanos() * u128::from(count);
            }
            now += span;
            count = next_units;
            meter.set_units(units(count), now);
        }
    }
}
