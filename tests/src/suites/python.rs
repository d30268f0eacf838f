//! Python's clients and kcat: librdkafka new and old, kafka-python, aiokafka.

use anyhow::{Result, ensure};

use super::bad_input::fetch_batches;
use crate::broker::Configuration;
use crate::endpoint::Endpoint;
use crate::raw::Raw;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "python",
    scenarios: &[
        Scenario::new(
            "the sample runs over SASL_SSL with $ConnectionString",
            sample_with_login,
        ),
        Scenario::new("the sample runs in plaintext", sample_in_plaintext),
        Scenario::new("a wrong key is refused as such", wrong_key),
        Scenario::new(
            "every codec, acks and part of a message goes round, SASL_SSL",
            settings_with_login,
        ),
        Scenario::new(
            "every codec, acks and part of a message goes round, plaintext",
            settings_in_plaintext,
        ),
        Scenario::new("each codec is stored as it was sent", codecs),
        Scenario::new(
            "a request beyond the limit is refused as too large and the next one taken",
            too_large,
        ),
        Scenario::new(
            "kafka-python runs in plaintext and over SASL_SSL",
            kafka_python,
        ),
        Scenario::new("aiokafka runs in plaintext and over SASL_SSL", aiokafka),
        Scenario::new("kcat runs in plaintext and over SASL_SSL", kcat),
    ],
};

fn sample_with_login(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let endpoint = stage.secure()?;
    program(stage, &endpoint, "sample.py")
}

fn sample_in_plaintext(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let endpoint = stage.plain()?;
    program(stage, &endpoint, "sample.py")
}

fn wrong_key(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let endpoint = stage.secure()?;
    program(stage, &endpoint, "wrong_key.py")
}

fn too_large(stage: &mut Stage<'_>) -> Result<()> {
    const LIMIT: &str = "1100000";
    let configuration = Configuration {
        limits: format!("produce_request_bytes_max = {LIMIT}\n"),
        ..Configuration::default()
    };
    let endpoint = stage.configured(configuration)?.plain()?;
    let topic = stage.name("too-large");
    let mut command = stage.tools.python()?.program("too_large.py");
    command.arg(LIMIT);
    stage.check(endpoint.equip(command, &topic, ""), "too_large.py")?;
    Ok(())
}

fn settings_with_login(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let endpoint = stage.secure()?;
    program(stage, &endpoint, "settings.py")
}

fn settings_in_plaintext(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let endpoint = stage.plain()?;
    program(stage, &endpoint, "settings.py")
}

/// Codecs by their number in a batch's attributes.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Where a batch has its attributes.
const ATTRIBUTES_AT: usize = 21;
/// The shortest that a batch can be, and where its length stands, of what comes after that.
const BATCH_HEADER_BYTES: usize = 61;
const LENGTH_AT: usize = 8;
/// A client sends a batch as it is where packing gains nothing: one of a record without a value.
const GAIN_BYTES_MIN: usize = 2000;
/// Partitions of a topic that is created by its first use, at most.
const PARTITIONS_MAX: i32 = 4;

fn codecs(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    let endpoint = stage.plain()?;
    let mut raw = Raw::connect(&endpoint.bootstrap)?;
    for (number, codec) in CODECS.iter().enumerate() {
        let topic = stage.name(codec);
        let mut command = python.program("settings.py");
        command.arg(codec);
        stage.check(endpoint.equip(command, &topic, &topic), "settings.py")?;
        let mut batches = 0;
        for partition in 0..PARTITIONS_MAX {
            let (_, bytes) = fetch_batches(&mut raw, &topic, partition, 0)?;
            for batch in batches_in(&bytes) {
                let stored = usize::from(batch[ATTRIBUTES_AT + 1] & 7);
                if stored == 0 && batch.len() < GAIN_BYTES_MIN {
                    continue;
                }
                ensure!(stored == number, "{codec} is stored as {}", CODECS[stored]);
                batches += 1;
            }
        }
        ensure!(batches > 0, "{codec}: nothing is stored");
    }
    Ok(())
}

