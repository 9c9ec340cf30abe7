//! Components to and from a real registry, and jobs that are submitted from one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pelton::{Said, example, pelton};
use crate::registry::{PASSWORD, Registry, USER, require_registry};
use crate::reload::variant;
use crate::stage::require_stage;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// Runs `pelton` with docker's settings of this folder, which has none unless the test writes some.
fn run(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Said {
    let docker = [("DOCKER_CONFIG", folder.to_str().unwrap())];
    pelton(args, &[&docker, environment].concat())
}

fn refused(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> String {
    let said = run(folder, args, environment);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{}", said.stderr);
    said.stderr
}

/// Pushes a component; the digest of its manifest.
fn push(folder: &Path, reference: &str, file: &Path) -> String {
    let said = run(folder, &["push", reference, file.to_str().unwrap(), "--json"], &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    let digest = said["digest"].as_str().unwrap().to_owned();
    assert_eq!(said["reference"], format!("{reference}@{digest}"));
    digest
}

fn out(folder: &TempDir) -> (PathBuf, String) {
    let out = folder.path().join("out.wasm");
    let text = out.to_str().unwrap().to_owned();
    (out, text)
}

/// Gets JSON from a registry.
fn get(registry: &Registry, path: &str, accept: &str) -> Value {
    let mut response = ureq::get(format!("{}/v2/{path}", registry.url())).header("accept", accept).call().unwrap();
    response.body_mut().read_json().unwrap()
}

#[test]
fn a_component_comes_back_as_it_went() {
    let registry = require_registry!(false);
    let folder = tempfile::tempdir().unwrap();
    let (out, out_text) = out(&folder);
    let (file, reference) = (example("sensor_alerts"), registry.reference("jobs/alerts:1.0"));
    let wasm = fs::read(&file).unwrap();
    let digest = push(folder.path(), &reference, &file);
    assert_eq!(push(folder.path(), &reference, &file), digest, "the same file has the same digest");
    for from in [format!("oci://{reference}"), registry.reference(&format!("jobs/alerts@{digest}"))] {
        let said = run(folder.path(), &["pull", &from, "--out", &out_text], &[]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert!(said.stdout.contains(&format!("@{digest} ({} bytes) to ", wasm.len())), "{}", said.stdout);
        assert_eq!(fs::read(&out).unwrap(), wasm);
        fs::remove_file(&out).unwrap();
    }

    // As the layout says it, for other tools.
    let manifest = get(&registry, "jobs/alerts/manifests/1.0", MANIFEST);
    let layer = format!("sha256:{}", pelton_model::digest::digest(&wasm));
    assert_eq!((&manifest["schemaVersion"], &manifest["mediaType"]), (&json!(2), &json!(MANIFEST)));
    assert_eq!(manifest["config"]["mediaType"], CONFIG);
    let layers = json!([{"mediaType": "application/wasm", "digest": layer, "size": wasm.len()}]);
    assert_eq!(manifest["layers"], layers);
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = get(&registry, &format!("jobs/alerts/blobs/{config}"), "*/*");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!((&config["layerDigests"], config["created"].is_string()), (&json!([layer]), true));
    assert_eq!(config["component"]["exports"], json!(["pelton:job/task@0.1.0"]));
}

#[test]
fn what_can_not_be_had_is_told() {
    let registry = require_registry!(false);
    let folder = tempfile::tempdir().unwrap();
    let (out, out_text) = out(&folder);
    let pull = |reference: &str, environment: &[(&str, &str)]| {
        let told = refused(folder.path(), &["pull", reference, "--out", &out_text], environment);
        assert!(!out.exists(), "nothing is written");
        told
    };
    let alerts = registry.reference("alerts:1");
    let digest = push(folder.path(), &alerts, &example("sensor_alerts"));
    for reference in ["alerts:2", "nothing:1", &format!("alerts@sha256:{}", "0a".repeat(32))] {
        let told = pull(&registry.reference(reference), &[]);
        assert!(told.contains("there is no ") && told.contains("check the name and the tag"), "{told}");
    }

    // An image, and an index of images.
    let kinds = [
        (MANIFEST, json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": image_config(&registry), "layers": []})),
        (
            "application/vnd.oci.image.index.v1+json",
            json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}),
        ),
    ];
    for (tag, (kind, manifest)) in ["image", "index"].into_iter().zip(kinds) {
        let url = format!("{}/v2/alerts/manifests/{tag}", registry.url());
        ureq::put(url).content_type(kind).send(manifest.to_string()).unwrap();
        let told = pull(&registry.reference(&format!("alerts:{tag}")), &[]);
        assert!(told.contains("is not a Wasm component: it") && told.contains("`pelton push`"), "{told}");
    }

    // More than a host takes; and bytes that are not those of the digest.
    let padded = folder.path().join("padded.wasm");
    let mut bytes = variant(&example("sensor_alerts"), 1);
    bytes.extend([0, 0x80, 0x80, 0x80, 0x01]);
    bytes.extend(std::iter::repeat_n(0, 2 << 20));
    fs::write(&padded, bytes).unwrap();
    let large = registry.reference("large:1");
    push(folder.path(), &large, &padded);
    let told = pull(&large, &[("PELTON_API__UPLOAD_MIB", "1")]);
    assert!(told.contains("is too large") && told.contains("api.upload_mib"), "{told}");
    let layer = format!("sha256:{}", pelton_model::digest::digest(&fs::read(example("sensor_alerts")).unwrap()));
    let kept = registry.blob(&layer);
    let mut bytes = fs::read(&kept).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&kept, bytes).unwrap();
    let told = pull(&alerts, &[]);
    assert!(told.contains("is damaged: its component should have the digest"), "{told}");
    // The manifest too: as long as before, and still one.
    let kept = registry.blob(&digest);
    let manifest = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, manifest.replace(&layer, &format!("sha256:{}", "0b".repeat(32)))).unwrap();
    let told = pull(&registry.reference(&format!("alerts@{digest}")), &[]);
    assert!(told.contains("is damaged") || told.contains("refuses"), "{told}");

    // Nobody listens on port 1.
    let told = pull("127.0.0.1:1/alerts:1", &[]);
    assert!(told.contains("the registry 127.0.0.1:1 can't be reached"), "{told}");
    // Only what is a component is pushed, and only under a tag.
    let text = folder.path().join("text.wasm");
    fs::write(&text, "hello").unwrap();
    let told = refused(folder.path(), &["push", &alerts, text.to_str().unwrap()], &[]);
    assert!(told.contains("this is not a Wasm component"), "{told}");
    let file = example("sensor_alerts");
    let told = refused(folder.path(), &["push", &format!("{alerts}@{digest}"), file.to_str().unwrap()], &[]);
    assert!(told.contains("push it under a tag"), "{told}");
    let said = run(folder.path(), &["pull", "alerts:1"], &[]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("names no registry"), "{}", said.stderr);
}

/// Uploads the configuration of an image, for a manifest to name.
fn image_config(registry: &Registry) -> Value {
    let config = b"{}";
    let digest = format!("sha256:{}", pelton_model::digest::digest(config));
    let begun = ureq::post(format!("{}/v2/alerts/blobs/uploads/", registry.url())).send_empty().unwrap();
    let location = begun.headers()["location"].to_str().unwrap();
    ureq::put(format!("{location}&digest={digest}"))
        .content_type("application/octet-stream")
        .send(&config[..])
        .unwrap();
    json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len()})
}

