//! Warns of settings that have no effect with the others. Otherwise an operator would rely on a
//! mode, a group or a revocation list that is never used.

use crate::net;

use super::{Config, DEFAULT_SOCKET_MODE, finding::Report, own::Own, place::At, section::Placed};

/// Warns of each setting without effect.
pub(super) fn warn(config: &Config, own: &Own, report: &mut Report) {
    let Config { grpc, gateway, .. } = config;
    if !matches!(grpc, Some(net::Listen::Unix(_))) {
        for (key, at) in [
            // People copy the sample, which has the default mode.
            ("mode", set(own.socket_mode.as_ref(), |mode| *mode != DEFAULT_SOCKET_MODE)),
            ("group", set(own.socket_group.as_ref(), |group| group.is_some())),
            ("links", set(own.socket_links.as_ref(), |links| !links.is_empty())),
        ] {
            if let Some(at) = at {
                let why = "is not used, because gRPC is not served on a unix socket";
                report.warn(at, format!("falconer.socket.{key} {why}"));
            }
        }
    }
    let roots = |tls: &net::TlsFiles| tls.root_certs.is_some();
    let verifies = matches!(grpc, Some(net::Listen::Tcp { .. }))
        || gateway.as_ref().and_then(|gateway| gateway.tls.as_ref()).is_some_and(roots);
    if let (false, Some(at)) = (verifies, set(own.tls_crls.as_ref(), |lists| !lists.is_empty())) {
        report.warn(
            at,
            "falconer.tls.crls is not used, because no client certificates are verified: gRPC is \
             not served over TCP, and falconer.gateway.tls.root_certs is not set",
        );
    }
}

/// Returns the place of a setting if it has an effective value.
fn set<T>(placed: Option<&Placed<T>>, is_set: impl FnOnce(&T) -> bool) -> Option<At> {
    placed.filter(|placed| is_set(&placed.value)).map(|placed| placed.at)
}
