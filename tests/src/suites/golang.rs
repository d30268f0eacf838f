//! Go's clients: sarama, franz-go, kafka-go, and sarama-cluster from before sarama had groups.

use anyhow::Result;

use crate::broker::Configuration;
use crate::scenario::{Scenario, Suite};
use crate::stage::{Stage, Target};

pub(super) const SUITE: Suite = Suite {
    name: "go",
    scenarios: &[
        Scenario::new(
            "sarama produces, reads partitions and reads as a group",
            sarama,
        ),
        Scenario::new(
            "franz-go produces with each codec and reads as a group",
            franz,
        ),
        Scenario::new(
            "kafka-go writes, and reads partitions and as a group",
            kafka_go,
        ),
        Scenario::new(
            "sarama-cluster, told of Kafka 0.11, shares a topic and commits",
            sarama_cluster,
        ),
    ],
};

fn sarama(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "sarama", &[])
}

fn franz(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "franz", &[])
}

fn kafka_go(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "kafkago", &[])
}

/// Left to itself it speaks as to Kafka 0.9, whose way to produce Kafka 4 doesn't know any more.
fn sarama_cluster(stage: &mut Stage<'_>) -> Result<()> {
    if let Target::Tidegate(_) = stage.target() {
        // Its batches don't say how old they are, and must not be taken for ancient.
        let retention = "[storage]\nretention_check_interval = \"1s\"\n";
        let mut configuration = Configuration::default();
        configuration.tables.insert_str(0, retention);
        stage.configured(configuration)?;
    }
    both(stage, "saramacluster", &["0.11.0.0"])
}

/// Runs the program in plaintext and with login.
fn both(stage: &mut Stage<'_>, program: &str, arguments: &[&str]) -> Result<()> {
    let go = stage.tools.go()?;
    for (word, endpoint) in [("plain", stage.plain()?), ("login", stage.secure()?)] {
        let name = stage.name(word);
        let mut command = go.program(program);
        command.args(arguments);
        stage.check(endpoint.equip(command, &name, &name), program)?;
    }
    Ok(())
}
