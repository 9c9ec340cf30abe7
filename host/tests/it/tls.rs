//! TLS of the API, and client commands that speak it.

use std::path::Path;
use std::time::Duration;

use pelton_testkit::certificates::{Authority, Certificate};

use crate::api_safety::lonely;
use crate::eventually::eventually;
use crate::http::request;
use crate::pelton::{Host, Said, pelton};

/// For the host to look at its files, which it does every ten seconds.
const LOOK: Duration = Duration::from_secs(60);

fn list(host: &Host, url: &str, authority: &Path) -> Said {
    let authority = authority.display().to_string();
    assert!(host.pid() > 0);
    pelton(&["list"], &[("PELTON_API", url), ("PELTON_API_CA", &authority)])
}

/// A command that fails, and says all of this.
#[track_caller]
fn fails(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(words.iter().all(|word| said.stderr.contains(word)), "{words:?}: {}", said.stderr);
}

#[test]
fn client_commands_speak_tls_and_believe_no_other_host() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut host = lonely().secure(&authority.sign(&["localhost", "127.0.0.1"], 1), &authority);
    host.start();
    assert!(host.log().contains("Pelton listens on https://127.0.0.1:"), "{}", host.log());
    let said = host.cli(&["list"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let (named, ca) = (host.url().replace("127.0.0.1", "localhost"), host.authority_file());
    assert_eq!(list(&host, &named, &ca).code, 0);

    // Authorities that are not the host's: another, those of the system, and no file of any.
    let file = |name: &str, text: &str| {
        let path = host.data().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let unknown = ["authority that is not trusted here", "PELTON_API_CA"];
    fails(&list(&host, &host.url(), &file("other.crt", &other.pem())), &unknown);
    fails(&pelton(&["list"], &[("PELTON_API", &host.url())]), &unknown);
    fails(&list(&host, &host.url(), &file("none.crt", "nothing")), &["none.crt", "has no certificate"]);
    fails(&list(&host, &host.url(), Path::new("/no/such.crt")), &["failed to read PELTON_API_CA, /no/such.crt"]);

    // Plain HTTP where TLS is spoken, and TLS where it is not.
    let plain = host.url().replace("https:", "http:");
    fails(&list(&host, &plain, &ca), &["this port speaks TLS", "call it with https://"]);
    assert_eq!(request(host.port(), "GET", "/livez", &[], b"").code(), "not-tls");
    let mut without = lonely();
    without.start();
    fails(
        &list(&without, &without.url().replace("http:", "https:"), &ca),
        &["does not speak TLS; call it with http://"],
    );

    // Pages of the same name without TLS are of another site.
    let agent = |origin: &str| {
        let (url, origin) = (format!("{}/livez", host.url()), origin.to_owned());
        host.call(|agent| agent.get(url).header("origin", origin).call().unwrap().status().as_u16())
    };
    assert_eq!((agent(&host.url()), agent(&plain)), (200, 403));
}

#[test]
fn certificates_of_other_names_and_times_are_not_believed_and_new_ones_are_shown() {
    let authority = Authority::new();
    let mut host = lonely().secure(&authority.sign(&["127.0.0.1"], -1), &authority);
    // It knows nothing of time itself, and its clients are the ones to judge.
    host.start_without_looking();
    let ca = host.authority_file();
    let say = |words: &'static str| {
        eventually(LOOK, words, || {
            let said = list(&host, &host.url(), &ca);
            (said.code == 1 && said.stderr.contains(words)).then_some(())
        });
    };
    say("its certificate has expired; renew it at the host");
    host.renew(&authority.sign(&["other.example"], 1));
    say("its certificate is of another name");
    // What makes no sense is told, and changes nothing.
    let Certificate { certificate, .. } = authority.sign(&["127.0.0.1"], 1);
    host.renew(&Certificate { certificate: certificate.clone(), key: "nothing".to_owned() });
    eventually(LOOK, "the bad key is told", || host.log().contains("has no private key").then_some(()));
    say("its certificate is of another name");
    host.renew(&authority.sign(&["127.0.0.1"], 1));
    eventually(LOOK, "the new one is shown", || (list(&host, &host.url(), &ca).code == 0).then_some(()));
    let log = host.log();
    assert_eq!(log.matches("has no private key").count(), 1, "it is told once: {log}");
    assert!(log.contains("the API shows the new certificate in") && !log.contains("PRIVATE KEY-----\nM"), "{log}");
}

#[test]
fn certificates_that_can_not_be_shown_end_the_start() {
    let authority = Authority::new();
    let (good, other) = (authority.sign(&["127.0.0.1"], 1), authority.sign(&["127.0.0.1"], 1));
    for (certificate, words) in [
        (Certificate { key: other.key, ..good.clone() }, "is not that of the first certificate in api.tls_cert_file"),
        (Certificate { certificate: "nothing".to_owned(), ..good.clone() }, "has no certificate"),
        (Certificate { key: "nothing".to_owned(), ..good }, "has no private key"),
    ] {
        let (code, log) = lonely().secure(&certificate, &authority).start_in_vain();
        assert_eq!(code, 1, "{log}");
        assert!(log.contains(words), "{log}");
    }
    let (code, log) = lonely().env("PELTON_API__TLS_CERT_FILE", "/no/such.crt").start_in_vain();
    assert!(code == 1 && log.contains("api.tls_cert_file is set and api.tls_key_file is not"), "{log}");
    let (code, log) = lonely()
        .env("PELTON_API__TLS_CERT_FILE", "/no/such.crt")
        .env("PELTON_API__TLS_KEY_FILE", "/no/such.key")
        .start_in_vain();
    assert!(code == 1 && log.contains("failed to read api.tls_cert_file, /no/such.crt"), "{log}");
    // TLS says who the host is, and not who calls.
    let (code, log) =
        lonely().secure(&authority.sign(&["127.0.0.1"], 1), &authority).flag("--listen", "0.0.0.0:0").start_in_vain();
    assert!(code == 1 && log.contains("there is no token"), "{log}");
}
