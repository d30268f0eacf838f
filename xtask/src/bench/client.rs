//! Who drives a server: our load generator, the performance programs of librdkafka and Java, franz-go.
//! Each is a process; the server is looked at from outside while it runs.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gauge::{Disk, Sample, SyncSource, Syncs};
use serde_json::{Value, json};

use super::figure::Setting;
use super::metrics::Metrics;
use super::server::{Login, Server};

const LOOK: Duration = Duration::from_millis(50);
/// Beside the measured time: setting up, filling, draining.
const LIMIT: Duration = Duration::from_secs(900);
const KIB_PER_MIB: f64 = 1024.0;
const BYTES_PER_GB: f64 = 1e9;
/// Where cargo leaves what becomes librdkafka's own program.
const LIBRDKAFKA: &str = "release/rdkafka-performance";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// JSON as the load generator prints it, with what the server cost in the measured time.
    Load,
    /// JSON without the server's cost, which is taken from outside over the whole run.
    Franz,
    Librdkafka,
    JavaProducer,
    JavaConsumer,
}

/// A client about to be run.
pub(super) struct Client<'a> {
    server: &'a Server,
    command: Command,
    speech: Speech,
    record_bytes: f64,
}

impl<'a> Client<'a> {
    /// The load generator, watching the server by itself.
    pub(super) fn load(setting: &'a Setting, server: &'a Server, mode: &str) -> Self {
        let mut client = Self::new(server, Speech::Load, &setting.places.load);
        client.command.args([mode, "--server", &server.plain()]);
        if let Some(pid) = server.pid() {
            client.command.args(["--server-pid", &pid.to_string()]);
        }
        client = match server.sync_source() {
            Some(SyncSource::Admin(address)) => client.set("--admin", address),
            Some(SyncSource::Log(path)) => client.set("--floor-log", path.display()),
            None => client,
        };
        client = client.set("--disk", setting.places.data.display());
        client
            .set("--seconds", setting.seconds)
            .set("--warm-up-seconds", setting.warm_up_seconds)
    }

    /// `rdkafka_performance -P`: so many records, as fast as it can.
    pub(super) fn librdkafka_producer(
        setting: &'a Setting,
        server: &'a Server,
        records: u64,
        record_bytes: u32,
    ) -> Self {
        let mut client = Self::librdkafka(setting, server, records).flag("-P");
        client.record_bytes = f64::from(record_bytes);
        let client = client.set("-s", record_bytes).set("-a", -1);
        client.set("-X", "linger.ms=5")
    }

    /// `rdkafka_performance -G`: so many records by a new group, from the beginning.
    pub(super) fn librdkafka_consumer(
        setting: &'a Setting,
        server: &'a Server,
        group: &str,
        records: u64,
    ) -> Self {
        Self::librdkafka(setting, server, records).set("-G", group)
    }

    fn librdkafka(setting: &'a Setting, server: &'a Server, records: u64) -> Self {
        let program = setting.places.librdkafka.join(LIBRDKAFKA);
        let client = Self::new(server, Speech::Librdkafka, &program).flag("-q");
        let client = client.set("-b", server.plain()).set("-t", "bench");
        client.set("-c", records)
    }

    /// franz-go with linger 0, sending at a rate and reading what it sends.
    pub(super) fn franz(setting: &'a Setting, server: &'a Server, rate: u32) -> Self {
        let client = Self::new(server, Speech::Franz, &setting.places.franz);
        let client = client.set("--server", server.plain()).set("--rate", rate);
        let client = client.set("--seconds", setting.seconds);
        client.set("--warm-up-seconds", setting.warm_up_seconds)
    }

    /// `kafka-producer-perf-test`: as many records as asked for, as fast as it can.
    pub(super) fn java_producer(
        setting: &'a Setting,
        server: &'a Server,
        topic: &str,
        records: u64,
    ) -> Result<Self> {
        let properties = format!("bootstrap.servers={}\n", server.plain());
        Self::java_producer_with(setting, server, topic, records, &properties)
    }

