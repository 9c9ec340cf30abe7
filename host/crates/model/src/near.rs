//! Names that were perhaps meant by one that there is not.

/// Most names that are told.
const MOST: usize = 3;

/// `; did you mean …?` with the names that are the most like `wanted`, the likest first, each in these quotes; nothing
/// where none is like it.
pub fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, quote: char) -> String {
    let meant = near(wanted, names);
    let meant: Vec<_> = meant.iter().map(|name| format!("{quote}{}{quote}", crate::text::line(name))).collect();
    if meant.is_empty() { String::new() } else { format!("; did you mean {}?", meant.join(" or ")) }
}

/// The names that differ from `wanted` by a slip or two in each six letters, or by nothing but case, the likest first.
fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wanted.to_lowercase();
    let letters = lower.chars().count();
    let most = (letters / 3).clamp(1, 3);
    let slips = |name: &str| {
        let is_long = name.chars().count().abs_diff(letters) > most;
        (!is_long).then(|| strsim::damerau_levenshtein(&lower, &name.to_lowercase())).filter(|slips| *slips <= most)
    };
    let names = names.into_iter().filter(|name| *name != wanted);
    let mut found: Vec<_> = names.filter_map(|name| Some((slips(name)?, name))).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, name)| name).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_come_first_and_what_is_unlike_does_not_come() {
        let names = ["alerts", "sensor", "sensors", "Sensors", "sensors", "raw_sensors_data", "senators", "x"];
        assert_eq!(near("sensers", names), ["Sensors", "sensors", "sensor"]);
        assert_eq!(near("SENSORS", names), ["Sensors", "sensors", "sensor"]);
        assert_eq!(near("raw_sensor_data", names), ["raw_sensors_data"]);
        assert!(near("words", names).is_empty() && near("xyz", names).is_empty());
        assert_eq!(did_you_mean("alert", names, '"'), "; did you mean \"alerts\"?");
        assert_eq!(did_you_mean("sensor", ["sensors", "sensorx"], '`'), "; did you mean `sensors` or `sensorx`?");
        assert_eq!(did_you_mean("words", names, '"'), "");
        assert_eq!(did_you_mean("ab", ["a\n"], '"'), "; did you mean \"a\\n\"?");
    }
}
