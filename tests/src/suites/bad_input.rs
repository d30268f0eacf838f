//! Clients that are wrong or hostile get an error or a closed connection; others go on undisturbed.

use anyhow::{Context, Result, ensure};

use crate::broker::Configuration;
use crate::raw::{Answer, Batch, Raw, Request};
use crate::scenario::{Scenario, Suite};
use crate::stage::{Stage, Target};

pub(super) const SUITE: Suite = Suite {
    name: "bad input",
    scenarios: &[
        Scenario::new(
            "bytes that are no request close the connection",
            not_a_request,
        ),
        Scenario::new(
            "an unknown ApiVersions version is told the known ones",
            api_versions,
        ),
        Scenario::new("spoilt batches are refused by their codes", spoilt_batches),
        Scenario::new("offsets out of range are told as such", offsets),
        Scenario::new("bad topic names are refused", topic_names),
        Scenario::new(
            "clients that stop reading hold up no one else",
            slow_readers,
        ),
        Scenario::new("false lengths cost the broker no memory", memory),
    ],
};

/// Codes of Kafka's protocol.
const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_RECORD: i16 = 87;

/// A hello as every TLS client starts it.
const TLS_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 9, 9, 9, 9];

/// What is said, and what the broker's log must then hold, where a person needs to be told.
type Case = (&'static str, Vec<u8>, &'static str);

/// What was never meant as a request, or can't be one.
fn strange_cases() -> Vec<Case> {
    vec![
        ("only ones", vec![0xff; 4096], ""),
        ("an empty frame", 0_i32.to_be_bytes().to_vec(), ""),
        ("a negative length", i32::MIN.to_be_bytes().to_vec(), ""),
        (
            "a length beyond every limit",
            i32::MAX.to_be_bytes().to_vec(),
            "",
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            "HTTP",
        ),
        ("TLS", TLS_HELLO.to_vec(), "TLS"),
        ("an unknown API", Request::new(12_345, 0).frame(), ""),
        ("a negative API", Request::new(-1, 0).frame(), ""),
        (
            "an unknown version",
            Request::new(3, 99).frame(),
            "raw-tests",
        ),
        (
            "a header cut short",
            [&[0, 0, 0, 3], &[0, 3, 0][..]].concat(),
            "",
        ),
    ]
}

/// Requests with a length or a count that isn't true, at each level.
fn lying_cases() -> Vec<Case> {
    let huge = i32::MAX;
    let metadata = || Request::new(3, 1);
    let flexible = || Request::flexible(3, 9);
    let partition = || produce_head().int32(1).string("t").int32(1).int32(0);
    let requests = [
        ("Metadata's topics", metadata().int32(huge)),
        (
            "CreateTopics' topics, negative",
            Request::new(19, 2).int32(-7),
        ),
        (
            "Metadata's topics, flexible",
            flexible().raw(&[255, 255, 255, 255, 15]),
        ),
        ("Metadata's topics, endless", flexible().raw(&[0xff; 20])),
        ("Metadata's tags", flexible().raw(&[0, 1, 1, 255, 127])),
        ("Produce's topics", produce_head().int32(huge)),
        (
            "Produce's topic name",
            produce_head().int32(1).int16(i16::MAX),
        ),
        (
            "Produce's partitions",
            produce_head().int32(1).string("t").int32(huge),
        ),
        ("Produce's records", partition().int32(huge)),
        ("JoinGroup's protocols", join_head().int32(huge)),
        ("CreateTopics' topics", Request::new(19, 2).int32(huge)),
        ("DeleteGroups' groups", Request::new(42, 0).int32(huge)),
    ];
    requests
        .into_iter()
        .map(|(name, request)| (name, request.frame(), ""))
        .collect()
}

