//! Connections: many at once, but [bounded](crate::places), with TLS or without, and none that stays without saying
//! anything or without reading what it is told.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::answer::{PIECE, send};
use crate::places::{Bounds, Entered, Places};
use crate::tls::{self, Tls};
use crate::watched::Watched;

/// How long no connection is taken after one could not be, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that the kernel holds until they are taken.
const BACKLOG: u32 = 4096;

/// How connections are served.
#[derive(Debug, Clone)]
pub struct Serving {
    /// How many there may be.
    pub bounds: Bounds,
    /// How long a client may take for the handshake of TLS, and to send the head of a request, also of the next one on
    /// a connection that it keeps.
    pub read_time: Duration,
    /// How long a client may leave an answer unread.
    pub write_time: Duration,
    /// What the host shows of itself; without it, it speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// Listens on an address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The port is free again at once for the next start.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` is there, then lets what is under way finish. Dropping it ends every connection.
pub async fn serve(listener: TcpListener, router: Router, serving: Serving, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let places = Places::new(serving.bounds);
    // Those that gave way are here until their tasks have ended.
    let live = Arc::new(Semaphore::new(places.bounds().all() * 2));
    let (close, closing) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&live).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let entered = places.enter(address);
                let connection = connection(stream, entered, router.clone(), serving.clone(), closing.clone());
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

async fn connection(
    stream: TcpStream,
    entered: Entered,
    router: Router,
    serving: Serving,
    closing: watch::Receiver<bool>,
) {
    // Answers are written whole; where this fails they are only later.
    let _ = stream.set_nodelay(true);
    let address = entered.address;
    let served = async {
        let Serving { read_time, write_time, tls, .. } = serving;
        let watched = |stream| Watched::new(stream, write_time, Arc::clone(&entered.stall));
        let Some(tls) = tls else {
            return speak(watched(stream), &entered, router, read_time, closing).await;
        };
        let handshake = async {
            if tls::is_plain(&stream).await? {
                return tls::refuse_plain(stream).await.map(|()| None);
            }
            tls.accept(watched(stream)).await.map(Some)
        };
        match tokio::time::timeout(read_time, handshake).await {
            Ok(Ok(Some(stream))) => speak(stream, &entered, router, read_time, closing).await,
            Ok(Ok(None)) => tracing::debug!("{address} spoke plain HTTP to the API"),
            Ok(Err(error)) => tracing::debug!("{address} failed to begin TLS with the API: {error}"),
            Err(_) => tracing::debug!("{address} did not begin TLS with the API within {read_time:?}"),
        }
    };
    tokio::select! {
        () = served => {}
        () = entered.gives_way() => {}
    }
}

/// Speaks HTTP until the client ends it, is let go, or the host stops.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    entered: &Entered,
    router: Router,
    read_time: Duration,
    mut closing: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (place, routes) = (Arc::clone(entered), routes.clone());
        async move {
            place.asked();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arc::clone(&place));
            routes.call(request).await.map(|response| send(response, &place))
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(read_time)
            .max_buf_size(PIECE)
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
    let Err(error) = ended else { return };
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.filter(|cause| cause.kind() == io::ErrorKind::TimedOut) {
        Some(unread) => tracing::info!("a client of the API, {}, is let go: {unread}", entered.address),
        None => tracing::debug!("a connection to the API broke: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::routing::get;
    use pelton_model::settings::Api;
    use pelton_testkit::certificates::Authority;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    /// Long enough for an answer that does come, on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Server {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    impl Server {
        fn start(serving: Serving) -> Self {
            let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let address = listener.local_addr().unwrap();
            let large = || async { vec![7; 32 << 20] };
            let router = Router::new().route("/", get(|| async { "here" })).route("/large", get(large));
            let (stop, stopped) = oneshot::channel::<()>();
            let task = tokio::spawn(serve(listener, router, serving, async { stopped.await.unwrap_or_default() }));
            Self { address, stop, task }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn ask(&self, path: &str) -> TcpStream {
            let mut client = self.connect().await;
            client.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
            client
        }

        async fn end(self) {
            drop(self.stop);
            self.task.await.unwrap();
        }
    }

    fn serving() -> Serving {
        Serving { bounds: Bounds::within(1024), read_time: PATIENCE, write_time: PATIENCE, tls: None }
    }

    /// The first byte that comes; 0 where the connection ends instead.
    async fn first(client: &mut TcpStream) -> u8 {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, client.read(&mut byte)).await.expect("an answer");
        if read.is_ok_and(|read| read == 1) { byte[0] } else { 0 }
    }

    #[tokio::test]
    async fn whoever_asks_is_answered_however_many_say_nothing() {
        let server = Server::start(serving());
        let mut silent = Vec::new();
        for _ in 0..1000 {
            let mut client = server.connect().await;
            client.write_all(b"GET / HTTP/1.1\r\nhost: loc").await.unwrap();
            silent.push(client);
        }
        let mut client = server.ask("/").await;
        assert_eq!(first(&mut client).await, b'H');
        assert_eq!(first(&mut silent[0]).await, 0, "the oldest gave way");
        // Who is left is served when the rest of the head is there.
        let last = silent.last_mut().unwrap();
        last.write_all(b"alhost\r\n\r\n").await.unwrap();
        assert_eq!(first(last).await, b'H');
        drop((client, silent));
        server.end().await;
    }

    #[tokio::test]
    async fn who_does_not_read_is_let_go() {
        let server = Server::start(Serving { write_time: Duration::from_millis(300), ..serving() });
        let mut deaf = server.ask("/large").await;
        assert_eq!(first(&mut deaf).await, b'H');
        let mut reading = server.ask("/large").await;
        let mut read = 0;
        let mut buffer = vec![0; 1 << 16];
        while read < 32 << 20 {
            read += reading.read(&mut buffer).await.unwrap();
        }
        // Its connection breaks, however much of the answer is still in the kernel's hands.
        let broken = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if deaf.write_all(b"x").await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, broken).await.expect("it is let go");
        drop((deaf, reading));
        server.end().await;
    }

