//! Who tries tokens.

use crate::api_safety::lonely;
use crate::http::{Answer, Connection, request};

const TOKEN: &str = "the-token-of-those-who-write";

#[track_caller]
fn from(address: [u8; 4], port: u16, path: &str, token: &str) -> Answer {
    let mut connection = Connection::open_from(address, port);
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    connection.send(head.as_bytes());
    connection.answer()
}

#[test]
fn who_guesses_is_slowed_down_and_nobody_else_is() {
    // Two in a minute, so that a busy machine has not given a further one back when the third comes.
    let mut host = lonely().env("PELTON_TOKEN", TOKEN).env("PELTON_API__FAILED_TOKENS", "2");
    host.start();
    let (guesser, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    let list = |address, token| from(address, host.port(), "/api/v1/jobs", token);
    for guess in ["guess-number-one-of-many", "guess-number-two-of-many"] {
        assert_eq!(list(guesser, guess).code(), "no-token");
    }
    for token in ["guess-number-three-of-many", TOKEN] {
        let refused = list(guesser, token);
        assert_eq!((refused.status, refused.code().as_str()), (429, "too-many-failures"), "{refused:?}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{refused:?}");
        assert!(refused.body.contains("api.failed_tokens") && !refused.body.contains("guess"), "{refused:?}");
    }
    // Others have the right token, and health is for all; no guess is answered by it.
    assert_eq!(list(other, TOKEN).status, 200);
    assert_eq!(from(guesser, host.port(), "/livez", "guess").status, 200);
    let ready = from(guesser, host.port(), "/readyz", TOKEN);
    assert_eq!((ready.status, ready.body.as_str()), (503, "degraded\n"));
    let without = request(host.port(), "GET", "/api/v1/jobs", &[], b"");
    assert_eq!(without.code(), "no-token");
    let log = host.log();
    assert_eq!(log.matches("audit: too many wrong tokens").count(), 1, "{log}");
    assert!(log.contains("127.0.0.2") && !log.contains("guess"), "{log}");
}

#[test]
fn a_limit_of_no_token_ends_the_start() {
    let (code, log) = lonely().env("PELTON_API__FAILED_TOKENS", "0").start_in_vain();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("api.failed_tokens is 0; it must be at least 1"), "{log}");
}
