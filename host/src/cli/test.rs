//! `pelton test`: a job over records from standard input, without Kafka and Postgres.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use pelton_build::write_whole;
use pelton_model::regular::{self, COMPONENT_BYTES};
use pelton_model::text;

use super::args::{parameter, settings};
use super::print;
use crate::engine::Engine;
use crate::files::cache_folder;
use crate::pipeline::trial::{Format, Golden, Summary, Trial as DryRun};

/// `pelton test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    component: PathBuf,
    /// Set a parameter
    #[arg(long, value_name = "KEY=VALUE|KEY=@FILE", value_parser = parameter)]
    set: Vec<(String, String)>,
    /// Most records in a batch [default: as the host's, 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Read JSON objects with key, value, headers, timestamp, partition, offset and topic instead of bare values
    #[arg(long)]
    envelope: bool,
    /// Compare with what the job should print, where `…` stands for any text; print what differs, and fail
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
    /// Write what the job prints into the golden file, in the place of what differs
    #[arg(long, requires = "golden")]
    update: bool,
    /// Print the summary as JSON too
    #[arg(long)]
    json: bool,
}

/// Runs a job over the records of standard input.
pub fn test(args: TestArgs) -> Result<()> {
    let component = &args.component;
    let wasm =
        regular::read(component, COMPONENT_BYTES).with_context(|| format!("failed to read {}", component.display()))?;
    let config = settings()?;
    let run = DryRun {
        parameters: args.set,
        batch_records: args.batch.map_or(config.batch.max_records, |records| records as usize),
        batch_bytes: config.batch.max_bytes,
        format: if args.envelope { Format::Envelope } else { Format::Value },
    };
    let engine = Engine::new(config.limits, Some(&cache_folder()?.join("compiled")))?;
    let read = |path: &Path| if args.update && !path.exists() { Ok(Golden::none()) } else { Golden::open(path) };
    let golden = args.golden.as_deref().map(read).transpose();
    let golden = golden.context("nothing to compare with; `pelton test` without --golden prints what to put there")?;
    let mut out = BufWriter::new(io::stdout().lock());
    let summary = match golden {
        None => {
            let mut print = |line: &str| writeln!(out, "{}", text::json(line));
            run.run(&engine, &wasm, &mut stdin(), &mut print).with_context(|| component.display().to_string())
        }
        Some(mut golden) => {
            let mut take = |line: &str| {
                golden.take(line);
                Ok(())
            };
            let summary =
                run.run(&engine, &wasm, &mut stdin(), &mut take).with_context(|| component.display().to_string());
            let differences = golden.differences();
            if args.update {
                let summary = summary?;
                let path = args.golden.as_deref().unwrap_or(Path::new(""));
                write_whole(path, golden.updated().as_bytes())?;
                print::printed(writeln!(out, "{}: {} lines changed", path.display(), differences.len()))?;
                print::printed(out.flush())?;
                return tell(&summary, args.json);
            }
            let shown = differences.iter().try_for_each(|line| writeln!(out, "{}", text::line(line)));
            match (summary, differences.len()) {
                (Ok(summary), 0) => Ok(summary),
                (Ok(summary), lines) => {
                    let told = tell(&summary, args.json);
                    // That they differ is to be known also where nobody reads which do.
                    if shown.is_ok() {
                        told?;
                    }
                    bail!("{lines} lines differ; `-` should be there, `+` should not");
                }
                (Err(error), _) => Err(error),
            }
        }
    };
    // Also what came before an error is worth reading.
    print::printed(out.flush())?;
    tell(&summary?, args.json)
}

fn stdin() -> impl BufRead {
    io::stdin().lock()
}

/// The summary goes to standard error: standard output is for what the job made.
fn tell(summary: &Summary, as_json: bool) -> Result<()> {
    let told = if as_json { serde_json::to_string(summary)? } else { summary.to_string() };
    print::printed(writeln!(io::stderr(), "{}", text::json(&told)))
}
