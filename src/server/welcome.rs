//! The greeting of a start: the addresses, and commands to paste.
//!
//! Each command is complete for a POSIX shell, with the options that this configuration requires of
//! a client. It never has the token itself: the shell reads it from its file. Client certificates
//! have no setting, so the commands name them where `falconer certs init` puts them, beside those
//! that have one.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::Gateway;
use crate::net::{Listen, TlsFiles};

/// Returns the lines for `grpc` and `gateway`, the latter with its bound address. `posted` says
/// whether it accepts posts.
pub(super) fn lines(
    grpc: Option<&Listen>,
    gateway: Option<(&str, &Gateway)>,
    posted: bool,
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {label:<11}{value}");
    };
    match grpc {
        Some(listen) => {
            line("gRPC", &listen.to_string());
            let call = grpcurl(listen);
            line("read", &format!("{call} falco.outputs.service/get"));
            line("follow", &format!("{call} falco.outputs.service/sub"));
        }
        None => line("gRPC", "off (grpc.enabled is false)"),
    }
    match gateway {
        Some((address, gateway)) => {
            line("dashboard", &url(address, gateway, ""));
            if posted {
                line("Falco", &falco(address, gateway));
            }
        }
        None => line("dashboard", "off (falconer.gateway.enabled is false)"),
    }
    text
}

/// Returns the start of a grpcurl command for `listen`, quoted for a shell.
fn grpcurl(listen: &Listen) -> String {
    match listen {
        Listen::Unix(socket) => {
            let path = shell_word(&socket.path.display().to_string());
            format!("grpcurl -plaintext -unix {path}")
        }
        Listen::Tcp { address, tls } => {
            let roots = beside(tls, "ca.crt");
            let (cert, key) = (beside(tls, "client.crt"), beside(tls, "client.key"));
            let address = shell_word(&reachable(address));
            format!("grpcurl -cacert {roots} -cert {cert} -key {key} {address}")
        }
    }
}

/// Returns the options with which Falco posts to the gateway. It sends the token as a password, or
/// a client certificate if there is no token.
fn falco(address: &str, gateway: &Gateway) -> String {
    let mut text = "-o json_output=true -o http_output.enabled=true".to_owned();
    let mut option = |key: &str, value: &str| {
        let _ = write!(text, " -o http_output.{key}={value}");
    };
    match &gateway.token_file {
        Some(file) => {
            let token = format!("falco:$(cat {})@", shell_word(&file.display().to_string()));
            // In double quotes the shell runs `cat`, and splits nothing.
            option("url", &format!("\"{}\"", url(address, gateway, &token)));
        }
        None => option("url", &shell_word(&url(address, gateway, ""))),
    }
    if let Some(tls) = &gateway.tls {
        option("ca_cert", &beside(tls, "ca.crt"));
        if gateway.token_file.is_none() && tls.root_certs.is_some() {
            option("mtls", "true");
            option("client_cert", &beside(tls, "client.crt"));
            option("client_key", &beside(tls, "client.key"));
        }
    }
    text
}

/// Returns the gateway's URL; `user` is empty, or a user and a password that end in `@`.
fn url(address: &str, gateway: &Gateway, user: &str) -> String {
    let scheme = if gateway.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{user}{}/", reachable(address))
}

/// Returns the path where `falconer certs init` puts a file, quoted for a shell. For the authority
/// this is `root_certs`, if set.
fn beside(tls: &TlsFiles, name: &str) -> String {
    let known = tls.root_certs.as_deref().unwrap_or(&tls.cert_chain);
    let file = match (name, &tls.root_certs) {
        ("ca.crt", Some(roots)) => roots.clone(),
        _ => known.parent().unwrap_or(Path::new("")).join(name),
    };
    shell_word(&file.display().to_string())
}

/// Replaces a wildcard address by `localhost`, for clients on this machine.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    }
}

/// Quotes `text` as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:[]@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Serves, UnixSocket};

    const ADDRESS: &str = "127.0.0.1:2804";

    fn gateway(token: Option<&str>, tls: Option<TlsFiles>) -> Gateway {
        Gateway {
            listen: ADDRESS.parse().unwrap(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            posts_per_second: None,
            token_file: token.map(Into::into),
            tls,
        }
    }

    #[test]
    fn commands_can_be_pasted() {
        let unix = Listen::Unix(UnixSocket {
            path: "/tmp/it's here/f.sock".into(),
            mode: 0o660,
            group: None,
            links: Vec::new(),
        });
        let text = lines(Some(&unix), Some((ADDRESS, &gateway(None, None))), true);
        assert!(text.contains(r"-unix '/tmp/it'\''s here/f.sock' falco.outputs.service/get"));
        assert!(text.contains("http://127.0.0.1:2804/\n"));
        let tls = TlsFiles::new("k", "c", "/etc/falco/certs/ca.crt");
        let tcp = Listen::Tcp { address: "0.0.0.0:5060".into(), tls };
        let text = lines(Some(&tcp), None, false);
        assert!(text.contains("-cacert /etc/falco/certs/ca.crt"), "{text}");
        assert!(text.contains("-key /etc/falco/certs/client.key"), "{text}");
        assert!(text.contains("localhost:5060 falco.outputs.service/sub"), "{text}");
    }

    #[test]
    fn falcos_options_have_all_that_the_gateway_requires() {
        let begin = "-o json_output=true -o http_output.enabled=true -o http_output.url=";
        let line = |token, tls| falco("0.0.0.0:2804", &gateway(token, tls));
        assert_eq!(line(None, None), format!("{begin}http://localhost:2804/"));
        assert_eq!(
            line(Some("/a b/token"), None),
            format!("{begin}\"http://falco:$(cat '/a b/token')@localhost:2804/\"")
        );
        let files = |roots: Option<&str>| TlsFiles {
            serves: Serves::Gateway { token: false },
            root_certs: roots.map(Into::into),
            ..TlsFiles::new("/c/server.key", "/c/server.crt", "")
        };
        let ca = "-o http_output.ca_cert";
        assert_eq!(
            line(Some("/t"), Some(files(None))),
            format!("{begin}\"https://falco:$(cat /t)@localhost:2804/\" {ca}=/c/ca.crt")
        );
        let text = line(None, Some(files(Some("/r/roots.crt"))));
        assert!(text.contains(&format!("{ca}=/r/roots.crt -o http_output.mtls=true")), "{text}");
        assert!(text.ends_with("-o http_output.client_key=/r/client.key"), "{text}");
    }
}
