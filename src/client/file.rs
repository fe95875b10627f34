//! Reads the alerts of a file or of standard input as the server reads them: records by the
//! boundaries of JSON ([`crate::ingest::records`]), taken out of what wraps them
//! ([`crate::envelope`]). A file compressed with gzip, as rotation leaves it, is decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use crate::envelope::Envelopes;
use crate::event::{self, Record, Reject};
use crate::ingest::records::{Records, Sink};
use crate::ingest::{Line, Lines, Outcome};

/// The first bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a file, or standard input if the path is `-`.
///
/// # Errors
/// If it cannot be opened or read.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        decompressed(io::stdin().lock())
    } else {
        decompressed(file(path)?)
    }
}

/// Returns whether the file at `path` is compressed. A file that cannot be read is not. Opening a FIFO
/// would wait for its writer.
pub(super) fn is_compressed(path: &Path) -> bool {
    let begins = |mut file: BufReader<File>| Ok(file.fill_buf()?.starts_with(&GZIP));
    path.is_file() && file(path).and_then(begins).unwrap_or(false)
}

fn file(path: &Path) -> io::Result<BufReader<File>> {
    File::open(path).map(BufReader::new)
}

fn decompressed(mut source: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(match source.fill_buf()?.starts_with(&GZIP) {
        true => Box::new(MultiGzDecoder::new(source)),
        false => Box::new(source),
    })
}

/// Finds the alerts in the bytes of one source.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    lines: Lines,
    records: Records,
    envelopes: Envelopes,
    outcome: Outcome,
}

impl Alerts {
    /// Takes the next bytes, and passes the JSON line of each alert that ends in them to `each`.
    pub(super) fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(&[u8])) {
        let Self { lines, records, envelopes, outcome } = self;
        let mut taker = Taker { envelopes, outcome, each };
        lines.push(chunk, |line| taker.line(records, line));
    }

    /// Ends a file. Its last line may have no line end.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        let Self { lines, records, envelopes, outcome } = self;
        let mut taker = Taker { envelopes, outcome, each };
        lines.end(|line| taker.line(records, line));
        records.end(&mut taker);
        envelopes.end();
        outcome.cut(envelopes.given_up());
    }

    /// Returns how many records were alerts so far.
    pub(super) fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

struct Taker<'a> {
    envelopes: &'a mut Envelopes,
    outcome: &'a mut Outcome,
    each: &'a mut dyn FnMut(&[u8]),
}

impl Taker<'_> {
    fn line(&mut self, records: &mut Records, line: Line<'_>) {
        match line {
            Line::Whole(line) => records.line(line, self),
            Line::TooLong => self.outcome.reject(&Reject::TooLarge, b""),
        }
    }
}

impl Sink for Taker<'_> {
    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        let Self { envelopes, outcome, each } = self;
        let now = || -> ZonedDateTime { Timestamp::now().to_zoned_datetime(TimeZone::UTC) };
        let read = envelopes.read(record, &now, |Record { event, line, .. }, beside| {
            outcome.accept();
            let host = beside.hostname.as_deref().filter(|_| event.hostname.is_none());
            each(event::with_hostname(line, host.unwrap_or_default()).as_bytes());
        });
        // A part of an alert waits for its other parts.
        read.map(drop)
    }

    fn reject(&mut self, reject: &Reject, record: &[u8]) {
        self.outcome.reject(reject, record);
    }
}
