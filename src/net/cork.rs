//! Gathers the writes of HTTP/2 frames into one write to the socket.
//!
//! h2 writes each frame by itself, 16 KiB of data with most peers. A reader that lags gets dozens
//! of frames at once, and most of the cost of a delivery is the kernel's cost of each write.
//!
//! 1. [`Corked`] buffers at most [`HELD`] bytes. It writes when the buffer is full, and only then
//!    does HTTP/2 wait for the peer.
//! 2. A flush does nothing, because h2 flushes after each frame. The task that polls the connection
//!    writes the buffer whenever the connection has nothing more to do ([`drive`]).
//! 3. The connection of a peer that reads nothing for [`STALL`] ends. hyper's keep-alive ends only
//!    the streams of such a peer, because it waits without limit to write its PING.
//! 4. After the last write the socket stays open until the peer has read everything and closed, for
//!    [`LINGER`] at most ([`linger`]).
//! 5. After a configured time without a write, a PING is written between two frames of h2. h2
//!    ignores the answer to a PING that it did not send.
//! 6. At shutdown, trailers wait for the RST_STREAM that follows them. Two tasks write them, and
//!    some clients need both at once ([`super::parting`]).
//! 7. An empty buffer is freed, so an idle connection holds none.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::echo::Echo;
use super::sent::Sent;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most bytes in the buffer. A peer that does not read costs this memory and its socket's
/// buffers. A larger buffer gave no measurable gain.
const HELD: usize = 64 << 10;

/// How long a peer may read nothing of what is written to it. This is longer than hyper's
/// keep-alive, which cannot send its PING to such a peer.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// How long a peer may take to read the last bytes and close.
const LINGER: Duration = Duration::from_secs(2);

/// How long trailers wait at shutdown for the RST_STREAM that follows them.
const TOGETHER: Duration = Duration::from_millis(10);

/// A PING (RFC 9113, section 6.7) with a payload that h2 does not use for its own PINGs.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0falconer";

/// The side for h2 to read and write.
#[derive(Debug)]
pub(super) struct Corked<T>(Arc<Mutex<Held<T>>>);

/// The side for [`drive`], which writes what [`Corked`] buffered.
#[derive(Debug)]
pub(super) struct Cork<T>(Arc<Mutex<Held<T>>>);

#[derive(Debug)]
struct Held<T> {
    io: T,
    bytes: BytesMut,
    /// The number of bytes written to the socket.
    written: u64,
    /// The time of the last write, or of the connection's beginning.
    last: Instant,
    /// The time without a write after which a PING is due.
    quiet: Duration,
    sent: Sent,
    /// Cancelled when calls have to end.
    ending: CancellationToken,
    /// PINGs that [`super::parting`] requests.
    echo: Arc<Echo>,
}

/// Gathers the writes to `io`, which `sent` observes. After `quiet` without a write a PING is due.
pub(super) fn cork<T>(
    io: T,
    sent: Sent,
    quiet: Duration,
    ending: CancellationToken,
    echo: Arc<Echo>,
) -> (Corked<T>, Cork<T>) {
    let (bytes, written, last) = (BytesMut::new(), 0, Instant::now());
    let held = Arc::new(Mutex::new(Held { io, bytes, written, last, quiet, sent, ending, echo }));
    (Corked(held.clone()), Cork(held))
}