    /// The same through TLS and with a login.
    pub(super) fn java_producer_secure(
        setting: &'a Setting,
        server: &'a Server,
        topic: &str,
        records: u64,
    ) -> Result<Self> {
        let login = server.login()?;
        let Login { ca, user, password } = &login;
        let properties = format!(
            "bootstrap.servers={}\n\
             security.protocol=SASL_SSL\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={ca}\n\
             sasl.mechanism=PLAIN\n\
             sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"{user}\" password=\"{password}\";\n",
            server.secure()
        );
        Self::java_producer_with(setting, server, topic, records, &properties)
    }

    fn java_producer_with(
        setting: &'a Setting,
        server: &'a Server,
        topic: &str,
        records: u64,
        properties: &str,
    ) -> Result<Self> {
        let file = server.folder.join("producer.properties");
        fs::write(&file, format!("{properties}acks=all\nlinger.ms=5\n"))?;
        let class = "org.apache.kafka.tools.ProducerPerformance";
        let mut client = Self::java(setting, server, Speech::JavaProducer, class)?;
        client
            .command
            .args(["--topic", topic, "--throughput", "-1"]);
        Ok(client
            .set("--command-config", file.display())
            .set("--num-records", records)
            .set("--record-size", 1024))
    }

    /// `kafka-consumer-perf-test`, by a new group from the beginning.
    pub(super) fn java_consumer(
        setting: &'a Setting,
        server: &'a Server,
        group: &str,
        records: u64,
    ) -> Result<Self> {
        let class = "org.apache.kafka.tools.ConsumerPerformance";
        let mut client = Self::java(setting, server, Speech::JavaConsumer, class)?;
        client
            .command
            .args(["--topic", "bench", "--timeout", "30000"]);
        client.command.args(["--bootstrap-server", &server.plain()]);
        Ok(client.set("--group", group).set("--messages", records))
    }

    fn java(setting: &'a Setting, server: &'a Server, speech: Speech, class: &str) -> Result<Self> {
        let mut client = Self::new(server, speech, "java".as_ref());
        let class_path = setting.places.class_path("kafka-tools")?;
        client.command.args(["-cp", &class_path, class]);
        Ok(client)
    }

    fn new(server: &'a Server, speech: Speech, program: &std::path::Path) -> Self {
        let mut command = Command::new(program);
        command
            .current_dir(&server.folder)
            .env("RUST_BACKTRACE", "0");
        Self {
            server,
            command,
            speech,
            record_bytes: 1024.0,
        }
    }

    pub(super) fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.command.arg(name).arg(value.to_string());
        self
    }

    pub(super) fn flag(mut self, name: &str) -> Self {
        self.command.arg(name);
        self
    }

    pub(super) fn record_bytes(mut self, bytes: u32) -> Self {
        self.record_bytes = f64::from(bytes);
        self.set("--record-bytes", bytes)
    }

    /// Through TLS and with a login; the later address is the one that counts.
    pub(super) fn secure(mut self) -> Result<Self> {
        self.command.args(["--server", &self.server.secure()]);
        let Login { ca, user, password } = self.server.login()?;
        Ok(self
            .set("--ca", ca)
            .set("--login", format!("{user}:{password}")))
    }

    /// The command of the broker that mode `start` starts; nothing may follow it.
    pub(super) fn starting(mut self) -> Self {
        let command = self.server.command();
        self.command.arg("--").arg(command.get_program());
        self.command.args(command.get_args());
        self
    }

    /// Runs it to its end.
    pub(super) fn run(self) -> Result<Metrics> {
        self.spawn()?.finish()
    }

    pub(super) fn spawn(mut self) -> Result<Running<'a>> {
        let trouble = self.server.folder.join("client.log");
        let trouble = File::options().create(true).append(true).open(trouble)?;
        // What a client says fits into a pipe: it is read when it has ended.
        self.command.stdin(Stdio::null());
        self.command.stdout(Stdio::piped()).stderr(trouble);
        let before = match self.speech {
            Speech::Load => None,
            _ => Some(Cost::so_far(self.server)?),
        };
        let started = Instant::now();
        let child = self.command.spawn();
        let child = child.with_context(|| format!("start {:?}", self.command.get_program()))?;
        Ok(Running {
            server: self.server,
            speech: self.speech,
            record_bytes: self.record_bytes,
            child,
            before,
            started,
        })
    }
}

/// A client that runs.
pub(super) struct Running<'a> {
    server: &'a Server,
    speech: Speech,
    record_bytes: f64,
    child: Child,
    /// What the server had cost, for clients that don't look themselves.
    before: Option<Cost>,
    started: Instant,
}

