//! What `GET /` shows: a placeholder, part of every build, that needs no other file.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

pub(crate) async fn index() -> Response {
    asset("text/html; charset=utf-8", include_str!("../../web/placeholder/index.html"))
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../web/placeholder/placeholder.css"))
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/placeholder/placeholder.js"))
}

/// To be asked for again each time: the next build has another page under the same name.
fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text).into_response()
}
