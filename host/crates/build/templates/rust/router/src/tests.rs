use super::*;
use pelton_job::testing::run;

const READINGS: [&str; 5] = [
    r#"{"message": {"temperature": 9.9}}"#,
    r#"{"message": {"temperature": 10}}"#,
    r#"{"message": {"temperature": 30}}"#,
    r#"{"message": {"temperature": 30.1}}"#,
    r#"{"message": {}}"#,
];

#[test]
fn each_reading_goes_to_one_topic() {
    let run = run::<ByTemperature>(&[], READINGS).unwrap();
    assert_eq!([COLD, MILD, HOT].map(|topic| run.forwards(&topic)), [vec![0], vec![1, 2], vec![3]]);
    assert_eq!(run.rejects(), [(4, "missing field `temperature` in `message`")]);
}

#[test]
fn the_bounds_are_parameters() {
    let run = |set: &[(&str, &str)]| run::<ByTemperature>(set, READINGS);
    assert_eq!(run(&[("hot", "9"), ("cold", "5")]).unwrap().forwards(&HOT), [0, 1, 2, 3]);
    assert!(run(&[("cold", "31")]).is_err());
}
