//! One value that a column or the database's encoding can't hold ends the sink:
//! <https://github.com/bloxbean/yaci-store/issues/209>, <https://github.com/graphprotocol/graph-node/issues/3136>.

use serde_json::{Value, json};

use crate::failover::run;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{Servers, guest, require_stage};
use crate::waiting::wait_until_read;

const JOB: &str = "all_types";

/// A host whose job has made its table.
fn host(servers: &Servers, url: &str) -> Host {
    servers.kafka.create_topic(JOB, 1, &[]);
    let mut host = servers.host().flag("--postgres", url);
    host.start();
    host.submit(guest(JOB), &["--create"]);
    host
}

/// Has the job read these among many good ones; offset and reason of each dead letter.
fn letters(servers: &Servers, values: &[Value]) -> Vec<(usize, String)> {
    let records: Vec<_> = values.iter().map(|value| Record::new(value.to_string())).collect();
    servers.kafka.produce(JOB, &records);
    wait_until_read(servers, JOB, JOB);
    let letters = servers.kafka.read_all("all_types.dlq");
    let header = |letter: &Record, name| letter.header_text(name).unwrap().to_owned();
    letters
        .iter()
        .map(|letter| (header(letter, "pelton.offset").parse().unwrap(), header(letter, "pelton.error")))
        .collect()
}

#[test]
fn each_value_that_a_column_cannot_hold_is_a_dead_letter() {
    let servers = require_stage!();
    let host = host(&servers, &servers.postgres.url());
    servers.sql(
        "ALTER TABLE all_types ALTER numeric TYPE numeric(6, 2),
            ADD CONSTRAINT apart EXCLUDE USING gist (int4range(int4, int4 + 10) WITH &&) WHERE (int4 IS NOT NULL)",
    );
    let bad = [
        (json!({"text": "a\u{0}b"}), "column `text`: a NUL character, which Postgres can't keep in text"),
        (json!({"jsonb": "{\"a\": \"\\u0000\"}"}), "sink `all_types`: unsupported Unicode escape sequence (22P05)"),
        (json!({"jsonb": "\"\\ud800\""}), "sink `all_types`: invalid input syntax for type json (22P02)"),
        (json!({"numeric": "12345.6"}), "sink `all_types`: numeric field overflow (22003)"),
        (json!({"numeric": "Infinity"}), "sink `all_types`: numeric field overflow (22003)"),
        (
            json!({"timestamptz": i64::MIN}),
            "column `timestamptz`: microsecond -9223372036854775808 from 1970-01-01 is out of Postgres's range",
        ),
        (
            json!({"int4": 5}),
            "sink `all_types`: conflicting key value violates exclusion constraint \"apart\" (23P01, \
             constraint `apart`)",
        ),
    ];
    let (mut values, mut expected) = (vec![json!({"id": 0, "int4": 0})], Vec::new());
    for (value, reason) in bad {
        let mut value = value;
        value["id"] = json!(values.len());
        expected.push((values.len(), reason.to_owned()));
        values.push(value);
        // Postgres keeps what it need not understand.
        values.push(json!({"id": values.len(), "text": "fine", "json": "{\"a\": \"\\u0000\"}", "numeric": "1.5"}));
    }
    let mut found = letters(&servers, &values);
    found.sort();
    assert_eq!(found, expected);
    let rows = servers.query("SELECT id FROM all_types ORDER BY id");
    let good = (0..values.len() as i64).filter(|&id| expected.iter().all(|&(bad, _)| bad as i64 != id));
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), good.collect::<Vec<_>>());
    assert_eq!(servers.query("SELECT 1 FROM all_types WHERE text = 'fine' AND numeric = 1.5").len(), 7);
    assert_eq!(host.show(JOB)["state"], "running");
}

/// A database of another encoding; its URL.
fn database(servers: &Servers, encoding: &str) -> String {
    let name = encoding.to_lowercase();
    servers.sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    servers
        .sql(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"));
    servers.postgres.url().replace("/flinkdb", &format!("/{name}"))
}

#[test]
fn a_character_that_the_encoding_lacks_is_a_dead_letter() {
    let servers = require_stage!();
    let url = database(&servers, "LATIN1");
    let _host = host(&servers, &url);
    let texts = |n: usize| if n % 50 == 7 { "snow ☃" } else { "café" };
    let values: Vec<_> = (0..500).map(|n| json!({"id": n, "text": texts(n)})).collect();
    let reason = "sink `all_types`: character with byte sequence 0xe2 0x98 0x83 in encoding \"UTF8\" has no equivalent \
                  in encoding \"LATIN1\" (22P05)";
    let expected: Vec<_> = (0..500).filter(|n| n % 50 == 7).map(|n| (n, reason.to_owned())).collect();
    assert_eq!(letters(&servers, &values), expected);
    assert_eq!(run(&url, "SELECT count(*) FROM all_types WHERE text = 'café' AND id % 50 <> 7").unwrap(), 490);
    assert_eq!(run(&url, "SELECT count(*) FROM all_types").unwrap(), 490);
}

#[test]
fn a_database_without_an_encoding_keeps_the_bytes() {
    let servers = require_stage!();
    let url = database(&servers, "SQL_ASCII");
    let _host = host(&servers, &url);
    let values: Vec<_> = (0..500).map(|n| json!({"id": n, "text": "snow ☃", "jsonb": "{\"é\": 1}"})).collect();
    assert_eq!(letters(&servers, &values), []);
    assert_eq!(run(&url, "SELECT count(*) FROM all_types WHERE octet_length(text) = 8").unwrap(), 500);
}
