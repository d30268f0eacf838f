//! What is measured: a figure has a name, its rivals, the goals it must reach, and one run.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::client::Client;
use super::machine;
use super::metrics::Metrics;
use super::places::Places;
use super::server::{Kind, Server};

/// Where very many partitions are made.
const TOPIC_PARTITIONS: u64 = 1000;
/// How long a disk may take to come to rest.
const DISK_LIMIT: Duration = Duration::from_secs(20);
const DISK_LIMIT_SMOKE: Duration = Duration::from_millis(100);

/// One line of the table of goals, measured.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) driver: Driver,
    /// Who is measured beside Tidegate, in the same round.
    pub(super) rivals: &'static [Kind],
    /// What is told first.
    pub(super) headline: &'static [&'static str],
    pub(super) goals: &'static [Goal],
    pub(super) run: fn(&Setting, Kind) -> Result<Metrics>,
}

/// Who drives the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Load,
    Librdkafka,
    Java,
    Franz,
}

/// A bound on a number of Tidegate's, or on its ratio to a rival's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) metric: &'static str,
    pub(super) against: Option<Kind>,
    pub(super) bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// On Tidegate's own number.
    pub(super) const fn own(metric: &'static str, bound: Bound) -> Self {
        Self {
            metric,
            against: None,
            bound,
        }
    }

    /// On the ratio to a rival's.
    pub(super) const fn to(rival: Kind, metric: &'static str, bound: Bound) -> Self {
        Self {
            metric,
            against: Some(rival),
            bound,
        }
    }
}

impl Bound {
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// What every run is told.
pub(super) struct Setting {
    pub(super) places: Places,
    /// The measured part of a run.
    pub(super) seconds: f64,
    pub(super) warm_up_seconds: f64,
    /// Memory touched before each run: more than any run adds to the page cache at once.
    pub(super) warm_bytes: u64,
    pub(super) smoke: bool,
    /// What a broker has on its disk when it is killed.
    pub(super) recovery_bytes: u64,
    /// What the reader of cold data has before it.
    pub(super) cold_bytes: u64,
}

impl Setting {
    /// One size for the real thing and one to see that it works.
    pub(super) fn sized(&self, real: u64, smoke: u64) -> u64 {
        if self.smoke { smoke } else { real }
    }

    /// For clients that count records: about so many a second for the measured time.
    pub(super) fn records(&self, per_s: u32) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds are positive and few"
        )]
        let records = (self.seconds * f64::from(per_s)) as u64;
        records.max(1)
    }

    /// A server with nothing in it that has not been started; memory is warm.
    pub(super) fn prepare(&self, kind: Kind) -> Result<Server> {
        let server = Server::prepare(kind, &self.places)?;
        machine::warm(&self.places.data, self.warm_bytes)?;
        Ok(server)
    }

    /// A server with nothing in it, started.
    pub(super) fn start(&self, kind: Kind) -> Result<Server> {
        let mut server = self.prepare(kind)?;
        server.start()?;
        Ok(server)
    }

    /// The same, broken in, with a topic of six partitions.
    pub(super) fn start_with_topic(&self, kind: Kind) -> Result<Server> {
        let server = self.start(kind)?;
        self.break_in(&server)?;
        self.create(&server, "bench", 6)?;
        Ok(server)
    }

    pub(super) fn load<'a>(&'a self, server: &'a Server, mode: &str) -> Client<'a> {
        Client::load(self, server, mode)
    }

    /// Makes a topic.
    pub(super) fn create(&self, server: &Server, topic: &str, partitions: u64) -> Result<()> {
        let client = self.load(server, "create").set("--topic", topic);
        client.set("--partitions", partitions).run()?;
        Ok(())
    }

    /// Makes so many partitions, a thousand to a topic: Kafka refuses more at once.
    pub(super) fn create_many(&self, server: &Server, partitions: u64) -> Result<()> {
        for number in 0..partitions.div_ceil(TOPIC_PARTITIONS) {
            let rest = partitions - number * TOPIC_PARTITIONS;
            let topic = format!("many-{number}");
            self.create(server, &topic, rest.min(TOPIC_PARTITIONS))?;
        }
        Ok(())
    }

    /// Fills a topic of six partitions with records of 1 KiB.
    pub(super) fn fill(&self, server: &Server, topic: &str, bytes: u64) -> Result<Metrics> {
        let client = self.load(server, "produce").set("--topic", topic);
        let client = client.set("--bytes-max", bytes).set("--seconds", 600);
        let client = client.set("--batch-bytes", 256 << 10);
        client.set("--warm-up-seconds", 0).run()
    }

    /// Sends and reads for a while, for clients that are timed from their first record: the server's
    /// virtual machine, where it has one, compiles meanwhile.
    pub(super) fn break_in(&self, server: &Server) -> Result<()> {
        let client = |mode| {
            let client = self.load(server, mode).set("--topic", "break-in");
            client
                .set("--warm-up-seconds", 0)
                .set("--seconds", self.warm_up_seconds)
        };
        client("produce").run()?;
        if server.kind != Kind::Floor {
            client("fetch").run()?;
        }
        Ok(())
    }

    /// Lets the disk finish what came before, so that a baseline doesn't wait for it.
    pub(super) fn rest_disk(&self) -> Result<()> {
        let limit = if self.smoke {
            DISK_LIMIT_SMOKE
        } else {
            DISK_LIMIT
        };
        machine::rest_disk(&self.places.data, limit)
    }

    /// Lets a server come to rest.
    pub(super) fn settle(&self) {
        let seconds = if self.smoke { 0.2 } else { 2.0 };
        thread::sleep(Duration::from_secs_f64(seconds));
    }
}
