//! The dashboard: files that are part of the binary.
//!
//! 1. Files under `/assets/` have their contents' hash in their name and are kept for ever; the page
//!    is asked for again each time, so that the next build's is seen.
//! 2. The page's own paths all show the same page, which reads the rest from its address.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderValue, header::CACHE_CONTROL};
use memory_serve::{CacheControl, MemoryServe};

use crate::state::Gateway;

/// Where the page finds itself.
const PATHS: [&str; 4] = ["/rules", "/nodes", "/status", "/event/{cursor}"];

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
    files.into_router::<Gateway>().layer(from_fn(ask_again))
});

/// The page and what it is made of.
pub(crate) fn files() -> Router<Gateway> {
    FILES.clone()
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
