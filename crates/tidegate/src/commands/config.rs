//! `tidegate config`: check a file, show what is in force and why.

use crate::{
    arguments::{ConfigCommand, SettingsArguments},
    output,
    settings::{self, Layers, Settings, Sources},
};

pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { file } => {
            // The environment of the one who checks is not that of the broker: the file alone.
            let sources = Sources {
                file: Some(file.clone()),
                ..Sources::default()
            };
            Settings::load(&sources)?;
            output::line(&format!("{}: ok", file.display()))?;
        }
        ConfigCommand::Show(arguments) => show(&arguments)?,
        ConfigCommand::Reference => output::text(&settings::reference_page())?,
        ConfigCommand::Complete => output::text(&settings::complete_file())?,
    }
    Ok(())
}

fn show(arguments: &SettingsArguments) -> anyhow::Result<()> {
    let sources = Sources::from_process(arguments.config.clone(), arguments.flags());
    let layers = Layers::read(&sources)?;
    Settings::from_layers(&layers)?;
    output::text(&settings::show(&layers))
}
