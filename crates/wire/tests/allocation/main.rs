//! What the structure check lets through never makes the library allocate more than the check
//! counted. Alone in its binary, because it counts what the whole process allocates.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/library.rs"]
mod library;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/sample.rs"]
mod sample;
#[path = "../support/tables.rs"]
mod tables;

use std::alloc::System;

use bytes::Bytes;
use cap::Cap;
use library::{Codec, ROWS, Row};
use random::Random;
use tables::table::Message;
use wire::shape::{ShapeError, Walked, check_request, check_response, decoded_budget};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

type Check = fn(i16, i16, &[u8]) -> Result<Walked, ShapeError>;

/// Damaged bodies made for each message and version.
const MUTANTS: u64 = 60;

/// The shared counter that the first slice of a `Bytes` allocates.
const ASIDE_BYTES: usize = 64;

/// How many mutants passed the check, and how many did not.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// The largest share of an estimate that a decode really took.
    tightest_percent: usize,
}

#[test]
fn what_the_check_accepts_is_decoded_within_its_estimate() {
    let mut tally = Tally::default();
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
                damage(message, codec, check, version, &mut tally);
            }
        }
    }
    // Both sides of the check must have been seen for the test to mean anything.
    assert!(tally.accepted > 5000, "{} accepted", tally.accepted);
    assert!(tally.refused > 5000, "{} refused", tally.refused);
    assert!(
        tally.tightest_percent > 60,
        "estimates are {} % full",
        tally.tightest_percent
    );
}

fn damage(message: &Message, codec: &Codec, check: Check, version: i16, tally: &mut Tally) {
    let seed = sample::seed(message, version);
    for number in 0..MUTANTS {
        let mut random = Random((seed << 16 | number) ^ 0xdead_beef);
        let elements_max = [3, 40][random.below(2)];
        let mut body = sample::body(message, version, elements_max, &mut random);
        mutate(&mut body, &mut random);
        let body = Bytes::from(body);
        let case = format!("{} {version} mutant {number}: {body:02x?}", (codec.name)());
        let Ok(walked) = check(message.api_key, version, &body) else {
            tally.refused += 1;
            continue;
        };
        tally.accepted += 1;
        assert!(walked.decoded_bytes <= decoded_budget(body.len()), "{case}");
        let limit = walked.decoded_bytes + ASIDE_BYTES;
        let (mut allocated, left) = decode(codec, &body, version);
        if allocated > limit {
            // The harness has a thread of its own, which may have allocated meanwhile.
            (allocated, _) = decode(codec, &body, version);
        }
        assert!(allocated <= limit, "{allocated} bytes: {case}");
        tally.tightest_percent = tally
            .tightest_percent
            .max(100 * allocated / walked.decoded_bytes);
        assert_eq!(left, Ok(walked.trailing_bytes), "{case}");
        assert!((codec.recode)(&body, version).is_ok(), "{case}");
    }
}

/// What decoding allocates, and the bytes that it leaves.
fn decode(codec: &Codec, body: &Bytes, version: i16) -> (usize, Result<usize, String>) {
    let before = ALLOCATOR.total_allocated();
    let left = (codec.decode)(body, version);
    (ALLOCATOR.total_allocated() - before, left)
}

/// Up to four changes: a byte, a run of high bytes (what a count would be), a cut, an insertion.
fn mutate(body: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if body.is_empty() {
            body.push(0xff);
        }
        let position = random.below(body.len());
        match random.below(5) {
            0 => body[position] = random.next().to_be_bytes()[0],
            1 => body[position] ^= 1 << random.below(8),
            2 => {
                let end = body.len().min(position + 1 + random.below(5));
                body[position..end].fill(0xff);
            }
            3 => body.truncate(position),
            _ => body.insert(position, random.next().to_be_bytes()[0]),
        }
    }
}
