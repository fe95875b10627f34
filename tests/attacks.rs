//! Attacks on one connection, while a subscriber on another connection must get every alert in
//! time.
//!
//! Each attack is bounded in time. A test passes if the server ends the attacking connection (or,
//! if the attack is no reason to end it, bounds its effect), the server's memory grows by less than
//! [`GROWTH`], and the subscriber is satisfied ([`Witness`]).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::http::Gateway;
use support::raw::{Client, head};
use support::wait::eventually_async;
use support::wire::{self, END_STREAM, frame};
use support::witness::Witness;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

const SUB: &str = "/falco.outputs.service/sub";

/// The memory that an attack may cost, in bytes.
const GROWTH: u64 = 16 << 20;

/// The longest duration of an attack.
const BOUND: Duration = Duration::from_secs(60);

/// Runs `attack` against `gateway` while a [`Witness`] subscribes to it.
async fn witnessed<T>(gateway: &Gateway, attack: impl Future<Output = T>) -> T {
    let mut witness = Witness::beside(gateway).await;
    let outcome = attack.await;
    witness.satisfied().await;
    outcome
}

/// Opens a connection and sends the bytes of `turn` up to `turns` times, `pause` apart. It discards
/// all answers. Returns whether the server ended the connection before that, within [`BOUND`].
async fn is_ended(
    path: &Path,
    mut turn: impl FnMut(u32) -> Vec<u8>,
    turns: u32,
    pause: Option<Duration>,
) -> bool {
    let (mut reading, mut writing) = UnixStream::connect(path).await.unwrap().into_split();
    let attack = async {
        writing.write_all(&wire::opening()).await.unwrap();
        for number in 0..turns {
            if writing.write_all(&turn(number)).await.is_err() {
                break;
            }
            match pause {
                Some(pause) => sleep(pause).await,
                None => tokio::task::yield_now().await,
            }
        }
        // The server may end the connection because of the last bytes.
        sleep(Duration::from_millis(500)).await;
    };
    let ended = async {
        let mut scratch = vec![0; 64 << 10];
        while !matches!(reading.read(&mut scratch).await, Ok(0) | Err(_)) {}
    };
    tokio::select! {
        biased;
        () = ended => true,
        _ = timeout(BOUND, attack) => false,
    }
}

async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.get("/metrics").await.text().await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" 0");
    value.trim().parse().unwrap()
}

async fn sum(gateway: &Gateway, names: Option<&[String; 2]>) -> u64 {
    let mut sum = 0;
    for name in names.into_iter().flatten() {
        sum += metric(gateway, name).await;
    }
    sum
}

/// What ends the connection.
enum By {
    /// One of Falconer's limits, with this name in the metrics. On a busy machine h2 may end the
    /// connection first, because more waits for the server than h2 itself allows.
    Limit(&'static str),
    /// h2 itself.
    Http2,
    /// Nothing: the attack is bounded otherwise.
    Nothing,
}

struct Attack {
    name: &'static str,
    by: By,
    turns: u32,
    /// The time between two turns.
    pause: Option<Duration>,
    turn: Box<dyn FnMut(u32) -> Vec<u8>>,
}

fn attack(
    name: &'static str,
    by: By,
    turns: u32,
    turn: impl FnMut(u32) -> Vec<u8> + 'static,
) -> Attack {
    Attack { name, by, turns, pause: None, turn: Box::new(turn) }
}

/// An attack of 3,000 turns that sends `bytes` a hundred times in each.
fn flood(name: &'static str, by: By, bytes: &[u8]) -> Attack {
    let bytes = bytes.repeat(100);
    attack(name, by, 3_000, move |_| bytes.clone())
}

/// An attack on one call: the first turn starts it with `begun`, and every turn sends `bytes`.
fn in_call(name: &'static str, by: By, turns: u32, begun: Vec<u8>, bytes: &[u8]) -> Attack {
    let bytes = bytes.to_vec();
    attack(name, by, turns, move |turn| match turn {
        0 => [&begun[..], &bytes].concat(),
        _ => bytes.clone(),
    })
}

/// The HTTP/2 stream of a client's call, counted from 0.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn begun_and_reset(number: u32) -> Vec<u8> {
    [wire::headers(stream(number), 0, SUB), wire::reset(stream(number))].concat()
}

