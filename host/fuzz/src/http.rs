//! What clients send: bytes on a connection to the API of a host whose jobs move nothing. Each is answered or refused as
//! HTTP, a refusal of the API is a problem, and nothing makes the host fail by itself.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pelton_api::Context;
use pelton_api::guard::Guard;
use pelton_api::places::Bounds;
use pelton_api::serve::{Serving, listen, serve};
use pelton_connect::memory::Memory;
use pelton_connect::{Connectors, Requests};
use pelton_control::catalog::memory::Memory as MemoryCatalog;
use pelton_control::checks::{Checks, May};
use pelton_control::components::{Component, Components};
use pelton_control::record::JobRecord;
use pelton_control::runner::{JobRunner, JobRunners, Observed};
use pelton_control::services::Services;
use pelton_control::types::Submit;
use pelton_control::{Error, Jobs};
use pelton_delivery::clock::{Clock, SystemClock};
use pelton_model::digest::digest;
use pelton_model::metrics::Metrics;
use pelton_model::partition::{Moved, PartitionView};
use pelton_model::record::{Batch, Outcome};
use pelton_model::settings::Config;
use pelton_model::spec::{Parameter, Source, Spec};
use pelton_model::start::StartFrom;
use pelton_pipeline::{CurrentVersion, Ended, JobEnvironment, Pace};
use pelton_runtime::{Failure, Host, Process, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};

/// Components are whatever begins with `\0asm`.
#[derive(Debug)]
struct AnyComponent;

struct Idle(Arc<Spec>);

impl Process for Idle {
    fn process(&mut self, _: &Batch) -> Result<Outcome, Failure> {
        Ok(Outcome::default())
    }
}

impl Program for Idle {
    fn spec(&self) -> &Arc<Spec> {
        &self.0
    }

    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
        Arc::new(Self(spec))
    }

    fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

impl Components for AnyComponent {
    fn load(&self, wasm: &[u8]) -> Result<Component, Error> {
        if !wasm.starts_with(b"\0asm") {
            return Err(Error::NotAJob { file: None, cause: "it is none".to_owned() });
        }
        let spec = Spec {
            name: "job".to_owned(),
            version: "1".to_owned(),
            sources: vec![Source { topic: "in".to_owned(), headers: false }],
            parameters: vec![Parameter {
                name: "p".to_owned(),
                description: String::new(),
                default: Some("0".to_owned()),
            }],
            ..Spec::default()
        };
        Ok(Component { digest: digest(wasm).into(), program: Arc::new(Idle(Arc::new(spec))) })
    }

    fn cached(&self, _: &str) -> Option<Component> {
        None
    }
}

#[derive(Debug)]
struct NoChecks;

impl Checks for NoChecks {
    fn submitted(&self, _: &JobRecord, _: Option<&StartFrom>, _: May<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn changed(&self, _: &JobRecord, _: &Spec, _: May<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn plan(&self, _: &str, _: Option<&Spec>, _: &Spec, _: May<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn partitions(&self, _: &Spec) -> Option<usize> {
        None
    }

    fn seek(&self, _: &JobRecord, _: &StartFrom) -> Result<Vec<Moved>, Error> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct IdleRunner;

impl JobRunners for IdleRunner {
    fn of(&self, _: &Observed) -> Arc<dyn JobRunner> {
        Arc::new(Self)
    }
}

impl JobRunner for IdleRunner {
    fn run(&self, _: &Arc<CurrentVersion>, _: &str, requests: &Requests) -> Result<Ended, pelton_pipeline::Error> {
        while !requests.stop.load(Ordering::Acquire) {
            SystemClock.wait(&requests.wake, Duration::from_secs(3600));
        }
        Ok(Ended::Stopped)
    }

    fn sleep(&self, _: Vec<PartitionView>, _: &Requests) {}

    fn sleeping_client(&self) -> &'static str {
        "nothing"
    }

    fn attempt_is_over(&self) {}

    fn rest(&self) {}

    fn look(&self, _: &str, _: &[String]) -> Result<Vec<PartitionView>, pelton_connect::Error> {
        Ok(Vec::new())
    }

    fn partitions(&self) -> Vec<PartitionView> {
        Vec::new()
    }
}

struct Server {
    runtime: tokio::runtime::Runtime,
    jobs: Arc<Jobs>,
    address: SocketAddr,
    /// The number of the next client.
    clients: Cell<u32>,
}

impl Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::start());
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = Config { usr_jobs: "/nonexistent/usr_jobs".into(), ..Config::default() };
        let connectors = Arc::new(Connectors::memory(&Memory::new(Arc::new(SystemClock), Duration::ZERO)));
        let environment = JobEnvironment {
            config: Arc::new(config.clone()),
            connectors: Arc::clone(&connectors),
            pace: Pace::default(),
        };
        let metrics = Arc::new(Metrics::default());
        let services = Services {
            environment,
            catalog: Arc::new(MemoryCatalog::default()),
            components: Arc::new(AnyComponent),
            checks: Arc::new(NoChecks),
            runners: Arc::new(IdleRunner),
            metrics: Arc::clone(&metrics),
            tracer: None,
        };
        let jobs = Jobs::of_catalog(services).unwrap();
        let inside = runtime.enter();
        // A write to a client that hung up is an error for programs with Rust's `main`, and the end of those with
        // libFuzzer's, unless somebody takes the signal.
        let _taken = signal(SignalKind::pipe()).unwrap();
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let router =
            pelton_api::router(Context::new(Arc::clone(&jobs), metrics, connectors), Guard::new(&config).unwrap());
        let time = Duration::from_secs(10);
        let serving = Serving { bounds: Bounds::within(1024), read_time: time, write_time: time, tls: None };
        runtime.spawn(serve(listener, router, serving, std::future::pending()));
        drop(inside);
        Self { runtime, jobs, address, clients: Cell::new(0) }
    }

