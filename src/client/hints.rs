//! What of a filter may be a slip, told on standard error: standard output stays data, and an alert
//! that never comes stays no good news.
//!
//! Whoever cannot be asked, or is too old to know, says nothing: the command's own question tells
//! what is wrong.

use std::io::{self, Write as _};
use std::pin::pin;

use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Limited};

use super::Server;
use super::show::visible;
use crate::event;
use crate::query;

/// Most that is read of an answer, in bytes: some hints about a filter.
const MAX_ANSWER: usize = 128 << 10;

/// What a server says.
#[derive(serde::Deserialize)]
struct Answer {
    hints: Vec<Hint>,
}

#[derive(serde::Deserialize)]
struct Hint {
    column: usize,
    detail: String,
}

/// Asks the server about the filter, and tells.
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

/// Tells while `work` is done, which waits for what may never come; not any longer than that.
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

/// The same of the lines of a file.
pub(super) struct OfLines {
    hints: Option<query::Hints>,
    looked: bool,
}

impl OfLines {
    pub(super) fn new(filter: Option<&str>) -> Self {
        // It was read as a filter before.
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
        // What is no alert tells nothing.
        if named.is_ok() {
            self.looked = true;
            names.into_inner().iter().for_each(|name| hints.look(name));
        }
    }

    pub(super) fn tell(&self) {
        let hints = self.hints.iter();
        for hint in hints.flat_map(|hints| hints.told(self.looked.then_some("no alert there"))) {
            tell(hint.column, &hint.detail);
        }
    }
}

fn tell(column: usize, detail: &str) {
    // Whoever closed it does not want to know.
    drop(writeln!(io::stderr(), "falconer: --filter, column {column}: {}", visible(detail)));
}