impl Running<'_> {
    /// Waits for its end, with an eye on the server's memory.
    pub(super) fn finish(mut self) -> Result<Metrics> {
        let pid = self.server.pid();
        let mut rss_anon_kib = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(self.started.elapsed() < LIMIT, "the client does not end");
            if let Some(sample) = pid.map(Sample::of) {
                rss_anon_kib = sample.rss_anon_kib.max(rss_anon_kib);
            }
            thread::sleep(LOOK);
        };
        let seconds = self.started.elapsed().as_secs_f64();
        let output = self.child.stdout.take().context("the client's output")?;
        let output = std::io::read_to_string(output)?;
        if !status.success() {
            bail!("the client failed: {}", self.server.last_words());
        }
        let report = match self.speech {
            Speech::Load | Speech::Franz => serde_json::from_str(&output)?,
            Speech::Librdkafka => librdkafka(&output).context(output)?,
            Speech::JavaProducer => java_producer(&output).context(output)?,
            Speech::JavaConsumer => java_consumer(&output).context(output)?,
        };
        let faults = report["faults"].as_object().into_iter().flatten();
        for (what, count) in faults.filter(|(_, count)| count.as_f64() != Some(0.0)) {
            print!(" [{what}: {count}]");
        }
        let mut metrics = Metrics::of_report(&report);
        if let Some(before) = &self.before {
            let records = report.pointer("/records").and_then(Value::as_f64);
            let records = records.context("a count of records")?;
            let work = Work {
                seconds,
                records,
                bytes: records * self.record_bytes,
            };
            if let Some(rate) = metrics.value("records_per_s") {
                metrics.set("mb_per_s", rate * self.record_bytes / 1e6);
            }
            Cost::so_far(self.server)?.note_since(before, &work, &mut metrics);
            metrics.set("rss_anon_mib", gauge::float(rss_anon_kib) / KIB_PER_MIB);
        }
        Ok(metrics)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // It has ended already unless something went wrong.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A client's whole life, over which the server's cost is taken where the client doesn't look itself.
struct Work {
    seconds: f64,
    records: f64,
    bytes: f64,
}

/// What a server has cost until some moment.
struct Cost {
    process: Sample,
    syncs: Option<Syncs>,
    disk: Option<Disk>,
    stolen_s: Option<f64>,
}

impl Cost {
    fn so_far(server: &Server) -> Result<Self> {
        let source = server.sync_source();
        let syncs = source.as_ref().map(SyncSource::read).transpose();
        Ok(Self {
            process: server.pid().map(Sample::of).unwrap_or_default(),
            syncs: syncs.context("ask for the syncs")?,
            disk: Disk::below(&server.folder),
            stolen_s: gauge::stolen_s(),
        })
    }

    fn note_since(&self, before: &Self, work: &Work, metrics: &mut Metrics) {
        let cpu_s = self.process.cpu_s() - before.process.cpu_s();
        let gb = work.bytes / BYTES_PER_GB;
        metrics.divide("cpu_s_per_gb", Some(cpu_s), Some(gb));
        let millions = work.records / 1e6;
        metrics.divide("cpu_s_per_million_records", Some(cpu_s), Some(millions));
        let peak_kib = gauge::float(self.process.rss_peak_kib);
        metrics.set("rss_peak_mib", peak_kib / KIB_PER_MIB);
        let per_s = |before: u64, after: u64| gauge::float(after - before) / work.seconds;
        if let (Some(before), Some(after)) = (&before.syncs, &self.syncs) {
            metrics.set("syncs_per_s", per_s(before.count, after.count));
            if let Some(slowest) = after.slowest_ms_since(before) {
                metrics.set("slowest_sync_ms", slowest.most);
                metrics.set("slowest_sync_least_ms", slowest.least);
            }
        }
        if let (Some(before), Some(after)) = (&before.disk, &self.disk) {
            let flushes = per_s(before.flushes, after.flushes);
            metrics.set("disk_flushes_per_s", flushes);
        }
        if let Some((before, after)) = before.stolen_s.zip(self.stolen_s) {
            metrics.set("stolen_s", after - before);
        }
    }
}

