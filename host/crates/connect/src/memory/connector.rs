//! Memory as a connector of everything.

use std::sync::Arc;
use std::time::Duration;

use pelton_model::metrics::JobMetrics;
use pelton_model::partition::Moved;
use pelton_model::spec::Target;
use pelton_model::start::StartFrom;

use super::away::{NAME, away};
use super::dead_letters::MemoryDeadLetters;
use super::letter_log::{Log, LogMarker};
use super::source::Member;
use super::tables::Tables;
use super::topic_log;
use super::topics::Topics;
use super::world::Memory;
use crate::connector::{Connector, Finding, Fix, Needs};
use crate::dead_letters::{DeadLetters, topic};
use crate::error::Error;
use crate::letters::store::Opened;
use crate::letters::{LetterLog, LetterStore, Marker};
use crate::messages::TopicLog;
use crate::sink::{Writers, WritersContext};
use crate::source::{JobSource, SourceConnector};

impl Memory {
    /// Whether the server of topics is there.
    fn topics_there(&self) -> Result<(), Error> {
        self.look(|state| state.topics_away.as_deref().map_or(Ok(()), |reason| Err(away(reason))))
    }

    /// Whether both servers are there.
    fn there(&self) -> Result<(), Error> {
        let reason = self.look(|state| state.topics_away.clone().or_else(|| state.tables_away.clone()));
        match reason {
            Some(reason) => Err(away(&reason)),
            None => Ok(()),
        }
    }
}

impl Connector for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ping(&self, _: Duration) -> Result<(), Error> {
        self.there()
    }

    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
        self.there()?;
        let mut findings = Vec::new();
        let sources = needs.sources.iter().map(|source| (source.topic.as_str(), "reads"));
        let sinks = needs.sinks.iter().filter_map(|sink| match &sink.target {
            Target::Topic(topic) => Some((topic.as_str(), "writes")),
            _ => None,
        });
        for (name, verb) in sources.chain(sinks) {
            if self.look(|state| state.topics.contains_key(name)) {
                continue;
            }
            if needs.create {
                self.create_topic(name, 1);
            } else {
                let text = format!("topic {name:?}, which the job {verb}, does not exist");
                findings.push(Finding { place: name.to_owned(), text, fix: Fix::Create });
            }
        }
        for sink in &needs.sinks {
            let Target::Table(table) = &sink.target else { continue };
            if self.look(|state| state.tables.contains_key(&table.name)) {
                continue;
            }
            if needs.create {
                self.create_table(table);
            } else {
                let text = format!("table `{}` is missing", table.name);
                findings.push(Finding { place: sink.name.clone(), text, fix: Fix::Create });
            }
        }
        if findings.is_empty() {
            self.create_topic(&topic(needs.job), 1);
        }
        Ok(findings)
    }

    fn open(&self, context: &WritersContext, letters: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error> {
        let (report, letters) = (context.report.clone(), Arc::clone(letters));
        Ok(Arc::new(Tables { memory: self.clone(), report, letters }))
    }
}

impl SourceConnector for Memory {
    fn job(&self, _: &str) -> Arc<dyn JobSource> {
        Arc::new(Member { memory: self.clone() })
    }

    fn pin_start(&self, group: &str, topics: &[String], from: &StartFrom, anew: bool) -> Result<(), Error> {
        self.topics_there()?;
        self.with(|state| state.move_group(group, topics, from, anew)).map(drop)
    }

    fn seek(&self, group: &str, topics: &[String], to: &StartFrom) -> Result<Vec<Moved>, Error> {
        self.topics_there()?;
        self.with(|state| {
            if state.groups.get(group).is_some_and(|group| group.view().members > 0) {
                return Err(Error::HasMembers { group: group.to_owned() });
            }
            state.move_group(group, topics, to, true)
        })
    }

    fn topic(&self, name: &str) -> Result<Option<Box<dyn TopicLog>>, Error> {
        self.topics_there()?;
        Ok(topic_log::Topic::open(self, name).map(|topic| Box::new(topic) as _))
    }
}

impl LetterStore for Memory {
    fn open_with_letters(&self, context: &WritersContext, counts: &JobMetrics) -> Result<Opened, Error> {
        let topics = Topics::open(self, context, counts)?;
        let letters = Arc::new(MemoryDeadLetters(Arc::clone(topics.shared())));
        Ok((topics, letters))
    }

    fn log(&self, job: &str) -> Result<Option<Box<dyn LetterLog>>, Error> {
        self.topics_there()?;
        Ok(Log::open(self, job).map(|log| Box::new(log) as _))
    }

    fn begin_redrive(&self, job: &str) -> Result<Box<dyn Marker>, Error> {
        self.topics_there()?;
        Ok(Box::new(LogMarker::begin(self, job)))
    }
}
