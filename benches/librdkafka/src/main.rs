//! Becomes librdkafka's own performance program, so that cargo fetches, pins and builds it.

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let mut program = Command::new(env!("RDKAFKA_PERFORMANCE"));
    let error = program.args(std::env::args_os().skip(1)).exec();
    eprintln!("start {:?}: {error}", program.get_program());
    std::process::exit(1);
}
