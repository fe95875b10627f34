//! The routes of the gateway and the layers around them.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::Request,
    middleware::{from_fn_with_state, map_response, map_response_with_state},
    response::Response,
    routing::{get, post},
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceBuilder, layer::layer_fn};

use crate::{
    api::{answer, ingest, openapi, routes, status},
    config::Config,
    guard::{
        self,
        origin::{self, Origin},
    },
    headers, page,
    port::Port,
    problem::Problem,
    state::Gateway,
};

/// Returns the whole gateway as a service without a socket.
pub fn router(port: Arc<dyn Port>, config: Config) -> Router {
    let readable = config.allowed_origins.clone();
    let gateway = Gateway::new(port, config, CancellationToken::new());
    Router::new().fallback_service(guarded(gateway, &readable))
}

/// Returns the routes with all checks. Pages of the origins in `readable` can read answers.
///
/// The checks are around the routes and not axum layers, because each axum layer costs a request an
/// allocation.
pub(crate) fn guarded(
    gateway: Gateway,
    readable: &[Origin],
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let readable = (!readable.is_empty()).then(|| origin::readable_by(readable));
    let routes = routed(&gateway);
    let guard = gateway.guard.clone();
    ServiceBuilder::new()
        // The first one, because it also counts what the others refuse.
        .layer(layer_fn(move |inner| guard::KnownHost::new(guard.clone(), inner)))
        // Before the token check, because a browser sends a preflight request without a token.
        .option_layer(readable)
        .layer(guard::cross_origin())
        .service(routes)
}

fn routed(gateway: &Gateway) -> Router {
    let (falco, posting) = match gateway.ingest {
        true => {
            (post(ingest::from_falco), post(ingest::take).layer(map_response(headers::protected)))
        }
        false => (post(ingest::off), post(ingest::off)),
    };
    let open =
        page::files().route("/livez", get(status::livez)).route("/readyz", get(status::readyz));
    let documents = Router::from(routes::described())
        .route("/api/openapi.json", get(openapi::document))
        .route("/metrics", get(status::metrics))
        .layer(map_response_with_state(gateway.clone(), answer::counted));
    let intake = Router::new().route("/", falco).route("/api/v1/events", posting);
    // Only if there is a token, because each posted alert would pay for the layer.
    let (documents, intake) = match gateway.guard.token {
        Some(_) => {
            let authorized = from_fn_with_state(gateway.guard.clone(), guard::authorized);
            (documents.layer(authorized.clone()), intake.layer(authorized))
        }
        None => (documents, intake),
    };

    open.merge(documents)
        .layer(map_response(headers::protected))
        .merge(intake)
        .fallback(async || Problem::NOT_FOUND)
        .method_not_allowed_fallback(async || Problem::WRONG_METHOD)
        .with_state(gateway.clone())
}
