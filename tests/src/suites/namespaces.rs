//! Two namespaces in one broker know nothing of each other.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::broker::{Configuration, ExtraListener};
use crate::endpoint::Endpoint;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "namespaces",
    scenarios: &[
        Scenario::new("two namespaces see nothing of each other", isolation),
        Scenario::new("a key of one namespace does not open the other", keys),
    ],
};

/// What `list.py` tells.
#[derive(Deserialize, Debug)]
struct Listed {
    cluster: String,
    topics: BTreeMap<String, usize>,
    groups: Vec<String>,
}

/// A broker with the namespaces `alpha`, also that of the first listeners, and `beta`.
fn configuration() -> Configuration {
    Configuration {
        namespace: "alpha".to_owned(),
        admin: String::new(),
        limits: String::new(),
        tables: "[[namespace]]\nname = \"alpha\"\n\n[[namespace]]\nname = \"beta\"\n".to_owned(),
        listeners: vec![ExtraListener {
            name: "second",
            security: "plaintext",
            namespace: "beta",
        }],
    }
}

fn isolation(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let broker = stage.configured(configuration())?;
    let (alpha, beta) = (broker.plain()?, broker.listener("second")?);
    let by_login = [broker.secure(Some("alpha"))?, broker.secure(Some("beta"))?];
    program(stage, &alpha, "topic.py", &["3"], "shared")?;
    program(stage, &beta, "topic.py", &["5"], "shared")?;
    program(stage, &alpha, "sample.py", &[], "only-alpha")?;
    let (in_alpha, in_beta) = (listed(stage, &alpha)?, listed(stage, &beta)?);
    ensure!(
        in_alpha.topics.get("shared") == Some(&3),
        "alpha: {in_alpha:?}"
    );
    ensure!(
        in_alpha.topics.contains_key("only-alpha"),
        "alpha: {in_alpha:?}"
    );
    ensure!(in_alpha.groups == ["only-alpha"], "alpha: {in_alpha:?}");
    ensure!(
        in_beta.topics == BTreeMap::from([("shared".to_owned(), 5)]),
        "beta: {in_beta:?}"
    );
    ensure!(in_beta.groups.is_empty(), "beta: {in_beta:?}");
    ensure!(
        in_alpha.cluster != in_beta.cluster,
        "one cluster id: {in_alpha:?}"
    );
    for (endpoint, expected) in by_login.iter().zip([&in_alpha, &in_beta]) {
        let found = listed(stage, endpoint)?;
        ensure!(
            found.cluster == expected.cluster,
            "{found:?} is not {expected:?}"
        );
        ensure!(
            found.topics == expected.topics,
            "{found:?} is not {expected:?}"
        );
    }
    Ok(())
}

fn keys(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let broker = stage.configured(configuration())?;
    let (alpha, beta) = (broker.secure(Some("alpha"))?, broker.secure(Some("beta"))?);
    let part = |endpoint: &Endpoint, key: &str| -> Result<String> {
        let login = endpoint.login.as_ref().context("no login")?;
        let parts = login.connection_string.split(';');
        let found = parts.map(str::to_owned).find(|part| part.starts_with(key));
        found.with_context(|| format!("no {key} in the connection string"))
    };
    let mut mixed = alpha.clone();
    let login = mixed.login.as_mut().context("no login")?;
    login.connection_string = format!(
        "{};{};{}",
        part(&alpha, "Endpoint=")?,
        part(&alpha, "SharedAccessKeyName=")?,
        part(&beta, "SharedAccessKey=")?
    );
    program(stage, &mixed, "wrong_key.py", &["keep"], "mixed").map(drop)
}

fn listed(stage: &mut Stage<'_>, endpoint: &Endpoint) -> Result<Listed> {
    let lines = program(stage, endpoint, "list.py", &[], "")?;
    let line = lines.first().context("nothing is listed")?;
    serde_json::from_str(line).with_context(|| format!("read {line}"))
}

fn program(
    stage: &mut Stage<'_>,
    endpoint: &Endpoint,
    file: &str,
    arguments: &[&str],
    name: &str,
) -> Result<Vec<String>> {
    let mut command = stage.tools.python()?.program(file);
    command.args(arguments);
    stage.check(endpoint.equip(command, name, name), file)
}
