//! Components in OCI registries, in the layout that the CNCF's TAG Runtime has agreed on for WebAssembly: a manifest
//! with a configuration of type `application/vnd.wasm.config.v0+json` and one layer, the component, of type
//! `application/wasm`. Other tools of that layout (wkg, wasmtime, runtimes of Kubernetes) read what is pushed here, and
//! the other way round.
//!
//! Nothing is trusted that a registry says: bytes count when they have the digest by which they were asked for, and no
//! answer is read beyond its limit. Only the command line uses this: a host connects to no registry.
//!
//! Why not oci-client: it is asynchronous on reqwest, a second HTTP client with a TLS of its own to build beside ureq,
//! and it reads whatever length a registry sends. The logins that docker keeps are read by docker_credential.

mod credentials;
mod reference;
mod registry;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use pelton_model::cause::Because as _;
use serde::{Deserialize, Serialize};
use wit_component::DecodedWasm;

use crate::Error;
pub use reference::{Reference, SCHEME};
use registry::Registry;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
/// What a registry may have instead, asked for so that it can be told.
const OTHERS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";
/// Largest manifest: what registries take.
const MANIFEST_BYTES: u64 = 4 << 20;

/// A component from a registry.
#[derive(Debug)]
pub struct Pulled {
    /// Where it came from, with the digest of its manifest: it always means these bytes.
    pub reference: Reference,
    /// A component, by the types of the manifest; nobody has looked into it.
    pub wasm: Vec<u8>,
}

/// The part of a manifest that matters here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    // An index has neither.
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// What a manifest says of a blob.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Descriptor {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self { media_type: media_type.to_owned(), digest: digest(bytes), size: bytes.len() as u64 }
    }
}

/// The configuration of a component.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: DateTime<Utc>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: World,
}

/// What a component imports and exports.
#[derive(Debug, Serialize)]
struct World {
    exports: Vec<String>,
    imports: Vec<String>,
}

/// Gets a component of at most so many bytes. Over plain HTTP where the registry is on this machine, or `plain_http`
/// says so.
///
/// # Errors
/// The registry can't be reached, wants another login, lacks it, or has something else there; the bytes are too many or
/// not those of the digest.
pub fn pull(reference: &Reference, plain_http: bool, largest: u64) -> Result<Pulled, Error> {
    get(reference, plain_http, largest).because(Error::Registry)
}

fn get(reference: &Reference, plain_http: bool, largest: u64) -> Result<Pulled> {
    let mut registry = Registry::new(reference, plain_http)?;
    let accept = format!("{MANIFEST}, {OTHERS}");
    let bytes = registry.manifest(&accept, MANIFEST_BYTES)?;
    let found = digest(&bytes);
    if let Some(wanted) = &reference.digest {
        ensure!(
            found == *wanted,
            "{reference} is damaged: the manifest that the registry has sent has the digest {found}"
        );
    }
    let layer = component_layer(&bytes).with_context(|| format!("{reference} is not a Wasm component"))?;
    ensure!(
        layer.size <= largest,
        "{reference} is too large: {} bytes, and a host takes {largest} (api.upload_mib)",
        layer.size
    );
    let wasm = registry.blob(&layer.digest, layer.size)?;
    let have = digest(&wasm);
    ensure!(
        have == layer.digest,
        "{reference} is damaged: its component should have the digest {}, and what the registry has sent has {have}",
        layer.digest
    );
    Ok(Pulled { reference: reference.pinned(found), wasm })
}

/// The component of a manifest.
fn component_layer(manifest: &[u8]) -> Result<Descriptor> {
    let manifest: Manifest = serde_json::from_slice(manifest).context("the registry has no manifest there")?;
    let Some(config) = manifest.config else {
        let kind = manifest.media_type.unwrap_or_else(|| "something else".to_owned());
        bail!("it is {kind}, such as images for several platforms have; push a component with `pelton push`");
    };
    ensure!(
        config.media_type == CONFIG,
        "its configuration is of type {}, such as container images have, and that of a component is {CONFIG}; push \
         one with `pelton push`",
        config.media_type
    );
    let count = manifest.layers.len();
    let mut layers = manifest.layers.into_iter();
    match (layers.next(), layers.next()) {
        (Some(layer), None) if layer.media_type == LAYER => Ok(layer),
        (Some(layer), None) => bail!("its layer is of type {}, and that of a component is {LAYER}", layer.media_type),
        _ => bail!("it has {count} layers, and a component has one"),
    }
}

