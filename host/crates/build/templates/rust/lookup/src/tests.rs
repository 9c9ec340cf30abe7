use super::*;
use pelton_job::testing::run;

#[test]
fn a_reading_gets_its_site() {
    let values = [4, 5].map(|sensor| format!(r#"{{"sensor_id": {sensor}, "message": {{"temperature": 27.5}}}}"#));
    let run = run::<Located>(&[("sites", r#"{"4": "Hall 1"}"#)], values.iter().map(String::as_str)).unwrap();
    let messages: Vec<_> = run.messages(&LOCATED).into_iter().map(|message| message.value).collect();
    assert_eq!(messages, [Some(br#"{"sensor_id":4,"site":"Hall 1","temperature":27.5}"#.as_slice())]);
    assert_eq!(run.rejects(), [(1, "sensor 5 has no site")]);
}

#[test]
fn sites_that_are_none_refuse_the_submit() {
    for sites in ["{", r#"{"four": "Hall 1"}"#] {
        assert!(run::<Located>(&[("sites", sites)], [] as [&str; 0]).is_err(), "{sites}");
    }
}
