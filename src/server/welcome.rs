//! What a start prints: what listens where, and the lines to paste next.

use std::fmt::Write as _;
use std::path::Path;

use crate::net::Listen;

/// The lines for `grpc` and `gateway`, each where it listens; `posted` says whether alerts may be
/// posted there.
pub(super) fn lines(grpc: Option<&Listen>, gateway: Option<&str>, posted: bool) -> String {
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
        Some(url) => {
            line("dashboard", url);
            if posted {
                let url = format!("-o http_output.url={url}");
                line("Falco", &format!("-o json_output=true -o http_output.enabled=true {url}"));
            }
        }
        None => line("dashboard", "off (falconer.gateway.enabled is false)"),
    }
    text
}

/// The beginning of a grpcurl command for `listen`, ready for a shell.
fn grpcurl(listen: &Listen) -> String {
    match listen {
        Listen::Unix(socket) => {
            let path = shell_word(&socket.path.display().to_string());
            format!("grpcurl -plaintext -unix {path}")
        }
        Listen::Tcp { address, tls } => {
            let roots = tls.root_certs.as_deref().unwrap_or(Path::new("ca.crt"));
            let roots = shell_word(&roots.display().to_string());
            let address = shell_word(&reachable(address));
            format!("grpcurl -cacert {roots} -cert client.crt -key client.key {address}")
        }
    }
}

/// An address a client on this machine can use: a wildcard is not one.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    }
}

/// `text` as one word of a POSIX shell's.
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
    use crate::net::{TlsFiles, UnixSocket};

    #[test]
    fn lines_can_be_pasted() {
        let unix = Listen::Unix(UnixSocket {
            path: "/tmp/it's here/f.sock".into(),
            mode: 0o660,
            group: None,
            links: Vec::new(),
        });
        let text = lines(Some(&unix), Some("http://127.0.0.1:2804/"), true);
        assert!(text.contains(r"-unix '/tmp/it'\''s here/f.sock' falco.outputs.service/get"));
        assert!(text.contains("http://127.0.0.1:2804/\n"));
        let tls = TlsFiles::new("k", "c", "/etc/falco/certs/ca.crt");
        let tcp = Listen::Tcp { address: "0.0.0.0:5060".into(), tls };
        let text = lines(Some(&tcp), None, false);
        assert!(text.contains("-cacert /etc/falco/certs/ca.crt"), "{text}");
        assert!(text.contains("localhost:5060 falco.outputs.service/sub"), "{text}");
    }
}