fn not_a_request(stage: &mut Stage<'_>) -> Result<()> {
    let bootstrap = stage.plain()?.bootstrap;
    // One connection that is there all the time and must not be disturbed.
    let mut bystander = Raw::connect(&bootstrap)?;
    for (name, bytes, logged) in strange_cases().into_iter().chain(lying_cases()) {
        closed(&bootstrap, &bytes).with_context(|| name.to_owned())?;
        alive(&mut bystander).with_context(|| format!("the bystander, after {name}"))?;
        alive(&mut Raw::connect(&bootstrap)?).with_context(|| format!("the next, after {name}"))?;
        if let Target::Tidegate(_) = stage.target() {
            let log = stage.own_broker()?.log()?;
            ensure!(
                log.contains(logged),
                "after {name} the log does not speak of {logged}"
            );
        }
    }
    Ok(())
}

/// Says these bytes, and sees that the broker hangs up without a word.
fn closed(bootstrap: &str, bytes: &[u8]) -> Result<()> {
    let mut raw = Raw::connect(bootstrap)?;
    raw.say(bytes);
    raw.end();
    let answer = raw.answer()?;
    ensure!(answer == Answer::Closed, "answered {answer:?}");
    Ok(())
}

pub(super) fn alive(raw: &mut Raw) -> Result<()> {
    let error = raw.ask(&Request::new(18, 0))?.int16()?;
    ensure!(error == 0, "ApiVersions answers {error}");
    Ok(())
}

fn api_versions(stage: &mut Stage<'_>) -> Result<()> {
    let bootstrap = stage.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    let mut reply = raw.ask(&Request::flexible(18, 99).raw(&[2, b'n', 2, b'v', 0]))?;
    ensure!(reply.int16()? == UNSUPPORTED_VERSION, "another error");
    let ranges = reply.int32()?;
    ensure!(ranges > 0, "{ranges} ranges of versions");
    let mut found = None;
    for _ in 0..ranges {
        let range = (reply.int16()?, reply.int16()?, reply.int16()?);
        if range.0 == 18 {
            found = Some(range);
        }
    }
    let (_, oldest, newest) = found.context("ApiVersions is not among them")?;
    ensure!(oldest == 0 && newest >= 3, "versions {oldest} to {newest}");
    alive(&mut raw)
}

/// Produce 3 up to its topics: no transaction, acks=all, a timeout.
fn produce_head() -> Request {
    Request::new(0, 3).int16(-1).int16(-1).int32(10_000)
}

/// JoinGroup 5 up to its protocols.
fn join_head() -> Request {
    Request::new(11, 5)
        .string("g")
        .int32(10_000)
        .int32(10_000)
        .string("")
        .int16(-1)
        .string("consumer")
}

pub(super) fn create(raw: &mut Raw, topic: &str) -> Result<i16> {
    let request = Request::new(19, 2)
        .int32(1)
        .string(topic)
        .int32(1)
        .int16(1)
        .int32(0)
        .int32(0);
    let mut reply = raw.ask(&request.int32(30_000).raw(&[0]))?;
    let (_throttle, topics) = (reply.int32()?, reply.int32()?);
    ensure!(topics == 1, "{topics} topics in the reply");
    reply.skip_string()?;
    reply.int16()
}

/// Creates a topic and waits until it can be read: Kafka's answer comes a moment too early.
fn create_readable(stage: &Stage<'_>, raw: &mut Raw, topic: &str) -> Result<()> {
    ensure!(create(raw, topic)? == 0, "the topic was not created");
    while fetch(raw, topic, 0, 0)? != 0 {
        ensure!(!stage.deadline().passed(), "the topic can't be read");
    }
    Ok(())
}

/// Sends records to partition 0, and returns the error and the base offset.
pub(super) fn produce(raw: &mut Raw, topic: &str, records: &[u8]) -> Result<(i16, i64)> {
    let request = produce_head()
        .int32(1)
        .string(topic)
        .int32(1)
        .int32(0)
        .bytes(records);
    let mut reply = raw.ask(&request)?;
    ensure!(reply.int32()? == 1, "no topic in the reply");
    reply.skip_string()?;
    let (_partitions, _partition) = (reply.int32()?, reply.int32()?);
    Ok((reply.int16()?, reply.int64()?))
}