    /// Sees to it that there is the one job `job`.
    fn settle(&self) {
        let names: Vec<String> = self.jobs.list().into_iter().map(|job| job.name).collect();
        for name in names.iter().filter(|name| *name != "job") {
            let completion = self.jobs.cancel(name, None).unwrap();
            self.runtime.block_on(completion.done()).unwrap();
        }
        if !names.contains(&"job".to_owned()) {
            let digest = self.jobs.upload(b"\0asm").unwrap().digest;
            let request = Submit { digest: Some(digest), ..Submit::default() };
            // A client that has hung up may be about to cancel it.
            while let Err(error) = self.jobs.submit(&request) {
                assert!(matches!(error, Error::Ending(_)), "{error}");
            }
        }
    }

    /// What is answered to these bytes, after which the client sends no more.
    fn answer(&self, request: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            // An address has so many ports, and each is taken for a while after its connection.
            let client = self.clients.replace(self.clients.get().wrapping_add(1));
            let socket = TcpSocket::new_v4().unwrap();
            let [_, a, b, c] = (client % 0xff_fffe + 1).to_be_bytes();
            socket.bind(SocketAddr::from(([127, a, b, c], 0))).unwrap();
            let (mut read, mut write) = socket.connect(self.address).await.unwrap().into_split();
            let mut answer = vec![0; 64 << 10];
            // It may be refused before all of it is there.
            let _ = write.write_all(request).await;
            let _ = write.shutdown().await;
            let mut length = 0;
            // A stream of events has no end.
            while let Ok(Ok(more)) =
                tokio::time::timeout(Duration::from_millis(500), read.read(&mut answer[length..])).await
                && more > 0
            {
                length += more;
                if answer[..length].windows(17).any(|bytes| bytes == b"text/event-stream") {
                    break;
                }
            }
            answer.truncate(length);
            answer
        })
    }
}

/// The routes that take a body, by the first byte; 255 and what is near it stand for bytes that are a request of their own.
const PATHS: [&str; 9] = [
    "/api/v1/jobs",
    "/api/v1/jobs/job/reload",
    "/api/v1/jobs/job/rollback",
    "/api/v1/jobs/job/set",
    "/api/v1/jobs/job/scale",
    "/api/v1/jobs/job/pause",
    "/api/v1/jobs/job/resume",
    "/api/v1/jobs/job/dead-letters/redrive",
    "/api/v1/jobs/job/dead-letters/purge",
];

/// Takes a body, or a whole request.
pub fn run(data: &[u8]) {
    let Some((&kind, body)) = data.split_first() else { return };
    let request = match PATHS.get(usize::from(kind % 10)) {
        Some(path) => {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        }
        None => body.to_vec(),
    };
    SERVER.with_borrow(|server| {
        server.settle();
        let answer = server.answer(&request);
        let text = String::from_utf8_lossy(&answer);
        // Bytes that are no request may have no answer.
        let of_any = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "));
        let Some(status) = of_any.and_then(|rest| rest.get(..3)) else {
            assert!(answer.is_empty(), "{text}");
            return;
        };
        assert!(status < "500" || status == "503", "{text}");
        assert!(!text.contains("\r\n\r\nHTTP/1.1 5"), "{text}");
    });
}
