//! Jobs as files: what `pelton apply` and `pelton run --apply` read and `pelton export` writes, TOML, one job each.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use pelton_build::oci;
use pelton_model::bounds::VALUE_BYTES;
use pelton_model::mapping::Mapping;
use pelton_model::parallelism::Parallelism;
use pelton_model::regular::{self, COMPONENT_BYTES, TEXT_BYTES};
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::api::types::{Available, Guarantee, JobView, Submit};
use crate::kafka::StartFrom;

/// What the digest of a component that the host has begins with.
const DIGEST: &str = "sha256:";

/// A job, as a file has it. What is left out is as a submit has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// The name to run under.
    pub name: String,
    /// A job in the host's `usr_jobs` folder, by its name or its file's; a file, with a `/`, as seen from this one;
    /// `oci://REF`; or `sha256:DIGEST` of a component that the host has.
    pub component: String,
    /// The consumer group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where it starts where it is not there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<StartFrom>,
    /// How many instances: a number, or `"auto"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<Parallelism>,
    /// The guarantee asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guarantee: Guarantee,
    /// Whether topics that it writes, and tables, are created where they are missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub create: bool,
    /// Topics that it reads which are created where they are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_sources: Vec<String>,
    /// Whether the job may write into what it reads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_loop: bool,
    /// Parameters: texts, numbers or booleans, or `{ file = "sites.json" }`, as seen from this file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// The topic that is read, by the declared one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The topic or table, by the sink's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a job's component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the host's `usr_jobs` folder, by this name.
    Available(String),
    /// In this file.
    File(PathBuf),
    /// In a registry.
    Registry(oci::Reference),
    /// At the host, with this digest.
    Host(String),
}

/// A job that a file describes.
#[derive(Debug, Clone)]
pub struct Described {
    /// The file.
    pub path: PathBuf,
    /// Where its component is.
    pub place: Place,
    /// The rest, with parameters from files read.
    pub submit: Submit,
}

impl Described {
    /// What is asked of the host, whose component is there by then: `upload` takes in bytes, which are of some place, and
    /// gives their digest. With it comes what a registry has given, where it is from one.
    pub fn submit(
        self,
        pull: impl FnOnce(&oci::Reference) -> Result<oci::Pulled>,
        upload: impl FnOnce(&str, &Vec<u8>) -> Result<String>,
    ) -> Result<(Submit, Option<oci::Reference>)> {
        let mut submit = self.submit;
        let mut from = None;
        match self.place {
            Place::Available(name) => submit.available = Some(name),
            Place::Host(digest) => submit.digest = Some(digest),
            Place::File(path) => {
                let wasm = regular::read(&path, COMPONENT_BYTES)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                submit.digest = Some(upload(&path.display().to_string(), &wasm)?);
            }
            Place::Registry(reference) => {
                let pulled = pull(&reference)?;
                submit.digest = Some(upload(&reference.to_string(), &pulled.wasm)?);
                from = Some(pulled.reference);
            }
        }
        Ok((submit, from))
    }
}

/// The jobs that these files describe, and all `.toml` files of these folders, in order.
///
/// # Errors
/// A file can't be read or is none that describes a job, or two describe one job.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Described>> {
    let mut jobs: Vec<Described> = Vec::new();
    for path in paths {
        let files = if path.is_dir() { files(path)? } else { vec![path.clone()] };
        // Without this a folder of another place would be one that asks for no job at all.
        ensure!(!files.is_empty(), "the folder {} has no file that describes a job (*.toml)", path.display());
        for file in files {
            let job = describe(&file).with_context(|| format!("{} describes no job", file.display()))?;
            if let Some(other) = jobs.iter().find(|other| other.submit.name == job.submit.name) {
                let name = job.submit.name.unwrap_or_default();
                bail!("{} and {} both describe the job {name:?}", other.path.display(), file.display());
            }
            jobs.push(job);
        }
    }
    Ok(jobs)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("failed to read the folder {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn describe(path: &Path) -> Result<Described> {
    let file: JobFile = toml::from_str(&regular::read_text(path, TEXT_BYTES)?)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let JobFile { name, component, group, from, parallelism, guarantee, create, allow_loop, .. } = file;
    let place = if let Some(digest) = component.strip_prefix(DIGEST) {
        Place::Host(digest.to_owned())
    } else if let Some(reference) = component.strip_prefix(oci::SCHEME) {
        Place::Registry(reference.parse()?)
    } else if component.contains('/') {
        Place::File(beside.join(component))
    } else {
        Place::Available(component)
    };
    let mut parameters = BTreeMap::new();
    for (name, value) in &file.parameters {
        let text = text(value, beside).with_context(|| format!("the parameter {name:?}"))?;
        parameters.insert(name.clone(), text);
    }
    let mapping = Mapping { sources: file.sources, sinks: file.sinks };
    let submit = Submit {
        name: Some(name),
        parameters,
        mapping,
        from,
        parallelism,
        guarantee,
        group,
        create,
        create_sources: file.create_sources,
        allow_loop,
        ..Submit::default()
    };
    Ok(Described { path: path.to_owned(), place, submit })
}