fn spoilt_batches(stage: &mut Stage<'_>) -> Result<()> {
    let bootstrap = stage.plain()?.bootstrap;
    let topic = stage.name("spoilt");
    let mut raw = Raw::connect(&bootstrap)?;
    create_readable(stage, &mut raw, &topic)?;
    ensure!(
        produce(&mut raw, &topic, &Batch::good(3).bytes())? == (0, 0),
        "a good batch"
    );

    let mut flipped = Batch::good(3).bytes();
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    let mut cut = Batch::good(3).bytes();
    cut.truncate(70);
    let with = |change: fn(&mut Batch)| {
        let mut batch = Batch::good(3);
        change(&mut batch);
        batch.bytes()
    };
    let cases: [(&str, Vec<u8>, &[i16]); 7] = [
        ("a checksum that is wrong", flipped, &[CORRUPT_MESSAGE]),
        ("a batch cut short", cut, &[CORRUPT_MESSAGE, INVALID_RECORD]),
        (
            "fewer records than counted",
            with(|b| b.record_count = 30),
            &[INVALID_RECORD],
        ),
        (
            "a negative count",
            with(|b| b.record_count = -3),
            &[INVALID_RECORD, CORRUPT_MESSAGE],
        ),
        (
            "another last offset",
            with(|b| b.last_offset_delta = 9),
            &[INVALID_RECORD],
        ),
        (
            "an old format",
            with(|b| b.magic = 1),
            &[INVALID_RECORD, CORRUPT_MESSAGE],
        ),
        (
            "no records at all",
            Vec::new(),
            &[INVALID_RECORD, CORRUPT_MESSAGE],
        ),
    ];
    for (name, records, codes) in cases {
        let (code, _) = produce(&mut raw, &topic, &records).with_context(|| name.to_owned())?;
        ensure!(
            codes.contains(&code),
            "{name}: answered {code}, not one of {codes:?}"
        );
    }
    // Nothing of all this took an offset.
    ensure!(
        produce(&mut raw, &topic, &Batch::good(2).bytes())? == (0, 3),
        "the next good batch"
    );
    Ok(())
}

/// The error of a fetch of a partition from this offset.
pub(super) fn fetch(raw: &mut Raw, topic: &str, partition: i32, offset: i64) -> Result<i16> {
    Ok(fetch_batches(raw, topic, partition, offset)?.0)
}