/// Puts a component into a registry, under a tag (`latest` where the reference has none): the reference with the digest
/// of its manifest. `created` is when the component was made: pushing the same file again gives the same digest.
///
/// # Errors
/// The bytes are no component, the reference names a digest, the registry can't be reached, or refuses.
pub fn push(reference: &Reference, wasm: &[u8], created: DateTime<Utc>, plain_http: bool) -> Result<Reference, Error> {
    put(reference, wasm, created, plain_http).because(Error::Registry)
}

fn put(reference: &Reference, wasm: &[u8], created: DateTime<Utc>, plain_http: bool) -> Result<Reference> {
    ensure!(
        reference.digest.is_none(),
        "{reference} names a digest, which only the bytes can give; push it under a tag"
    );
    let config = Config {
        created,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [digest(wasm)],
        component: world(wasm).context("this is not a Wasm component; `pelton build` makes one")?,
    };
    let config = serde_json::to_vec(&config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: Some(Descriptor::of(CONFIG, &config)),
        layers: vec![Descriptor::of(LAYER, wasm)],
    };
    let manifest = serde_json::to_vec(&manifest)?;
    let mut registry = Registry::new(reference, plain_http)?;
    for bytes in [wasm, &config] {
        registry.put_blob(&digest(bytes), bytes)?;
    }
    registry.put_manifest(MANIFEST, &manifest)?;
    Ok(reference.pinned(digest(&manifest)))
}

/// The names of what a component imports and exports.
fn world(wasm: &[u8]) -> Result<World> {
    // The decoder takes one for a component without a name.
    ensure!(!pelton_runtime::is_core_module(wasm), "it is a core module");
    let DecodedWasm::Component(resolve, world) = wit_component::decode(wasm)? else {
        bail!("it is a package of interfaces");
    };
    let world = resolve.worlds.get(world).context("it has no world")?;
    Ok(World {
        exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
        imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
    })
}

/// The digest by which registries know bytes.
fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", pelton_model::digest::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_layout_of_components_is_taken() {
        let blob = |kind: &str| format!(r#"{{"mediaType": "{kind}", "digest": "sha256:00", "size": 7}}"#);
        let manifest = |config: &str, layers: &[&str]| {
            let layers: Vec<_> = layers.iter().map(|kind| blob(kind)).collect();
            format!(r#"{{"schemaVersion": 2, "config": {}, "layers": [{}]}}"#, blob(config), layers.join(","))
        };
        assert_eq!(component_layer(manifest(CONFIG, &[LAYER]).as_bytes()).unwrap().size, 7);
        let image = "application/vnd.oci.image.config.v1+json";
        let index = r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}"#;
        for (text, told) in [
            (manifest(image, &["application/vnd.oci.image.layer.v1.tar+gzip"]), "such as container images have"),
            (manifest(CONFIG, &["text/plain"]), "its layer is of type text/plain"),
            (manifest(CONFIG, &[LAYER, LAYER]), "it has 2 layers"),
            (manifest(CONFIG, &[]), "it has 0 layers"),
            (index.to_owned(), "it is application/vnd.oci.image.index.v1+json"),
            ("<html>".to_owned(), "no manifest there"),
        ] {
            let error = component_layer(text.as_bytes()).unwrap_err();
            assert!(format!("{error:#}").contains(told), "{error:#}");
        }
    }

    #[test]
    fn a_component_says_what_it_imports_and_exports() {
        let wasm = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../usr_jobs/sensor_alerts.wasm")).unwrap();
        let world = world(&wasm).unwrap();
        assert!(world.exports.contains(&"pelton:job/task@0.1.0".to_owned()), "{world:?}");
        assert!(world.imports.iter().all(|name| name.starts_with("pelton:job/")), "{world:?}");
        assert!(super::world(b"\0asm\x01\0\0\0").is_err());
        assert!(super::world(b"hello").is_err());
    }
}
