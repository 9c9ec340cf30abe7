//! A tested component, put to work in the host that the API client talks to: submitted where no job of its name runs,
//! reloaded where one does.

use std::collections::BTreeMap;

use anyhow::{Error, Result};
use pelton_model::mapping::Mapping;

use super::args::DevArgs;
use super::trial::Tested;
use crate::api::types::{Done, JobView, Problem, Reload, Submit};
use crate::cli::args::caller;
use crate::cli::client::Client;
use crate::kafka::StartFrom;

/// What came of putting a component to work.
pub(super) enum Live {
    /// It is at work, as told.
    Now(String),
    /// The host refused it: the version before goes on.
    Refused(Error),
    /// There is no host, or it lacks its servers for now.
    Away(Error),
}

/// How jobs are submitted and reloaded.
pub(super) struct Submitter {
    client: Client,
    name: Option<String>,
    parameters: BTreeMap<String, String>,
    mapping: Mapping,
    from: Option<StartFrom>,
    create: bool,
    create_sources: Vec<String>,
    force: bool,
}

impl Submitter {
    pub(super) fn new(args: &DevArgs) -> Result<Self> {
        Ok(Self {
            client: args.api.client()?,
            name: args.name.clone(),
            parameters: args.set.iter().cloned().collect(),
            mapping: args.mapped.mapping()?,
            from: args.from.clone(),
            create: args.create,
            create_sources: args.create_source.clone(),
            force: args.force,
        })
    }

    /// Has the host take it in, and submits it or reloads the job.
    pub(super) fn put_to_work(&self, tested: &Tested) -> Live {
        match self.try_it(tested) {
            Ok(told) => Live::Now(told),
            Err(error) if is_away(&error) => Live::Away(error),
            Err(error) => Live::Refused(error),
        }
    }

    fn try_it(&self, tested: &Tested) -> Result<String> {
        let digest = Some(self.client.upload(tested.wasm.as_slice(), tested.wasm.len())?.digest);
        let name = self.name.as_ref().unwrap_or(&tested.job);
        let before = match self.client.show(name) {
            Ok(view) => Some(view),
            Err(error) if problem(&error).is_some_and(|problem| problem.code == "no-such-job") => None,
            Err(error) => return Err(error),
        };
        let (by, why) = (caller(), Some("pelton dev".to_owned()));
        let live = |view: &JobView| format!("live as version {}", view.version);
        let done = |done: &Done| {
            let created: String = done.created.iter().map(|created| format!(", created {created}")).collect();
            live(&done.job) + &created
        };
        let create_sources = self.create_sources.clone();
        match before {
            Some(view) if Some(&view.digest) == digest.as_ref() && self.mapping.is_in(&view.mapping) => {
                Ok(format!("{} already", live(&view)))
            }
            Some(_) => {
                let (mapping, force, create) = (self.mapping.clone(), self.force, self.create);
                let request = Reload { available: None, digest, mapping, force, create, create_sources, by, why };
                self.client.change(name, "reload", &request).map(|reloaded| done(&reloaded))
            }
            None => {
                let request = Submit {
                    digest,
                    name: self.name.clone(),
                    parameters: self.parameters.clone(),
                    mapping: self.mapping.clone(),
                    from: self.from.clone(),
                    create: self.create,
                    create_sources,
                    by,
                    why,
                    ..Submit::default()
                };
                self.client.submit(&request).map(|submitted| done(&submitted))
            }
        }
    }
}

fn problem(error: &Error) -> Option<&Problem> {
    error.downcast_ref()
}

/// Whether it may go well a little later as it is.
fn is_away(error: &Error) -> bool {
    error.downcast_ref::<ureq::Error>().is_some() || problem(error).is_some_and(|problem| problem.status == 503)
}