/// The number that ends where a mark begins.
fn number_before(line: &str, mark: &str) -> Option<f64> {
    let (front, _) = line.split_once(mark)?;
    front.rsplit([' ', '(']).next()?.parse().ok()
}

/// Reads the last summary of librdkafka's program, as in `% 9 messages produced (72 bytes), 9 delivered
/// (offset 8, 0 failed) in 1ms: 9000 msgs/s and ..` or `% 9 messages (72 bytes) consumed in 1ms: 9000
/// msgs/s ..`.
fn librdkafka(output: &str) -> Option<Value> {
    let line = output.lines().rfind(|line| line.contains(" msgs/s"))?;
    let failed = number_before(line, " failed)").unwrap_or(0.0);
    Some(json!({
        "records": number_before(line, " messages")?,
        "records_per_s": number_before(line, " msgs/s")?,
        "seconds": number_before(line, "ms: ")? / 1e3,
        "faults": {"not delivered": failed},
    }))
}

/// Reads the last line that the producer's class prints, as in `50000 records sent, 20 records/sec
/// (1.2 MB/sec), 3.1 ms avg latency, 9.0 ms max latency, 3 ms 50th, 5 ms 95th, 7 ms 99th, ..`.
fn java_producer(output: &str) -> Option<Value> {
    let line = output.lines().rfind(|line| line.contains("99.9th"))?;
    let before = |mark| number_before(line, mark);
    Some(json!({
        "records": before(" records sent")?,
        "records_per_s": before(" records/sec")?,
        "produce_ms": {
            "p50": before(" ms 50th")?, "p99": before(" ms 99th")?,
            "p99_9": before(" ms 99.9th")?, "max": before(" ms max")?,
        },
    }))
}

/// Reads the line of the consumer's class: columns, the fifth the count of records, the sixth
/// their rate with the wait for the group in it, the last but one the rate of the fetching alone.
fn java_consumer(output: &str) -> Option<Value> {
    let line = output
        .lines()
        .rfind(|line| line.matches(", ").count() >= 9)?;
    let columns: Vec<&str> = line.split(", ").collect();
    let number = |index: usize| columns.get(index)?.trim().parse::<f64>().ok();
    Some(json!({"records": number(4)?, "records_per_s": number(9)?}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_prints_is_read() {
        let report = librdkafka(
            "% 5 messages produced (40 bytes), 1 delivered (offset 0, 0 failed) in 1ms: 1 msgs/s and ..\n\
            % 2000 messages produced (2048000 bytes), 1998 delivered (offset 333, 2 failed) in 27ms: \
            74000 msgs/s and 75.85 MB/s, 3 produce failures, 0 in queue, no compression\n",
        );
        let report = report.unwrap();
        assert_eq!(report["records"], 2000.0);
        assert_eq!(report["records_per_s"], 74_000.0);
        assert_eq!(report["faults"]["not delivered"], 2.0);
        let read =
            "% 2000 messages (2048000 bytes) consumed in 20ms: 100000 msgs/s (102.40 MB/s)\n";
        let read = librdkafka(read).unwrap();
        assert_eq!(
            (&read["records_per_s"], &read["seconds"]),
            (&json!(1e5), &json!(0.02))
        );
    }

    #[test]
    fn what_java_prints_is_read() {
        let line = "9 records sent, 1.0 records/sec (0.1 MB/sec), 9.9 ms avg latency, ..\n\
            5000 records sent, 1234.5 records/sec (1.21 MB/sec), 3.10 ms avg latency, \
            90.00 ms max latency, 3 ms 50th, 5 ms 95th, 7 ms 99th, 8 ms 99.9th.\n";
        let report = java_producer(line).unwrap();
        assert_eq!(report["records_per_s"], 1234.5);
        assert_eq!(report["produce_ms"]["p99_9"], 8.0);
        assert_eq!(report["produce_ms"]["max"], 90.0);
        let line = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, \
            nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
            2026-01-01 00:00:00:000, 2026-01-01 00:00:01:000, 9.7, 9.7, 10000, 10000.0, 300, \
            700, 13.9, 14285.7\n";
        let report = java_consumer(line).unwrap();
        assert_eq!(report["records"], 10000.0);
        assert_eq!(report["records_per_s"], 14285.7);
    }
}