/// The error and the batches of a fetch of a partition from this offset.
pub(super) fn fetch_batches(
    raw: &mut Raw,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(i16, Vec<u8>)> {
    let mut reply = raw.ask(&fetch_request(topic, partition, offset))?;
    let (_throttle, topics) = (reply.int32()?, reply.int32()?);
    ensure!(topics == 1, "{topics} topics in the reply");
    reply.skip_string()?;
    let (_partitions, _partition) = (reply.int32()?, reply.int32()?);
    let error = reply.int16()?;
    let (_high_watermark, _last_stable) = (reply.int64()?, reply.int64()?);
    for _ in 0..reply.int32()?.max(0) {
        let (_producer, _first_offset) = (reply.int64()?, reply.int64()?);
    }
    Ok((error, reply.bytes()?.to_vec()))
}

fn offsets(stage: &mut Stage<'_>) -> Result<()> {
    let bootstrap = stage.plain()?.bootstrap;
    let topic = stage.name("offsets");
    let mut raw = Raw::connect(&bootstrap)?;
    create_readable(stage, &mut raw, &topic)?;
    produce(&mut raw, &topic, &Batch::good(3).bytes())?;
    let cases = [
        (0, 0, 0),
        (0, 3, 0),
        (0, 4, OFFSET_OUT_OF_RANGE),
        (0, -1, OFFSET_OUT_OF_RANGE),
        (0, i64::MAX, OFFSET_OUT_OF_RANGE),
        (0, i64::MIN, OFFSET_OUT_OF_RANGE),
        (1, 0, UNKNOWN_TOPIC_OR_PARTITION),
        (-1, 0, UNKNOWN_TOPIC_OR_PARTITION),
        (i32::MAX, 0, UNKNOWN_TOPIC_OR_PARTITION),
    ];
    for (partition, offset, expected) in cases {
        let code = fetch(&mut raw, &topic, partition, offset)?;
        ensure!(
            code == expected,
            "partition {partition} from {offset}: {code}, not {expected}"
        );
    }
    Ok(())
}

fn topic_names(stage: &mut Stage<'_>) -> Result<()> {
    let bootstrap = stage.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    let long = "a".repeat(250);
    for name in [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "../../etc/passwd",
        "a\0b",
        "\u{fc}ber",
        "a:b",
        &long,
    ] {
        let code = create(&mut raw, name).with_context(|| format!("{name:?}"))?;
        ensure!(code == INVALID_TOPIC, "{name:?} is answered with {code}");
    }
    let longest = "a".repeat(249);
    let code = create(&mut raw, &longest)?;
    ensure!(code == 0, "the longest good name is answered with {code}");
    Ok(())
}

/// Fetch 4 with room for a MiB.
fn fetch_request(topic: &str, partition: i32, offset: i64) -> Request {
    let request = Request::new(1, 4)
        .int32(-1)
        .int32(100)
        .int32(1)
        .int32(1 << 20)
        .raw(&[0]);
    let request = request.int32(1).string(topic).int32(1).int32(partition);
    request.int64(offset).int32(1 << 20)
}

fn slow_readers(stage: &mut Stage<'_>) -> Result<()> {
    let limits = "outgoing_bytes_max = \"64MiB\"\n".to_owned();
    let configuration = Configuration {
        limits,
        ..Configuration::default()
    };
    let bootstrap = stage.configured(configuration)?.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(create(&mut raw, "slow")? == 0, "the topic was not created");
    let batch = Batch::large().bytes();
    for _ in 0..4 {
        ensure!(produce(&mut raw, "slow", &batch)?.0 == 0, "a good batch");
    }
    let before = stage.own_broker()?.memory_bytes()?;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut reader = Raw::connect(&bootstrap)?;
        reader.say(&fetch_request("slow", 0, 0).frame().repeat(20));
        held.push(reader);
    }
    for _ in 0..20 {
        ensure!(
            produce(&mut raw, "slow", &batch)?.0 == 0,
            "a good batch beside slow readers"
        );
    }
    alive(&mut Raw::connect(&bootstrap)?)?;
    let growth = stage.own_broker()?.memory_bytes()?.saturating_sub(before);
    ensure!(
        growth < 2 * GROWTH_BYTES_MAX,
        "the broker grew by {growth} bytes"
    );
    drop(held);
    ensure!(fetch(&mut raw, "slow", 0, 0)? == 0, "a reader that reads");
    Ok(())
}

/// Memory that the broker may use, beyond what it had, for frames that claim much and hold little.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

fn memory(stage: &mut Stage<'_>) -> Result<()> {
    let broker = stage.own_broker()?;
    let before = broker.memory_bytes()?;
    let bootstrap = broker.plain()?.bootstrap;
    // Each claims nearly all that a frame may have, sends a little, and stays.
    let claim = 90_i32 << 20;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::connect(&bootstrap)?;
        raw.say(
            &[
                &claim.to_be_bytes()[..],
                &produce_head().int32(1).frame()[4..],
            ]
            .concat(),
        );
        held.push(raw);
    }
    for (name, bytes, _) in strange_cases().into_iter().chain(lying_cases()) {
        closed(&bootstrap, &bytes).with_context(|| name.to_owned())?;
    }
    alive(&mut Raw::connect(&bootstrap)?)?;
    let after = stage.own_broker()?.memory_bytes()?;
    let growth = after.saturating_sub(before);
    ensure!(
        growth < GROWTH_BYTES_MAX,
        "the broker grew by {growth} bytes"
    );
    Ok(())
}
