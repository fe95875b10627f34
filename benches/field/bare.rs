//! The limits of the machine: the same bytes on the same kind of socket, without a server around
//! them.
//!
//! - `bare-each` writes every alert's frame separately, `bare-64KiB` writes blocks of 64 KiB. No
//!   server with an input and flow control can be faster than the second.
//! - `canned-h2` writes an HTTP/2 stream that was made in advance, in large blocks and without flow
//!   control. It is the fastest possible server, and so shows the load generator's maximum.
//!
//! Each connection gets the given number of alerts and is closed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::alerts::{Alerts, CORPUS};
use super::socket::Address;

/// The size of a write of `bare-64KiB`.
const BLOCK: usize = 64 << 10;

/// The size of a write of `canned-h2`.
const LARGE_BLOCK: usize = 1 << 20;

/// HTTP/2's default limit of a DATA frame.
const MAX_DATA: usize = 16 << 10;

/// Frame types and flags of HTTP/2 (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200`, from HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

/// The way of writing the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Each,
    Blocks,
    Canned,
}

/// Runs the role. The arguments are the address and the number of alerts for a connection.
pub(crate) fn run(way: Way, arguments: &[String]) {
    let Address::Unix(path) = Address::parse(&arguments[0]) else { panic!("unix sockets only") };
    let alerts = Alerts::new();
    let count: usize = arguments[1].parse().unwrap();
    let mut content = Vec::new();
    while content.len() < usize::try_from(alerts.frame_bytes(count as u64)).unwrap() {
        content.extend_from_slice(alerts.frames());
    }
    content.truncate(usize::try_from(alerts.frame_bytes(count as u64)).unwrap());
    if way == Way::Canned {
        content = as_http2(&content);
    }
    for connection in UnixListener::bind(path).unwrap().incoming() {
        // A reader may leave early.
        let _ = write(connection.unwrap(), way, &alerts, &content);
    }
}

fn write(
    mut connection: UnixStream,
    way: Way,
    alerts: &Alerts,
    content: &[u8],
) -> std::io::Result<()> {
    match way {
        Way::Each => {
            let ends = alerts.frame_ends();
            let mut rest = content;
            for number in (0..CORPUS).cycle() {
                if rest.is_empty() {
                    break;
                }
                let start = number.checked_sub(1).map_or(0, |before| ends[before]);
                let (frame, after) = rest.split_at(ends[number] - start);
                connection.write_all(frame)?;
                rest = after;
            }
        }
        Way::Blocks => {
            for block in content.chunks(BLOCK) {
                connection.write_all(block)?;
            }
        }
        Way::Canned => {
            // Read the client's preface, settings and request, which may come in several reads.
            let mut request = vec![0; 64 << 10];
            let mut length = 0;
            while !request[..length].windows(5).any(|bytes| bytes == [HEADERS, 4, 0, 0, 0]) {
                length += match connection.read(&mut request[length..])? {
                    0 => return Ok(()),
                    read => read,
                };
            }
            // Read and discard what the client sends later, so that it is never blocked.
            let mut incoming = connection.try_clone()?;
            thread::spawn(move || {
                let mut forgotten = vec![0; 64 << 10];
                while incoming.read(&mut forgotten).is_ok_and(|read| read > 0) {}
            });
            for block in content.chunks(LARGE_BLOCK) {
                connection.write_all(block)?;
            }
        }
    }
    Ok(())
}

fn as_http2(content: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(content.len() + content.len() / 1000);
    frame(SETTINGS, 0, 0, &[], &mut stream);
    frame(SETTINGS, ACK, 0, &[], &mut stream);
    frame(HEADERS, END_HEADERS, 1, STATUS_200, &mut stream);
    for data in content.chunks(MAX_DATA) {
        frame(DATA, 0, 1, data, &mut stream);
    }
    frame(DATA, END_STREAM, 1, &[], &mut stream);
    stream
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
