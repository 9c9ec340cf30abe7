//! HTTP as an adversary speaks it: any target, any headers, any bytes, as slowly as they like.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// For the host to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The code of a problem, which says everything that problems say; empty where this is none.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        if self.header("content-type") != Some("application/problem+json") {
            return String::new();
        }
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(
            problem["title"].is_string() && problem["detail"].is_string() && problem["causes"].is_array(),
            "{problem}"
        );
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:pelton:problem:{code}"));
        code.to_owned()
    }
}

/// A connection to a host.
#[derive(Debug)]
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// The same from another address of this machine, such as 127.0.0.2.
    pub(crate) fn open_from(address: [u8; 4], port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((address, 0).into()).unwrap();
            socket.connect(([127, 0, 0, 1], port).into()).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Lets nothing that is sent wait in a send that does not end.
    pub(crate) fn never_blocks(self) -> Self {
        self.0.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        self
    }

    /// Sends bytes. A host that has refused already may have closed its side.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Whether nothing is answered for now.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let peeked = self.0.peek(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        peeked.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Whether the host ends the connection without a word.
    pub(crate) fn ends(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|read| read == 0)
    }

    /// Reads an answer; of a stream of events only the head.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "no answer: {}", String::from_utf8_lossy(&bytes));
            bytes.extend(byte);
        }
        let head = String::from_utf8(bytes).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut answer = Answer { status, headers, body: String::new() };
        if let Some(length) = answer.header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).unwrap();
            answer.body = String::from_utf8(body).unwrap();
        }
        answer
    }

    /// Reads the data of the next server-sent event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\n\n") {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the stream ended: {}", String::from_utf8_lossy(&bytes));
            bytes.extend(byte);
        }
        let text = String::from_utf8(bytes).unwrap();
        let data =
            text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_else(|| panic!("no data: {text}"));
        serde_json::from_str(data).unwrap()
    }
}

/// Sends a request on a connection of its own. There is a `Host` unless `headers` has one, or says that there is none.
#[track_caller]
pub(crate) fn request(port: u16, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut connection = Connection::open(port);
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers.iter().filter(|(name, value)| (*name, *value) != ("host", "")) {
        head += &format!("{name}: {value}\r\n");
    }
    let is_framed = headers.iter().any(|(name, _)| ["content-length", "transfer-encoding"].contains(name));
    if !body.is_empty() && !is_framed {
        head += &format!("content-length: {}\r\n", body.len());
    }
    connection.send(format!("{head}connection: close\r\n\r\n").as_bytes());
    connection.send(body);
    connection.answer()
}
