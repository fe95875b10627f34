//! The load generator's HTTP side. It posts one alert per request on a persistent connection, like
//! Falco's `http_output`, and asks the server for the number of alerts that it has received.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::alerts::{Alerts, CORPUS};

/// The number of connections. Each posts one request after the other.
pub(crate) const CONNECTIONS: usize = 32;

/// Posts for `length`. Returns the number of answered requests.
pub(crate) async fn flood(address: &str, alerts: &Alerts, length: Duration) -> Result<u64, String> {
    let mut posting = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let first = connection * CORPUS / CONNECTIONS;
        let requests: Vec<_> = (0..CORPUS / CONNECTIONS)
            .map(|number| request(address, alerts.body((first + number) as u64)))
            .collect();
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        posting.spawn_local(post(stream, requests, Instant::now() + length));
    }
    let mut answered = 0;
    while let Some(posted) = posting.join_next().await {
        answered +=
            posted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    Ok(answered)
}

async fn post(mut stream: TcpStream, requests: Vec<Vec<u8>>, end: Instant) -> std::io::Result<u64> {
    let mut answered = 0;
    let mut answer = [0; 1024];
    for request in requests.iter().cycle() {
        if Instant::now() > end {
            break;
        }
        stream.write_all(request).await?;
        // An answer has no body: it ends with an empty line.
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\n") {
            length += match stream.read(&mut answer[length..]).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => read,
            };
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            let text = String::from_utf8_lossy(&answer[..length]).into_owned();
            return Err(std::io::Error::other(text));
        }
        answered += 1;
    }
    Ok(answered)
}

fn request(address: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Returns the number of alerts that the server reports as received.
pub(crate) async fn received(address: &str) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(body)?;
    status["alerts_received"].as_u64().ok_or_else(|| std::io::Error::other(answer))
}