#[test]
fn a_registry_that_asks_for_a_login_gets_it_and_nobody_else() {
    let registry = require_registry!(true);
    let folder = tempfile::tempdir().unwrap();
    let (out, out_text) = out(&folder);
    let (reference, file) = (registry.reference("jobs/alerts:1"), example("sensor_alerts"));
    let arguments = ["push", reference.as_str(), file.to_str().unwrap()];
    let login = |password| [("PELTON_REGISTRY_USER", USER), ("PELTON_REGISTRY_PASSWORD", password)];
    let told = refused(folder.path(), &arguments, &[]);
    assert!(told.contains("without a login: unauthorised; use `docker login 127.0.0.1:"), "{told}");
    let told = refused(folder.path(), &arguments, &login("another-word"));
    assert!(told.contains("with this login: unauthorised") && !told.contains("another-word"), "{told}");
    let told = refused(folder.path(), &arguments, &login(PASSWORD)[..1]);
    assert!(told.contains("set both, or neither"), "{told}");
    let said = run(folder.path(), &arguments, &login(PASSWORD));
    assert_eq!(said.code, 0, "{}", said.stderr);

    // As `docker login` keeps it.
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let (server, _) = reference.split_once('/').unwrap();
    fs::write(folder.path().join("config.json"), json!({"auths": {server: {"auth": auth}}}).to_string()).unwrap();
    let said = run(folder.path(), &["pull", &reference, "--out", &out_text], &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(fs::read(&out).unwrap(), fs::read(&file).unwrap());
    fs::write(
        folder.path().join("config.json"),
        json!({"auths": {server: {"auth": "b25seS1hLXNlY3JldA=="}}}).to_string(),
    )
    .unwrap();
    let told = refused(folder.path(), &["pull", &reference], &[]);
    assert!(told.contains("is unusable") && !told.contains("only-a-secret"), "{told}");
}

/// What a registry with a token service says, as that of GitHub does: three requests, whatever else they ask for.
fn answer_with_tokens(listener: &TcpListener) -> Vec<String> {
    let address = listener.local_addr().unwrap();
    let challenge = format!(
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"http://{address}/token\",service=\"s\",\
         scope=\"repository:a:pull\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let ok =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let answers = [challenge, ok(r#"{"token": "t0ken"}"#), ok("{}")];
    let answer = |answer: String| {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(answer.as_bytes()).unwrap();
        head.join("\n")
    };
    answers.map(answer).to_vec()
}

#[test]
fn a_token_is_got_where_the_registry_says() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let reference = format!("{}/a:1", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| answer_with_tokens(&listener));
        let login = [("PELTON_REGISTRY_USER", USER), ("PELTON_REGISTRY_PASSWORD", PASSWORD)];
        let told = refused(folder.path(), &["pull", &reference], &login);
        assert!(told.contains("no manifest there"), "{told}");
        asked.join().unwrap()
    });
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    assert!(asked[0].starts_with("GET /v2/a/manifests/1 ") && !asked[0].contains("authorization"), "{asked:?}");
    assert!(asked[1].starts_with("GET /token?service=s&scope=repository%3Aa%3Apull "), "{asked:?}");
    assert!(asked[1].contains(&basic) && asked[2].contains("Bearer t0ken") && !asked[2].contains(&basic), "{asked:?}");
}