impl<T: AsyncWrite + Unpin> Held<T> {
    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.bytes.is_empty() {
            self.last = Instant::now();
        }
        while !self.bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.advance(written);
            self.written += written as u64;
        }
        self.bytes = BytesMut::new();
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Buffers as many bytes as fit. Waits for the peer only if the buffer is full.
    fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.bytes.len() >= HELD {
            ready!(self.poll_write_out(context))?;
        }
        let before = self.bytes.len();
        for slice in slices {
            let room = HELD - self.bytes.len();
            self.bytes.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        self.sent.follow(self.bytes.get(before..).unwrap_or_default());
        Poll::Ready(Ok(self.bytes.len() - before))
    }

    /// Writes a PING if the last write is at least `quiet` ago, or if one is requested. Called with
    /// an empty buffer. `due` is the timer of the next check.
    fn poll_ping(
        &mut self,
        context: &mut Context<'_>,
        mut due: Pin<&mut Sleep>,
    ) -> Poll<io::Result<()>> {
        while due.as_mut().poll(context).is_ready() {
            // The server's first bytes are h2's, and h2 may be in the middle of a frame.
            let may = self.written > 0 && self.sent.is_between_frames();
            if self.last.elapsed() < self.quiet {
                due.as_mut().reset(self.last + self.quiet);
                continue;
            }
            due.as_mut().reset(Instant::now() + self.quiet);
            if may {
                self.bytes.extend_from_slice(PING);
                ready!(self.poll_write_out(context))?;
            }
        }
        if self.sent.is_between_frames()
            && self.written > 0
            && let Some(ping) = self.echo.due(context)
        {
            self.bytes.extend_from_slice(&ping);
            ready!(self.poll_write_out(context))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Polls `connection`, and writes the buffer to the socket after each poll.
///
/// # Errors
/// The errors of the connection; if a write fails, or writes nothing for [`STALL`].
pub(super) async fn drive<T, F, E>(
    cork: &Cork<T>,
    mut connection: Pin<&mut F>,
) -> Result<(), BoxError>
where
    T: AsyncWrite + Unpin,
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let mut stalled: Option<Stalled> = None;
    let due = {
        let held = lock(&cork.0);
        sleep_until(held.last + held.quiet)
    };
    let mut due = Box::pin(due);
    let mut gathering: Option<Pin<Box<Sleep>>> = None;
    std::future::poll_fn(|context| {
        let ended = connection.as_mut().poll(context).map_err(Into::into);
        if ended.is_ready() {
            return ended;
        }
        let mut held = lock(&cork.0);
        if !held.bytes.is_empty() && held.sent.ends_call() && held.ending.is_cancelled() {
            let gathering = gathering.get_or_insert_with(|| Box::pin(sleep(TOGETHER)));
            ready!(gathering.as_mut().poll(context));
        }
        gathering = None;
        let written = match held.poll_write_out(context) {
            Poll::Ready(Ok(())) => held.poll_ping(context, due.as_mut()),
            other => other,
        };
        match written {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) => stalled = None,
            Poll::Pending => {
                let since = stalled.take().filter(|since| since.written == held.written);
                let since = stalled.insert(since.unwrap_or_else(|| Stalled::now(held.written)));
                ready!(since.too_long.as_mut().poll(context));
                return Poll::Ready(Err("the peer does not read".into()));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until nothing has been written for `pause`.
pub(super) async fn quiet_for<T>(cork: &Cork<T>, pause: Duration) {
    loop {
        let until = {
            let held = lock(&cork.0);
            // Bytes in the buffer are about to be written.
            if held.bytes.is_empty() { held.last + pause } else { Instant::now() + pause }
        };
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// Closes the write side, and waits until the peer has closed too. Discards what it still sends.
///
/// If the socket closed at once and the peer wrote, even a WINDOW_UPDATE, the peer would get an
/// error (EPIPE, or RST over TCP) and lose what it has not read: alerts, and the status of calls.
pub(super) async fn linger<T: AsyncRead + AsyncWrite + Unpin>(cork: &Cork<T>) {
    let gone = std::future::poll_fn(|context| {
        let mut held = lock(&cork.0);
        // h2 usually has shut it down already. Doing it twice is harmless.
        if ready!(Pin::new(&mut held.io).poll_shutdown(context)).is_err() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut held.io).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    });
    // A slower peer loses the rest, as it would with a server that does not wait.
    let _ = timeout(LINGER, gone).await;
}

/// A time in which the peer reads nothing.
struct Stalled {
    /// [`Held::written`] at its start.
    written: u64,
    too_long: Pin<Box<Sleep>>,
}

impl Stalled {
    fn now(written: u64) -> Self {
        Self { written, too_long: Box::pin(sleep(STALL)) }
    }
}

fn lock<T>(held: &Mutex<Held<T>>) -> MutexGuard<'_, Held<T>> {
    // Only the connection's task locks it, and no panic leaves it inconsistent.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: AsyncRead + Unpin> AsyncRead for Corked<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Corked<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_take(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_take(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        ready!(held.poll_write_out(context))?;
        Pin::new(&mut held.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Peer as Who;
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;

    const QUIET: Duration = Duration::from_secs(30);

    fn cork<T>(io: T) -> (Corked<T>, Cork<T>) {
        let sent = Sent::to(Who::Unix { uid: None, pid: None }, Arc::default());
        super::cork(io, sent, QUIET, CancellationToken::new(), Arc::default())
    }

    /// Records the length of each write, and accepts `room` bytes in all.
    struct Peer {
        writes: Vec<usize>,
        room: usize,
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.writes.push(taken);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Drives a connection that writes and flushes `count` pieces and then waits. Returns how many
    /// pieces it wrote, and the lengths of the writes to the peer.
    fn writing(count: usize, piece: usize, room: usize) -> (usize, Vec<usize>) {
        let (mut io, cork) = cork(Peer { writes: Vec::new(), room });
        let done = Cell::new(0);
        let connection = async {
            while done.get() < count {
                io.write_all(&vec![0; piece]).await.unwrap();
                io.flush().await.unwrap();
                done.set(done.get() + 1);
            }
            std::future::pending::<Result<(), Infallible>>().await
        };
        let connection = std::pin::pin!(connection);
        let driving = std::pin::pin!(drive(&cork, connection));
        assert!(driving.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let writes = std::mem::take(&mut lock(&cork.0).io.writes);
        (done.get(), writes)
    }

    #[tokio::test]
    async fn several_writes_are_gathered_into_one() {
        assert_eq!(writing(3, 16 << 10, usize::MAX), (3, vec![48 << 10]));
        assert_eq!(writing(5, 16 << 10, usize::MAX), (5, vec![HELD, 16 << 10]));
        assert_eq!(writing(0, 0, usize::MAX), (0, vec![]));
    }

    #[tokio::test]
    async fn a_full_buffer_waits_for_the_peer() {
        assert_eq!(writing(1000, 1 << 10, 0), (HELD >> 10, vec![]));
        assert_eq!(writing(1000, 1 << 10, 10), (HELD >> 10, vec![10]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_times_out_and_a_slow_one_does_not() {
        use tokio::io::AsyncReadExt as _;
        let (ours, mut peer) = tokio::io::duplex(1);
        let (mut io, cork) = cork(ours);
        let connection = async {
            io.write_all(&[0; 10]).await.unwrap();
            std::future::pending::<Result<(), Infallible>>().await
        };
        let reading = async {
            for _ in 0..5 {
                sleep(STALL - Duration::from_secs(1)).await;
                peer.read_u8().await.unwrap();
            }
            std::future::pending().await
        };
        let start = tokio::time::Instant::now();
        let connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = drive(&cork, connection) => ended,
            () = reading => Ok(()),
        };
        assert_eq!(ended.unwrap_err().to_string(), "the peer does not read");
        let seconds = start.elapsed().as_secs();
        assert_eq!(seconds, 5 * (STALL.as_secs() - 1) + STALL.as_secs());
    }

    #[test]
    fn an_empty_buffer_is_freed() {
        let (mut io, cork) = cork(Peer { writes: Vec::new(), room: usize::MAX });
        let context = &mut Context::from_waker(Waker::noop());
        let bytes = [0; 1000];
        assert!(std::pin::pin!(io.write_all(&bytes)).poll(context).is_ready());
        assert!(lock(&cork.0).bytes.capacity() >= 1000);
        assert!(lock(&cork.0).poll_write_out(context).is_ready());
        assert_eq!(lock(&cork.0).bytes.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn linger_waits_until_a_peer_that_still_writes_has_closed() {
        let (mut peer, ours) = tokio::io::duplex(64);
        let (corked, cork) = cork(ours);
        let lingering = tokio::spawn(async move {
            linger(&cork).await;
            drop(corked);
        });
        tokio::task::yield_now().await;
        peer.write_all(b"WINDOW_UPDATE").await.expect("the connection is still open");
        tokio::task::yield_now().await;
        assert!(!lingering.is_finished());
        drop(peer);
        lingering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn linger_has_a_timeout() {
        let (peer, ours) = tokio::io::duplex(64);
        let (_corked, cork) = cork(ours);
        let begun = tokio::time::Instant::now();
        linger(&cork).await;
        assert_eq!(begun.elapsed(), LINGER);
        drop(peer);
    }
}
