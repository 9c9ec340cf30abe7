//! Memory as a connector of everything.

use std::sync::Arc;
use std::time::Duration;

use pelton_model::metrics::JobMetrics;
use pelton_model::partition::Moved;
use pelton_model::spec::{self, Target};
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

impl Memory {
    fn has_topic(&self, name: &str) -> bool {
        self.look(|state| state.topics.contains_key(name))
    }

    fn missing_tables<'a>(&self, needs: &Needs<'a>) -> impl Iterator<Item = (&'a spec::Sink, &'a spec::Table)> {
        needs.sinks.clone().into_iter().filter_map(|sink| match &sink.target {
            Target::Table(table) => self.look(|state| !state.tables.contains_key(&table.name)).then_some((sink, table)),
            Target::Topic(_) | Target::Statement(_) => None,
        })
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
        let topics = needs.topics().into_iter().filter(|(name, _)| !self.has_topic(name)).map(|(name, role)| Finding {
            place: name.to_owned(),
            text: role.missing(name),
            fix: role.fix(),
        });
        let tables = self.missing_tables(needs).map(|(sink, table)| Finding {
            place: sink.name.clone(),
            text: format!("table `{}` is missing", table.name),
            fix: Fix::Create,
        });
        Ok(topics.chain(tables).collect())
    }

    fn make(&self, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error> {
        self.there()?;
        let letters = topic(needs.job);
        let topics = needs.topics().into_iter().map(|(name, _)| name).chain([letters.as_str()]);
        for name in topics.filter(|name| !self.has_topic(name)) {
            self.create_topic(name, 1);
            made.push(format!("topic {name:?}"));
        }
        for (_, table) in self.missing_tables(needs) {
            self.create_table(table);
            made.push(format!("table `{}`", table.name));
        }
        Ok(())
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

    fn partitions(&self, topics: &[String]) -> Result<usize, Error> {
        self.topics_there()?;
        Ok(self.look(|state| topics.iter().filter_map(|topic| state.topics.get(topic)).map(Vec::len).sum()))
    }

    fn check_start(&self, topics: &[String], from: &StartFrom) -> Result<(), Error> {
        self.topics_there()?;
        self.look(|state| state.check_start(topics, from))
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
