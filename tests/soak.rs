//! Tests that take minutes: `make soak SOAK_SECONDS=600`. At its end each test checks the server's
//! memory, file descriptors and readers, and a subscriber beside it ([`Witness`]). A test takes
//! [`length`] unless it has its own duration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::examples;
use support::http::{Gateway, Kept};
use support::raw::{Client, framed, head};
use support::wire;
use support::witness::Witness;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const SUB: &str = "/falco.outputs.service/sub";

/// The memory that a server may have gained afterwards, in bytes.
const GROWTH: u64 = 8 << 20;

/// The duration of a test: `SOAK_SECONDS`, by default 60.
fn length() -> Duration {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// A server, and its memory and file descriptors at the beginning.
struct Soaked {
    gateway: Gateway,
    path: PathBuf,
    memory: u64,
    descriptors: usize,
    witness: Witness,
}

impl Soaked {
    /// Starts a server that retains 16 MiB and fills that: with many alerts at once, then one by
    /// one, which fragments memory most.
    async fn start() -> Self {
        let mut gateway = Gateway::start(&["falconer.outputs.retain=16MiB"]);
        let path = gateway.server.socket().unwrap();
        for _ in 0..20 {
            gateway.server.feed(examples::lines().concat().repeat(50));
        }
        let mut poster = Kept::open(gateway.address).await;
        for line in examples::lines().into_iter().cycle().take(20_000) {
            poster.post(line).await;
        }
        drop(poster);
        let client = Client::connect(&path).await;
        drop(client.call(head("/falco.outputs.service/get"), [framed(b"")]).await);
        drop(client);
        sleep(Duration::from_secs(3)).await;
        let (memory, descriptors) = (gateway.server.resident(), gateway.server.open_files());
        let witness = Witness::beside(&gateway).await;
        Self { gateway, path, memory, descriptors, witness }
    }

    async fn readers(&self) -> u64 {
        let metrics = self.gateway.get("/metrics").await.text().await;
        let name = "falconer_subscribers{kind=\"grpc\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }

    /// Checks that the witness is satisfied, and that the server soon returns to its initial state.
    async fn rests(&mut self) {
        self.witness.satisfied().await;
        let begun = Instant::now();
        while self.readers().await > 0 || self.gateway.server.open_files() > self.descriptors + 1 {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{} are open",
                self.gateway.server.open_files()
            );
            sleep(Duration::from_millis(200)).await;
        }
        let grown = self.gateway.server.resident().saturating_sub(self.memory);
        assert!(grown < GROWTH, "memory grew by {grown} bytes");
    }
}

/// X3: a peer that opens 200 calls with the largest flow-control windows, and reads nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute"]
async fn a_peer_that_never_reads_is_disconnected() {
    let mut soaked = Soaked::start().await;
    let before = soaked.gateway.server.open_files();
    let mut deaf = UnixStream::connect(&soaked.path).await.unwrap();
    let calls: Vec<u8> = (0..200).flat_map(|call| wire::headers(2 * call + 1, 0, SUB)).collect();
    deaf.write_all(&[wire::opening(), wire::widest(), calls].concat()).await.unwrap();
    let begun = Instant::now();
    while soaked.gateway.server.open_files() <= before {
        sleep(Duration::from_millis(10)).await;
    }
    let mut highest = 0;
    while soaked.gateway.server.open_files() > before {
        soaked.gateway.server.feed(examples::lines().concat());
        highest = highest.max(soaked.gateway.server.resident());
        assert!(
            begun.elapsed() < Duration::from_secs(30 + 20 + 60 + 5),
            "the server does not close the connection in time"
        );
        sleep(Duration::from_millis(50)).await;
    }
    let most = highest.saturating_sub(soaked.memory);
    println!("closed after {:?}; {most} bytes at most", begun.elapsed());
    assert!(most < 32 << 20, "200 calls cost {most} bytes at most");
    soaked.rests().await;
}

/// X4: a million calls that are reset at once, at a pace that h2 does not limit.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn a_million_paced_resets_cost_nothing() {
    let mut soaked = Soaked::start().await;
    let (begun, mut sent, mut cut) = (Instant::now(), 0_u32, 0);
    while sent < 1_000_000 && begun.elapsed() < length() {
        let (mut reading, mut writing) =
            UnixStream::connect(&soaked.path).await.unwrap().into_split();
        let forgetting = tokio::spawn(async move {
            let mut scratch = vec![0; 64 << 10];
            while !matches!(reading.read(&mut scratch).await, Ok(0) | Err(_)) {}
        });
        let _ = writing.write_all(&wire::opening()).await;
        for call in 0.. {
            let stream = 2 * call + 1;
            let begun = writing.write_all(&wire::headers(stream, 0, SUB)).await;
            tokio::task::yield_now().await;
            if begun.is_err() || writing.write_all(&wire::reset(stream)).await.is_err() {
                cut += 1;
                break;
            }
            sent += 1;
        }
        forgetting.await.unwrap();
    }
    println!("{sent} calls on {cut} connections in {:?}", begun.elapsed());
    soaked.rests().await;
}

