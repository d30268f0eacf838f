//! Go's clients: sarama, franz-go, kafka-go.

use anyhow::Result;

use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

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
    ],
};

fn sarama(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "sarama")
}

fn franz(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "franz")
}

fn kafka_go(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "kafkago")
}

/// Runs the program in plaintext and with login.
fn both(stage: &mut Stage<'_>, program: &str) -> Result<()> {
    let go = stage.tools.go()?;
    for (word, endpoint) in [("plain", stage.plain()?), ("login", stage.secure()?)] {
        let name = stage.name(word);
        stage.check(endpoint.equip(go.program(program), &name, &name), program)?;
    }
    Ok(())
}
