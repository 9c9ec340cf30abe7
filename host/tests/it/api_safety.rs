//! The API against whoever may call it: every route of the table against every kind of caller.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pelton::api::guard::Role;
use pelton::api::route::{Route, Takes};
use pelton::api::routes;

use crate::http::{Answer, Connection, request};
use crate::pelton::{Host, example, pelton};

const WRITE: &str = "the-token-of-those-who-write";
const READ: &str = "the-token-of-those-who-read";
/// Codes of what the guard refuses.
const GUARD: [&str; 12] = [
    "no-token",
    "read-only",
    "foreign-site",
    "bad-name",
    "content-type",
    "too-large",
    "too-slow",
    "too-many-uploads",
    "too-many-failures",
    "too-many-requests",
    "too-many-streams",
    "too-much-unread",
];

/// A host without servers, with both tokens.
fn with_tokens() -> Host {
    lonely()
        .env("PELTON_TOKEN", WRITE)
        .env("PELTON_API__READ_TOKEN", READ)
        // Of callers with wrong tokens there are many here.
        .env("PELTON_API__FAILED_TOKENS", "1000000")
}

/// A host whose servers are away.
pub(crate) fn lonely() -> Host {
    Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none")
}

/// A path of the route that leads to nothing that exists.
fn target(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{partition}" | "{offset}" => "0",
        part if part.starts_with('{') => "no_such_thing",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Calls a route with a body that it takes, unless the headers tell of another.
#[track_caller]
fn call(host: &Host, route: &Route, headers: &[(&str, &str)]) -> Answer {
    let mut headers = headers.to_vec();
    let changes = route.method != "GET";
    if changes && !headers.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", route.takes.content_type()));
    }
    let answer =
        request(host.port(), route.method.as_str(), &target(route), &headers, if changes { b"{}" } else { b"" });
    // Whatever is refused is a problem; `/readyz` speaks to probes, in text.
    let refused = answer.status >= 400 && !(answer.status == 503 && route.path == "/readyz");
    assert_eq!(refused, !answer.code().is_empty(), "{route:?}: {answer:?}");
    answer
}

/// Checks that the guard lets through, or refuses with this status and code.
#[track_caller]
fn expect(route: &Route, caller: &str, answer: &Answer, refusal: Option<(u16, &str)>) {
    match refusal {
        Some((status, code)) => {
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{route:?}, {caller}: {answer:?}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
        }
        None => assert!(!GUARD.contains(&answer.code().as_str()), "{route:?}, {caller}: {answer:?}"),
    }
}

/// A call, and what the guard must say of it.
type Case<'a> = (&'a Route, String, Vec<(String, String)>, Option<(u16, &'static str)>);

/// Calls that are made side by side, since some routes wait for servers that are away.
#[derive(Default)]
struct Cases<'a>(Vec<Case<'a>>);

impl<'a> Cases<'a> {
    fn add(&mut self, route: &'a Route, caller: &str, headers: &[(&str, &str)], refusal: Option<(u16, &'static str)>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.push((route, caller.to_owned(), headers, refusal));
    }

    fn run(self, host: &Host) {
        for some in self.0.chunks(100) {
            std::thread::scope(|scope| {
                for (route, caller, headers, refusal) in some {
                    scope.spawn(move || {
                        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                        expect(route, caller, &call(host, route, &headers), *refusal);
                    });
                }
            });
        }
    }
}

