//! `falco.version.service/version`: the version of Falco, not of Falconer, because clients use it
//! to tell what Falco can do.

use std::sync::Arc;

use crate::grpc::{Method, Request, method};
use crate::proto::falco::version::{Request as Empty, Response};

/// What is known of the Falco that the alerts come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FalcoVersion {
    /// Falco's version, such as `0.43.1` or `0.36.0-198+30aa28f`. `None` while it is unknown.
    pub falco: Option<String>,
    /// The version of the rules engine, such as `0.58.0`. Falco has it since 0.37.
    pub engine: Option<String>,
}

/// The method `version`.
pub(super) fn version(falco: Arc<dyn Fn() -> FalcoVersion + Send + Sync>) -> Method {
    method::unary(move |_: Request<Empty>| {
        let response = respond(&falco());
        async move { Ok(response) }
    })
}

fn respond(known: &FalcoVersion) -> Response {
    let Some(version) = &known.falco else {
        return Response {
            version: "unknown".into(),
            build: format!("falconer-{}", env!("CARGO_PKG_VERSION")),
            ..Response::default()
        };
    };
    let [major, minor, patch] = numbers(version);
    let engine_version = known.engine.clone().unwrap_or_default();
    let [engine_major, engine_minor, engine_patch] = numbers(&engine_version);
    let (core, build) = version.split_once('+').unwrap_or((version, ""));
    let prerelease = core.split_once('-').map_or("", |(_, prerelease)| prerelease);
    Response {
        version: version.clone(),
        major,
        minor,
        patch,
        // Falco returns only the first identifier: `rc1` of `rc1.2`.
        prerelease: prerelease.split('.').next().unwrap_or_default().into(),
        build: build.into(),
        engine_version,
        engine_major,
        engine_minor,
        engine_patch,
        engine_fields_checksum: String::new(),
    }
}

/// Returns major, minor and patch of a semantic version. A missing part is zero.
fn numbers(version: &str) -> [u32; 3] {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = core.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_split_as_in_falco() {
        for (version, numbers, prerelease, build) in [
            ("0.43.1", (0, 43, 1), "", ""),
            ("0.36.0-198+30aa28f", (0, 36, 0), "198", "30aa28f"),
            ("0.44.0-rc1.2", (0, 44, 0), "rc1", ""),
            ("1", (1, 0, 0), "", ""),
            ("x.y", (0, 0, 0), "", ""),
        ] {
            let known = FalcoVersion { falco: Some(version.into()), engine: None };
            let response = respond(&known);
            assert_eq!(response.version, version);
            assert_eq!((response.major, response.minor, response.patch), numbers, "{version}");
            assert_eq!((&*response.prerelease, &*response.build), (prerelease, build), "{version}");
        }
    }

    #[test]
    fn the_engine_version_is_text_and_parts() {
        let known = FalcoVersion { falco: Some("0.43.1".into()), engine: Some("0.58.0".into()) };
        let response = respond(&known);
        assert_eq!(response.engine_version, "0.58.0");
        assert_eq!(response.engine_minor, 58);
    }

    #[test]
    fn an_unknown_version_is_unknown() {
        let response = respond(&FalcoVersion::default());
        assert_eq!(response.version, "unknown");
        assert!(response.build.starts_with("falconer-"));
    }
}
