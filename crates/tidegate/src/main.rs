//! The `tidegate` binary: reads the command line and hands over. Logic lives below, in the crates
//! that can be tested without a process.

mod arguments;
mod banner;
mod certificates;
mod commands;
mod data_directory;
mod files;
mod logging;
mod lower;
mod output;
mod pages;
mod reach;
mod runtime;
mod secrets;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a shell expects of a wrong command line or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::fail(&error);
            match error.downcast_ref::<settings::Refusals>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let command = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    match command {
        Command::Serve(arguments) => return serve::run(&arguments),
        Command::Config(command) => commands::config::run(command)?,
        Command::ConnectionString(arguments) => commands::connection_string::run(&arguments)?,
        Command::EventHub(command) => commands::event_hub::run(command)?,
        Command::Group(command) => commands::group::run(command)?,
        Command::Produce(arguments) => commands::produce::run(&arguments)?,
        Command::Consume(arguments) => commands::consume::run(&arguments)?,
        Command::Health(arguments) => commands::health::run(&arguments)?,
        Command::Doctor(arguments) => {
            if !commands::doctor::run(&arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Storage(command) => {
            if !commands::storage::run(&command)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