    #[tokio::test]
    async fn tls_is_spoken_and_who_does_not_is_told_so_or_let_go() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let signed = authority.sign(&["localhost"], 1);
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, signed.certificate).unwrap();
        std::fs::write(&key, signed.key).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let api = Api { tls_cert_file: Some(certificate), tls_key_file: Some(key), ..Api::default() };
        let tls = Tls::new(&api).unwrap().map(Arc::new);
        let server = Server::start(Serving { tls, read_time: Duration::from_secs(2), ..serving() });
        let url = format!("https://localhost:{}/", server.address.port());
        let pem = authority.pem();
        let called = tokio::task::spawn_blocking(move || {
            let roots = ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap();
            let tls = ureq::tls::TlsConfig::builder()
                .provider(ureq::tls::TlsProvider::NativeTls)
                .root_certs(ureq::tls::RootCerts::new_with_certs(&[roots]))
                .build();
            let agent = ureq::Agent::config_builder().tls_config(tls).proxy(None).build().new_agent();
            let large =
                agent.get(format!("{url}large")).call().unwrap().body_mut().with_config().limit(64 << 20).read_to_vec();
            (agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap(), large.unwrap().len())
        });
        assert_eq!(called.await.unwrap(), ("here".to_owned(), 32 << 20));

        let mut plain = server.ask("/").await;
        let mut told = String::new();
        plain.read_to_string(&mut told).await.unwrap();
        assert!(
            told.starts_with("HTTP/1.1 400 ") && told.contains("\"not-tls\"") && told.contains("https://"),
            "{told}"
        );
        let (mut silent, mut half) = (server.connect().await, server.connect().await);
        half.write_all(&[22, 3, 1]).await.unwrap();
        assert_eq!((first(&mut silent).await, first(&mut half).await), (0, 0), "a handshake that never ends");
        drop((plain, silent, half));
        server.end().await;
    }
}
