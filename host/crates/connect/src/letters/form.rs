//! What a dead letter says beside the record itself, wherever it is kept.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::SecondsFormat;
use pelton_delivery::delivery::Delivery;
use pelton_model::record::OwnedHeader;
use pelton_model::stage::Stage;

use super::files::Kept;
use super::letter::now;
use super::reason::Reason;
use super::types::Coordinates;

/// The headers of the letter of record `i`: its own, and ours behind them.
pub(crate) fn headers(job: &str, delivery: &Delivery, i: usize, stage: Stage, reason: &str) -> Vec<OwnedHeader> {
    let batch = delivery.batch();
    let number = batch.offsets.get(i).copied().unwrap_or(-1);
    let (partition, offset, at) =
        (batch.partition.to_string(), number.to_string(), now().to_rfc3339_opts(SecondsFormat::Millis, true));
    let by = delivery.handled_by();
    let coordinates = [
        ("pelton.job", job),
        ("pelton.version", &by.declared),
        ("pelton.digest", &by.digest),
        ("pelton.topic", &batch.topic),
        ("pelton.partition", &partition),
        ("pelton.offset", &offset),
        ("pelton.stage", stage.as_str()),
        ("pelton.error", reason),
        ("pelton.at", &at),
    ];
    let source = Coordinates { topic: batch.topic.to_string(), partition: batch.partition, offset: number };
    let apart = Reason::of(reason, stage, &source);
    let found = [
        ("pelton.reason", Some(&*apart.text).filter(|text| *text != reason)),
        ("pelton.place", apart.place.as_deref()),
    ];
    let found = found.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let coordinates: Vec<_> = coordinates.into_iter().chain(found).collect();
    let own = coordinates.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
    delivery.outgoing(i, batch.headers.of(i).chain(own))
}

/// The further header of a letter that has another timestamp than its record, since the topic has refused that.
pub(crate) fn timestamp(of_record: i64) -> OwnedHeader {
    let (name, value) = ("pelton.timestamp", of_record.to_string());
    (name.as_bytes().into(), Some(value.into_bytes().into()))
}

/// The letter of record `i` as a file, which it is since the topic has refused it.
pub(crate) fn file(job: &str, delivery: &Delivery, i: usize, stage: Stage, reason: &str, refusal: &str) -> Kept {
    let batch = delivery.batch();
    let encoded = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let headers = || batch.headers.of(i);
    let is_text = headers().all(|(name, _)| str::from_utf8(name).is_ok());
    let by = delivery.handled_by();
    Kept {
        job: job.to_owned(),
        version: by.declared.clone(),
        digest: by.digest.clone(),
        topic: batch.topic.to_string(),
        partition: batch.partition,
        offset: batch.offsets.get(i).copied().unwrap_or(-1),
        timestamp: batch.timestamps.get(i).copied().unwrap_or(-1),
        stage,
        error: reason.to_owned(),
        at: now(),
        kept_here_because: format!("the dead-letter topic refused it: {refusal}"),
        header_names_base64: (!is_text).then(|| headers().map(|(name, _)| encoded(name)).collect()),
        headers_base64: headers().map(|(k, v)| (String::from_utf8_lossy(k).into_owned(), v.map(encoded))).collect(),
        key_base64: batch.keys.get(i).map(encoded),
        value_base64: batch.values.get(i).map(encoded),
        redriven: None,
    }
}
