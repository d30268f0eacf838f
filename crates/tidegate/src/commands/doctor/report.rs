//! The lines of the examination.

use crate::output::{self, Style, paint};

/// What was found so far, printed as it is found.
pub(super) struct Report {
    failed: usize,
    warned: usize,
    unchecked: usize,
    colours: bool,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            failed: 0,
            warned: 0,
            unchecked: 0,
            colours: output::colours(),
        }
    }

    pub(super) fn head(&self, text: &str) -> anyhow::Result<()> {
        output::line(&paint(Style::Title, text, self.colours))
    }

    pub(super) fn good(&self, check: &str, detail: &str) -> anyhow::Result<()> {
        self.entry(Style::Good, "ok    ", check, detail)
    }

    /// `words` say what is wrong and what to do.
    pub(super) fn bad(&mut self, check: &str, words: &str) -> anyhow::Result<()> {
        self.failed += 1;
        self.entry(Style::Bad, "FAILED", check, words)
    }

    /// `words` say what will go wrong if nobody acts.
    pub(super) fn warn(&mut self, check: &str, words: &str) -> anyhow::Result<()> {
        self.warned += 1;
        self.entry(Style::Bad, "warn  ", check, words)
    }

    /// `words` say why nothing is known.
    pub(super) fn unchecked(&mut self, check: &str, words: &str) -> anyhow::Result<()> {
        self.unchecked += 1;
        self.entry(Style::Faint, "-     ", check, words)
    }

    fn entry(&self, style: Style, mark: &str, check: &str, words: &str) -> anyhow::Result<()> {
        let mark = paint(style, mark, self.colours);
        let line = format!("  {mark} {check:<14} {words}");
        output::line(&line.trim_end().replace('\n', " "))
    }

    /// Prints the last line; gives whether nothing failed.
    pub(super) fn end(&self) -> anyhow::Result<bool> {
        output::text(&format!("\n{}\n", self.sum()))?;
        Ok(self.failed == 0)
    }

    fn sum(&self) -> String {
        let several = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let parts = [
            several(self.failed, "check failed", "checks failed"),
            several(self.warned, "warning", "warnings"),
            several(self.unchecked, "not checked", "not checked"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match (self.failed + self.warned, parts.join(", ")) {
            (0, rest) if rest.is_empty() => "all is well".to_owned(),
            (0, rest) => format!("all is well, {rest}"),
            (_, rest) => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_what_is_not_well() {
        let sum = |failed, warned, unchecked| {
            let report = Report {
                failed,
                warned,
                unchecked,
                colours: false,
            };
            report.sum()
        };
        assert_eq!(sum(0, 0, 0), "all is well");
        assert_eq!(sum(0, 0, 1), "all is well, 1 not checked");
        assert_eq!(sum(0, 2, 0), "2 warnings");
        assert_eq!(sum(1, 1, 2), "1 check failed, 1 warning, 2 not checked");
    }
}
