//! Which values a setting accepts.

use super::{Definition, Kind, TopicConfigError};

/// The range or the words that a value must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// -1, or 1 to 9: gzip's levels.
    GzipLevel,
    Share,
    OneOf(&'static [&'static str]),
    EachOf(&'static [&'static str]),
    /// `*`, or `partition:broker` pairs.
    Replicas,
}

/// Checks `value` against the setting's type and range.
pub(super) fn check(definition: &Definition, value: &str) -> Result<(), TopicConfigError> {
    check_kind(definition, value).map_err(|reason| TopicConfigError::Invalid {
        name: definition.name,
        value: value.to_owned(),
        reason,
    })
}

fn check_kind(definition: &Definition, value: &str) -> Result<(), String> {
    match definition.kind {
        Kind::Boolean if is_boolean(value) => Ok(()),
        Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
        Kind::Int => match value.parse::<i32>() {
            Ok(number) => check_range(definition.valid, i64::from(number)),
            Err(_) => Err("Not a number of type INT".to_owned()),
        },
        Kind::Long => match value.parse::<i64>() {
            Ok(number) => check_range(definition.valid, number),
            Err(_) => Err("Not a number of type LONG".to_owned()),
        },
        Kind::Double => match value.parse::<f64>() {
            Ok(share) if share < 0.0 => Err("Value must be at least 0".to_owned()),
            Ok(share) if share > 1.0 => Err("Value must be no more than 1".to_owned()),
            Ok(share) if share.is_finite() => Ok(()),
            _ => Err("Not a number of type DOUBLE".to_owned()),
        },
        Kind::String | Kind::List => check_words(definition.valid, value),
    }
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn check_range(valid: Valid, number: i64) -> Result<(), String> {
    match valid {
        Valid::AtLeast(least) | Valid::Between(least, _) if number < least => {
            Err(format!("Value must be at least {least}"))
        }
        Valid::Between(_, most) if number > most => {
            Err(format!("Value must be no more than {most}"))
        }
        Valid::GzipLevel if number != -1 && !(1..=9).contains(&number) => {
            Err("Value must be between 1 and 9 or equal to -1".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_words(valid: Valid, value: &str) -> Result<(), String> {
    let must_be = |words: &[&str]| Err(format!("String must be one of: {}", words.join(", ")));
    let items = || {
        value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
    };
    match valid {
        Valid::OneOf(words) if !words.contains(&value) => must_be(words),
        Valid::EachOf(words) if !items().all(|item| words.contains(&item)) => must_be(words),
        Valid::Replicas if value != "*" && !items().all(is_replica) => {
            Err("Expected [partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_replica(item: &str) -> bool {
    item.split_once(':').is_some_and(|(partition, broker)| {
        partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok()
    })
}
