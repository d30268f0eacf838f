//! Spring Boot, old and new: a `NewTopic` bean, a `KafkaTemplate` and a `@KafkaListener`.

use anyhow::{Result, ensure};

use crate::endpoint::Endpoint;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "spring",
    scenarios: &[
        Scenario::new("Spring Boot 2.5.2 runs in plaintext", spring_2_5_2),
        Scenario::new(
            "Spring Boot 4.1.2 runs over SASL_SSL, PKCS12 truststore",
            spring_4_1_2,
        ),
    ],
};

fn spring_2_5_2(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.java_project("spring-boot-2.5.2")?;
    let endpoint = stage.plain()?;
    application(stage, &endpoint, "spring-boot-2.5.2")
}

fn spring_4_1_2(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.java_project("spring-boot-4.1.2")?;
    let endpoint = stage.secure()?;
    application(stage, &endpoint, "spring-boot-4.1.2")
}

fn application(stage: &mut Stage<'_>, endpoint: &Endpoint, project: &str) -> Result<()> {
    let project_folder = stage.tools.java_project(project)?;
    let name = stage.name("spring");
    let mut command = stage.tools.java()?.with(project_folder);
    command.arg("tidegate.Application");
    command.arg(format!(
        "--spring.kafka.bootstrap-servers={}",
        endpoint.bootstrap
    ));
    command.arg("--spring.kafka.consumer.auto-offset-reset=earliest");
    for (key, value) in endpoint.java_properties() {
        command.arg(format!("--spring.kafka.properties.{key}={value}"));
    }
    let lines = stage.check(endpoint.equip(command, &name, &name), project)?;
    let received = lines
        .iter()
        .filter(|line| line.starts_with("received event-"))
        .count();
    ensure!(received >= 50, "the listener printed {received} events");
    Ok(())
}
