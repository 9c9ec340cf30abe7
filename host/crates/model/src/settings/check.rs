//! What settings can't be, told by key and without the value: it would be told first by the first job otherwise.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

/// The protocols that a broker's address may begin with.
const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];

/// Refuses numbers of which nothing could be done.
pub(super) fn numbers(numbers: &[(&str, Option<usize>)]) -> Result<()> {
    numbers.iter().try_for_each(|(key, number)| {
        ensure!(*number != Some(0), "{key} is 0; it must be at least 1");
        Ok(())
    })
}

/// Refuses times in which nothing could be done.
pub(super) fn times(times: &[(&str, Option<Duration>)]) -> Result<()> {
    times.iter().try_for_each(|(key, time)| {
        let is_enough = time.is_none_or(|time| time >= Duration::from_millis(1));
        ensure!(is_enough, "{key} is less than a millisecond; nothing could be done in that time");
        Ok(())
    })
}

/// Refuses a list of brokers that is none.
pub(super) fn brokers(key: &str, list: &str) -> Result<()> {
    let is_list = list.split(',').all(is_broker);
    ensure!(is_list, "{key} is no list of brokers; it must be HOST:PORT, such as localhost:9092, several with commas");
    Ok(())
}

/// Refuses a folder that is something else. One that is not there may come.
pub(super) fn folder(key: &str, path: &Path) -> Result<()> {
    ensure!(path.is_dir() || !path.exists(), "{key} is {}, which is no folder", path.display());
    Ok(())
}

/// Whether librdkafka may take it for a broker's address: it drops in silence what it can't read.
fn is_broker(text: &str) -> bool {
    let text = text.trim();
    let (protocol, address) = text.split_once("://").map_or((None, text), |(protocol, rest)| (Some(protocol), rest));
    let is_known = |protocol: &str| PROTOCOLS.iter().any(|known| protocol.eq_ignore_ascii_case(known));
    // Of an address of IPv6 only what follows the brackets is a port; without them it has none.
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, Some(port))
        }
        _ => (address, None),
    };
    protocol.is_none_or(is_known)
        && !host.is_empty()
        && !host.contains(|c: char| c.is_whitespace() || c == '/')
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_address_has_a_host_and_a_port_that_is_a_number() {
        for good in ["localhost:9092", " b:1", "b", "SSL://b:1", "[::1]:9092", "[::1]", "::1", "10.0.0.1:65535"] {
            assert!(is_broker(good), "{good}");
        }
        for bad in ["", " ", ":9092", "b:", "b:abc", "b:0", "b:65536", "http://b:1", "b:1/x", "b :1", "[::1]:x"] {
            assert!(!is_broker(bad), "{bad}");
        }
    }

    #[test]
    fn what_nothing_could_be_done_with_is_named() {
        let told = |result: Result<()>| result.map_err(|error| error.to_string());
        assert_eq!(told(numbers(&[("a", None), ("b", Some(1))])), Ok(()));
        assert_eq!(told(numbers(&[("a", Some(0))])), Err("a is 0; it must be at least 1".to_owned()));
        assert_eq!(told(times(&[("a", None), ("b", Some(Duration::from_millis(1)))])), Ok(()));
        let nothing = "a is less than a millisecond; nothing could be done in that time".to_owned();
        assert_eq!(told(times(&[("a", Some(Duration::ZERO))])), Err(nothing));
        let none = told(brokers("kafka.bootstrap", "b:1,secret://c")).unwrap_err();
        assert!(none.starts_with("kafka.bootstrap is no list of brokers") && !none.contains("secret"), "{none}");
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(told(folder("a", file.path())).unwrap_err().ends_with("which is no folder"));
        assert_eq!(told(folder("a", Path::new("/no/such/folder"))), Ok(()));
    }
}
