//! Connections: many at once, but bounded, and none that stays without saying anything.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once; others wait until one ends. A page has a few.
const CONNECTIONS: usize = 1024;
/// How long no connection is taken after one could not be, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is there, then lets what is under way finish. Dropping it ends every connection. A client has
/// `read_time` to send the head of a request, also of the next one on a connection that it keeps.
pub async fn serve(listener: TcpListener, router: Router, read_time: Duration, stop: impl Future<Output = ()>) {
    serve_most(CONNECTIONS, listener, router, read_time, stop).await;
}

async fn serve_most(
    most: usize,
    listener: TcpListener,
    router: Router,
    read_time: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let slots = Arc::new(Semaphore::new(most));
    let (close, closing) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), read_time, closing.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!("a connection to the API was not taken: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    // No connection is left where this fails.
    let _ = close.send(true);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, read_time: Duration, mut closing: watch::Receiver<bool>) {
    // Answers are written whole; where this fails they are only later.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(read_time)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Its sender says it once, or is gone.
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection to the API broke: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    /// Long enough for an answer that does come, on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// Long enough to see that none comes, on a machine that is not.
    const SILENCE: Duration = Duration::from_millis(200);

    async fn ask(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        client
    }

    async fn answer(client: &mut TcpStream, patience: Duration) -> Option<u8> {
        tokio::time::timeout(patience, client.read_u8()).await.ok().map(|byte| byte.unwrap())
    }

    #[tokio::test]
    async fn so_many_connections_are_served_and_others_wait_until_one_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        let (stop, stopped) = oneshot::channel::<()>();
        let server =
            tokio::spawn(serve_most(2, listener, router, PATIENCE, async { stopped.await.unwrap_or_default() }));
        let (mut first, mut second) = (ask(address).await, ask(address).await);
        assert_eq!(answer(&mut first, PATIENCE).await, Some(b'H'));
        assert_eq!(answer(&mut second, PATIENCE).await, Some(b'H'));
        let mut third = ask(address).await;
        assert_eq!(answer(&mut third, SILENCE).await, None, "it is one too many");
        drop(first);
        assert_eq!(answer(&mut third, PATIENCE).await, Some(b'H'));
        drop((second, third, stop));
        server.await.unwrap();
    }
}
