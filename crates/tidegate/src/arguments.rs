//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    commands::position::Position,
    settings::{self, Flag},
};

/// A self-hosted event hub: Kafka's protocol, Event Hubs' semantics, one binary.
///
/// Without a command, `tidegate` serves with development defaults.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Flags of `serve`, so that they may follow `tidegate` at once.
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker (the default).
    Serve(ServeArguments),
    /// Print a connection string; the broker may be up or down.
    ConnectionString(ConnectionStringArguments),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look into a data directory without changing it: verify, dump, salvage.
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Connect as a client would, to each listener, and say what is wrong.
    Doctor(DoctorArguments),
    /// Event hubs (topics): list, create, show, grow, delete.
    #[command(subcommand)]
    EventHub(EventHubCommand),
    /// Consumer groups: list, show, reset, delete.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Send events, from arguments or line by line from standard input.
    Produce(ProduceArguments),
    /// Read events, to the terminal or as JSON lines.
    Consume(ConsumeArguments),
    /// Exit 0 if the broker is ready: for a container's health check.
    Health(HealthArguments),
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsArguments {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory [default: ./tidegate-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Set any key of the configuration, as in `--set limits.idle_timeout=5m`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    /// Address for metrics and health [default: 127.0.0.1:9600].
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Form of the log on standard error.
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// Least level logged, overall or per module, as in `warn,server=debug`.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl SettingsArguments {
    /// The flags as settings of their keys.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = self
            .settings
            .iter()
            .map(|(key, value)| Flag {
                written: format!("--set {key}"),
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        if let Some(dir) = &self.data_dir {
            flags.push(flag(
                "--data-dir",
                "storage.data_dir",
                &dir.to_string_lossy(),
            ));
        }
        flags
    }
}

impl ServeArguments {
    /// The flags as settings of their keys.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = self.settings.flags();
        if let Some(address) = self.admin {
            flags.push(flag("--admin", "admin.address", &address.to_string()));
        }
        if let Some(format) = self.log_format {
            let word = match format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            };
            flags.push(flag("--log-format", "log.format", word));
        }
        if let Some(filter) = &self.log {
            flags.push(flag("--log", "log.filter", filter));
        }
        flags
    }
}

