//! Reads HTTP/2's connection preface (RFC 9113, section 3.4) before hyper does. The caller can then
//! apply a timeout, which hyper does not have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The first bytes that a client sends.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads the preface, and returns a stream that begins with the preface again.
///
/// # Errors
/// If the peer disconnects, or sends something else.
pub(super) async fn expect<T: AsyncRead + Unpin>(mut io: T) -> io::Result<Prefaced<T>> {
    let mut found = [0; PREFACE.len()];
    io.read_exact(&mut found).await?;
    if found != *PREFACE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer does not speak HTTP/2; connect with a gRPC client, or use the HTTP gateway",
        ));
    }
    Ok(Prefaced { unread: PREFACE, io })
}

/// A connection whose preface is verified, and is given to the reader again.
#[derive(Debug)]
pub(super) struct Prefaced<T> {
    unread: &'static [u8],
    io: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefaced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(self.unread.get(..length).unwrap_or_default());
        self.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefaced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
