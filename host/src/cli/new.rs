//! `pelton new`: a project that builds and passes its tests as it is.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use pelton_build::{Language, new};

use super::print;

/// `pelton new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The job's name, and the folder's that is made here
    name: String,
    /// The language
    #[arg(long)]
    lang: Language,
}

/// Makes a project, and says what comes next.
pub fn new(args: &NewArgs) -> Result<()> {
    let name = &args.name;
    new::create(Path::new("."), name, args.lang)?;
    print::line(&format!(
        "made {name}; next:\n  cd {name}\n  {}\n  pelton build . --out usr_jobs\n  pelton test usr_jobs/{name}.wasm --golden \
         golden.jsonl < records.jsonl\n  pelton submit usr_jobs/{name}.wasm --create --create-source words\n\
         or, with a host that runs, at every save:\n  pelton dev . --create --create-source words",
        args.lang.test_command()
    ))
}