#[test]
fn a_job_comes_from_a_registry_and_says_so() {
    let registry = require_registry!(false);
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.wasm");
    fs::write(&other, variant(&example("sensor_alerts"), 1)).unwrap();
    let digests = [("jobs/alerts:1", example("sensor_alerts")), ("jobs/alerts:2", other)]
        .map(|(name, file)| push(folder.path(), &registry.reference(name), &file));
    let [one, two] = [1, 2].map(|tag| format!("oci://{}", registry.reference(&format!("jobs/alerts:{tag}"))));
    let said = host.cli(&["submit", &one, "--why", "the first"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains(&format!("pulled {}@{}", &one[6..], digests[0])), "{}", said.stderr);
    let said = host.cli(&["reload", "sensor_alerts", &two]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let view = host.show("sensor_alerts");
    assert_eq!(view["versions"][0]["why"], format!("the first (from {one}@{})", digests[0]));
    assert_eq!(view["versions"][1]["why"], format!("from {two}@{}", digests[1]));
    let shown = host.cli(&["show", "sensor_alerts"]).stdout;
    assert!(digests.iter().all(|digest| shown.contains(digest)), "{shown}");
    let told = host.cli(&["submit", &format!("oci://{}", registry.reference("jobs/none:1"))]);
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("there is no "), "{}", told.stderr);
    // Without the scheme it could be a file.
    let told = host.cli(&["submit", &one[6..]]);
    assert!(told.stderr.contains(&format!("a component in a registry is {one}")), "{}", told.stderr);
}
