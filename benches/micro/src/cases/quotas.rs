//! Throughput units: what each request is charged.

use std::{hint::black_box, time::Duration};

use anyhow::{Context, Result};
use quota::{Direction, Meter, Units};

use super::plain;
use crate::{Bench, Case, clock};

pub(super) const CASES: &[Case] = &[Case::new("bucket_charge_x100", 5, charge)];

fn charge() -> Result<Box<dyn Bench>> {
    let mut now = clock::start().monotonic;
    let units = Units::limited(20).context("twenty units are a number of units")?;
    let mut meter = Meter::new(units, None, now);
    plain(move || {
        for _ in 0..100 {
            // A rate of ten units: the buckets fill and empty, and seconds end.
            now += Duration::from_millis(10);
            black_box(meter.charge(Direction::Ingress, 100 << 10, 100, now));
        }
    })
}