#[test]
fn every_route_against_every_caller() {
    let mut host = with_tokens();
    host.start();
    let bearer = |token: &str| format!("Bearer {token}");
    let (write, read) = (bearer(WRITE), bearer(READ));
    let own = format!("http://127.0.0.1:{}", host.port());
    let named = format!("http://localhost:{}", host.port());
    let other_port = "http://127.0.0.1:1".to_owned();
    let routes = routes();
    let mut cases = Cases::default();
    for route in &routes {
        let guarded = route.role.map(|_| (401, "no-token"));
        for (caller, headers) in [
            ("nobody", vec![]),
            ("a wrong token", vec![("authorization", "Bearer the-token-of-nobody-at-all")]),
            ("an empty token", vec![("authorization", "Bearer ")]),
            ("a token cut short", vec![("authorization", &write[..write.len() - 1])]),
            ("another scheme", vec![("authorization", "Basic dGhlLXRva2VuLW9mLXRob3NlLXdoby13cml0ZTo=")]),
        ] {
            cases.add(route, caller, &headers, guarded);
        }
        let read_only = (route.role == Some(Role::Write)).then_some((403, "read-only"));
        cases.add(route, "a reader", &[("authorization", &read)], read_only);
        for (caller, header) in [
            ("a writer", ("accept", "*/*")),
            ("the page itself", ("origin", own.as_str())),
            ("the page itself, as browsers mark it", ("sec-fetch-site", "same-origin")),
            ("somebody who types the address", ("sec-fetch-site", "none")),
        ] {
            cases.add(route, caller, &[("authorization", &write), header], None);
        }

        // Whatever the token: a page of another site may have been given one.
        let foreign = Some((403, "foreign-site"));
        for (caller, header) in [
            ("another name bound to this port", ("host", "attacker.example")),
            ("the same with a port", ("host", "attacker.example:8081")),
            ("a name that looks like ours", ("host", "localhost.attacker.example")),
            ("a name that looks like an address", ("host", "127.0.0.1.attacker.example")),
            ("a page of another site", ("origin", "https://attacker.example")),
            ("a page without a site", ("origin", "null")),
            ("a page of another port", ("origin", other_port.as_str())),
            ("our page under another name", ("origin", named.as_str())),
            ("what a browser marks as foreign", ("sec-fetch-site", "cross-site")),
            ("what a browser marks as of a neighbour", ("sec-fetch-site", "same-site")),
        ] {
            cases.add(route, caller, &[("authorization", &write), header], foreign);
        }
        cases.add(route, "nameless", &[("authorization", &write), ("host", "")], Some((400, "bad-request")));
        let two = [("authorization", write.as_str()), ("host", "localhost"), ("host", "attacker.example")];
        cases.add(route, "two names", &two, Some((400, "bad-request")));

        let changes = route.method != "GET";
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            let headers = [("authorization", write.as_str()), ("content-type", content_type)];
            cases.add(route, content_type, &headers, changes.then_some((415, "content-type")));
        }
        if changes {
            // Only announced: the host does not wait for what it would not take.
            let length = if route.takes == Takes::Wasm { "268435457" } else { "8388609" };
            let headers = [("authorization", write.as_str()), ("content-length", length)];
            cases.add(route, "too large a body", &headers, Some((413, "too-large")));
        }
    }
    cases.run(&host);
}

#[test]
fn names_in_paths_lead_nowhere_else() {
    let mut host = lonely();
    host.start();
    let outside = host.data().join("outside.json");
    fs::write(&outside, "kept").unwrap();
    let long = "a".repeat(300);
    let names = [
        "%2e%2e%2foutside",
        "..%2Foutside",
        "%2e%2e",
        "%2e%2e%5coutside",
        "a%00b",
        "a%2fb",
        "%FF",
        "A",
        "a%20b",
        &long,
    ];
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.path.contains('{')) {
        for name in names {
            // A topic may be named so.
            if name == "A" && route.path.contains("{topic}") {
                continue;
            }
            let target = target(route).replacen("no_such_thing", name, 1);
            let headers = [("content-type", route.takes.content_type())];
            let answer = request(host.port(), route.method.as_str(), &target, &headers, b"");
            expect(route, name, &answer, Some((400, "bad-name")));
            tried += 1;
        }
    }
    assert!(tried > 0);
    for digest in ["../jobs/outside", "..%2fjobs%2foutside", "/etc/passwd", "a\0b", &long] {
        let (status, problem) = host.post("/api/v1/jobs", &serde_json::json!({"digest": digest}));
        assert_eq!((status, &problem["code"]), (404, &"no-such-component".into()), "{problem}");
    }
    for name in ["../outside", "/etc/passwd", "..", "a\0b"] {
        let (status, problem) = host.post("/api/v1/jobs", &serde_json::json!({"available": name}));
        assert_eq!((status, &problem["code"]), (404, &"not-available".into()), "{problem}");
    }
    assert_eq!(fs::read_to_string(outside).unwrap(), "kept");
}