/// The text of a parameter.
fn text(value: &Value, beside: &Path) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Ok(value.to_string()),
        Value::Table(table) if table.len() == 1 => {
            let file = table.get("file").and_then(Value::as_str).context("a table has `file` and no more")?;
            parameter_file(&beside.join(file))
        }
        _ => bail!("it is a text, a number, a boolean, or {{ file = \"…\" }}"),
    }
}

/// A value of a parameter that is a file.
///
/// # Errors
/// It can't be read, is no text, or is longer than a value may be.
pub fn parameter_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let read = regular::read_text(path, VALUE_BYTES as u64);
    if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::FileTooLarge) {
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        bail!("{shown} has {size} bytes; a value has {VALUE_BYTES} at most");
    }
    read.with_context(|| format!("failed to read {shown}"))
}

/// The file that describes a job as it is, with these values of its parameters. Its component is a file of `usr_jobs`
/// only where that has the version that runs.
pub fn export(job: &JobView, available: &[Available], parameters: BTreeMap<String, String>) -> JobFile {
    let runs = |file: &&Available| Some(&file.file) == job.file.as_ref() && file.digest.as_ref() == Some(&job.digest);
    let file = available.iter().find(runs).map(|file| file.file.clone());
    let declared = |name: &str| job.spec.parameters.iter().find(|parameter| parameter.name == name);
    let is_set = |name: &str, value: &str| declared(name).and_then(|p| p.default.as_deref()) != Some(value);
    let parameters = parameters.into_iter().filter(|(name, value)| is_set(name, value));
    JobFile {
        name: job.name.clone(),
        component: file.unwrap_or_else(|| format!("{DIGEST}{}", job.digest)),
        group: Some(job.group.clone()).filter(|group| *group != format!("pelton-{}", job.name)),
        from: None,
        parallelism: Some(job.parallelism).filter(|parallelism| !parallelism.is_auto()),
        guarantee: Guarantee::default(),
        create: false,
        create_sources: Vec::new(),
        allow_loop: job.allow_loop,
        parameters: parameters.map(|(name, value)| (name, Value::String(value))).collect(),
        sources: job.mapping.sources.clone(),
        sinks: job.mapping.sinks.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> Result<Described, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sites.json"), "[1]").unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, text).unwrap();
        read(&[folder.path().to_owned()]).map(|mut jobs| jobs.remove(0)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_file_describes_a_job() {
        let job = described(
            r#"
            name = "plant-2"
            component = "sensor_pipeline"
            parallelism = 2
            from = "earliest"
            [parameters]
            threshold = 31.5
            strict = true
            sites = { file = "sites.json" }
            [sources]
            sensors = "plant-2.sensors"
            [sinks]
            alerts = "plant-2.alerts"
            "#,
        )
        .unwrap();
        assert_eq!(job.place, Place::Available("sensor_pipeline".to_owned()));
        let submit = &job.submit;
        assert_eq!(
            (submit.name.as_deref(), submit.parallelism, submit.from.clone()),
            (Some("plant-2"), Some(Parallelism::Of(2)), Some(StartFrom::Earliest))
        );
        let parameters: Vec<_> = submit.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(parameters, ["sites=[1]", "strict=true", "threshold=31.5"]);
        assert_eq!(submit.mapping.sources["sensors"], "plant-2.sensors");
        assert_eq!(submit.mapping.sinks["alerts"], "plant-2.alerts");
        let auto = described("name = \"a\"\ncomponent = \"a\"\nparallelism = \"auto\"").unwrap();
        assert_eq!(auto.submit.parallelism, Some(Parallelism::Auto));
        let place = |component: &str| described(&format!("name = \"a\"\ncomponent = {component:?}")).unwrap().place;
        assert!(matches!(place("./a.wasm"), Place::File(path) if path.ends_with("a.wasm") && path.is_absolute()));
        assert_eq!(place("sha256:abc"), Place::Host("abc".to_owned()));
        assert!(matches!(place("oci://ghcr.io/you/job:1.0"), Place::Registry(_)));
    }

    #[test]
    fn what_describes_no_job_is_told_with_its_file() {
        for (text, why) in [
            ("name = \"a\"", "missing field `component`"),
            ("component = \"a\"", "missing field `name`"),
            ("name = \"a\"\ncomponent = \"a\"\nparalelism = 2", "unknown field `paralelism`"),
            ("name = \"a\"\ncomponent = \"a\"\n[parameters]\np = [1]", "the parameter \"p\": it is a text"),
            ("name = \"a\"\ncomponent = \"a\"\n[parameters]\np = { fil = \"x\" }", "a table has `file`"),
            ("name = \"a\"\ncomponent = \"a\"\n[parameters]\np = { file = \"none\" }", "failed to read"),
            ("name = \"a\"\ncomponent = \"a\"\nparallelism = -2", "expected a parallelism: \"auto\", or a number"),
            ("name = ", "TOML parse error at line 1"),
        ] {
            let told = described(text).unwrap_err();
            assert!(told.contains("job.toml describes no job") && told.contains(why), "{told}");
        }
        let folder = tempfile::tempdir().unwrap();
        for file in ["a.toml", "b.toml"] {
            std::fs::write(folder.path().join(file), "name = \"x\"\ncomponent = \"a\"").unwrap();
        }
        let told = read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(told.contains("a.toml") && told.contains("b.toml both describe the job \"x\""), "{told}");
    }
}
