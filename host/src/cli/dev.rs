//! `pelton dev`: every save of a project's sources is built, tested, and put to work in a running host.
//!
//! What is put to work is byte for byte what `pelton build` makes, and what it must pass is what `pelton test` runs on
//! the project's `records.jsonl` and `golden.jsonl`. Whatever fails is told whole, and the version before goes on until
//! the next save. Where no host answers, what was built last is kept and put to work once one does.

mod args;
mod live;
mod sources;
mod steps;
mod trial;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pelton_build::Project;
use pelton_model::settings::Limits;

use super::args::settings;
use crate::engine::Engine;
use crate::files::cache_folder;
use crate::signals::Stop;
pub use args::DevArgs;
use live::{Live, Submitter};
use sources::Sources;
use steps::Steps;
use trial::{Tested, Trial};

/// How often it is tried whether a host answers meanwhile.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Builds, tests and reloads at every save, until Ctrl-C.
pub fn dev(args: DevArgs) -> Result<()> {
    let project = Project::open(&args.folder)?;
    let stop = Stop::listen()?;
    let config = settings()?;
    let mut bench = Bench {
        engine: Engine::new(config.limits.clone(), Some(&cache_folder()?.join("compiled")))?,
        trial: Trial::new(&project, &args, &config),
        submitter: Submitter::new(&args)?,
        install: args.install,
        steps: Steps::new(args.api.json),
        is_away: false,
        limits: config.limits,
        project,
    };
    bench.steps.begin(&format!("watching {}; Ctrl-C ends it", bench.project.folder().display()))?;
    let mut sources = Sources::of(bench.project.folder());
    sources.pass_over(bench.project.output());
    // What was last found good and waits for a host, and when one was last looked for.
    let mut waiting: Option<(Tested, Instant)> = None;
    while !stop.is_asked() {
        let (saved, pause) = sources.look();
        if let Some(saved) = saved {
            let output = bench.project.output();
            let is_own = output.is_some();
            sources.pass_over(output);
            let result = bench.build_and_test(saved, &stop);
            sources.pass_over_locks();
            if is_own {
                sources.pass_over_written();
            }
            match result {
                Ok(tested) => waiting = tested.map(|tested| (tested, Instant::now())),
                // A Ctrl-C ends the toolchain too: that is no failure.
                Err(_) if stop.is_asked() => {}
                Err(error) => bench.steps.fail(&error)?,
            }
        }
        if let Some((tested, _)) = waiting.take_if(|(_, tried)| tried.elapsed() >= TRY_AGAIN) {
            waiting = bench.go_live(tested, None)?.map(|tested| (tested, Instant::now()));
        }
        std::thread::sleep(pause);
    }
    bench.steps.end()
}

/// Everything that a save goes through.
struct Bench {
    project: Project,
    engine: Engine,
    trial: Trial,
    submitter: Submitter,
    install: bool,
    steps: Steps,
    limits: Limits,
    /// Whether it was told that no host answers.
    is_away: bool,
}

impl Bench {
    /// Does everything that a save at `saved` asks for; returns what waits for a host.
    fn build_and_test(&mut self, saved: Instant, stop: &Stop) -> Result<Option<Tested>> {
        let began = Instant::now();
        let mut components = self.project.components(self.install, true, &self.limits)?.into_iter();
        let (Some((name, wasm)), None) = (components.next(), components.next()) else {
            bail!("{} makes several jobs; watch the folder of one of them", self.project.folder().display());
        };
        self.steps.step("built", began, "built")?;
        if stop.is_asked() {
            return Ok(None);
        }
        let began = Instant::now();
        // A host of the same account takes over what is compiled here.
        let (job, told) = self.trial.run(&self.engine, &name, &wasm)?;
        self.steps.step("tested", began, &told)?;
        self.go_live(Tested { job, wasm }, Some(saved))
    }

    /// Puts it to work in the host; gives it back where there is none. `saved` is when it was saved, if it did not
    /// wait.
    fn go_live(&mut self, tested: Tested, saved: Option<Instant>) -> Result<Option<Tested>> {
        let began = Instant::now();
        match self.submitter.put_to_work(&tested) {
            Live::Now(told) => {
                self.is_away = false;
                self.steps.step("live", began, &told)?;
                match saved {
                    Some(saved) => self.steps.total(saved)?,
                    None => self.steps.end()?,
                }
                Ok(None)
            }
            Live::Refused(error) => {
                self.is_away = false;
                self.steps.fail(&error)?;
                Ok(None)
            }
            Live::Away(error) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    self.steps.wait(&error)?;
                }
                self.steps.end()?;
                Ok(Some(tested))
            }
        }
    }
}
