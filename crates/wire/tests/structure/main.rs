//! The structure check against the library it guards, over every message that both know.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/library.rs"]
mod library;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/sample.rs"]
mod sample;
#[path = "../support/tables.rs"]
mod tables;

use bytes::Bytes;
use library::{Codec, ROWS, Row};
use random::Random;
use tables::table::Message;
use wire::shape::{ShapeError, Walked, check_request, check_response};

type Check = fn(i16, i16, &[u8]) -> Result<Walked, ShapeError>;

/// Bodies made for each message and version.
const SAMPLES: u64 = 12;

/// One message in one version, with all that can be asked about it.
struct Subject<'a> {
    message: &'static Message,
    codec: &'a Codec,
    version: i16,
    check: Check,
}

/// Calls `act` with every message and version that table and library share.
fn for_each_subject(mut act: impl FnMut(&Subject<'_>)) {
    for Row {
        api_key,
        request,
        response,
    } in &ROWS
    {
        let messages: [(&'static [Message], &Codec, Check); 2] = [
            (&tables::requests::REQUESTS, request, check_request),
            (&tables::responses::RESPONSES, response, check_response),
        ];
        for (table, codec, check) in messages {
            let message = table
                .iter()
                .find(|message| message.api_key == *api_key)
                .unwrap();
            let min = codec.versions.0.max(message.versions.0);
            for version in min..=codec.versions.1.min(message.versions.1) {
                act(&Subject {
                    message,
                    codec,
                    version,
                    check,
                });
            }
        }
    }
}

impl Subject<'_> {
    fn samples(&self) -> impl Iterator<Item = Bytes> {
        let seed = sample::seed(self.message, self.version);
        (0..SAMPLES).map(move |number| {
            let mut random = Random(seed << 16 | number);
            Bytes::from(sample::body(self.message, self.version, 3, &mut random))
        })
    }

    fn name(&self) -> &'static str {
        (self.codec.name)()
    }

    fn check(&self, body: &[u8]) -> Result<Walked, ShapeError> {
        (self.check)(self.message.api_key, self.version, body)
    }
}

#[test]
fn the_library_reads_every_body_as_the_table_says() {
    let mut differences = Vec::new();
    let mut compared = 0;
    for_each_subject(|subject| {
        for body in subject.samples() {
            let walked = subject.check(&body).map(|walked| walked.trailing_bytes);
            assert_eq!(walked, Ok(0), "{} {}", subject.name(), subject.version);
            let again = (subject.codec.recode)(&body, subject.version);
            compared += 1;
            if again.as_deref() != Ok(&body[..]) {
                let reason = again.err().unwrap_or_else(|| "other bytes".to_owned());
                differences.push(format!("{} {}: {reason}", subject.name(), subject.version));
            }
        }
    });
    differences.dedup();
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(compared > 4000, "only {compared} bodies compared");
}

#[test]
fn a_body_cut_short_anywhere_is_refused() {
    for_each_subject(|subject| {
        for body in subject.samples().take(3) {
            for end in 0..body.len() {
                let cut = subject.check(&body[..end]);
                assert!(
                    cut.is_err(),
                    "{} {} cut at {end}",
                    subject.name(),
                    subject.version
                );
            }
        }
    });
}

#[test]
fn bytes_after_a_body_are_counted_and_tolerated() {
    for_each_subject(|subject| {
        let body = subject.samples().next().unwrap();
        let mut longer = body.to_vec();
        longer.extend([1, 2, 3]);
        let walked = subject.check(&longer).map(|walked| walked.trailing_bytes);
        assert_eq!(walked, Ok(3), "{} {}", subject.name(), subject.version);
        let left = (subject.codec.decode)(&longer.into(), subject.version);
        assert_eq!(left, Ok(3), "{} {}", subject.name(), subject.version);
    });
}
