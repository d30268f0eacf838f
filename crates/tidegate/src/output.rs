//! Standard output and error of the commands: the one place that prints. Names and errors come
//! from clients and brokers, and a terminal obeys what it is shown, so control characters leave
//! here escaped, as JSON would (`\u001b`): in its strings they still mean the same.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

/// Writes one line to standard output.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", escaped(text, &['\t']))?;
    Ok(())
}

/// Writes text that ends its own lines.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(escaped(text, &['\t', '\n']).as_bytes())?;
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
    let text = escaped(text, &['\t', '\n']);
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An event as it is printed: as it came where a program reads it.
pub(crate) fn read_line(event: &str) -> Cow<'_, str> {
    if is_read_by_a_person() {
        escaped(event, &['\t'])
    } else {
        Cow::Borrowed(event)
    }
}

/// The text with its control characters escaped, those of direction among them, apart from
/// `kept` and from our own paint.
pub(crate) fn escaped<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let paint = PAINTS.iter().find(|paint| rest.starts_with(**paint));
        let (taken, _) = match paint {
            Some(paint) => rest.split_at(paint.len()),
            None => rest.split_at(character.len_utf8()),
        };
        if paint.is_none() && is_control(character) && !kept.contains(&character) {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push_str(taken);
        }
        rest = rest.get(taken.len()..).unwrap_or_default();
    }
    Cow::Owned(out)
}

/// Whether a terminal may do something else than show the character where it stands.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2066}'..='\u{2069}' | '\u{feff}')
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

/// Whether a person reads standard output. Anything else may be kept: a container's output is its
/// log.
pub(crate) fn is_read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard output takes colours: a terminal, and nobody asked for none.
pub(crate) fn colours() -> bool {
    is_read_by_a_person() && std::env::var_os("NO_COLOR").is_none()
}

/// The text in its style, or as it is where there is no colour.
pub(crate) fn paint(style: Style, text: &str, colours: bool) -> String {
    if !colours {
        return text.to_owned();
    }
    format!("{}{text}{RESET}", style.start())
}

impl Style {
    const fn start(self) -> &'static str {
        match self {
            Self::Title => "\x1b[1m",
            Self::Name => "\x1b[36m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[1;31m",
            Self::Faint => "\x1b[2m",
        }
    }
}

const RESET: &str = "\x1b[0m";

/// All that this program tells a terminal. A stranger's text with these changes a colour at worst.
const PAINTS: [&str; 6] = [
    Style::Title.start(),
    Style::Name.start(),
    Style::Good.start(),
    Style::Bad.start(),
    Style::Faint.start(),
    RESET,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_moves_no_terminal() {
        for (text, shown) in [
            ("plain \u{e9}\u{1f600}", "plain \u{e9}\u{1f600}"),
            ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
            ("\x1b[2J\r", "\\u001b[2J\\u000d"),
            ("a\u{9b}1A", "a\\u009b1A"),
            ("a\u{202e}b", "a\\u202eb"),
            ("a\nb\tc", "a\\u000ab\tc"),
            ("\x1b", "\\u001b"),
        ] {
            assert_eq!(escaped(text, &['\t']), shown, "{text:?}");
        }
    }

    #[test]
    fn our_own_paint_stays() {
        for style in [
            Style::Title,
            Style::Name,
            Style::Good,
            Style::Bad,
            Style::Faint,
        ] {
            let painted = paint(style, "word", true);
            assert_eq!(escaped(&painted, &[]), painted);
        }
    }

    #[test]
    fn an_escape_in_json_still_means_the_same() {
        let name = "g\u{202e}\x7f\x1b";
        let line = serde_json::json!({ "group": name }).to_string();
        let shown = escaped(&line, &[]);
        assert!(!shown.chars().any(is_control));
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["group"], name);
    }
}
