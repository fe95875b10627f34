//! Libraries that read server-sent events, as processes: the list of them, and how each starts.

use std::process::Command;

use super::client::{Client, home, is_installed, sources};

/// A library, by its name in the program that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A package of npm, in Node.
    Node(&'static str),
    /// A package of PyPI.
    Python(&'static str),
    /// A Go module.
    Go(&'static str),
}

impl Reader {
    pub(crate) const ALL: [Self; 9] = [
        Self::Node("eventsource"),
        Self::Node("event-source-polyfill"),
        Self::Node("extended-eventsource"),
        Self::Node("eventsource-client"),
        Self::Node("fetch-event-source"),
        Self::Python("requests-sse"),
        Self::Python("httpx-sse"),
        Self::Go("r3labs"),
        Self::Go("go-sse"),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node(name) | Self::Python(name) | Self::Go(name) => name,
        }
    }

    /// Returns whether it is installed. If not, prints why, and panics with `CI=true`.
    pub(crate) fn is_installed(self) -> bool {
        is_installed(match self {
            Self::Node(_) => "sse_node",
            Self::Python(_) => "sse",
            Self::Go(_) => "sse_go",
        })
    }

    /// Starts a program that reads `url` with the library.
    pub(crate) fn start(self, url: &str) -> Client {
        let mut command = match self {
            Self::Node(_) => {
                let mut command = Command::new("node");
                command.arg(sources().join("node/sse/events.js"));
                command.env("NODE_PATH", home().join("sse_node/node_modules"));
                command
            }
            Self::Python(_) => {
                let mut command = Command::new(home().join("venv/sse/bin/python"));
                command.arg(sources().join("python/events.py"));
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Self::Go(_) => Command::new(home().join("bin/sse")),
        };
        command.arg(self.name()).arg(url);
        Client::spawn(self.name().to_owned(), command)
    }
}
