//! Keeps guards, the settings that restrict access, in force across reloads until a restart.
//!
//! A full disk can leave a settings file without its end. Such a file is often valid: the lost keys
//! have their defaults, and the gateway would require no token. So if a guard is missing in the new
//! settings, the one in force is put back, with a warning. To remove a guard, restart.
//!
//! | guard | is missing when |
//! |---|---|
//! | a token, TLS, client roots, a rate limit of posts | it is no longer set |
//! | revocation lists | no list is set |
//! | the client roots of gRPC | they are Falco's default |
//! | version 1 certificates rejected, posts disabled, gateway disabled | it has the default |
//!
//! Another token, other roots or another list are ordinary changes. The gRPC socket and its mode
//! change only at a restart anyway.

use std::path::Path;

use crate::config::{Config, FALCO_ROOT_CERTS, Gateway, Loaded};
use crate::net::{Listen, Serves, TlsFiles};

/// Puts guards of `now` that are missing in `loaded` back into it. Returns a warning for each.
pub(super) fn keep(loaded: &mut Loaded, now: &Config) -> Vec<String> {
    let file = loaded.files.first().map(|file| file.display().to_string());
    let (new, said) = (&mut loaded.config, loaded.said);
    let mut gone = Vec::new();
    if let (Some(Listen::Tcp { tls, .. }), Some(Listen::Tcp { tls: now, .. })) =
        (&mut new.grpc, &now.grpc)
    {
        let default = |roots: &TlsFiles| roots.root_certs.as_deref().is_none_or(is_default);
        if default(tls) && !default(now) {
            tls.root_certs.clone_from(&now.root_certs);
            gone.push("grpc.root_certs");
        }
        shared(tls, now, &mut gone);
    }
    match (&mut new.gateway, &now.gateway) {
        (Some(new), Some(now)) => gateway(new, now, &mut gone),
        (opened @ Some(_), None) if !said.gateway => {
            *opened = None;
            new.inputs.http = false;
            gone.push("falconer.gateway.enabled");
        }
        _ => {}
    }
    if new.inputs.http && !said.posts && now.gateway.is_some() && !now.inputs.http {
        new.inputs.http = false;
        gone.push("falconer.inputs.http");
    }
    gone.sort_unstable();
    gone.dedup();
    let file = file.as_deref().unwrap_or("the settings");
    let line = |key: &&str| {
        format!(
            "{file}: {key} is no longer set, but restricts access, so it stays in force until a \
             restart; set it again, or restart to remove it"
        )
    };
    gone.iter().map(line).collect()
}

fn is_default(roots: &Path) -> bool {
    roots.as_os_str() == FALCO_ROOT_CERTS
}

fn gateway(new: &mut Gateway, now: &Gateway, gone: &mut Vec<&'static str>) {
    if new.token_file.is_none() && now.token_file.is_some() {
        new.token_file.clone_from(&now.token_file);
        gone.push("falconer.gateway.token_file");
    }
    if new.posts_per_second.is_none() && now.posts_per_second.is_some() {
        new.posts_per_second = now.posts_per_second;
        gone.push("falconer.gateway.posts_per_second");
    }
    match (&mut new.tls, &now.tls) {
        (tls @ None, Some(now)) => {
            *tls = Some(now.clone());
            gone.push("falconer.gateway.tls");
        }
        (Some(tls), Some(now)) => {
            if tls.root_certs.is_none() && now.root_certs.is_some() {
                tls.root_certs.clone_from(&now.root_certs);
                gone.push("falconer.gateway.tls.root_certs");
            }
            shared(tls, now, gone);
        }
        (_, None) => {}
    }
    let token = new.token_file.is_some();
    if let Some(tls) = &mut new.tls {
        tls.serves = Serves::Gateway { token };
    }
}