/// The whole batches at the front of what was fetched.
fn batches_in(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut batches = Vec::new();
    while bytes.len() >= BATCH_HEADER_BYTES {
        let length = bytes[LENGTH_AT..]
            .first_chunk()
            .map(|four| u32::from_be_bytes(*four));
        let whole = length.map_or(0, |length| LENGTH_AT + 4 + length as usize);
        let Some((batch, rest)) = bytes.split_at_checked(whole.max(BATCH_HEADER_BYTES)) else {
            break;
        };
        batches.push(batch);
        bytes = rest;
    }
    batches
}

fn kafka_python(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    both(stage, |stage, endpoint| {
        program(stage, endpoint, "kafka_python.py")
    })
}

fn aiokafka(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    both(stage, |stage, endpoint| {
        program(stage, endpoint, "aiokafka_client.py")
    })
}

fn kcat(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.kcat()?;
    both(stage, kcat_round)
}

/// Runs the same in plaintext and with login.
fn both(
    stage: &mut Stage<'_>,
    run: impl Fn(&mut Stage<'_>, &Endpoint) -> Result<()>,
) -> Result<()> {
    let plain = stage.plain()?;
    run(stage, &plain)?;
    let secure = stage.secure()?;
    run(stage, &secure)
}

fn program(stage: &mut Stage<'_>, endpoint: &Endpoint, file: &str) -> Result<()> {
    let word = file.replace(
        ".py",
        if endpoint.login.is_some() {
            "-login"
        } else {
            "-plain"
        },
    );
    let name = stage.name(&word);
    let command = endpoint.equip(stage.tools.python()?.program(file), &name, &name);
    stage.check(command, file)?;
    Ok(())
}

/// Produces with a key and each codec, lists, and consumes alone and as a group.
fn kcat_round(stage: &mut Stage<'_>, endpoint: &Endpoint) -> Result<()> {
    let login = if endpoint.login.is_some() {
        "login"
    } else {
        "plain"
    };
    let topic = stage.name(&format!("kcat-{login}"));
    let mut expected = Vec::new();
    for codec in CODECS {
        let mut command = kcat_command(stage, endpoint)?;
        command.args(["-P", "-t", &topic, "-K", ":", "-z", codec, "-X", "acks=all"]);
        let mut producer = stage.start(command, "kcat")?;
        for number in 0..10 {
            let line = format!("key-{number}:{codec}-{number}");
            producer.say(&line)?;
            expected.push(line);
        }
        let (status, _) = producer.finish(stage.deadline())?;
        ensure!(status.success(), "kcat -P -z {codec} ended with {status}");
    }
    expected.sort();

    let mut list = kcat_command(stage, endpoint)?;
    list.args(["-L", "-t", &topic]);
    let listed = stage.run(list, "kcat")?.join("\n");
    ensure!(
        listed.contains(&format!("topic \"{topic}\" with")),
        "kcat -L: {listed}"
    );

    let mut consume = kcat_command(stage, endpoint)?;
    consume.args(["-C", "-t", &topic, "-o", "beginning", "-e", "-q", "-K", ":"]);
    let mut seen = stage.run(consume, "kcat")?;
    seen.sort();
    ensure!(
        seen == expected,
        "kcat -C read {} messages, not {}",
        seen.len(),
        expected.len()
    );

    let count = expected.len().to_string();
    let mut group = kcat_command(stage, endpoint)?;
    group.args([
        "-c",
        &count,
        "-q",
        "-K",
        ":",
        "-X",
        "auto.offset.reset=earliest",
        "-G",
        &topic,
    ]);
    group.arg(&topic);
    let mut seen = stage.run(group, "kcat")?;
    seen.sort();
    ensure!(
        seen == expected,
        "kcat -G read {} messages, not {}",
        seen.len(),
        expected.len()
    );
    Ok(())
}

fn kcat_command(stage: &Stage<'_>, endpoint: &Endpoint) -> Result<std::process::Command> {
    let mut command = std::process::Command::new(stage.tools.kcat()?);
    command.args(endpoint.librdkafka_arguments());
    Ok(command)
}
