//! The dashboard. Its files are part of the binary.
//!
//! 1. Files under `/assets/` have a hash of their contents in their name, and browsers cache them
//!    for ever. Browsers request the page again each time, so that they see the next build.
//! 2. All paths of the page return the same file, and the page reads its address. They are in one
//!    folder and the links are relative to it, so that a proxy can add any prefix.
//! 3. Alerts once had a folder. Such an address is redirected.

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

/// The other paths of the page.
const PATHS: [&str; 4] = ["/rules", "/nodes", "/status", "/event"];

/// The former path of an alert.
const MOVED: &str = "/event/{cursor}";

/// The folder of files that are named by their hash.
const HASHED: &str = "/assets/";

/// Built once, because it keeps its files in memory for ever.
static FILES: LazyLock<Router<Gateway>> = LazyLock::new(|| {
    let files: MemoryServe = memory_serve::load!()
        .index_file(Some("/index.html"))
        .enable_brotli(true)
        .enable_gzip(true)
        .cache_control(CacheControl::Long);
    let files = PATHS.into_iter().fold(files, |files, path| files.add_alias(path, "/index.html"));
    files.into_router::<Gateway>().route(MOVED, get(moved)).layer(from_fn(ask_again))
});

/// Returns the routes of the page and its files.
pub(crate) fn files() -> Router<Gateway> {
    FILES.clone()
}

/// Redirects from the former address of an alert to the current one. The address is relative.
async fn moved(Path(cursor): Path<String>, RawQuery(rest): RawQuery) -> Result<Redirect, Problem> {
    let event = serde_urlencoded::to_string([("event", cursor)]);
    let event = event.map_err(|_| Problem::PATH_UNREADABLE)?;
    let rest = rest.map(|rest| format!("&{rest}")).unwrap_or_default();
    let place = format!("../event?{event}{rest}");
    // The URL can have characters that are not valid in a header.
    HeaderValue::try_from(&place).map_err(|_| Problem::PATH_UNREADABLE)?;
    Ok(Redirect::permanent(&place))
}

/// Makes browsers revalidate every file that is not named by its hash.
async fn ask_again(request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with(HASHED);
    let mut response = next.run(request).await;
    if !hashed {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}
