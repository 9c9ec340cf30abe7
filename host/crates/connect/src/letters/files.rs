//! Dead letters that are files: records that even the dead-letter topic refuses, kept in the host's data folder.
//!
//! `<data>/dead-letters/<job>/<topic>-<partition>-<offset>-<digest of the reason>.json`. A file is there whole or not
//! at all. Only the host that keeps it sees it.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use pelton_model::files::write_durably;
use pelton_model::stage::Stage;
use pelton_model::text::quoted;

use super::error::FileError;
use super::letter::{Letter, Place, now};
use super::types::Coordinates;

/// What is in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/dead-letters.md describes the keys")]
pub struct Kept {
    pub job: String,
    pub version: String,
    pub digest: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub stage: Stage,
    pub error: String,
    pub at: DateTime<Utc>,
    pub kept_here_because: String,
    pub headers_base64: Vec<(String, Option<String>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_names_base64: Option<Vec<String>>,
    pub key_base64: Option<String>,
    pub value_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<DateTime<Utc>>,
}

/// The files of one job.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    job: String,
}

impl Files {
    /// Those of `job` below the folder of all jobs' dead letters. The name must be a job's: it becomes a folder's.
    pub fn new(folder: &Path, job: &str) -> Self {
        Self { folder: folder.join(job), job: job.to_owned() }
    }

    /// Writes one; returns its path.
    pub(crate) fn keep(&self, kept: &Kept) -> Result<PathBuf, FileError> {
        Ok(self.write(kept)?)
    }

    /// The names of all files, in order.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        Ok(self.find()?)
    }

    /// Reads a letter.
    ///
    /// # Errors
    /// There is none of this name, or it is damaged.
    pub fn read(&self, name: &str) -> Result<Letter<'static>, FileError> {
        Ok(self.letter(name)?)
    }

    /// Marks a letter as redriven, unless another has taken its place: a record that fails again in the same way.
    ///
    /// # Errors
    /// It can't be read or written.
    pub fn mark(&self, letter: &Letter<'_>) -> Result<(), FileError> {
        Ok(self.mark_redriven(letter)?)
    }

    /// Deletes a letter.
    pub(super) fn remove(&self, name: &str) -> Result<(), FileError> {
        Ok(self.delete(name)?)
    }

    fn write(&self, kept: &Kept) -> Result<PathBuf> {
        // Two letters of one record have two files, and one that comes again after a crash replaces itself.
        let digest = pelton_model::digest::digest(kept.error.as_bytes());
        let which = digest.get(..8).unwrap_or_default();
        let Kept { topic, partition, offset, .. } = kept;
        let path = self.folder.join(format!("{topic}-{partition}-{offset}-{which}.json"));
        write_durably(&path, &serde_json::to_vec(kept)?)
            .with_context(|| format!("failed to keep the dead letter of {topic}/{partition} offset {offset}"))?;
        Ok(path)
    }

    fn find(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", self.folder.display())),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_name(name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        is_name(name) && self.folder.join(name).is_file()
    }

    fn kept(&self, name: &str) -> Result<Kept> {
        ensure!(is_name(name), "{} is not the name of a dead letter's file", quoted(name));
        let path = self.folder.join(name);
        let read = || -> Result<Kept> { Ok(serde_json::from_slice(&fs::read(&path)?)?) };
        let kept = read().with_context(|| format!("failed to read the dead letter {}", path.display()))?;
        ensure!(kept.job == self.job, "the dead letter {} is of another job, {:?}", path.display(), kept.job);
        Ok(kept)
    }

    fn letter(&self, name: &str) -> Result<Letter<'static>> {
        let kept = self.kept(name)?;
        let decoded = |text: Option<String>| -> Result<Option<Cow<'static, [u8]>>> {
            let decoded = text.map(|text| BASE64_STANDARD.decode(text)).transpose();
            Ok(decoded.with_context(|| format!("the dead letter {name} is damaged"))?.map(Cow::Owned))
        };
        let (names, values): (Vec<_>, Vec<_>) = kept.headers_base64.into_iter().unzip();
        let names = match kept.header_names_base64 {
            None => names.into_iter().map(String::into_bytes).collect(),
            Some(names) => names
                .into_iter()
                .map(|name| BASE64_STANDARD.decode(name))
                .collect::<Result<Vec<_>, _>>()
                .with_context(|| format!("the dead letter {name} is damaged"))?,
        };
        ensure!(names.len() == values.len(), "the dead letter {name} is damaged: it has names of other headers");
        let headers = names.into_iter().zip(values).map(|(name, value)| Ok((name.into(), decoded(value)?)));
        let mut letter = Letter {
            place: Place::File(name.to_owned()),
            at: kept.at,
            stage: kept.stage,
            told: kept.error.into(),
            version: kept.version.into(),
            digest: kept.digest.into(),
            source: Coordinates { topic: kept.topic, partition: kept.partition, offset: kept.offset },
            timestamp: kept.timestamp,
            headers: headers.collect::<Result<_>>()?,
            key: decoded(kept.key_base64)?,
            value: decoded(kept.value_base64)?,
            redriven_from: None,
            redriven: kept.redriven,
        };
        letter.take_origin(&self.job);
        Ok(letter)
    }

    fn mark_redriven(&self, letter: &Letter<'_>) -> Result<()> {
        let Place::File(name) = &letter.place else { return Ok(()) };
        let kept = self.kept(name)?;
        if kept.at != letter.at {
            return Ok(());
        }
        let marked = Kept { redriven: Some(now()), ..kept };
        Ok(write_durably(&self.folder.join(name), &serde_json::to_vec(&marked)?)?)
    }

    fn delete(&self, name: &str) -> Result<()> {
        ensure!(is_name(name), "{} is not the name of a dead letter's file", quoted(name));
        let path = self.folder.join(name);
        fs::remove_file(&path).with_context(|| format!("failed to delete the dead letter {}", path.display()))
    }
}

/// Whether this is a file's name, and no path to elsewhere.
fn is_name(name: &str) -> bool {
    name.ends_with(".json") && !name.starts_with('.') && Path::new(name).file_name().is_some_and(|file| file == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("job")).unwrap();
        fs::write(folder.path().join("secret.json"), "{}").unwrap();
        let files = Files::new(folder.path(), "job");
        for name in ["../secret.json", "/etc/x.json", "..", "", "a/../../secret.json", "./x.json"] {
            assert!(!files.has(name), "{name}");
            assert!(files.read(name).unwrap_err().to_string().contains("is not the name"), "{name}");
            assert!(files.remove(name).is_err(), "{name}");
        }
        assert!(folder.path().join("secret.json").exists());
        fs::write(folder.path().join("job/damaged.json"), "{").unwrap();
        assert_eq!(files.names().unwrap(), ["damaged.json"]);
        assert!(files.read("damaged.json").is_err());
    }
}
