//! `tidegate connection-string`: prints just that, whether the broker runs or not.

use std::path::{Path, PathBuf};

use crate::{
    arguments::{ConnectionStringArguments, SettingsArguments},
    output,
    reach::{self, Wanted},
    runtime::Runtime,
    secrets::Secrets,
    settings::{Settings, Sources},
};

pub(crate) fn run(arguments: &ConnectionStringArguments) -> anyhow::Result<()> {
    let settings = broker_settings(&arguments.settings)?;
    let data_dir = &settings.storage.data_dir;
    let wanted = Wanted {
        namespace: arguments.namespace.as_deref(),
        event_hub: arguments.event_hub.as_deref(),
        policy: arguments.policy.as_deref(),
        secondary: arguments.secondary,
    };
    let secrets = Secrets::load(data_dir)?;
    let string = reach::connection_string(&settings, &secrets, wanted)
        .map_err(|error| explain(error, data_dir))?;
    output::line(&string.to_string())
}

/// The settings that the broker of this data directory has: if it runs, with its own file.
pub(crate) fn broker_settings(arguments: &SettingsArguments) -> anyhow::Result<Settings> {
    let sources = Sources::from_process(arguments.config.clone(), arguments.flags());
    let settings = Settings::load(&sources)?;
    match running_config(arguments, &settings.storage.data_dir)? {
        None => Ok(settings),
        Some(config) => Ok(Settings::load(&Sources {
            file: Some(config),
            ..sources
        })?),
    }
}

fn running_config(
    arguments: &SettingsArguments,
    data_dir: &Path,
) -> anyhow::Result<Option<PathBuf>> {
    if arguments.config.is_some() {
        return Ok(None);
    }
    let runtime = Runtime::read(data_dir)?;
    Ok(runtime.and_then(|runtime| runtime.config))
}

fn explain(error: anyhow::Error, data_dir: &Path) -> anyhow::Error {
    if Secrets::path(data_dir).exists() {
        return error;
    }
    error.context(format!(
        "no broker has started on {} yet: start one, or name its directory with --data-dir and \
         its configuration with --config",
        data_dir.display()
    ))
}
