//! How soon the page shows a job, in Chromium: from the start of the navigation to the first frame with the job's row.

use std::fmt::Write as _;

use pelton_testkit::browser::Scripts;
use pelton_testkit::report::{median, spread};

pub(crate) fn paint(url: &str, text: &mut String) {
    let folder = tempfile::tempdir().unwrap();
    let Some(scripts) = Scripts::install(folder.path()) else {
        eprintln!("the page is not measured: chromium, node or npm is not installed");
        return;
    };
    let said = scripts.run(url, &["paint.mjs"], &[]);
    let times: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    for (key, profile) in [("fresh", "new"), ("warm", "used")] {
        let times: Vec<f64> = times[key].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
        let (low, high) = spread(&times);
        writeln!(
            text,
            "| first paint of the page with data, {profile} profile, {} loads | {:.0} ms ({low:.0}–{high:.0}) | ≤ 300 ms |",
            times.len(),
            median(&times)
        )
        .unwrap();
    }
}
