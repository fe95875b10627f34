//! The dashboard: files that are part of the binary.
//!
//! 1. Files under `/assets/` have their contents' hash in their name and are kept for ever; the page
//!    is asked for again each time, so that the next build's is seen.
//! 2. The page's own paths all show the same page, which reads the rest from its address. They are
//!    all in one folder, and the page's addresses relative to it: a proxy may put a prefix in front
//!    that nobody here knows of.
//! 3. Alerts had a folder once; whoever kept such an address is sent on.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::{Path, RawQuery, Request},
    middleware::{Next, from_fn},
    response::{Redirect, Response},
    routing::get,
};
use http::{HeaderValue, header::CACHE_CONTROL};
use memory_serve::{CacheControl, MemoryServe};

use crate::{problem::Problem, state::Gateway};

/// Where the page finds itself.
const PATHS: [&str; 4] = ["/rules", "/nodes", "/status", "/event"];

/// Where an alert was before.
const MOVED: &str = "/event/{cursor}";

/// Where files are named after their contents.
const HASHED: &str = "/assets/";

/// Made once: what it is made of stays in memory for good.
static FILES: LazyLock<Router<Gateway>> = LazyLock::new(|| {
    let files: MemoryServe = memory_serve::load!()
        .index_file(Some("/index.html"))
        .enable_brotli(true)
        .enable_gzip(true)
        .cache_control(CacheControl::Long);
    let files = PATHS.into_iter().fold(files, |files, path| files.add_alias(path, "/index.html"));
    files.into_router::<Gateway>().route(MOVED, get(moved)).layer(from_fn(ask_again))
});

/// The page and what it is made of.
pub(crate) fn files() -> Router<Gateway> {
    FILES.clone()
}

/// To where the alert is now, from where it was: relative, as every address of the page.
async fn moved(Path(cursor): Path<String>, RawQuery(rest): RawQuery) -> Result<Redirect, Problem> {
    let event = serde_urlencoded::to_string([("event", cursor)]);
    let event = event.map_err(|_| Problem::PATH_UNREADABLE)?;
    let rest = rest.map(|rest| format!("&{rest}")).unwrap_or_default();
    let place = format!("../event?{event}{rest}");
    // What stands in the URL need not be what a header may have.
    HeaderValue::try_from(&place).map_err(|_| Problem::PATH_UNREADABLE)?;
    Ok(Redirect::permanent(&place))
}

/// Has everything asked for again that is not named after its contents; it is sent only if it has
/// changed.
async fn ask_again(request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with(HASHED);
    let mut response = next.run(request).await;
    if !hashed {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}