#[test]
fn whatever_goes_wrong_is_a_problem() {
    let mut host = lonely().config("[api]\nhosts = [\"pelton.example\"]\n");
    host.start();
    let json = ("content-type", "application/json");
    let post = |headers: &[(&str, &str)], body: &[u8]| request(host.port(), "POST", "/api/v1/jobs", headers, body);
    for (body, words) in [
        ("", "EOF while parsing"),
        ("{", "EOF while parsing"),
        ("[1]", "line 1"),
        (r#"{"availible": "a"}"#, "unknown field `availible`"),
        (r#"{"parallelism": -1}"#, "parallelism"),
    ] {
        let answer = post(&[json], body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad-request"), "{body}: {answer:?}");
        assert!(answer.body.contains(words), "{body}: {answer:?}");
    }
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2 << 20, " ".repeat(2 << 20));
    let answer = post(&[json, ("transfer-encoding", "chunked")], chunked.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"), "{answer:?}");

    let get = |path| request(host.port(), "GET", path, &[], b"");
    for path in ["/api/v1/nothing", "/api", "/api/v1/jobs/", "/nothing", "//", "/%2e%2e/etc/passwd"] {
        let answer = get(path);
        assert_eq!((answer.status, answer.code().as_str()), (404, "no-such-route"), "{path}: {answer:?}");
    }
    let answer = request(host.port(), "PUT", "/api/v1/jobs", &[json], b"{}");
    assert_eq!((answer.status, answer.code().as_str()), (405, "method-not-allowed"), "{answer:?}");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET") && allow.contains("POST")), "{answer:?}");
    for host_header in ["localhost", "LOCALHOST.:80", "pelton.example:443", "[::1]:8081", "10.1.2.3"] {
        let answer = request(host.port(), "GET", "/livez", &[("host", host_header)], b"");
        assert_eq!(answer.status, 200, "{host_header}: {answer:?}");
    }
    // A link on another site may open a page here, as any link may.
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(request(host.port(), "GET", "/livez", &link, b"").status, 200);
    let form = [link[0], link[1], ("content-type", "text/plain")];
    assert_eq!(request(host.port(), "POST", "/api/v1/jobs", &form, b"{}").code(), "foreign-site");
}

#[test]
fn a_host_that_others_can_reach_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8081"] {
        let mut host = lonely().flag("--listen", address);
        let (code, log) = host.start_in_vain();
        assert_eq!(code, 1, "{log}");
        assert!(log.contains("there is no token") && log.contains("PELTON_TOKEN"), "{log}");
    }
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    fs::write(&short, "hunter2\n").unwrap();
    for (mode, words) in [(0o600, "has 7 characters"), (0o620, "other accounts can write it (mode 620)")] {
        fs::set_permissions(&short, fs::Permissions::from_mode(mode)).unwrap();
        let (code, log) = lonely().env("PELTON_TOKEN_FILE", &short).start_in_vain();
        assert_eq!(code, 1, "{log}");
        assert!(log.contains(words) && !log.contains("hunter2"), "{log}");
    }
}

#[test]
fn health_says_why_only_to_those_who_may_read() {
    let mut host = with_tokens();
    host.start();
    let ready = |headers: &[(&str, &str)]| request(host.port(), "GET", "/readyz", headers, b"");
    let open = ready(&[]);
    assert_eq!((open.status, open.body.as_str()), (503, "degraded\n"));
    let told = ready(&[("authorization", &format!("bearer {READ}"))]);
    assert_eq!(told.status, 503);
    assert!(told.body.contains("kafka: Kafka at 127.0.0.1:1 does not answer"), "{}", told.body);
}

#[test]
fn client_commands_bring_the_token() {
    let mut host = with_tokens();
    host.start();
    let url = host.url();
    let run = |arguments: &[&str], token: &[(&str, &str)]| {
        let environment: Vec<_> = [("PELTON_API", url.as_str())].into_iter().chain(token.iter().copied()).collect();
        pelton(arguments, &environment)
    };
    let said = run(&["list"], &[]);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("this host asks for a token") && said.stderr.contains("PELTON_TOKEN"),
        "{}",
        said.stderr
    );
    assert_eq!(run(&["list", "--json"], &[("PELTON_TOKEN", READ)]).code, 0);

    let file = host.data().join("token");
    fs::write(&file, format!("{WRITE}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let job = example("sensor_alerts");
    let submit = ["submit", job.to_str().unwrap()];
    let said = run(&submit, &[("PELTON_TOKEN", READ)]);
    assert!(said.code == 1 && said.stderr.contains("for looking only"), "{}", said.stderr);
    // The upload is taken; Kafka is away.
    let said = run(&[&submit[..], &["--token-file", file.to_str().unwrap()]].concat(), &[]);
    assert!(said.code == 1 && said.stderr.contains("Kafka can't be asked"), "{}", said.stderr);
}

#[test]
fn compiled_code_and_what_compiles_too_long_are_refused() {
    let mut host = lonely().config("[limits]\ncompile_time = \"1ms\"\n[api]\nupload_mib = 4\n");
    host.start();
    let upload =
        |body: &[u8]| request(host.port(), "POST", "/api/v1/components", &[("content-type", "application/wasm")], body);
    let answer = upload(b"\x7fELF\x02\x01\x01 and machine code");
    assert_eq!((answer.status, answer.code().as_str()), (422, "not-a-job"));
    assert!(answer.body.contains("compiled code") && answer.body.contains("takes from nobody"), "{answer:?}");
    let answer = upload(&fs::read(example("sensor_pipeline")).unwrap());
    assert_eq!((answer.status, answer.code().as_str()), (422, "compile-time"), "{answer:?}");
    assert!(answer.body.contains("limits.compile_time"), "{answer:?}");
    assert_eq!(fs::read_dir(host.data().join("components")).unwrap().count(), 0);

    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 5 << 20, "x".repeat(5 << 20));
    let headers = [("content-type", "application/wasm"), ("transfer-encoding", "chunked")];
    let answer = request(host.port(), "POST", "/api/v1/components", &headers, chunked.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"), "{answer:?}");
    assert_eq!(host.get("/livez").0, 200);
}

#[test]
fn slow_clients_hold_nothing_up() {
    let mut host = lonely().config("[api]\nread_time = \"200ms\"\nuploads = 1\n");
    host.start();
    let mut silent = Connection::open(host.port());
    let mut slow_head = Connection::open(host.port());
    slow_head.send(b"GET /livez HTTP/1.1\r\nhost: loc");
    let mut slow_body = Connection::open(host.port());
    slow_body.send(
        b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    assert_eq!(slow_body.answer().code(), "too-slow");
    assert!(slow_head.ends(), "a head that never ends is waited for");
    assert!(silent.ends(), "a client that says nothing is waited for");

    // One upload at a time: the second waits for its turn, and has it when the first one gives up.
    let head = "POST /api/v1/components HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n";
    let mut first = Connection::open(host.port());
    first.send(format!("{head}content-length: 9\r\nexpect: 100-continue\r\n\r\n").as_bytes());
    assert_eq!(first.answer().status, 100, "the first has its turn");
    let mut second = Connection::open(host.port());
    second.send(format!("{head}content-length: 4\r\n\r\nwasm").as_bytes());
    assert!(second.is_silent(), "both are taken at once");
    drop(first);
    assert_eq!(second.answer().code(), "not-a-job");
}

#[test]
fn an_upload_that_waits_too_long_for_its_turn_is_refused() {
    let mut host = lonely().config("[api]\nupload_time = \"3s\"\nuploads = 1\n");
    host.start();
    let head = "POST /api/v1/components HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n\
                content-length: 9\r\nexpect: 100-continue\r\n\r\n";
    // None of them sends what it announced: the first has its turn and is too slow; the next has it then, and is as
    // slow, so that the last is still waiting when its time is over.
    let mut first = Connection::open(host.port());
    first.send(head.as_bytes());
    assert_eq!(first.answer().status, 100, "the first has its turn");
    let mut waiting = [(); 2].map(|()| {
        let mut connection = Connection::open(host.port());
        connection.send(head.as_bytes());
        connection
    });
    assert_eq!(first.answer().code(), "too-slow");
    let answers = waiting.each_mut().map(|connection| {
        let answer = connection.answer();
        if answer.status == 100 { connection.answer() } else { answer }
    });
    let mut codes = answers.each_ref().map(|answer| (answer.status, answer.code()));
    codes.sort();
    assert_eq!(codes, [(408, "too-slow".to_owned()), (429, "too-many-uploads".to_owned())], "{answers:?}");
    assert!(answers.iter().any(|answer| answer.body.contains("api.uploads")), "{answers:?}");
}

/// Every path below a folder, itself included, that other accounts could read or write.
pub(crate) fn open_to_others(path: &Path) -> Vec<String> {
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    let here = (mode & 0o077 != 0).then(|| format!("{} {mode:o}", path.display()));
    let below = fs::read_dir(path).into_iter().flatten().flat_map(|entry| open_to_others(&entry.unwrap().path()));
    here.into_iter().chain(below.collect::<Vec<_>>()).collect()
}

#[test]
fn other_accounts_can_read_nothing_in_the_data_folder() {
    let mut host = lonely();
    // Of a version before, or made by hand.
    fs::create_dir_all(host.data().join("jobs")).unwrap();
    fs::create_dir_all(host.data().join("cache")).unwrap();
    fs::set_permissions(host.data(), fs::Permissions::from_mode(0o755)).unwrap();
    host.start();
    let component = fs::read(example("sensor_alerts")).unwrap();
    assert_eq!(host.upload(&component).0, 200);
    for folder in ["jobs", "components", "dead-letters", "cache"] {
        let open = open_to_others(&host.data().join(folder));
        assert!(open.is_empty(), "{open:?}");
    }
    assert_eq!(fs::read_dir(host.data().join("components")).unwrap().count(), 1);
}

/// Stands in everything that is secret, and nowhere else.
const SECRET: &str = "hunter2-hunter2-hunter2";

#[test]
fn secrets_are_in_nothing_that_the_host_says() {
    let url = format!("postgres://flinkuser:{SECRET}@127.0.0.1:1/flinkdb?password={SECRET}");
    let toml = format!("[kafka.properties]\n\"sasl.username\" = \"u\"\n\"sasl.password\" = \"{SECRET}\"\n");
    let read = format!("{SECRET}-read");
    let mut host = Host::new("127.0.0.1:1", &url)
        .config(&toml)
        .env("PELTON_TOKEN", SECRET)
        .env("PELTON_API__READ_TOKEN", &read)
        .env("PELTON_API__FAILED_TOKENS", "1000000")
        // The compiler's words on machine code are too many and tell nothing of settings.
        .env("PELTON_LOG", "trace,hyper=trace,librdkafka=trace,cranelift_codegen=info,regalloc2=info");
    host.start();
    let said = std::sync::Mutex::new(String::new());
    let routes = routes();
    std::thread::scope(|scope| {
        for token in [SECRET, &read, "hunter2-hunter2-hunter2-wrong"] {
            for route in &routes {
                let (host, said) = (&host, &said);
                scope.spawn(move || {
                    let answer = call(host, route, &[("authorization", &format!("Bearer {token}"))]);
                    *said.lock().unwrap() += &format!("{answer:?}\n");
                });
            }
        }
    });
    let mut said = said.into_inner().unwrap();
    let component = fs::read(example("sensor_pipeline")).unwrap();
    host.drop_job("sensor_pipeline", &component);
    for arguments in [&["submit", "sensor_pipeline"][..], &["list"], &["list", "--json"], &["show", "sensor_pipeline"]]
    {
        let output = pelton(arguments, &[("PELTON_API", &host.url()), ("PELTON_TOKEN", SECRET)]);
        said += &output.stdout;
        said += &output.stderr;
    }
    said += &host.log();
    assert!(said.contains("sensor_pipeline") && said.contains("Pelton listens"), "{said}");
    assert!(!said.contains("hunter2"), "{}", lines_with(&said, "hunter2"));
}

fn lines_with(text: &str, word: &str) -> String {
    text.lines().filter(|line| line.contains(word)).collect::<Vec<_>>().join("\n")
}

#[test]
fn secrets_are_not_quoted_when_a_setting_is_wrong() {
    let url = format!("postgres://u:{SECRET}@127.0.0.1:1/d");
    for (toml, words) in [
        (format!("[postgres]\npassword = {SECRET}\n"), "TOML parse error at line 2"),
        (format!("[postgres]\npassword = \"{SECRET}\n"), "TOML parse error at line 2"),
        (format!("postgres = \"{url}\"\n"), "for key \"postgres\""),
        (format!("[postgres]\npassword = [\"{SECRET}\"]\n"), "for key \"postgres.password\""),
        (format!("[postgres]\nmax_rows = \"{SECRET}\"\n"), "for key \"postgres.max_rows\""),
        (format!("[postgres]\nlinger = \"{SECRET}\"\n"), "for key \"postgres.linger\""),
        (format!("listen = \"{SECRET}\"\n"), "for key \"listen\""),
        (format!("[kafka.properties]\nsasl.password = \"{SECRET}\"\n"), "for key \"kafka.properties.sasl\""),
        (format!("[kafka.properties]\n\"sasl.pasword\" = \"{SECRET}\"\n"), "sasl.pasword"),
        (format!("[kafka.properties]\n\"security.protocol\" = \"{SECRET}\"\n"), "security.protocol"),
        (format!("[kafka.consumer]\n\"session.timeout.ms\" = \"{SECRET}\"\n"), "session.timeout.ms"),
        (format!("[api]\ntoken = \"{SECRET} \u{e9}\"\n"), "the token in api.token"),
        (format!("[api]\ntoken = [\"{SECRET}\"]\n"), "for key \"api.token\""),
        (format!("api = \"{SECRET}\"\n"), "for key \"api\""),
    ] {
        // Flags would win.
        let (code, log) = lonely().without("--postgres").without("--listen").config(&toml).start_in_vain();
        assert_eq!(code, 1, "{toml}: {log}");
        assert!(log.contains(words), "{toml}: {log}");
        assert!(!log.contains("hunter2"), "{toml}: {log}");
    }
    for name in
        ["PELTON_POSTGRES", "PELTON_API__HOSTS", "PELTON_KAFKA", "PELTON_KAFKA__PROPERTIES", "PELTON_POSTGRES__LINGER"]
    {
        let (code, log) = lonely().without("--postgres").without("--kafka").env(name, SECRET).start_in_vain();
        assert_eq!(code, 1, "{name}: {log}");
        assert!(!log.contains("hunter2"), "{name}: {log}");
    }
    let said = pelton(&["list", "--token-file", "/no/such/file"], &[]);
    assert_eq!(said.code, 1, "{}", said.stderr);
}

#[test]
fn secrets_are_text_whatever_they_look_like() {
    for secret in ["01234567890123456789", "1e3", "true", "[1]", "{a=1}", "\"quoted\""] {
        // Taken as it is: the host starts, where it would refuse a number.
        let mut host = lonely().without("--postgres").env("PELTON_POSTGRES__PASSWORD", secret);
        host.start();
    }
    let token = "01234567890123456789";
    let mut host = lonely().env("PELTON_API__TOKEN", token);
    host.start();
    let bearer = |token: &str| format!("Bearer {token}");
    let list =
        |token: &str| request(host.port(), "GET", "/api/v1/jobs", &[("authorization", &bearer(token))], b"").status;
    assert_eq!((list(token), list("1234567890123456789")), (200, 401));
}
