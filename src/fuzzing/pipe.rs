//! A connection in memory, with a script at one end.
//!
//! The server's end ([`End`]) limits the size of each read, and how much may be written. The
//! script's end ([`Pipe`]) never waits: it feeds bytes, allows writes, and takes the written bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The script's end.
#[derive(Debug, Clone)]
pub(super) struct Pipe(Arc<Mutex<State>>);

/// The server's end.
#[derive(Debug)]
pub(super) struct End(Pipe);

#[derive(Debug)]
struct State {
    unread: BytesMut,
    /// Whether the script has ended the stream.
    over: bool,
    read_size: usize,
    /// Whether every other read is pending first.
    stutters: bool,
    stuttered: bool,
    written: Vec<u8>,
    room: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Returns both ends. A read returns at most `read_size` bytes.
pub(super) fn pipe(read_size: usize, stutters: bool) -> (Pipe, End) {
    let pipe = Pipe(Arc::new(Mutex::new(State {
        unread: BytesMut::new(),
        over: false,
        read_size,
        stutters,
        stuttered: false,
        written: Vec::new(),
        room: usize::MAX,
        reader: None,
        writer: None,
    })));
    (pipe.clone(), End(pipe))
}

impl Pipe {
    pub(super) fn feed(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.unread.extend_from_slice(bytes);
        wake(&mut state.reader);
    }

    /// Ends the stream that the server reads.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.over = true;
        wake(&mut state.reader);
    }

    /// Lets the server write `room` more bytes.
    pub(super) fn allow(&self, room: usize) {
        let mut state = self.state();
        state.room = room;
        wake(&mut state.writer);
    }

    /// Returns the bytes that the server has written since the last call.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().written)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.stutters && !std::mem::replace(&mut state.stuttered, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.stuttered = false;
        if state.unread.is_empty() && !state.over {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = state.read_size.min(state.unread.len()).min(buffer.remaining());
        buffer.put_slice(&state.unread[..length]);
        state.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        let length = bytes.len().min(state.room);
        if length == 0 && !bytes.is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.room -= length;
        state.written.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