/// X5: a client that sends ten requests a second, as Falco's Python client does, and sometimes two
/// thousand at once, is never disconnected and loses nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn a_client_that_polls_is_never_disconnected() {
    let mut soaked = Soaked::start().await;
    let client = Client::connect(&soaked.path).await;
    let (mut requests, mut replies) =
        client.begin(head(SUB).header("falconer-last", "0")).await.replies().await;
    let (begun, mut turn) = (Instant::now(), 0);
    while begun.elapsed() < length() {
        let burst = if turn % 100 == 99 { 2_000 } else { 1 };
        for _ in 0..burst {
            requests.reserve_capacity(5);
            requests.send_data(framed(b""), false).expect("the call is open");
        }
        soaked.gateway.server.feed(examples::line(&format!("turn {turn}")));
        let name = format!("turn {turn}");
        // The witness posts its own alerts, too.
        while !String::from_utf8_lossy(&replies.next().await.expect("an alert")).contains(&name) {}
        turn += 1;
        sleep(Duration::from_millis(100)).await;
    }
    drop((requests, replies, client));
    soaked.rests().await;
}

/// X13: networks that are slow, forward one byte at a time, or break.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn bad_networks_leave_nothing_behind() {
    let mut soaked = Soaked::start().await;
    let begun = Instant::now();
    let mut round = 0_u64;
    while begun.elapsed() < length() {
        let mut readers = JoinSet::new();
        for number in 0..20 {
            let port = relay(&soaked.path, number).await;
            readers.spawn(async move {
                let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let Ok(client) = Client::over(stream).await else { return };
                let call = client.try_call(head("/falco.outputs.service/get"), framed(b""));
                // A complete answer must be correct. Most are cut off.
                if let Ok(Ok(outcome)) = timeout(Duration::from_secs(2), call).await {
                    assert_eq!(outcome.code(), Some(0));
                }
            });
        }
        soaked.gateway.server.feed(examples::lines().concat());
        while let Some(reader) = readers.join_next().await {
            reader.unwrap();
        }
        round += 1;
    }
    println!("{round} rounds");
    soaked.rests().await;
}

/// Returns a port that forwards to `path`: slowly, byte by byte, or until it breaks.
async fn relay(path: &Path, kind: u32) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let path = path.to_owned();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(path).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
        let down = async {
            let mut piece = [0; 1 << 12];
            let room = if kind.is_multiple_of(3) { 1 } else { piece.len() };
            for count in 0.. {
                let read = from_server.read(piece.get_mut(..room).unwrap()).await?;
                if read == 0 || (kind % 3 == 1 && count == u64::from(kind)) {
                    break;
                }
                sleep(Duration::from_millis(if kind % 3 == 2 { 20 } else { 1 })).await;
                to_client.write_all(piece.get(..read).unwrap()).await?;
            }
            std::io::Result::Ok(())
        };
        // The first direction that ends breaks both.
        tokio::select! {
            _ = up => {}
            _ = down => {}
        }
    });
    port
}

/// X14: many readers that connect and disconnect, and a slow one, while alerts arrive.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn readers_that_connect_and_disconnect_leave_nothing_behind() {
    let mut soaked = Soaked::start().await;
    let (begun, mut round) = (Instant::now(), 0_u64);
    let mut middle = 0;
    while begun.elapsed() < length() {
        let mut readers = JoinSet::new();
        for number in 0..50_u64 {
            let path = soaked.path.clone();
            readers.spawn(async move {
                let client = Client::connect(&path).await;
                let (_requests, mut replies) = client.begin(head(SUB)).await.replies().await;
                for _ in 0..number * 20 {
                    replies.next().await.expect("another alert");
                }
                if number == 0 {
                    sleep(Duration::from_secs(2)).await;
                }
            });
        }
        for _ in 0..10 {
            soaked.gateway.server.feed(examples::lines().concat().repeat(10));
            sleep(Duration::from_millis(50)).await;
        }
        while let Some(reader) = readers.join_next().await {
            reader.unwrap();
        }
        round += 1;
        if middle == 0 && begun.elapsed() > length() / 2 {
            middle = soaked.gateway.server.resident();
        }
    }
    println!("{round} rounds of 50 readers");
    soaked.rests().await;
    let grown = soaked.gateway.server.resident().saturating_sub(middle);
    assert!(grown < GROWTH / 2, "in the second half memory grew by {grown} bytes");
}
