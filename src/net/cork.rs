//! Writes gathered: what HTTP/2 has to write in one go leaves in one write.
//!
//! h2 writes each frame by itself, 16 KiB of data with most peers; a reader that is behind gets
//! dozens at once, and most of a delivery's cost is the kernel's for each write.
//!
//! 1. [`Corked`] takes writes into a buffer of at most [`HELD`]; only when that is full does it
//!    write, and so only then does HTTP/2 wait for the peer.
//! 2. A flush does nothing, because h2 flushes after each frame. The task that polls the connection
//!    writes out what is held whenever the connection has nothing more to do ([`drive`]).
//! 3. A peer that takes nothing for [`STALL`] is given up: HTTP/2's pings end its streams, but wait
//!    for ever to be written themselves.
//! 4. What was written last has to arrive: a connection that has ended is closed only when the peer
//!    has read to the end and left, or took [`LINGER`] over it ([`linger`]).
//! 5. When nothing was written for as long as is given, a PING is, between two frames of HTTP/2's.
//!    HTTP/2 forgets the answer, which it did not ask for.
//! 6. At the end, trailers wait for an RST_STREAM that follows them: two tasks make them, and some
//!    clients must have both at once ([`super::parting`]).
//! 7. An empty buffer is given back: an idle connection holds none.

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

/// How many bytes are held back at most: what a peer that does not read costs beyond its socket's
/// buffers. More gains nothing that could be measured.
const HELD: usize = 64 << 10;

/// How long a peer may leave everything unread that was written to it. Longer than an idle one has
/// to answer a ping, which it could not be sent.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// How long a peer may take to read what was written last.
const LINGER: Duration = Duration::from_secs(2);

/// How long trailers wait at the end for what follows them.
const TOGETHER: Duration = Duration::from_millis(10);

/// A PING (RFC 9113, section 6.7), with something in it that HTTP/2 does not use for its own.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0falconer";

/// The connection's side: give it to HTTP/2.
#[derive(Debug)]
pub(super) struct Corked<T>(Arc<Mutex<Held<T>>>);

/// The other side of [`Corked`].
#[derive(Debug)]
pub(super) struct Cork<T>(Arc<Mutex<Held<T>>>);

#[derive(Debug)]
struct Held<T> {
    io: T,
    bytes: BytesMut,
    /// Bytes written in all.
    written: u64,
    /// When the last of them was, or the connection began.
    last: Instant,
    /// How long nothing may be written.
    quiet: Duration,
    sent: Sent,
    /// Cancelled when calls have to end.
    ending: CancellationToken,
    /// Other PINGs that are wanted.
    echo: Arc<Echo>,
}

/// Gathers what is written to `io`, as `sent` follows it; nothing is written for at most `quiet`.
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

    /// Takes what there is room for; waits for the peer only when there is none.
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

    /// Writes a PING if everything is written and that was long enough ago. `due` is when to look
    /// again.
    fn poll_ping(
        &mut self,
        context: &mut Context<'_>,
        mut due: Pin<&mut Sleep>,
    ) -> Poll<io::Result<()>> {
        while due.as_mut().poll(context).is_ready() {
            // HTTP/2 begins, and it may have a frame to finish.
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

/// Polls `connection`, and after each time writes out what it wrote.
///
/// # Errors
/// The connection's own; when what it wrote cannot be written, or nothing of it for [`STALL`].
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

/// Waits until nothing has been written for so long.
pub(super) async fn quiet_for<T>(cork: &Cork<T>, pause: Duration) {
    loop {
        let until = {
            let held = lock(&cork.0);
            // What is held is about to be written.
            if held.bytes.is_empty() { held.last + pause } else { Instant::now() + pause }
        };
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// Waits until the peer has left after everything was written; what it still sends is forgotten.
///
/// A socket that is closed while the peer writes, if only a WINDOW_UPDATE, is broken to it (EPIPE,
/// or RST over TCP), and what it had not read yet is lost: alerts, and the status of its calls.
pub(super) async fn linger<T: AsyncRead + AsyncWrite + Unpin>(cork: &Cork<T>) {
    let gone = std::future::poll_fn(|context| {
        let mut held = lock(&cork.0);
        // Done before, as a rule; a second time does no harm.
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
    // Slower ones lose the rest, as they would to a server that does not wait.
    let _ = timeout(LINGER, gone).await;
}

/// Bytes that the peer has not taken.
struct Stalled {
    /// [`Held::written`] when it began.
    written: u64,
    too_long: Pin<Box<Sleep>>,
}

impl Stalled {
    fn now(written: u64) -> Self {
        Self { written, too_long: Box::pin(sleep(STALL)) }
    }
}

fn lock<T>(held: &Mutex<Held<T>>) -> MutexGuard<'_, Held<T>> {
    // Only the connection's own task comes here, and what is in it is whole at any time.
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

    /// Notes the length of each write, and takes `room` bytes in all.
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

    /// Drives a connection that writes and flushes `count` pieces and then waits; how many of them
    /// it got rid of, and what was written for them.
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
    async fn what_is_written_in_one_go_leaves_in_one_write() {
        assert_eq!(writing(3, 16 << 10, usize::MAX), (3, vec![48 << 10]));
        assert_eq!(writing(5, 16 << 10, usize::MAX), (5, vec![HELD, 16 << 10]));
        assert_eq!(writing(0, 0, usize::MAX), (0, vec![]));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_waited_for() {
        assert_eq!(writing(1000, 1 << 10, 0), (HELD >> 10, vec![]));
        assert_eq!(writing(1000, 1 << 10, 10), (HELD >> 10, vec![10]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_in_time_and_one_that_takes_little_is_not() {
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
    fn nothing_is_held_when_everything_is_written() {
        let (mut io, cork) = cork(Peer { writes: Vec::new(), room: usize::MAX });
        let context = &mut Context::from_waker(Waker::noop());
        let bytes = [0; 1000];
        assert!(std::pin::pin!(io.write_all(&bytes)).poll(context).is_ready());
        assert!(lock(&cork.0).bytes.capacity() >= 1000);
        assert!(lock(&cork.0).poll_write_out(context).is_ready());
        assert_eq!(lock(&cork.0).bytes.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_still_writes_is_waited_for_until_it_has_left() {
        let (mut peer, ours) = tokio::io::duplex(64);
        let (corked, cork) = cork(ours);
        let lingering = tokio::spawn(async move {
            linger(&cork).await;
            drop(corked);
        });
        tokio::task::yield_now().await;
        peer.write_all(b"WINDOW_UPDATE").await.expect("nothing is broken");
        tokio::task::yield_now().await;
        assert!(!lingering.is_finished());
        drop(peer);
        lingering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_leaves_is_not_waited_for_for_ever() {
        let (peer, ours) = tokio::io::duplex(64);
        let (_corked, cork) = cork(ours);
        let begun = tokio::time::Instant::now();
        linger(&cork).await;
        assert_eq!(begun.elapsed(), LINGER);
        drop(peer);
    }
}
