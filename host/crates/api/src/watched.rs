//! A connection whose client has to read: one that takes nothing, or next to nothing, of what is there for it is let
//! go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::places::Stall;

/// The least that a client must read each time, or the whole answer.
const LEAST: usize = 32 << 10;

/// A stream of bytes with a limit to how long what is written to it waits.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    time: Duration,
    /// Since when something waits, and how much was taken since.
    waits: Option<Waits>,
    stall: Arc<Stall>,
}

#[derive(Debug)]
struct Waits {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> Watched<S> {
    /// Lets go of a client that reads less than [`LEAST`] bytes in this time while there are more.
    pub(crate) fn new(stream: S, time: Duration, stall: Arc<Stall>) -> Self {
        Self { stream, time, waits: None, stall }
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(written)) => {
                self.stall.end();
                if let Some(waits) = &mut self.waits {
                    waits.taken += written;
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.stall.begin();
                let time = self.time;
                let begin = || Waits { until: Box::pin(tokio::time::sleep(time)), taken: 0 };
                let waits = self.waits.get_or_insert_with(begin);
                while waits.until.as_mut().poll(context).is_ready() {
                    if waits.taken < LEAST {
                        let told = format!("it did not read its answer for {time:?}");
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, told)));
                    }
                    waits.taken = 0;
                    waits.until.as_mut().reset(Instant::now() + time);
                }
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Whoever writes flushes once all of it is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.waits = None;
        self.stall.end();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const TIME: Duration = Duration::from_millis(500);

    /// Writes so much to a client that reads so much now and then.
    async fn write(much: usize, read: usize) -> io::Result<()> {
        let (mut client, stream) = duplex(1024);
        let mut stream = Watched::new(stream, TIME, Arc::default());
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; read];
            loop {
                tokio::time::sleep(TIME / 20).await;
                if client.read_exact(&mut buffer).await.is_err() {
                    break;
                }
            }
        });
        let written = async {
            stream.write_all(&vec![0; much]).await?;
            stream.flush().await
        };
        let written = written.await;
        drop(stream);
        reader.abort();
        written
    }

    #[tokio::test]
    async fn who_reads_nothing_is_let_go_and_who_reads_slowly_is_not() {
        let nothing = write(1 << 20, 0).await.unwrap_err();
        assert_eq!(nothing.to_string(), "it did not read its answer for 500ms");
        let next_to_nothing = write(1 << 20, 100).await;
        assert_eq!(next_to_nothing.unwrap_err().kind(), io::ErrorKind::TimedOut);
        write(1 << 20, LEAST).await.unwrap();
        write(1000, 0).await.unwrap();
    }

    #[tokio::test]
    async fn the_time_begins_anew_with_each_answer() {
        let (mut client, stream) = duplex(1024);
        let mut stream = Watched::new(stream, TIME, Arc::default());
        for _ in 0..20 {
            let writing = async {
                stream.write_all(&[0; 2048]).await?;
                stream.flush().await
            };
            let mut buffer = [0; 2048];
            let reading = async {
                tokio::time::sleep(TIME / 10).await;
                client.read_exact(&mut buffer).await
            };
            let (written, read) = tokio::join!(writing, reading);
            written.unwrap();
            read.unwrap();
        }
    }
}
