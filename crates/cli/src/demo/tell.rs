//! Tells each step: what is done, the command that does the same, how long it took.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use crate::output::{note, span};

/// The teller.
#[derive(Debug, Default)]
pub(crate) struct Tell {
    number: Cell<u32>,
    started: RefCell<Option<Instant>>,
}

impl Tell {
    /// Begins a step.
    pub(crate) fn step(&self, what: &str, command: &str) {
        self.number.set(self.number.get() + 1);
        note(format!("\n{:>2}. {what}", self.number.get()));
        note(format!("    $ {command}"));
        self.started.replace(Some(Instant::now()));
    }

    /// Ends it.
    pub(crate) fn done(&self, result: &str) {
        let took =
            self.started.take().map_or(String::new(), |started| format!(" ({})", span(started.elapsed())));
        note(format!("    {result}{took}"));
    }

    /// Shows details of the step.
    #[expect(clippy::unused_self, reason = "reads as part of the telling")]
    pub(crate) fn lines(&self, lines: &[String]) {
        for line in lines {
            note(format!("      {line}"));
        }
    }
}
