//! What a broker needs from the machine: a certificate that lasts, room on the disk.

use std::path::Path;

use anyhow::Context;
use model::Timestamp;

use super::report::Report;
use crate::{
    arguments::SettingsArguments, certificates, commands::connection_string::broker_settings,
};

/// A certificate that ends sooner is worth a warning.
const DAYS_MIN: i64 = 30;
const DAY_MS: i64 = 86_400_000;
const GIB: f64 = (1_u64 << 30) as f64;

/// How a check went, with words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    Warning(String),
    Failure(String),
}

impl Finding {
    fn tell(&self, check: &str, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Good(words) => report.good(check, words),
            Self::Warning(words) => report.warn(check, words),
            Self::Failure(words) => report.bad(check, words),
        }
    }
}

/// The certificate that a listener showed.
pub(super) fn examine_certificate(der: &[u8], report: &mut Report) -> anyhow::Result<()> {
    let check = "certificate";
    let Some(end) = certificates::not_after(der) else {
        return report.unchecked(check, "its dates cannot be read");
    };
    certificate(end, server::clock::now().wall).tell(check, report)
}

fn certificate(end: Timestamp, now: Timestamp) -> Finding {
    let days = (end.0 - now.0) / DAY_MS;
    if days >= DAYS_MIN {
        return Finding::Good(format!("good for {days} days"));
    }
    Finding::Warning(format!(
        "ends in {days} days: a reload renews the broker's own one, within tls.renew_before of its \
         end; replace one of yours (tls.certificate)"
    ))
}

/// The room on the data directory's disk, against the floor below which writes stop.
pub(super) fn examine_disk(data_dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let settings = broker_settings(&SettingsArguments {
        data_dir: Some(data_dir.to_owned()),
        ..SettingsArguments::default()
    });
    let check = "disk";
    let found = settings.and_then(|settings| {
        let stat = rustix::fs::statvfs(data_dir).context("look at the data directory's disk")?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        Ok(disk(free, settings.storage.free_space_bytes_min))
    });
    match found {
        Ok(finding) => finding.tell(check, report),
        Err(error) => report.unchecked(check, &format!("{error:#}")),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown with two decimals to a person"
)]
fn disk(free: u64, floor: u64) -> Finding {
    let gib = |bytes: u64| bytes as f64 / GIB;
    let room = format!(
        "{:.2} GiB free, writes stop below {:.2} GiB (storage.free_space_min)",
        gib(free),
        gib(floor)
    );
    if free <= floor {
        return Finding::Failure(format!(
            "{room}: make room, or shorten retention; writes resume by themselves"
        ));
    }
    if free < floor.saturating_mul(2) {
        return Finding::Warning(format!("{room}: make room soon, or shorten retention"));
    }
    Finding::Good(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_near_its_end_is_a_warning() {
        let now = Timestamp(1_700_000_000_000);
        let after = |days: i64| certificate(Timestamp(now.0 + days * DAY_MS), now);
        assert_eq!(after(400), Finding::Good("good for 400 days".to_owned()));
        assert_eq!(after(30), Finding::Good("good for 30 days".to_owned()));
        let Finding::Warning(words) = after(29) else {
            panic!("29 days are well");
        };
        assert!(words.starts_with("ends in 29 days"), "{words}");
    }

    #[test]
    fn a_disk_near_its_floor_is_a_warning_and_below_it_a_failure() {
        let floor = 1 << 30;
        assert!(matches!(disk(2 * floor, floor), Finding::Good(_)));
        assert!(matches!(disk(2 * floor - 1, floor), Finding::Warning(_)));
        let Finding::Failure(words) = disk(floor, floor) else {
            panic!("writes have stopped");
        };
        assert!(
            words.starts_with("1.00 GiB free, writes stop below 1.00 GiB"),
            "{words}"
        );
    }
}
