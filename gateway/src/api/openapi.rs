//! `GET /api/openapi.json`: the OpenAPI description, generated from the handlers' types.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa::{
    OpenApi,
    openapi::{
        Content, OpenApi as Description, Ref, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        server::ServerBuilder,
    },
};

use super::{ingest, routes, stream::Stats};
use crate::port::{Lost, Pulse};

/// The base of the paths. It is relative to the document, because a proxy can add a prefix.
const HERE: &str = "..";

/// The parts of the description that belong to no path.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Falconer",
        description = "Falco's alerts: live, in pages, and counted. \
            Alerts are Falco's own JSON, byte for byte. A cursor is opaque. A parameter that is not \
            named here is refused, but for those that clients add by themselves (`_`, `_dc`).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "alerts", description = "Alerts"),
        (name = "numbers", description = "Counts and status"),
    ),
    // Its route depends on the settings, so it is not in `routes`.
    paths(ingest::take),
    components(schemas(Stats, Lost, Pulse)),
)]
struct Base;

/// The document, generated once.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&openapi()).unwrap_or_default().into());

/// Answers with the document.
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// Returns the OpenAPI description.
#[must_use]
pub fn openapi() -> Description {
    let mut description = Base::openapi();
    description.merge(routes::described().into_openapi());
    let here = ServerBuilder::new().url(HERE).description(Some("The server this document is from"));
    description.servers = Some(vec![here.build()]);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The token of falconer.gateway.token_file, where one is set; HTTP Basic may carry it \
             as the password.",
    ));
    if let Some(components) = &mut description.components {
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
    for path in description.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            guarded(operation);
        }
    }
    description
}

/// Adds the security schemes and the errors of the guard, which is in front of every path.
fn guarded(operation: &mut Operation) {
    let refused = |description: &str| {
        let document = Content::new(Some(Ref::from_schema_name("Document")));
        let response = ResponseBuilder::new().description(description);
        response.content("application/problem+json", document).build()
    };
    let responses = &mut operation.responses.responses;
    let token = "The token is missing or wrong";
    responses.insert("401".into(), refused(token).into());
    let host = "The server does not accept the host name, or a page of another origin posts";
    responses.entry("403".into()).or_insert_with(|| refused(host).into());
    // Whether a token is required depends on the server's settings.
    let requirements = [SecurityRequirement::default(), SecurityRequirement::new("token", [""; 0])];
    operation.security = Some(requirements.into());
}
