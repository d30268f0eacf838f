//! Node's clients: kafkajs, @platformatic/kafka.

use anyhow::Result;

use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "node",
    scenarios: &[
        Scenario::new("kafkajs runs in plaintext and over SASL_SSL", kafkajs),
        Scenario::new(
            "@platformatic/kafka runs in plaintext and over SASL_SSL",
            platformatic,
        ),
    ],
};

fn kafkajs(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "kafkajs.js")
}

fn platformatic(stage: &mut Stage<'_>) -> Result<()> {
    both(stage, "platformatic.js")
}

fn both(stage: &mut Stage<'_>, program: &str) -> Result<()> {
    let node = stage.tools.node()?;
    for (word, endpoint) in [("plain", stage.plain()?), ("login", stage.secure()?)] {
        let name = stage.name(word);
        stage.check(endpoint.equip(node.program(program), &name, &name), program)?;
    }
    Ok(())
}
