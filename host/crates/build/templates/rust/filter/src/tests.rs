use super::*;
use pelton_job::testing::run;

fn reading(temperature: f64) -> String {
    format!(r#"{{"message": {{"temperature": {temperature}}}}}"#)
}

#[test]
fn hot_readings_pass() {
    let values = [reading(30.0), reading(30.1), r#"{"message": {}}"#.to_owned()];
    let run = run::<HotReadings>(&[], values.iter().map(String::as_str)).unwrap();
    assert_eq!(run.forwards(&HOT), [1]);
    assert_eq!(run.rejects(), [(2, "no temperature")]);
}

#[test]
fn the_temperature_is_a_parameter() {
    let run = |above| run::<HotReadings>(&[("above", above)], [reading(27.0).as_str()]);
    assert_eq!(run("26.5").unwrap().forwards(&HOT), [0]);
    assert!(run("warm").is_err());
}
