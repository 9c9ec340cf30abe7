//! Clients that take what others need: whatever they do, health and client commands are answered, and the host stays
//! small.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::api_safety::lonely;
use crate::eventually::eventually;
use crate::http::{Connection, request};
use crate::pelton::{Host, pelton};

const TOKEN: &str = "the-token-of-those-who-write";
/// For a host to notice what its clients do.
const WAIT: Duration = Duration::from_secs(180);

/// A host that waits for slow clients for longer than any test does.
fn patient() -> Host {
    lonely().env("PELTON_TOKEN", TOKEN).env("PELTON_API__READ_TIME", "1h").env("PELTON_API__WRITE_TIME", "1h")
}

/// Lets this process have as many files as it may.
fn many_files(wanted: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted.min(hard)), hard).unwrap();
    wanted.min(hard) - 200
}

/// Whoever needs an answer gets one: probes without a token, and a command with it.
#[track_caller]
fn answers(host: &Host) {
    for (path, status) in [("/livez", 200), ("/readyz", 503)] {
        assert_eq!(request(host.port(), "GET", path, &[], b"").status, status, "{path}");
    }
    let said = pelton(&["list"], &[("PELTON_API", &host.url()), ("PELTON_TOKEN", TOKEN)]);
    assert_eq!(said.code, 0, "{}", said.stderr);
}

fn open_files(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.pid())).unwrap().count()
}

/// The most memory that the host has had, MiB.
fn peak_mib(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

fn stream(host: &Host, path: &str) -> Connection {
    let mut connection = Connection::open(host.port());
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    connection.send(head.as_bytes());
    connection
}

#[test]
fn half_open_requests_hold_nobody_up() {
    let most = usize::try_from(many_files(6000)).unwrap();
    let mut host = patient();
    host.start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", host.pid())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let files: Vec<_> = files.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect();
    assert_eq!(files[0], files[1].min(1 << 16), "the limit is raised: {files:?}");

    let mut silent = Vec::new();
    let half_open = || {
        let mut connection = Connection::open(host.port());
        connection.send(b"GET /livez HTTP/1.1\r\nhost: loc");
        connection
    };
    for count in [1024, 5000] {
        silent.resize_with(count.min(most), half_open);
        answers(&host);
    }
    assert!(open_files(&host) < 2200, "{} files", open_files(&host));
    // The same while ever more come.
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..silent.len()).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                silent[at] = half_open();
            }
        });
        for _ in 0..5 {
            answers(&host);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(host.log().contains("too many connections to the API"), "{}", host.log());
}

#[test]
fn silent_streams_hold_nobody_up() {
    many_files(4000);
    let mut host = patient();
    host.start();
    let mut silent: Vec<_> = (0..1100).map(|_| stream(&host, "/api/v1/events")).collect();
    answers(&host);
    let mut next = stream(&host, "/api/v1/events");
    let refused = next.answer();
    assert_eq!((refused.status, refused.code().as_str()), (503, "too-many-streams"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.body.contains("pelton logs --follow"), "{refused:?}");
    // Another address has its share all the same.
    let mut other = Connection::open_from([127, 0, 0, 2], host.port());
    other.send(
        format!("GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n").as_bytes(),
    );
    assert_eq!(other.answer().status, 200);
    assert!(other.event()["jobs"].is_array());
    // And who was there first still hears.
    let heard = silent[1..=200].iter_mut().map(Connection::answer).filter(|answer| answer.status == 200).count();
    assert_eq!(heard, 200);
    drop((silent, other));
    eventually(WAIT, "streams are taken again", || {
        (stream(&host, "/api/v1/events").answer().status == 200).then_some(())
    });
}

#[test]
fn unread_answers_hold_nobody_up() {
    many_files(4000);
    let mut host = patient();
    host.start();
    // Each asks again and again, and reads nothing.
    let ask = format!("GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    let ask = ask.repeat(200);
    let deaf: Vec<_> = (0..400)
        .map(|_| {
            let mut connection = Connection::open(host.port()).never_blocks();
            connection.send(ask.as_bytes());
            connection
        })
        .collect();
    for _ in 0..3 {
        eventually(WAIT, "a command is answered", || {
            let said = pelton(&["list"], &[("PELTON_API", &host.url()), ("PELTON_TOKEN", TOKEN)]);
            (said.code == 0).then_some(())
        });
        assert_eq!(request(host.port(), "GET", "/livez", &[], b"").status, 200);
    }
    drop(deaf);
}

#[test]
fn bodies_that_never_come_hold_nobody_up() {
    many_files(4000);
    let mut host = patient();
    host.start();
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    let slow: Vec<_> = (0..400)
        .map(|_| {
            let mut connection = Connection::open(host.port());
            connection.send(head.as_bytes());
            connection
        })
        .collect();
    for _ in 0..3 {
        answers(&host);
    }
    drop(slow);
}

#[test]
fn streams_that_are_not_read_cost_no_memory_and_end() {
    const STREAMS: usize = 100;
    let mut host = patient().env("PELTON_API__WRITE_TIME", "5s");
    // Events of half a megabyte: files that are no jobs.
    let long = "a".repeat(180);
    for number in 0..1000 {
        fs::write(host.usr_jobs().join(format!("{long}{number}.wasm")), "nothing").unwrap();
    }
    host.start();
    let bearer = format!("Bearer {TOKEN}");
    let seen =
        || request(host.port(), "GET", "/api/v1/jobs", &[("authorization", &bearer)], b"").body.matches(&long).count();
    eventually(WAIT, "all files are seen", || (seen() >= 1000).then_some(()));
    let before = peak_mib(&host);
    let deaf: Vec<_> = (0..STREAMS).map(|_| stream(&host, "/api/v1/events")).collect();
    let mut number = 0;
    let let_go = || host.log().lines().filter(|line| line.contains("is let go: it")).count();
    eventually(WAIT, "all that read nothing are let go", || {
        number += 1;
        fs::write(host.usr_jobs().join(format!("{number}.wasm")), "nothing").unwrap();
        (let_go() >= STREAMS).then_some(())
    });
    let after = peak_mib(&host);
    assert!(after < before + 100, "{before} MiB, then {after} MiB");
    answers(&host);
    drop(deaf);
}
