//! Development tasks: `cargo xtask <task>`.

mod bench;
mod folders;
mod generate;
mod instructions;
mod test;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["bench", rest @ ..] => bench::run(rest),
        ["generate", rest @ ..] => generate::run(rest),
        ["instructions", rest @ ..] => instructions::run(rest),
        ["test", rest @ ..] => test::run(rest),
        _ => anyhow::bail!(
            "usage: cargo xtask test [--only unit|world] [FILTER]...\n       \
             cargo xtask bench [--smoke] [--list] [--only NAME]... (--help for more)\n       \
             cargo xtask instructions [--update] [FILTER]...\n       \
             cargo xtask generate wire-tables [--check]"
        ),
    }
}
