//! Batch validation: length, checksum, counts and the walk over the records.

use std::hint::black_box;

use anyhow::Result;
use bytes::Bytes;
use model::{Timestamp, batch::Batch};

use super::plain;
use crate::{Bench, Case, data};

pub(super) const CASES: &[Case] = &[
    Case::new("batch_check_64_kib", 20, || check(data::large_batch())),
    Case::new("batch_check_100_b", 100, || {
        check(data::small_batch(Timestamp(1)))
    }),
];

fn check(bytes: Bytes) -> Result<Box<dyn Bench>> {
    plain(move || {
        let checked = Batch::check(black_box(bytes.clone()));
        black_box(checked.expect("the batch is sound"));
    })
}
