//! Postgres with TLS: `verify-full` with what is right, and with each thing that may be wrong, which is told:
//! <https://github.com/brianc/node-postgres/issues/2558>, <https://github.com/risingwavelabs/risingwave/issues/16316>.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pelton_local::postgres::Programs;
use tempfile::TempDir;

use crate::certificates::Signer;
use crate::pelton::{Host, example};
use crate::readings::readings;
use crate::stage::{RUN, Stage, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";
const HERE: &str = "127.0.0.1";

/// The server's URL with this mode and these certificates trusted, without a password.
fn url(stage: &Stage, mode: &str, ca: &Signer) -> String {
    let url = stage.postgres.url().replace(":flinkpassword@", "@");
    format!("{url}?sslmode={mode}&sslrootcert={}", ca.certificate().display())
}

fn password_file(folder: &TempDir, password: &str) -> PathBuf {
    let file = folder.path().join(format!("password-{password}"));
    fs::write(&file, format!("{password}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
fn verify_full_takes_the_right_server_and_tells_what_is_wrong_with_others() {
    let mut stage = require_stage!().with_postgres(Programs::Any);
    stage.set(1);
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (Signer::new(folder.path(), "ca"), Signer::new(folder.path(), "other"));
    let good = ca.issue("server", HERE, 30);
    stage.postgres.set_certificate(&good.certificate, &good.key).unwrap();
    let file = password_file(&folder, "flinkpassword");
    let host =
        |stage: &Stage, url: String| stage.host().flag("--postgres", url).env("PELTON_POSTGRES__PASSWORD_FILE", &file);
    let mut here = host(&stage, url(&stage, "verify-full", &ca));
    here.start();
    here.submit(example(JOB), &[]);
    stage.kafka.produce("sensors", &readings(0..100));
    stage.wait_until_done(JOB);
    let encrypted = "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE ssl AND application_name = 'pelton/sensor_pipeline'";
    assert_eq!(stage.query(encrypted).len(), 1);

    // A submit to another host is refused with the reason, and a job that is there tells it.
    let wrong = |mut other: Host, words: &str| {
        other.start();
        let said = other.cli(&["submit", example(JOB).to_str().unwrap()]);
        assert_ne!(said.code, 0);
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
        assert!(!said.stderr.contains("flinkpassword"), "{}", said.stderr);
        assert_eq!(other.sigterm(RUN), 0);
    };
    let untrusted = host(&stage, url(&stage, "verify-full", &other));
    wrong(untrusted, "its certificate is signed by none that is trusted");
    for (issued, words) in [
        (ca.issue("expired", HERE, -1), "its certificate has expired"),
        (ca.issue("elsewhere", "elsewhere.example", 30), "its certificate is for another name"),
    ] {
        stage.postgres.set_certificate(&issued.certificate, &issued.key).unwrap();
        let refused = host(&stage, url(&stage, "verify-full", &ca));
        wrong(refused, words);
        stage.kafka.produce("sensors", &readings(100..101));
        wait_until_told(&here, JOB, words);
    }
    // The name counts for verify-full only.
    let mut by_authority = host(&stage, url(&stage, "verify-ca", &ca));
    by_authority.start();
    let said = by_authority.cli(&["submit", example(JOB).to_str().unwrap(), "--name", "another"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.postgres.set_certificate(&good.certificate, &good.key).unwrap();
    stage.wait_until_done(JOB);
    assert_eq!(ids(&stage, "raw_sensors_data"), ids_of(0..101));
}

#[test]
fn a_server_without_tls_and_a_wrong_password_are_told() {
    let stage = require_stage!();
    stage.set(1);
    let folder = tempfile::tempdir().unwrap();
    let ca = Signer::new(folder.path(), "ca");
    let without_tls = stage.host().flag("--postgres", url(&stage, "verify-full", &ca));
    let plain = stage.postgres.url().replace(":flinkpassword@", "@");
    let wrong = password_file(&folder, "wrong-password");
    let wrong_password = stage.host().flag("--postgres", plain).env("PELTON_POSTGRES__PASSWORD_FILE", wrong);
    for (mut host, words) in [
        (without_tls, "the server takes no connections with TLS"),
        (wrong_password, "password authentication failed for user \"flinkuser\" (28P01)"),
    ] {
        host.start();
        let said = host.cli(&["submit", example(JOB).to_str().unwrap()]);
        assert_ne!(said.code, 0);
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
        assert!(!host.log().contains("wrong-password"), "{}", host.log());
    }
}

#[test]
fn what_can_not_work_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let no_certificate = folder.path().join("no.pem");
    fs::write(&no_certificate, "nothing").unwrap();
    let file = password_file(&folder, "secret-password");
    let server = "postgres://u@127.0.0.1:1/d";
    for (url, file, words) in [
        (
            format!("{server}?sslmode=verify-full&sslrootcert=/no/such.pem"),
            None,
            "failed to read sslrootcert /no/such.pem",
        ),
        (
            format!("{server}?sslmode=verify-full&sslrootcert={}", no_certificate.display()),
            None,
            "holds no certificates in PEM",
        ),
        (
            "postgres://u:secret-url@127.0.0.1:1/d".to_owned(),
            Some(file),
            "both postgres.url and postgres.password_file",
        ),
        (server.to_owned(), Some("/no/such/file".into()), "failed to read postgres.password_file, /no/such/file"),
    ] {
        let mut host = Host::new("127.0.0.1:1", &url);
        if let Some(file) = file {
            host = host.env("PELTON_POSTGRES__PASSWORD_FILE", file);
        }
        let (code, log) = host.start_in_vain();
        assert!(code == 1 && log.contains(words), "{words}: {code}: {log}");
        assert!(!log.contains("secret-"), "{log}");
    }
}
