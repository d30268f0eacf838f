//! Durations and sizes as people write them, and as Kafka's plain numbers.

use std::time::Duration;

/// Units of time, longest first so that printing finds the largest that divides.
const SPANS: [(&str, u64); 6] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of size: powers of 1024 with an `i`, of 1000 without, as everywhere outside old Kafka.
const SIZES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `7d`, `1h30m`, `250ms`; a plain number is milliseconds, as in Kafka's own settings.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    sum_of_parts(text, &SPANS).map(Duration::from_millis)
}

/// Reads `64MiB`, `1GB`; a plain number is bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    sum_of_parts(text, &SIZES)
}

/// Adds up `<number><unit>` parts; the unit may be missing only if there is one part.
fn sum_of_parts(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    if let Ok(plain) = text.replace('_', "").parse::<u64>() {
        return Some(plain);
    }
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '_')?;
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let number: u64 = number.replace('_', "").parse().ok()?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// Prints a duration in the largest unit that divides it.
pub(crate) fn show_duration(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    show(millis, &SPANS, "ms")
}

/// Prints a size in the largest unit that divides it, binary ones first.
pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES[..4], "B")
}

fn show(amount: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let fitting = units
        .iter()
        .find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor));
    match fitting {
        Some((unit, factor)) => format!("{}{unit}", amount / factor),
        None => format!("{amount}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_accept_human_forms_and_plain_milliseconds() {
        for (text, millis) in [
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("45s", 45_000),
            ("250ms", 250),
            ("30min", 1_800_000),
            ("600000", 600_000),
            ("1_000", 1_000),
            ("0", 0),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "7",
            "x",
            "7 days",
            "-1s",
            "1s2",
            "99999999999999999999d",
        ] {
            let parsed = duration(text);
            assert_eq!(parsed.is_some(), text == "7", "{text}");
        }
    }

    #[test]
    fn sizes_accept_binary_and_decimal_units_and_plain_bytes() {
        for (text, bytes) in [
            ("64MiB", 67_108_864),
            ("1 GiB", 1 << 30),
            ("1GB", 1_000_000_000),
            ("1048588", 1_048_588),
            ("512B", 512),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        assert_eq!(size("64mib"), None);
        assert_eq!(size("-1"), None);
    }

    #[test]
    fn values_print_in_the_largest_unit_that_divides() {
        assert_eq!(show_duration(Duration::from_secs(604_800)), "7d");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(show_size(1 << 26), "64MiB");
        assert_eq!(show_size(1_048_588), "1048588B");
    }
}
