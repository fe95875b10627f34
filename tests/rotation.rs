//! Certificates are replaced while clients connect to the server all the time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::raw::{Client, framed, head};
use support::server::Server;
use support::wait::eventually_async;
use support::{PATIENCE, Transport, certs, examples};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use tokio_rustls::TlsConnector;

/// Connections a second. A busy machine makes fewer.
const RATE: u32 = 100;
/// The most connections that wait for their answer at once.
const AT_ONCE: usize = 20;

/// The number of replacements. Valid and broken certificates alternate.
const SWAPS: usize = 10;

fn client(dir: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_file(dir.join("client.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("client.key")).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Connects and returns the connection and the server's certificate.
async fn connect(
    address: &str,
    config: &Arc<ClientConfig>,
) -> Result<(Client, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().ok_or("no certificate")?;
    let shown = shown.first().ok_or("no certificate")?.to_vec();
    Ok((Client::over(stream).await?, shown))
}

/// Connects, makes a call, and returns the server's certificate.
async fn call(address: &str, config: &Arc<ClientConfig>) -> Result<Vec<u8>, String> {
    let answer = async {
        let (client, shown) = connect(address, config).await?;
        let outcome = client.try_call(head("/falco.version.service/version"), framed(b"")).await?;
        match outcome.code() {
            Some(0) => Ok(shown),
            code => Err(format!("{code:?}: {}", outcome.message()).into()),
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| "no answer")?;
    answer.map_err(|error: Box<dyn std::error::Error + Send + Sync>| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_valid_client_fails_while_certificates_are_replaced() {
    let mut server = Server::start(Transport::Tls);
    let dir = server.certs().unwrap().to_owned();
    let address = server.address().to_owned();
    let config = client(&dir);
    let (before, _) = connect(&address, &config).await.unwrap();
    let sub = before.begin(head("/falco.outputs.service/sub")).await;
    let (_requests, mut open) = sub.replies().await;

    let stop = tokio_util::sync::CancellationToken::new();
    let calling = tokio::spawn({
        let (stop, address, config) = (stop.clone(), address.clone(), config.clone());
        async move {
            let mut tick = interval(Duration::from_secs(1) / RATE);
            let mut calls = JoinSet::new();
            let mut outcomes = Vec::new();
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                while calls.len() >= AT_ONCE {
                    outcomes.extend(calls.join_next().await.map(Result::unwrap));
                }
                let (address, config) = (address.clone(), config.clone());
                calls.spawn(async move { call(&address, &config).await });
            }
            outcomes.extend(calls.join_all().await);
            outcomes
        }
    });
    for swap in 0..SWAPS {
        let names = ["localhost".to_owned()];
        let next = tempfile::tempdir_in(&dir).unwrap();
        let params = certs::leaf("server", &names, Some(certs::SERVER));
        server.authority().unwrap().write_leaf(next.path(), "server", &params);
        let broken = swap % 2 == 1;
        if broken {
            // The wrong key, or half a file.
            let file = next.path().join(if swap % 4 == 1 { "server.key" } else { "server.crt" });
            let text = fs::read_to_string(dir.join("client.key")).unwrap();
            fs::write(file, text.get(..text.len() / 2 * (swap % 4)).unwrap_or(&text)).unwrap();
        }
        for name in ["server.crt", "server.key"] {
            fs::rename(next.path().join(name), dir.join(name)).unwrap();
        }
        let told = if broken { "stay in force" } else { "the new settings are in force" };
        let count = server.log().count(told);
        server.hang_up();
        eventually_async(told, async || (server.log().count(told) > count).then_some(())).await;
        if !broken {
            let wanted = CertificateDer::from_pem_file(dir.join("server.crt")).unwrap();
            assert_eq!(call(&address, &config).await.unwrap(), wanted.to_vec(), "the new one");
        }
        sleep(Duration::from_millis(200)).await;
    }
    stop.cancel();
    let calls = calling.await.unwrap();
    let failed: Vec<_> = calls.iter().filter_map(|call| call.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), calls.len());
    assert!(calls.len() > 100, "{}", calls.len());
    // The connection from before is still open.
    server.feed(examples::lines().join("\n") + "\n");
    assert!(open.next().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_noticed_without_a_signal() {
    let server = Server::start(Transport::Tls);
    let dir = server.certs().unwrap().to_owned();
    let config = client(&dir);
    let names = ["localhost".to_owned()];
    let params = certs::leaf("server", &names, Some(certs::SERVER));
    server.authority().unwrap().write_leaf(&dir, "server", &params);
    let wanted = CertificateDer::from_pem_file(dir.join("server.crt")).unwrap();
    eventually_async("the server uses the new certificate", async || {
        (call(server.address(), &config).await.unwrap() == wanted.to_vec()).then_some(())
    })
    .await;
}
