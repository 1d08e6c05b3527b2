//! How a container that cannot start says why: a pipe from its first process to the helper.
//!
//! `libcontainer` tells the reason of a failure best in the first error it logs, so those are
//! collected here too. The pipe is closed by a successful `exec`, which is how success is seen.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use nix::poll::{PollFd, PollFlags, poll};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::sys;
use crate::wire::Fault;

/// The writing end, in the helper and in the processes it forks.
static PIPE: Mutex<Option<File>> = Mutex::new(None);

/// The reading end, in the helper.
pub(super) struct Trouble(File);

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Why the command cannot run.
    pub(super) fault: Option<Fault>,
    /// The first error logged.
    pub(super) logged: Option<String>,
}

/// Starts to collect, in this process and the ones it will fork.
pub(super) fn collect() -> std::io::Result<Trouble> {
    let (reader, writer): (OwnedFd, OwnedFd) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    sys::set_nonblocking(&writer)?;
    if let Ok(mut pipe) = PIPE.lock() {
        *pipe = Some(File::from(writer));
    }
    // Only a helper collects, once in its life; a second subscriber is never set.
    let _ = tracing::subscriber::set_global_default(Collector);
    Ok(Trouble(File::from(reader)))
}

/// Says that the command cannot run.
pub(super) fn report(fault: &Fault) {
    if let Ok(text) = serde_json::to_string(fault) {
        say('F', &text);
    }
}

fn say(kind: char, text: &str) {
    if let Ok(pipe) = PIPE.lock()
        && let Some(mut pipe) = pipe.as_ref()
    {
        // A full pipe means that enough was said.
        let _ = pipe.write_all(format!("{kind}{}\n", text.replace('\n', " ")).as_bytes());
    }
}

impl Trouble {
    /// Waits until every process that could say something has executed its program or ended, at
    /// most `timeout_ms`, and returns what was said.
    pub(super) fn listen(mut self, timeout_ms: u16) -> Said {
        if let Ok(mut pipe) = PIPE.lock() {
            *pipe = None;
        }
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, timeout_ms) {
                Err(nix::errno::Errno::EINTR) => continue,
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            match self.0.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => text.extend_from_slice(&buffer[..length]),
            }
        }
        Said::parse(&String::from_utf8_lossy(&text))
    }
}

impl Said {
    fn parse(text: &str) -> Self {
        let find = |kind: char| text.lines().find_map(|line| line.strip_prefix(kind));
        Self {
            fault: find('F').and_then(|json| serde_json::from_str(json).ok()),
            logged: find('E').map(ToOwned::to_owned),
        }
    }
}

/// Passes on the errors that are logged.
struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::ERROR)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let detail = if line.fields.is_empty() { String::new() } else { format!(" ({})", line.fields) };
        say('E', &format!("{}{detail}", line.message));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            let _ = write!(self.fields, "{comma}{}: {value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_is_taken() {
        let text = "Eone\nEtwo\nF{\"kind\":\"command\",\"message\":\"m\",\"code\":127}\n";
        let said = Said::parse(text);
        assert_eq!(said.logged.as_deref(), Some("one"));
        assert_eq!(said.fault, Some(Fault::command("m", 127)));
    }
}
