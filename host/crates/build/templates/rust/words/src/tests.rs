use super::*;
use pelton_job::testing::run;

#[test]
fn long_words_pass() {
    let run = run::<LongWords>(&[], ["four", "longer", "two words", ""]).unwrap();
    assert_eq!(run.forwards(&LONG_WORDS), [1]);
    assert_eq!(run.rejects(), [(2, "more than one word"), (3, "value is empty")]);
}

#[test]
fn the_length_is_a_parameter() {
    let run = |longest| run::<LongWords>(&[("longest", longest)], ["longer"]);
    assert_eq!(run("6").unwrap().forwards(&LONG_WORDS), []);
    assert!(run("many").is_err());
}
