//! How long each case takes here and now: `cargo bench -p micro [-- FILTER]`, for a person.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::time::{Duration, Instant};

use criterion::Criterion;
use micro::{Case, cases};

/// The broker's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cases that append fill memory or disk as long as they run.
const MEASURED: Duration = Duration::from_secs(2);

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(MEASURED)
        .configure_from_args();
    for case in cases() {
        time(&mut criterion, case);
    }
    criterion.final_summary();
}

fn time(criterion: &mut Criterion, case: Case) {
    criterion.bench_function(case.name, |bencher| {
        let mut bench = (case.prepare)().expect("the case can be prepared");
        bencher.iter_custom(|runs| {
            let mut sum = Duration::ZERO;
            for _ in 0..runs {
                bench.before();
                let started = Instant::now();
                bench.run();
                sum += started.elapsed();
            }
            sum
        });
    });
}
