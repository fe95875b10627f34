//! The whole HTTP surface, read top to bottom.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{from_fn_with_state, map_response},
    routing::{get, post},
};
use tower::ServiceBuilder;

use crate::{
    config::Config, guard, headers, ingest, page, port::Port, problem::Problem, state::Gateway,
    status,
};

/// Everything the gateway answers to, as a service without a socket.
pub fn router(port: Arc<dyn Port>, config: Config) -> Router {
    let gateway = Gateway::new(port, config);
    let posting = match gateway.ingest {
        true => post(ingest::take),
        false => post(ingest::off),
    };
    let documents = Router::new()
        .route("/", get(page::index))
        .route("/placeholder.css", get(page::style))
        .route("/placeholder.js", get(page::script))
        .route("/api/v1/status", get(status::status))
        .route("/livez", get(status::livez))
        .route("/readyz", get(status::readyz))
        .layer(map_response(headers::protected));
    let intake = Router::new().route("/", posting.clone()).route("/api/v1/events", posting);

    documents
        .merge(intake)
        .fallback(async || Problem::NOT_FOUND)
        .method_not_allowed_fallback(async || Problem::WRONG_METHOD)
        .layer(
            ServiceBuilder::new()
                // First: it also notes what the ones after it refuse.
                .layer(from_fn_with_state(gateway.clone(), guard::known_host))
                .layer(guard::cross_origin()),
        )
        .with_state(gateway)
}
