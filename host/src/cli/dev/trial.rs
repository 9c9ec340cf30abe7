//! The test that every build must pass: the project's records, run as `pelton test` runs them, with the outcome that
//! its golden file says. A project without records must be a job, and no more.

use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use pelton_build::Project;
use pelton_model::regular;

use super::args::DevArgs;
use crate::config::Config;
use crate::engine::Engine;
use crate::pipeline::trial::{Format, Golden, Trial as DryRun};

/// The records of a project.
const RECORDS: &str = "records.jsonl";
/// What it makes of them.
const GOLDEN: &str = "golden.jsonl";

/// A component that has passed.
pub(super) struct Tested {
    /// The name that it declares.
    pub(super) job: String,
    pub(super) wasm: Vec<u8>,
}

/// The test.
pub(super) struct Trial {
    folder: PathBuf,
    run: DryRun,
}

impl Trial {
    pub(super) fn new(project: &Project, args: &DevArgs, config: &Config) -> Self {
        let run = DryRun {
            parameters: args.set.clone(),
            batch_records: config.batch.max_records,
            batch_bytes: config.batch.max_bytes,
            format: if args.envelope { Format::Envelope } else { Format::Value },
        };
        Self { folder: project.folder().to_owned(), run }
    }

    /// Runs the test: the name that the job declares, and what was tested.
    ///
    /// # Errors
    /// The component is no job, a file can't be read, the outcome is another than the golden file's, which is shown
    /// line by line, or, without a golden file, the job failed on a record.
    pub(super) fn run(&self, engine: &Engine, name: &str, wasm: &[u8]) -> Result<(String, String)> {
        let job = engine.load(wasm).with_context(|| format!("{name} is not a job"))?.spec().name.clone();
        let records = self.folder.join(RECORDS);
        let input = match regular::open(&records) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((job, format!("checked, for there is no {RECORDS} to test with,")));
            }
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", records.display())),
        };
        let golden = self.folder.join(GOLDEN);
        let mut golden = golden.exists().then(|| Golden::open(&golden)).transpose()?;
        let mut failures = Vec::new();
        let summary = self.run.run(engine, wasm, input, &mut |line| {
            match &mut golden {
                Some(golden) => golden.take(line),
                None if is_failure(line) => failures.push(line.to_owned()),
                None => {}
            }
            Ok(())
        });
        let shown = golden.as_ref().map_or(failures, Golden::differences);
        let shown: String = shown.iter().flat_map(|line| [line, "\n"]).collect();
        match summary {
            Err(error) => bail!("{shown}{RECORDS} could not be run to its end: {error}"),
            Ok(_) if golden.is_some() && !shown.is_empty() => {
                bail!("{shown}the outcome differs from {GOLDEN}; `-` should be there, `+` should not")
            }
            Ok(_) if !shown.is_empty() => bail!("{shown}the job fails on these records"),
            Ok(summary) => Ok((job, format!("tested {} records", summary.records))),
        }
    }
}

/// Whether a line tells that the job failed on a record.
fn is_failure(line: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|line: serde_json::Value| line.get("failure").is_some())
}