/// Does the same for the settings of `falconer.tls`, which apply to every listener.
fn shared(new: &mut TlsFiles, now: &TlsFiles, gone: &mut Vec<&'static str>) {
    if new.crls.is_empty() && !now.crls.is_empty() {
        new.crls.clone_from(&now.crls);
        gone.push("falconer.tls.crls");
    }
    if new.legacy_v1_certs && !now.legacy_v1_certs {
        new.legacy_v1_certs = false;
        gone.push("falconer.tls.legacy_v1_certs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Options};

    fn loaded(text: &str) -> Loaded {
        let options = Options { file: Some("f.yaml".into()), ..Options::default() };
        config::read(Some(text), &options, &|_| None, &|_| unreachable!()).unwrap()
    }

    const ALL: &str = "
grpc: {enabled: true, bind_address: '0.0.0.0:5060', root_certs: /ca}
falconer:
  inputs: {http: false}
  tls: {legacy_v1_certs: false, crls: [/crl]}
  gateway:
    enabled: true
    posts_per_second: 5
    tls: {private_key: /key, cert_chain: /chain, root_certs: /roots}
    token_file: /token
";

    /// Truncates the text after each of its lines: whatever is lost, every guard stays.
    #[test]
    fn truncated_settings_lose_no_guard() {
        let now = loaded(ALL).config;
        let lines: Vec<_> = ALL.lines().collect();
        for end in 2..lines.len() {
            let mut cut = loaded(&lines[..end].join("\n"));
            let told = keep(&mut cut, &now);
            assert!(!told.is_empty(), "{end}");
            assert!(told.iter().all(|line| line.starts_with("f.yaml: ")), "{told:?}");
            if end > 2 {
                assert_eq!(
                    (cut.config.gateway, cut.config.grpc),
                    (now.gateway.clone(), now.grpc.clone())
                );
            }
            assert!(!cut.config.inputs.http);
        }
        let mut same = loaded(ALL);
        assert_eq!(keep(&mut same, &now), [""; 0]);
        assert_eq!(same.config, now);
    }

    #[test]
    fn each_missing_key_is_named() {
        let now = loaded(ALL).config;
        for (written, key) in [
            (", root_certs: /ca", "grpc.root_certs"),
            ("http: false", "falconer.inputs.http"),
            ("legacy_v1_certs: false, ", "falconer.tls.legacy_v1_certs"),
            (", crls: [/crl]", "falconer.tls.crls"),
            ("posts_per_second: 5", "falconer.gateway.posts_per_second"),
            (", root_certs: /roots", "falconer.gateway.tls.root_certs"),
            (
                "tls: {private_key: /key, cert_chain: /chain, root_certs: /roots}",
                "falconer.gateway.tls",
            ),
            ("token_file: /token", "falconer.gateway.token_file"),
        ] {
            let mut new = loaded(&ALL.replace(written, ""));
            let told = keep(&mut new, &now);
            let [line] = told.as_slice() else { panic!("{key}: {told:?}") };
            assert!(line.starts_with(&format!("f.yaml: {key} is no longer set")), "{line}");
            assert_eq!(new.config, now, "{key}");
        }
    }

    #[test]
    fn a_disabled_gateway_stays_disabled_unless_it_is_set() {
        let off = loaded("falconer: {gateway: {enabled: false}}").config;
        let mut cut = loaded("falconer: {}");
        assert!(keep(&mut cut, &off)[0].contains("falconer.gateway.enabled is no longer set"));
        assert_eq!((cut.config.gateway, cut.config.inputs.http), (None, false));
        let mut said = loaded("falconer: {gateway: {enabled: true}}");
        assert_eq!(keep(&mut said, &off), [""; 0]);
        assert!(said.config.gateway.is_some() && said.config.inputs.http);
        // Another token and other roots are ordinary changes.
        let now = loaded(ALL).config;
        let mut other = loaded(&ALL.replace("/token", "/other").replace("/roots", "/new"));
        let wanted = other.config.clone();
        assert_eq!(keep(&mut other, &now), [""; 0]);
        assert_eq!(other.config, wanted);
    }
}
