//! Every value of every dimension of sending, in short cells: acks, batch, codec, record, partitions,
//! connections, login under TLS, sequences; and a real client under TLS.

use anyhow::{Context, Result, ensure};

use crate::bench::client::Client;
use crate::bench::figure::{Driver, Figure, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::places::has_java;
use crate::bench::server::{Kind, Server};

/// Measured part of a cell, and what comes before it.
const SECONDS: f64 = 2.0;
const WARM_UP_S: f64 = 1.0;
/// Records that Java's class sends for each second measured.
const JAVA_RECORDS: u32 = 100_000;
const JAVA_RECORDS_SMOKE: u32 = 30_000;
/// Below it a topic takes a batch without being told to.
const BATCH_BYTES_DEFAULT: u32 = 1_000_000;
/// From so many connections on each has one request under way, so that memory is not the measure.
const MANY_CONNECTIONS: u32 = 1000;
const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

pub(super) const FIGURES: [Figure; 1] = [Figure {
    name: "matrix",
    about: "sending in short cells, acks=all, batches of 64 KiB, 1 KiB records, 6 partitions, 2 \
            connections but for what the cell says",
    driver: Driver::Load,
    rivals: &[Kind::Kafka],
    headline: &[],
    goals: &[],
    run,
}];

#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    client: Sender,
    acks: i16,
    batch_bytes: u32,
    codec: &'static str,
    record_bytes: u32,
    partitions: u32,
    connections: u32,
    is_secure: bool,
    is_idempotent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sender {
    Load,
    Java,
}

const BASE: Cell = Cell {
    client: Sender::Load,
    acks: -1,
    batch_bytes: 64 * KIB,
    codec: "none",
    record_bytes: KIB,
    partitions: 6,
    connections: 2,
    is_secure: false,
    is_idempotent: false,
};

/// Cells that share a server, which is fresh for each of these rows.
#[rustfmt::skip]
const CELLS: [&[Cell]; 6] = [
    &[
        Cell { acks: 0, batch_bytes: 16 * KIB, ..BASE },
        Cell { acks: 1, batch_bytes: 16 * KIB, ..BASE },
        Cell { batch_bytes: 16 * KIB, ..BASE },
        Cell { acks: 0, batch_bytes: 256 * KIB, ..BASE },
        Cell { acks: 1, batch_bytes: 256 * KIB, ..BASE },
        Cell { batch_bytes: 256 * KIB, ..BASE },
    ],
    &[
        BASE,
        Cell { codec: "gzip", ..BASE },
        Cell { codec: "snappy", ..BASE },
        Cell { codec: "lz4", ..BASE },
        Cell { codec: "zstd", ..BASE },
        Cell { is_idempotent: true, ..BASE },
    ],
    &[
        Cell { record_bytes: 100, ..BASE },
        Cell { record_bytes: 10 * KIB, ..BASE },
        Cell { record_bytes: 100 * KIB, ..BASE },
        Cell { record_bytes: MIB, ..BASE },
    ],
    &[
        Cell { partitions: 1, ..BASE },
        Cell { partitions: 100, ..BASE },
        Cell { partitions: 1000, ..BASE },
        Cell { partitions: 10_000, ..BASE },
    ],
    &[
        Cell { connections: 1, batch_bytes: 16 * KIB, ..BASE },
        Cell { connections: 100, batch_bytes: 16 * KIB, ..BASE },
        Cell { connections: 1000, batch_bytes: 16 * KIB, ..BASE },
        Cell { connections: 10_000, batch_bytes: 16 * KIB, ..BASE },
    ],
    &[
        Cell { is_secure: true, ..BASE },
        Cell { client: Sender::Java, ..BASE },
        Cell { client: Sender::Java, is_secure: true, ..BASE },
    ],
];

/// Nearly the same values in few cells, to see that each works.
#[rustfmt::skip]
const SMOKE: [&[Cell]; 1] = [&[
    Cell { acks: 0, batch_bytes: 16 * KIB, codec: "gzip", record_bytes: 100, partitions: 1,
        connections: 1, ..BASE },
    Cell { acks: 1, batch_bytes: 256 * KIB, codec: "snappy", partitions: 100, connections: 100,
        ..BASE },
    Cell { batch_bytes: 16 * KIB, codec: "lz4", record_bytes: 10 * KIB, partitions: 1000,
        connections: 1000, ..BASE },
    Cell { codec: "zstd", record_bytes: 100 * KIB, is_idempotent: true, ..BASE },
    Cell { record_bytes: MIB, is_secure: true, ..BASE },
    Cell { client: Sender::Java, is_secure: true, ..BASE },
]];

/// The cells' names in the order of the table.
pub(in crate::bench) fn names() -> impl Iterator<Item = String> {
    let cells = CELLS.into_iter().flatten();
    let others = SMOKE.into_iter().flatten();
    let others = others.filter(|cell| !CELLS.iter().any(|row| row.contains(cell)));
    cells.chain(others).map(Cell::name)
}

/// What a cell's number is called among all of a run.
pub(in crate::bench) fn metric(cell: &str, name: &str) -> String {
    format!("{cell}/{name}")
}

pub(in crate::bench) fn is_of_cell(metric: &str) -> bool {
    metric.contains('/')
}

impl Cell {
    /// What differs from the base.
    fn name(&self) -> String {
        let mut parts = Vec::new();
        let mut note = |is_other: bool, part: String| {
            if is_other {
                parts.push(part);
            }
        };
        note(
            self.client == Sender::Java,
            "kafka-producer-perf-test".into(),
        );
        note(self.acks != BASE.acks, format!("acks {}", self.acks));
        let batch = size(self.batch_bytes);
        note(
            self.batch_bytes != BASE.batch_bytes,
            format!("batches of {batch}"),
        );
        note(self.codec != BASE.codec, self.codec.to_owned());
        let record = size(self.record_bytes);
        note(
            self.record_bytes != BASE.record_bytes,
            format!("records of {record}"),
        );
        let partitions = self.partitions;
        note(
            partitions != BASE.partitions,
            format!("partitions {partitions}"),
        );
        let connections = self.connections;
        note(
            connections != BASE.connections,
            format!("connections {connections}"),
        );
        note(self.is_secure, "SASL_SSL".into());
        note(self.is_idempotent, "idempotent".into());
        if parts.is_empty() {
            parts.push("as said".into());
        }
        parts.join(", ")
    }

    fn run(&self, setting: &Setting, server: &Server, topic: &str) -> Result<Metrics> {
        match self.client {
            Sender::Load => self.by_load(setting, server, topic),
            Sender::Java => self.by_java(setting, server, topic),
        }
    }

    fn by_load(&self, setting: &Setting, server: &Server, topic: &str) -> Result<Metrics> {
        let in_flight = if self.connections < MANY_CONNECTIONS {
            5
        } else {
            1
        };
        let mut client = setting
            .load(server, "produce")
            .set("--topic", topic)
            .set("--seconds", setting.seconds.min(SECONDS))
            .set("--warm-up-seconds", setting.warm_up_seconds.min(WARM_UP_S))
            .set("--acks", self.acks)
            .set("--batch-bytes", self.batch_bytes)
            .set("--codec", self.codec)
            .set("--partitions", self.partitions)
            .set("--connections", self.connections)
            .set("--in-flight", in_flight)
            .record_bytes(self.record_bytes);
        if self.record_bytes > BATCH_BYTES_DEFAULT {
            let most = self.record_bytes + BATCH_BYTES_DEFAULT;
            client = client.set("--config", format!("max.message.bytes={most}"));
        }
        if self.is_idempotent {
            client = client.flag("--idempotent");
        }
        if self.is_secure {
            client = client.secure()?;
        }
        client.run()
    }

    fn by_java(&self, setting: &Setting, server: &Server, topic: &str) -> Result<Metrics> {
        setting.create(server, topic, self.partitions.into())?;
        let per_s = if setting.smoke {
            JAVA_RECORDS_SMOKE
        } else {
            JAVA_RECORDS
        };
        let records = setting.records(per_s).min(2 * u64::from(per_s));
        let client = if self.is_secure {
            Client::java_producer_secure(setting, server, topic, records)?
        } else {
            Client::java_producer(setting, server, topic, records)?
        };
        client.run()
    }
}

fn size(bytes: u32) -> String {
    match bytes {
        MIB.. => format!("{} MiB", bytes / MIB),
        KIB.. => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}

fn run(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let rows: &[&[Cell]] = if setting.smoke { &SMOKE } else { &CELLS };
    let has_java = has_java();
    let mut metrics = Metrics::default();
    let mut faults = 0.0;
    for row in rows {
        let server = setting.start(kind)?;
        setting.break_in(&server)?;
        for (number, cell) in row.iter().enumerate() {
            let name = cell.name();
            if cell.client == Sender::Java && !has_java {
                print!(" [{name}: skipped, there is no Java with Maven]");
                continue;
            }
            let topic = format!("cell-{number}");
            let run = cell.run(setting, &server, &topic);
            let run = match run.with_context(|| name.clone()) {
                Ok(run) => run,
                // What a rival can't do leaves a gap in the table.
                Err(error) if kind != Kind::Tidegate && !setting.smoke => {
                    print!(" [{error:#}]");
                    continue;
                }
                Err(error) => return Err(error),
            };
            ensure!(
                run.value("records_per_s").is_some_and(|rate| rate > 0.0),
                "{name}: nothing was sent"
            );
            faults += run.value("faults").unwrap_or(0.0);
            for (number, value) in run.iter() {
                metrics.set(&metric(&name, number), value);
            }
        }
    }
    metrics.set("faults", faults);
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cells_are_told_apart_by_their_names() {
        let names: BTreeSet<String> = CELLS.into_iter().flatten().map(Cell::name).collect();
        assert_eq!(names.len(), CELLS.into_iter().flatten().count());
        assert!(names.contains("acks 0, batches of 16 KiB"));
        assert!(names.contains("records of 1 MiB"));
    }

    /// The values of each dimension but those that take long to set up.
    fn values(rows: &[&[Cell]]) -> BTreeSet<String> {
        let cells = rows.iter().copied().flatten();
        cells
            .flat_map(|cell| {
                let counts = [
                    ("partitions", cell.partitions),
                    ("connections", cell.connections),
                ];
                let counts = counts.into_iter().filter(|(_, count)| *count != 10_000);
                let counts = counts.map(|(what, count)| format!("{what} {count}"));
                let others = [
                    format!("{:?}", cell.client),
                    format!("acks {}", cell.acks),
                    format!("batch {}", cell.batch_bytes),
                    format!("codec {}", cell.codec),
                    format!("record {}", cell.record_bytes),
                    format!("secure {}", cell.is_secure),
                    format!("idempotent {}", cell.is_idempotent),
                ];
                counts.chain(others).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn a_smoke_run_touches_every_value() {
        assert_eq!(values(&SMOKE), values(&CELLS));
    }
}