/// A turn that sends `each` for a hundred calls.
fn hundreds(mut each: impl FnMut(u32) -> Vec<u8>) -> impl FnMut(u32) -> Vec<u8> {
    move |turn| (0..100).flat_map(|call| each(100 * turn + call)).collect()
}

/// Headers that insert one field of 4 kB into the HPACK table, then refer to it with one byte each.
fn unfolding(number: u32) -> Vec<u8> {
    let insert = [&b"\x40\x01x\x7f\x81\x1e"[..], &[b'y'; 4000]].concat();
    let block = if number == 0 { insert } else { vec![0xbe; 4000] };
    frame(wire::HEADERS, wire::END_HEADERS, stream(number), &block)
}

fn attacks() -> Vec<Attack> {
    use By::{Http2, Limit, Nothing};
    let unknown = |path: &'static str| move |turn| wire::headers(stream(turn), END_STREAM, path);
    let call = || wire::headers(1, 0, SUB);
    let (empty, next) = (frame(wire::DATA, 0, 1, b""), frame(wire::CONTINUATION, 0, 1, &[0x86]));
    let paced = |attack| Attack { pause: Some(Duration::from_millis(1)), ..attack };
    let priority = frame(wire::PRIORITY, 0, 1, &[0, 0, 0, 3, 1]);
    vec![
        attack("resets in a burst", Http2, 20, hundreds(begun_and_reset)),
        paced(attack("resets, paced", Limit("resets"), 3_000, begun_and_reset)),
        attack("too many calls", Http2, 30, hundreds(|n| wire::headers(stream(n), 0, SUB))),
        flood("pings", Limit("pings"), &frame(wire::PING, 0, 0, &[0; 8])),
        flood("settings", Limit("settings"), &frame(wire::SETTINGS, 0, 0, b"")),
        flood("priorities", Limit("priorities"), &priority),
        flood("window updates", Limit("window_updates"), &wire::window_update(0, 1)),
        flood("unknown frames", Limit("unknown_frames"), &frame(0xbe, 0, 0, b"")),
        flood("windows of nothing", Http2, &wire::window_update(0, 0)),
        in_call("empty data", Http2, 10, call(), &empty.repeat(100)),
        in_call("continuations", Http2, 10, frame(wire::HEADERS, 0, 1, &[0x83]), &next.repeat(100)),
        attack("headers that unfold", Http2, 100, unfolding),
        in_call("a message byte by byte", Nothing, 1_000, call(), &frame(wire::DATA, 0, 1, &[0])),
        flood("what is no HTTP/2", Http2, &[0xff; 1000]),
        paced(attack("unknown methods", Nothing, 1_000, unknown("/evil/%1b%5b31m"))),
        attack("paths that are none", Http2, 1_000, unknown("/evil/\u{1b}[31m")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_only_its_own_connection() {
    let gateway = Gateway::start(&[]);
    let path = gateway.server.socket().unwrap();
    // The first connections allocate memory that all later ones reuse.
    witnessed(&gateway, async {}).await;
    for Attack { name, by, turns, pause, turn } in attacks() {
        let counted = match by {
            By::Limit(limit) => Some([
                format!("falconer_connections_cut_total{{limit=\"{limit}\"}}"),
                "falconer_connections_broken_total{code=\"ENHANCE_YOUR_CALM\"}".to_owned(),
            ]),
            By::Http2 | By::Nothing => None,
        };
        let ended_before = sum(&gateway, counted.as_ref()).await;
        let memory = gateway.server.resident();
        let attack = is_ended(&path, turn, turns, pause);
        let ended = witnessed(&gateway, attack).await;
        assert_eq!(ended, !matches!(by, By::Nothing), "{name}");
        let grown = gateway.server.resident().saturating_sub(memory);
        assert!(grown < GROWTH, "{name}: {grown} bytes");
        if counted.is_some() {
            eventually_async(name, async || {
                (sum(&gateway, counted.as_ref()).await == ended_before + 1).then_some(())
            })
            .await;
        }
    }
    // Only the last witness may still have a call.
    let subscribers = "falconer_subscribers{kind=\"grpc\"}";
    eventually_async("calls of connections that ended are gone", async || {
        (metric(&gateway, subscribers).await == 0).then_some(())
    })
    .await;
    let log = gateway.server.log_at_the_end();
    assert!(log.contains("the peer sends too many PING frames"), "{log}");
    assert!(!log.contains("panicked") && !log.contains('\u{1b}'), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_silent_connections_time_out() {
    let gateway = Gateway::start(&[]);
    let path = gateway.server.socket().unwrap();
    let attack = async {
        let mut silent = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for number in 0..1000 {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            silent.spawn(async move {
                let preface = wire::opening();
                // Some send nothing at all, some stop in the middle of the preface.
                stream.write_all(&preface[..number % 24]).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            });
        }
        while silent.join_next().await.is_some() {}
        begun.elapsed()
    };
    let elapsed =
        witnessed(&gateway, timeout(BOUND, attack)).await.expect("the server ends all of them");
    assert!(elapsed > Duration::from_secs(9), "ended before their timeout: {elapsed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_accepting_pauses_and_resumes() {
    let gateway = Gateway::start(&[]);
    let path = gateway.server.socket().unwrap();
    let limit = format!("--nofile={0}:{0}", gateway.server.open_files() + 20);
    let pid = format!("--pid={}", gateway.server.id());
    assert!(Command::new("prlimit").args([&pid, &limit]).status().unwrap().success());
    let starving = async {
        let mut held = Vec::new();
        for _ in 0..100 {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(&wire::opening()).await.unwrap();
            held.push(stream);
        }
        sleep(Duration::from_secs(3)).await;
        held
    };
    // The server still serves the connections that it has.
    let held = witnessed(&gateway, starving).await;
    let before = gateway.server.cpu();
    sleep(Duration::from_secs(2)).await;
    let spent = gateway.server.cpu() - before;
    assert!(spent < Duration::from_millis(100), "the server spins: {spent:?} of CPU in 2 s");
    drop(held);
    let client = timeout(BOUND, Client::connect(&path)).await.unwrap();
    let (_requests, _replies) = client.begin(head(SUB)).await.replies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_browsers_do_not_disturb_subscribers() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let gateway = Gateway::start(&[]);
    let (memory, address) = (gateway.server.resident(), gateway.address);
    let attack = async {
        let mut browsers = Vec::new();
        for _ in 0..1000 {
            let mut browser = TcpStream::connect(address).await.unwrap();
            let request = "GET /api/v1/events/stream?batch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
            browser.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            timeout(BOUND, browser.read_exact(&mut head)).await.unwrap().unwrap();
            assert_eq!(&head, b"HTTP/1.1 200");
            browsers.push(browser);
        }
        sleep(Duration::from_secs(2)).await;
        browsers
    };
    // None of them reads its stream.
    let browsers = witnessed(&gateway, attack).await;
    let each = gateway.server.resident().saturating_sub(memory) / 1000;
    assert!(each < 128 << 10, "{each} bytes each");
    let streams = "falconer_subscribers{kind=\"sse\"}";
    assert_eq!(metric(&gateway, streams).await, 1000);
    drop(browsers);
    eventually_async("streams of browsers that left are gone", async || {
        (metric(&gateway, streams).await == 0).then_some(())
    })
    .await;
}
