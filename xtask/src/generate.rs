//! `cargo xtask generate wire-tables`: the tables of the structure check, made from the message
//! definitions that Kafka's own client library carries.
//!
//! ```text
//! kafka-clients-4.4.0.jar -> common/message/*.json -> definition -> table -> crates/wire/.../*.rs
//! ```

mod definition;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::folders::Folders;
use definition::{Definition, Direction};

/// The release whose definitions the tables are made from.
const VERSION: &str = "4.4.0";

/// Runs one generator; with `--check` nothing is written, and a difference is an error.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["wire-tables"] => wire_tables(write),
        ["wire-tables", "--check"] => wire_tables(compare),
        _ => bail!("usage: cargo xtask generate wire-tables [--check]"),
    }
}

fn wire_tables(output: fn(&Path, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let definitions = definitions(&client_jar()?)?;
    let folder = Folders::find()?.workspace.join("crates/wire/src/shape");
    for direction in [Direction::Request, Direction::Response] {
        let text = table::render(direction, VERSION, &definitions)?;
        output(&folder.join(direction.file_name()), &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn compare(path: &Path, text: &str) -> anyhow::Result<()> {
    let found = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    ensure!(
        found == text,
        "{} is not what the generator makes",
        path.display()
    );
    Ok(())
}

/// The library in the local Maven repository, fetched if it is not there yet.
fn client_jar() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let jar = Path::new(&home).join(format!(
        ".m2/repository/org/apache/kafka/kafka-clients/{VERSION}/kafka-clients-{VERSION}.jar"
    ));
    if !jar.exists() {
        let artifact = format!("-Dartifact=org.apache.kafka:kafka-clients:{VERSION}");
        let arguments = ["-q", "dependency:get", &artifact, "-Dtransitive=false"];
        let status = Command::new("mvn")
            .args(arguments)
            .status()
            .context("run mvn")?;
        ensure!(
            status.success(),
            "mvn could not fetch kafka-clients {VERSION}"
        );
    }
    Ok(jar)
}

/// All definitions of requests and responses in the jar, ascending by API key.
fn definitions(jar: &Path) -> anyhow::Result<Vec<Definition>> {
    let listing = unzip(&["-Z1"], jar, "common/message/*.json")?;
    let mut definitions = Vec::new();
    for name in listing.lines() {
        let text = unzip(&["-p"], jar, name)?;
        definitions.extend(Definition::parse(&text).with_context(|| format!("read {name}"))?);
    }
    ensure!(
        !definitions.is_empty(),
        "no message definitions in {}",
        jar.display()
    );
    definitions.sort_by_key(|definition| definition.api_key);
    Ok(definitions)
}

fn unzip(options: &[&str], jar: &Path, member: &str) -> anyhow::Result<String> {
    let output = Command::new("unzip")
        .args(options)
        .arg(jar)
        .arg(member)
        .output()
        .context("run unzip")?;
    ensure!(output.status.success(), "unzip {member} failed");
    String::from_utf8(output.stdout).context("definitions are text")
}
