//! The whole HTTP surface, read top to bottom.

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

/// Everything the gateway answers to, as a service without a socket.
pub fn router(port: Arc<dyn Port>, config: Config) -> Router {
    let readable = config.allowed_origins.clone();
    let gateway = Gateway::new(port, config, CancellationToken::new());
    Router::new().fallback_service(guarded(gateway, &readable))
}

/// As [`router`], of a gateway that is there; pages of the origins `readable` may read.
///
/// What every request passes is around the routes, not a layer of theirs: axum puts each of its
/// layers into a box for each request.
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
        // First: it also notes what the ones after it refuse.
        .layer(layer_fn(move |inner| guard::KnownHost::new(guard.clone(), inner)))
        // Outside the token's: a browser asks before it sends one.
        .option_layer(readable)
        .layer(guard::cross_origin())
        .service(routes)
}

fn routed(gateway: &Gateway) -> Router {
    let (falco, posting) = match gateway.ingest {
        true => (post(ingest::from_falco), post(ingest::take)),
        false => (post(ingest::off), post(ingest::off)),
    };
    let open =
        page::files().route("/livez", get(status::livez)).route("/readyz", get(status::readyz));
    let documents = Router::from(routes::described())
        .route("/api/openapi.json", get(openapi::document))
        .route("/metrics", get(status::metrics))
        .layer(map_response_with_state(gateway.clone(), answer::counted));
    let intake = Router::new().route("/", falco).route("/api/v1/events", posting);
    // Only where it is asked for: each posted alert would pay for a layer that lets it pass.
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
