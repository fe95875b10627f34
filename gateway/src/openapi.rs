//! `GET /api/openapi.json`: the API's description, made of the types that answer.

use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Description,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    ingest,
    port::{Lost, Pulse},
    router,
    stream::Stats,
};

/// What is not said at the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Falconer",
        description = "Falco's alerts: as they come, by the page, and counted. \
            Alerts are Falco's own JSON, byte for byte. A cursor is opaque.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "alerts", description = "Alerts themselves"),
        (name = "numbers", description = "Numbers about them"),
    ),
    // Its route depends on the settings.
    paths(ingest::take),
    components(schemas(Stats, Lost, Pulse)),
)]
struct Base;

/// The API's description.
#[must_use]
pub fn openapi() -> Description {
    let mut description = Base::openapi();
    description.merge(router::described().into_openapi());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token of falconer.gateway.token_file, where one is set."));
    if let Some(components) = &mut description.components {
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
    description
}
