//! `pelton tail`: what is in a topic.

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat};
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::Api;
use super::print;
use crate::api::types::dead_letters::Bytes;
use crate::api::types::{LookInto, Message, Messages};
use crate::kafka::StartFrom;

/// `pelton tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The topic
    topic: String,
    /// How many messages: the last ones, or the first of --from [default: 10]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Where they begin: earliest, latest, 2026-11-29T10:00Z, -2h, or TOPIC/PARTITION=OFFSET,… for these partitions
    /// only
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    from: Option<StartFrom>,
    /// Go on with those that come, until Ctrl-C; with --from, with all from there on
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    api: Api,
}

/// Prints messages of a topic, each on a line.
pub fn tail(args: &TailArgs) -> Result<()> {
    let TailArgs { topic, lines, from, follow, api } = args;
    let path = path(topic, &LookInto { n: *lines, from: from.clone(), follow: *follow })?;
    let client = api.client()?;
    let each = |message: &Message| {
        if api.json { print::json_line(message) } else { print::line(&line(topic, message)) }
    };
    if *follow {
        return client.follow(&path, |message: Message| each(&message));
    }
    let Messages { messages, left_out } = client.get(&path)?;
    messages.iter().try_for_each(each)?;
    if left_out {
        print::note(
            "there are others that are not shown: it is at most 1,000 messages and 4 MiB, and what is found within 20 s, or \
             not far from the end; ask for fewer with -n, or say where to begin with --from",
        )?;
    }
    Ok(())
}

fn path(topic: &str, request: &LookInto) -> Result<String> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query = serde_json::to_value(request).context("failed to write the request")?;
    let pair = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", encoded(&value))
    };
    let query: Vec<_> = query.as_object().into_iter().flatten().map(pair).collect();
    Ok(format!("topics/{}/messages?{}", encoded(topic), query.join("&")))
}

/// A message on a line: where it is, its time, why it is dead where it is a dead letter, its key, headers and value.
fn line(topic: &str, message: &Message) -> String {
    let mut parts = vec![format!("{topic}/{}/{}", message.partition, message.offset), time(message.timestamp)];
    if let Some(letter) = &message.letter {
        let (source, stage) = (&letter.source, letter.stage.as_str());
        let record = format!("{}/{}/{}", source.topic, source.partition, source.offset);
        let place = letter.place.iter().map(|place| format!(" ({place})")).collect::<String>();
        parts.push(format!("{stage} of {record} by version {}: {}{place};", letter.version, letter.reason));
    }
    parts.extend(message.key.as_ref().map(|key| format!("key={}", text(key))));
    for header in &message.headers {
        parts.push(format!("{}={}", header.name, header.value.as_ref().map_or_else(|| "null".to_owned(), text)));
    }
    parts.push(message.value.as_ref().map_or_else(|| "null".to_owned(), text));
    if message.cut {
        parts.push("(cut)".to_owned());
    }
    parts.join(" ")
}

fn time(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).filter(|_| millis >= 0);
    time.map_or_else(|| "-".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Bytes for people: text where they are text, otherwise base64; and how many there are where some are left out.
fn text(bytes: &Bytes) -> String {
    match &bytes.text {
        Some(text) if text.len() < bytes.size => format!("{text}… ({} bytes)", bytes.size),
        Some(text) => text.clone(),
        None => format!("base64:{}", bytes.base64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_asked_for_as_it_is_written() {
        let from = Some("sensors/0=17,sensors/1=42".parse().unwrap());
        let request = LookInto { n: Some(3), from, follow: false };
        let path = path("a.b", &request).unwrap();
        assert_eq!(path, "topics/a%2Eb/messages?follow=false&from=sensors%2F0%3D17%2Csensors%2F1%3D42&n=3");
    }
}
