//! Everything that reaches the user: data on stdout, all else on stderr.
#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::fmt::Display;
use std::io::IsTerminal;

use anyhow::Error;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use cluster::Advice;

/// Prints a line of data to stdout; a closed pipe ends the program quietly.
pub(crate) fn data(line: impl Display) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a line about what is going on to stderr.
pub(crate) fn note(line: impl Display) {
    eprintln!("{line}");
}

/// Prints an error, its causes and the next step.
pub(crate) fn error(error: &Error) {
    note(render(error));
}

fn render(error: &Error) -> String {
    let mut lines = vec![format!("error: {error}")];
    for cause in error.chain().skip(1) {
        lines.push(format!("  caused by: {cause}"));
    }
    lines.extend(error.downcast_ref::<Advice>().map(|advice| format!("hint: {}", advice.hint)));
    lines.join("\n")
}

/// A bar on a terminal; nothing elsewhere.
pub(crate) fn bar(message: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:<24} [{bar:30}] {percent:>3} %")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(100).with_style(style).with_message(message.to_owned())
}

/// A picture on the terminal that is drawn again and again in the same place.
pub(crate) struct Screen {
    terminal: console::Term,
    lines: usize,
}

impl Screen {
    /// Returns the screen, if stdout is a terminal.
    pub(crate) fn find() -> Option<Self> {
        let terminal = console::Term::stdout();
        terminal.is_term().then_some(Self { terminal, lines: 0 })
    }

    /// Rows and columns.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.terminal.size();
        (usize::from(rows), usize::from(columns))
    }

    /// Draws over what was drawn before; a closed terminal ends the program quietly.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        let drawn = self
            .terminal
            .clear_last_lines(self.lines)
            .and_then(|()| self.terminal.write_line(&lines.join("\n")));
        if drawn.is_err() {
            std::process::exit(0);
        }
        self.lines = lines.len();
    }
}

/// A table with left-aligned columns, as `kubectl` prints them.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        data(padded.join("   ").trim_end());
    };
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// A size in the units people read: `9.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for reading, to one decimal")]
    let bytes = bytes as f64;
    match bytes {
        _ if bytes < 1e3 => format!("{bytes} B"),
        _ if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        _ if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

/// A time span in the units people read: `43 ms`, `1.8 s`.
pub(crate) fn span(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds < 0.001 => format!("{:.2} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_tells_its_causes_once_and_the_next_step() {
        let refused: anyhow::Result<()> =
            Err(std::io::Error::other("manifest not found")).context("failed to pull `a`");
        assert_eq!(
            render(&refused.unwrap_err()),
            "error: failed to pull `a`\n  caused by: manifest not found"
        );
        assert_eq!(render(&Advice::error("no", "say yes")), "error: no\nhint: say yes");
    }

    #[test]
    fn spans_and_sizes_keep_two_or_three_digits() {
        assert_eq!(span(std::time::Duration::from_millis(43)), "43 ms");
        assert_eq!(span(std::time::Duration::from_secs(95)), "1 min 35 s");
        assert_eq!(size(9_400_000), "9.4 MB");
    }
}
