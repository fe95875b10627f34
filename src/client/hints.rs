//! Writes hints about possible mistakes in a filter to standard error. Without them, a misspelt
//! field would look like the absence of alerts.
//!
//! A server that cannot be reached, or is too old for hints, gives none. The command's own request
//! then reports the error.

use std::io::{self, Write as _};
use std::pin::pin;

use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Limited};

use super::Server;
use super::show::visible;
use crate::event;
use crate::query;

/// The most to read of an answer with hints, in bytes.
const MAX_ANSWER: usize = 128 << 10;

/// The server's answer.
#[derive(serde::Deserialize)]
struct Answer {
    hints: Vec<Hint>,
}

#[derive(serde::Deserialize)]
struct Hint {
    column: usize,
    detail: String,
}

/// Requests hints about the filter from the server, and writes them.
pub(super) async fn ask(filter: &str, server: &Server) {
    let asking = async {
        let mut connection = server.connect().await.ok()?;
        let parameters = [("filter", Some(filter.to_owned()))];
        let body = connection.get("/api/v1/filter", &parameters, "application/json").await.ok()?;
        let body = Limited::new(body, MAX_ANSWER).collect().await.ok()?;
        serde_json::from_slice::<Answer>(&body.to_bytes()).ok()
    };
    for Hint { column, detail } in asking.await.map(|answer| answer.hints).unwrap_or_default() {
        tell(column, &detail);
    }
}

/// Runs `work`, which can wait for ever, and writes hints meanwhile. Returns when `work` ends.
pub(super) async fn beside<T>(
    work: impl Future<Output = T>,
    filter: Option<&str>,
    server: &Server,
) -> T {
    let telling = async {
        if let Some(filter) = filter {
            ask(filter, server).await;
        }
    };
    match select(pin!(work), pin!(telling)).await {
        Either::Left((done, _)) => done,
        Either::Right(((), work)) => work.await,
    }
}

/// The hints about a filter, from the lines of a file.
pub(super) struct OfLines {
    hints: Option<query::Hints>,
    looked: bool,
}

impl OfLines {
    pub(super) fn new(filter: Option<&str>) -> Self {
        // The caller has parsed it as a filter before.
        Self { hints: filter.and_then(|text| query::Hints::of(text).ok()), looked: false }
    }

    pub(super) fn look(&mut self, line: &[u8]) {
        let Some(hints) = self.hints.as_mut().filter(|hints| !hints.is_settled()) else { return };
        let Ok(line) = std::str::from_utf8(line) else { return };
        let names = std::cell::RefCell::new(Vec::new());
        let named = event::part(line, |name| {
            names.borrow_mut().push(name.to_owned());
            false
        });
        // A line that is no alert gives no hint.
        if named.is_ok() {
            self.looked = true;
            names.into_inner().iter().for_each(|name| hints.look(name));
        }
    }

    pub(super) fn tell(&self) {
        let hints = self.hints.iter();
        let whose = self.looked.then_some("no alert in the input");
        for hint in hints.flat_map(|hints| hints.told(whose)) {
            tell(hint.column, &hint.detail);
        }
    }
}

fn tell(column: usize, detail: &str) {
    // Standard error can be closed; that is no failure.
    drop(writeln!(io::stderr(), "falconer: --filter, column {column}: {}", visible(detail)));
}
