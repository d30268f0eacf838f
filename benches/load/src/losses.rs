//! What is missing when a run has ended: records that were sent, acknowledged or asked for, and
//! that nothing came of. Each is a fault of its own, so that no loss hides in what was measured.

use crate::options::{From, Mode, Options};
use crate::run::Counts;

/// Names and counts of all that is missing. `counts` are of the whole run, `stored` is what the
/// partitions have gained in it.
pub(crate) fn losses(
    options: &Options,
    counts: &Counts,
    stored: Option<u64>,
) -> Vec<(&'static str, u64)> {
    let answered = counts.produced_records + counts.refused_records;
    let mut losses = vec![(
        "records sent and never answered",
        counts.sent_records.saturating_sub(answered),
    )];
    // With acks 0 the broker may lose what it likes, and says nothing about it.
    let is_promised = options.acks != 0;
    if options.mode == Mode::EndToEnd && is_promised {
        losses.push((
            "records acknowledged and never seen",
            counts
                .produced_records
                .saturating_sub(counts.fetched_records),
        ));
    }
    if let Some(stored) = stored {
        if is_promised {
            losses.push((
                "records acknowledged and not stored",
                counts.produced_records.saturating_sub(stored),
            ));
        }
        losses.push((
            "records stored and never sent",
            stored.saturating_sub(counts.sent_records),
        ));
    }
    if let Some(bytes) = options.bytes_max {
        let wanted = bytes.div_ceil(options.record_bytes.max(1) as u64);
        match options.mode {
            Mode::Fetch if options.from != From::End => losses.push((
                "records asked for and not read in time",
                wanted.saturating_sub(counts.fetched_records),
            )),
            Mode::Produce => losses.push((
                "records asked for and not sent in time",
                wanted.saturating_sub(counts.sent_records),
            )),
            _ => {}
        }
    }
    losses.retain(|(_, count)| *count > 0);
    losses
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn options(arguments: &str) -> Options {
        Options::parse_from(["load"].into_iter().chain(arguments.split_whitespace()))
    }

    fn counts(sent: u64, produced: u64, refused: u64, fetched: u64) -> Counts {
        Counts {
            sent_records: sent,
            produced_records: produced,
            refused_records: refused,
            fetched_records: fetched,
            ..Counts::default()
        }
    }

    #[test]
    fn a_run_in_which_all_arrived_lacks_nothing() {
        let all = counts(9, 9, 0, 9);
        assert_eq!(losses(&options("end-to-end"), &all, Some(9)), []);
        assert_eq!(losses(&options("produce"), &all, Some(9)), []);
        // What was refused was answered, and may have been stored before it was.
        let refused = counts(9, 6, 3, 0);
        assert_eq!(losses(&options("produce"), &refused, Some(7)), []);
    }

    #[test]
    fn every_way_to_lose_records_has_its_name() {
        let found = losses(&options("end-to-end"), &counts(9, 7, 0, 4), Some(5));
        let expected = [
            ("records sent and never answered", 2),
            ("records acknowledged and never seen", 3),
            ("records acknowledged and not stored", 2),
        ];
        assert_eq!(found, expected);
        let found = losses(&options("produce"), &counts(9, 9, 0, 0), Some(12));
        assert_eq!(found, [("records stored and never sent", 3)]);
        let fetch = options("fetch --from beginning --bytes-max 10241");
        let found = losses(&fetch, &counts(0, 0, 0, 8), None);
        assert_eq!(found, [("records asked for and not read in time", 3)]);
        let produce = options("produce --bytes-max 10240");
        let found = losses(&produce, &counts(8, 8, 0, 0), Some(8));
        assert_eq!(found, [("records asked for and not sent in time", 2)]);
    }

    #[test]
    fn what_was_not_to_be_acknowledged_may_be_lost() {
        let found = losses(&options("produce --acks 0"), &counts(9, 9, 0, 0), Some(5));
        assert_eq!(found, []);
    }
}
