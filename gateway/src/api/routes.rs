//! The paths in the OpenAPI description, and their handlers.

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{events, export, facets, hints, histogram, rules, status, stream};
use crate::state::Gateway;

/// Returns the routes that the OpenAPI description has.
pub(crate) fn described() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(events::page))
        .routes(routes!(stream::stream))
        .routes(routes!(events::one))
        .routes(routes!(histogram::histogram))
        .routes(routes!(facets::facets))
        .routes(routes!(rules::rules))
        .routes(routes!(hints::hints))
        .routes(routes!(export::export))
        .routes(routes!(status::status))
}
