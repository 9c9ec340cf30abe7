//! Medians, spreads and ratios, as Markdown.

use std::fmt::Write;

/// The times of all arms.
pub struct Table {
    records: u64,
    rounds: u64,
    arms: Vec<(String, Vec<f64>)>,
    ratios: Vec<(String, Vec<f64>, f64)>,
}

/// Of two in the middle the mean.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The least and the most.
pub fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)))
}

impl Table {
    /// For runs of so many records each, in so many rounds.
    pub fn new(records: u64, rounds: u64) -> Self {
        Self { records, rounds, arms: Vec::new(), ratios: Vec::new() }
    }

    /// One run of an arm.
    pub fn add(&mut self, arm: &str, seconds: f64) {
        let rate = self.records as f64 / seconds;
        eprintln!("  {arm}: {rate:.0} records/s");
        match self.arms.iter_mut().find(|(name, _)| name == arm) {
            Some((_, rates)) => rates.push(rate),
            None => self.arms.push((arm.to_owned(), vec![rate])),
        }
    }

    fn rates(&self, arm: &str) -> &[f64] {
        &self.arms.iter().find(|(name, _)| name == arm).unwrap().1
    }

    /// The ratio of two arms, round by round.
    pub fn ratio(&mut self, name: &str, of: &str, to: &str, target: f64) {
        let ratios = self.rates(of).iter().zip(self.rates(to)).map(|(a, b)| a / b).collect();
        self.ratios.push((name.to_owned(), ratios, target));
    }

    /// What is printed and kept.
    pub fn markdown(&self) -> String {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
        let mut text = format!(
            "{} cores ({}), {} records of the article's format in 2 partitions, parallelism 1, {} rounds; broker, \
             Postgres and job on the same machine.\n\n| arm | records/s, median | min–max |\n|---|---|---|\n",
            cores,
            cpu.trim_matches([' ', '\t', ':']),
            self.records,
            self.rounds
        );
        for (arm, rates) in &self.arms {
            let (low, high) = spread(rates);
            writeln!(text, "| {arm} | {:.0} | {low:.0}–{high:.0} |", median(rates)).unwrap();
        }
        text.push_str("\n| ratio | median | min–max | target |\n|---|---|---|---|\n");
        for (name, ratios, target) in &self.ratios {
            let (low, high) = spread(ratios);
            writeln!(text, "| {name} | {:.2} | {low:.2}–{high:.2} | {target} |", median(ratios)).unwrap();
        }
        text
    }
}

/// Replaces a benchmark's result in a page of `docs`.
pub fn save(page: &str, command: &str, result: &str) {
    let path = crate::files::repository().join("docs").join(page);
    let page = std::fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- result: written by `{command} -- --save` -->\n");
    let (head, rest) = page.split_once(&begin).expect("the page has no place for the result");
    let (_, tail) = rest.split_once("<!-- end of result -->").expect("the page's result does not end");
    std::fs::write(path, format!("{head}{begin}\n{result}\n<!-- end of result -->{tail}")).unwrap();
}
