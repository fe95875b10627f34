//! Runs every seed of `tests/corpora/` through the oracle of its fuzz target. Each target has a
//! folder, and each seed a file.
//!
//! The seeds are those that make a fuzz target useful within a minute, and the inputs that failed
//! once. A panic that the server catches fails the test, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Once;

use falconer::fuzzing;
use fluke_hpack::Decoder;

thread_local! {
    /// Per thread, because each runtime here runs on the thread of its test.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Checks each seed of `target`. Fails if there is none.
fn replay(target: &str, check: impl Fn(&[u8])) {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            tell(panic);
        }));
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(target);
    let mut seeds: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    for seed in seeds {
        // The test prints this line if it fails.
        println!("{}", seed.display());
        let before = PANICS.get();
        check(&fs::read(&seed).unwrap());
        assert_eq!(PANICS.get(), before, "something panicked");
    }
}

/// Like [`replay`], for targets that need a clock.
fn replay_paused<F: Future<Output = ()>>(target: &str, check: impl Fn(Vec<u8>) -> F) {
    replay(target, |seed| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(seed.to_vec()));
    });
}

#[test]
fn h2_server_raw() {
    replay_paused("h2_server_raw", |seed| async move { fuzzing::h2_server_raw(&seed).await });
}

#[test]
fn h2_structured() {
    replay_paused("h2_structured", |seed| async move {
        let mut decoder = Decoder::new();
        let mut hpack = |block: &[u8]| decoder.decode(block).unwrap();
        fuzzing::h2_structured(&seed, &mut hpack).await;
    });
}

#[test]
fn grpc_frame_decode() {
    replay("grpc_frame_decode", fuzzing::grpc_frame_decode);
}

#[test]
fn frame_meter() {
    replay("frame_meter", fuzzing::metered);
}

#[test]
fn grpc_timeout() {
    replay("grpc_timeout", fuzzing::grpc_timeout);
}

#[test]
fn grpc_message() {
    replay("grpc_message", fuzzing::grpc_message);
}

#[test]
fn request_head() {
    replay_paused("request_head", |seed| async move { fuzzing::request_head(&seed).await });
}

#[test]
fn reflection_stream() {
    replay_paused("reflection_stream", |seed| async move {
        fuzzing::reflection_stream(&seed).await;
    });
}

#[test]
fn pem_load() {
    replay("pem_load", fuzzing::pem_load);
}

#[test]
fn gateway_request() {
    replay_paused("gateway_request", |seed| async move { fuzzing::gateway_request(&seed).await });
}

#[test]
fn records() {
    replay("records", fuzzing::records);
}

#[test]
fn envelope() {
    replay("envelope", fuzzing::envelope);
}

#[test]
fn sse_encode() {
    replay_paused("sse_encode", |seed| async move { fuzzing::sse_encode(&seed).await });
}

/// Like [`replay`], for targets whose input is always text.
fn replay_text(target: &str, check: impl Fn(&str)) {
    replay(target, |seed| check(std::str::from_utf8(seed).unwrap()));
}

#[test]
fn falco_line() {
    replay("falco_line", fuzzing::falco_line);
}

#[test]
fn filter() {
    replay_text("filter", fuzzing::filter_text);
}

#[test]
fn config_text() {
    replay_text("config_text", fuzzing::config_text);
}

#[test]
fn authority_repair() {
    replay("authority_repair", fuzzing::authority_repair);
}

/// The server accepts only certificates that nobody has changed.
#[test]
fn legacy_certificate() {
    let legacy = fuzzing::Legacy::default();
    let accepted = Cell::new(0);
    replay("legacy_certificate", |seed| {
        accepted.set(accepted.get() + usize::from(legacy.read(seed)));
    });
    assert_eq!(accepted.get(), 1);
}
