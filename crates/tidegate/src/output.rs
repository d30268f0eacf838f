//! Standard output and error of the commands: the one place that prints.

use std::io::{self, IsTerminal, Write};

/// Writes one line to standard output.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// Writes text that ends its own lines.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes an error and its causes to standard error.
pub(crate) fn fail(error: &anyhow::Error) {
    note(&format!(
        "{} {error:#}",
        paint(Style::Bad, "error:", io::stderr().is_terminal())
    ));
}

/// Writes one line to standard error. Nothing can be done where even that fails.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// A reader that has gone away (`| head`) is no failure.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How a word is painted on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Title,
    Name,
    Good,
    Bad,
    Faint,
}

/// Whether standard output takes colours: a terminal, and nobody asked for none.
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The text in its style, or as it is where there is no colour.
pub(crate) fn paint(style: Style, text: &str, colours: bool) -> String {
    if !colours {
        return text.to_owned();
    }
    let code = match style {
        Style::Title => "1",
        Style::Name => "36",
        Style::Good => "32",
        Style::Bad => "1;31",
        Style::Faint => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
