//! What is in a topic: its messages, apart from any job.

use std::collections::BTreeMap;

use pelton_connect::messages::{self, Go, Message, Messages, TopicLog};
use pelton_model::bounds;

use crate::checks::away;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::looks::Turn;
use crate::types::LookInto;

/// Messages that are shown where it isn't said how many.
const MESSAGES: usize = 10;

/// A topic that somebody follows, and what is there of it.
#[derive(Debug)]
pub struct Followed {
    name: String,
    log: Box<dyn TopicLog>,
    /// Those that are shown first.
    first: Messages,
    starts: BTreeMap<i32, i64>,
    _turn: Turn,
}

impl Jobs {
    /// Messages of a topic: the last ones, or the first from some place on.
    pub fn messages(&self, topic: &str, request: &LookInto) -> Result<Messages, Error> {
        let _turn = self.looks.enter()?;
        let log = self.topic(topic)?;
        let most = request.n.unwrap_or(MESSAGES);
        let found = match &request.from {
            None => messages::last(&*log, topic, most),
            Some(from) => messages::first(&*log, topic, from, most),
        };
        found.map_err(away)
    }

    /// Begins to follow a topic: from some place on, or after its last messages.
    pub fn follow(&self, topic: &str, request: &LookInto) -> Result<Followed, Error> {
        let turn = self.looks.enter()?;
        let log = self.topic(topic)?;
        let (first, starts) = match &request.from {
            None => {
                let last = messages::last(&*log, topic, request.n.unwrap_or(MESSAGES)).map_err(away)?;
                (last, log.bounds().iter().map(|(&partition, &(_, end))| (partition, end)).collect())
            }
            Some(from) => (Messages::default(), messages::starts(&*log, topic, from).map_err(away)?),
        };
        Ok(Followed { name: topic.to_owned(), log, first, starts, _turn: turn })
    }

    fn topic(&self, topic: &str) -> Result<Box<dyn TopicLog>, Error> {
        bounds::topic(topic)?;
        let found = self.services.environment.connectors.sources().topic(topic).map_err(away)?;
        found.ok_or_else(|| Error::NoSuchTopic(topic.to_owned()))
    }
}

impl Followed {
    /// Shows each message as it comes, and now and then that there is none, until `show` says that it is over. Blocks.
    pub fn run(self, mut show: impl FnMut(Option<Message>) -> bool) -> Result<(), Error> {
        let Self { name, log, first, starts, _turn } = self;
        let mut go = |message| if show(message) { Go::On } else { Go::Stop };
        for message in first.messages {
            if go(Some(message)) == Go::Stop {
                return Ok(());
            }
        }
        log.read(&starts, true, &mut |record| go(record.map(|record| Message::of(&name, record)))).map_err(away)
    }
}
