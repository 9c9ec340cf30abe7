//! `pelton new`: a project that builds and passes its tests as it is.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use pelton_build::Language;
use pelton_build::new::{self, Template};

use super::print;

/// `pelton new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The job's name, and the folder's that is made here
    name: String,
    /// The language
    #[arg(long)]
    lang: Language,
    /// The job to begin with
    #[arg(long, default_value = "words")]
    template: Template,
}

/// Makes a project, and says what comes next.
pub fn new(args: &NewArgs) -> Result<()> {
    let NewArgs { name, lang, template } = args;
    new::create(Path::new("."), name, *lang, *template)?;
    let (source, set) = (template.source(), template.set());
    print::exact(&format!(
        "made {name}; next:\n  cd {name}\n  {}\n  pelton build . --out usr_jobs\n  pelton test usr_jobs/{name}.wasm --golden \
         golden.jsonl{set} < records.jsonl\n  pelton submit usr_jobs/{name}.wasm{set} --create --create-source {source}\n\
         or, with a host that runs, at every save:\n  pelton dev .{set} --create --create-source {source}",
        lang.test_command()
    ))
}