fn flag(written: &str, key: &str, value: &str) -> Flag {
    Flag {
        written: written.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, as in limits.idle_timeout=5m")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn server(text: &str) -> Result<(String, u16), String> {
    client::Target::parse_server(text).ok_or_else(|| "expected HOST:PORT".to_owned())
}

/// In milliseconds, -1 for ever.
fn retention_ms(text: &str) -> Result<i64, String> {
    if text == "unlimited" {
        return Ok(-1);
    }
    settings::duration(text)
        .and_then(|span| i64::try_from(span.as_millis()).ok())
        .ok_or_else(|| "expected a duration like 7d, or unlimited".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionStringArguments {
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    /// Namespace [default: the only one, or dev].
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Limit the string to one event hub (adds EntityPath).
    #[arg(long, value_name = "NAME")]
    pub(crate) event_hub: Option<String>,
    /// Shared access policy [default: the first of the namespace].
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Use the policy's secondary key.
    #[arg(long)]
    pub(crate) secondary: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a file is right.
    Check {
        /// Configuration file (TOML).
        file: PathBuf,
    },
    /// Print every setting in force and where it comes from; secrets are masked.
    Show(SettingsArguments),
    /// Print the configuration reference (Markdown).
    Reference,
    /// Print a file that lists every key with its default.
    Complete,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Read everything and say what is damaged.
    Verify(SettingsArguments),
    /// Print what the log holds.
    Dump(DumpArguments),
    /// Say what of a damaged directory can be saved, and with --write save it into a new one.
    Salvage(SalvageArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SalvageArguments {
    /// The damaged data directory; it is only read.
    pub(crate) dir: PathBuf,
    /// The directory to be made beside it; it must not exist yet.
    pub(crate) new_dir: PathBuf,
    /// Write it. Without this, only what would be lost is said.
    #[arg(long)]
    pub(crate) write: bool,
    /// Name for a namespace whose own name is lost: the configuration's.
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub(crate) namespace: String,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    /// JSON lines instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a command reaches a broker.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TargetArguments {
    /// Broker to connect to [default: the running broker of the data directory].
    #[arg(long, value_name = "HOST:PORT", value_parser = server)]
    pub(crate) server: Option<(String, u16)>,
    /// Connection string to log in with.
    #[arg(
        long,
        value_name = "STRING",
        env = "TIDEGATE_CONNECTION_STRING",
        hide_env_values = true
    )]
    pub(crate) connection_string: Option<String>,
    /// Certificate authority to trust (PEM) [default: tls/ca.pem of the data directory].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How the listener is secured [default: sasl_tls with a connection string, else plaintext].
    #[arg(long, value_name = "WORD", value_parser = ["plaintext", "tls", "sasl_plaintext", "sasl_tls"])]
    pub(crate) security: Option<String>,
    /// Data directory of a broker on this machine [default: ./tidegate-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Namespace to use, where the data directory has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// How long to wait for the broker, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventHubCommand {
    /// List the namespace's event hubs.
    List {
        #[command(flatten)]
        target: TargetArguments,
        /// JSON lines instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Create an event hub.
    Create {
        name: String,
        /// Partitions [default: the namespace's].
        #[arg(long, value_name = "COUNT")]
        partitions: Option<i32>,
        /// How long events are kept, as in 7d [default: the namespace's].
        #[arg(long, value_name = "DURATION", value_parser = retention_ms)]
        retention: Option<i64>,
        /// Further topic configuration under Kafka's names, as in retention.bytes=1000000.
        #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
        configs: Vec<(String, String)>,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show partitions, offsets and configuration.
    Show {
        name: String,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Raise the number of partitions.
    Grow {
        name: String,
        /// Partitions in total afterwards.
        #[arg(long, value_name = "COUNT")]
        partitions: i32,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Delete an event hub with all its events.
    Delete {
        name: String,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the namespace's consumer groups.
    List {
        #[command(flatten)]
        target: TargetArguments,
        /// JSON lines instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Show state, members, and per partition the committed offset and the lag.
    Show {
        group: String,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Set the committed offsets; the group must have no members.
    Reset(ResetArguments),
    /// Delete a group and its offsets.
    Delete {
        group: String,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    pub(crate) group: String,
    /// Event hub whose offsets are set; may be repeated [default: all that the group has].
    #[arg(long = "event-hub", value_name = "NAME")]
    pub(crate) event_hubs: Vec<String>,
    /// Where to: `earliest`, `latest`, an offset, or a time in milliseconds as `@1700000000000`.
    #[arg(long, value_name = "POSITION", value_parser = Position::parse)]
    pub(crate) to: Position,
    /// Only print what would be set.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    /// Event hub to send to.
    pub(crate) event_hub: String,
    /// Events; without any, each line of standard input is one.
    pub(crate) events: Vec<String>,
    /// Key of every event.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Split each line into key and value at this text.
    #[arg(long, value_name = "TEXT", conflicts_with = "key")]
    pub(crate) key_separator: Option<String>,
    /// Header of every event; may be repeated.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) headers: Vec<(String, String)>,
    /// Send to this partition instead of choosing by key.
    #[arg(long, value_name = "INDEX")]
    pub(crate) partition: Option<i32>,
    /// Events per batch, at most.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    pub(crate) batch: usize,
    /// 0: do not wait; 1: written; all: durable.
    #[arg(long, value_name = "ACKS", default_value = "all", value_parser = ["0", "1", "all"])]
    pub(crate) acks: String,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    /// Event hub to read.
    pub(crate) event_hub: String,
    /// Where to start: `earliest`, `latest`, an offset, or `@<milliseconds>`.
    #[arg(
        long,
        value_name = "POSITION",
        default_value = "latest",
        value_parser = Position::parse
    )]
    pub(crate) from: Position,
    /// Only this partition; may be repeated.
    #[arg(long = "partition", value_name = "INDEX")]
    pub(crate) partitions: Vec<i32>,
    /// Stop after this many events.
    #[arg(long, value_name = "COUNT")]
    pub(crate) count: Option<u64>,
    /// Stop at the end of what is there now.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Start from this group's offsets where it has any, and commit what was read.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// One JSON object per event.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print values only, without partition, offset and key.
    #[arg(long, conflicts_with = "json")]
    pub(crate) values: bool,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// Admin address [default: that of the data directory's running broker].
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_what_tidegate_does_by_itself() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).unwrap();
        let alone = parse(&[
            "tidegate",
            "--data-dir",
            "d",
            "--set",
            "log.filter=warn,a=b",
        ]);
        assert!(alone.command.is_none());
        let flags: Vec<_> = alone
            .serve
            .flags()
            .into_iter()
            .map(|f| (f.key, f.value))
            .collect();
        let expected = [("log.filter", "warn,a=b"), ("storage.data_dir", "d")];
        assert_eq!(
            flags,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        let named = parse(&["tidegate", "serve", "--admin", "127.0.0.1:0"]);
        assert!(matches!(named.command, Some(Command::Serve(_))));
    }

    #[test]
    fn flags_before_another_command_are_refused_rather_than_lost() {
        let refused = Arguments::try_parse_from(["tidegate", "--data-dir", "d", "config", "show"]);
        assert!(refused.is_err());
    }
}
