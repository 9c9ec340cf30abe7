//! Medians, spreads and ratios, as Markdown; and what an arm of a benchmark took.

use std::fmt::Write;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::process::tree;

/// What one run of an arm took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Run {
    /// Seconds from its first record to its last acknowledgement.
    pub seconds: f64,
    /// CPU time of its process meanwhile, seconds.
    pub cpu: Option<f64>,
    /// Most memory of its process meanwhile, MiB.
    pub peak_mib: Option<f64>,
    /// The part of the machine's cores that had nothing to do meanwhile. An arm that leaves much of them idle is not
    /// bound by them, and its rate is no measure of its cost.
    pub idle: Option<f64>,
}

impl Run {
    /// One of which nothing but the time is known.
    pub fn of_seconds(seconds: f64) -> Self {
        Self { seconds, cpu: None, peak_mib: None, idle: None }
    }
}

/// Measures this process and this machine from here on.
#[derive(Debug)]
pub struct Measuring {
    began: Instant,
    cpu: f64,
    idle: Idle,
}

/// Measures from here on what the machine's cores have left.
#[derive(Debug)]
pub struct Idle {
    idle: f64,
    all: f64,
}

impl Idle {
    /// Begins.
    pub fn begin() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        // The first line of proc_stat(5) is of all cores, in ticks; the fourth figure is idle, the fifth waits for a disk.
        let ticks = stat.lines().next().unwrap().split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = ticks.map(|ticks| ticks.parse().unwrap()).collect();
        Self { idle: ticks[3] + ticks[4], all: ticks.iter().sum() }
    }

    /// The idle part of them.
    pub fn end(&self) -> f64 {
        let now = Self::begin();
        (now.idle - self.idle) / (now.all - self.all).max(1.0)
    }
}

impl Measuring {
    /// Begins; the most memory so far is forgotten.
    pub fn begin() -> Self {
        // "5" of proc_pid_clear_refs(5). Where that can't be, the peak is that of the whole process.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { began: Instant::now(), cpu: cpu(), idle: Idle::begin() }
    }

    /// What it took.
    pub fn end(&self) -> Run {
        Run {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu: Some(cpu() - self.cpu),
            peak_mib: tree::peak_mib(std::process::id()),
            idle: Some(self.idle.end()),
        }
    }
}

fn cpu() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    std::time::Duration::from(time).as_secs_f64()
}

/// The runs of all arms.
pub struct Table {
    records: u64,
    rounds: u64,
    arms: Vec<(String, Vec<Run>)>,
    ratios: Vec<(String, [Vec<f64>; 2], Option<f64>)>,
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
    pub fn add(&mut self, arm: &str, run: Run) {
        let rate = self.records as f64 / run.seconds;
        let cell = |value: Option<f64>, unit: &str| value.map_or(String::new(), |value| format!(", {value:.2} {unit}"));
        let cpu = cell(run.cpu.map(|cpu| cpu * 1e6 / self.records as f64), "µs of CPU a record");
        let (peak, idle) = (cell(run.peak_mib, "MiB"), cell(run.idle, "of the cores idle"));
        eprintln!("  {arm}: {rate:.0} records/s{cpu}{peak}{idle}");
        match self.arms.iter_mut().find(|(name, _)| name == arm) {
            Some((_, runs)) => runs.push(run),
            None => self.arms.push((arm.to_owned(), vec![run])),
        }
    }

    fn runs(&self, arm: &str) -> &[Run] {
        self.arms.iter().find(|(name, _)| name == arm).map_or(&[], |(_, runs)| runs)
    }

    /// The ratios of two arms in rate and in CPU time, round by round; none where one of them did not run.
    pub fn ratio(&mut self, name: &str, of: &str, to: &str, target: Option<f64>) {
        let pairs = || self.runs(of).iter().zip(self.runs(to));
        let rates: Vec<_> = pairs().map(|(a, b)| b.seconds / a.seconds).collect();
        let cpu = pairs().filter_map(|(a, b)| Some(a.cpu? / b.cpu?)).collect();
        if !rates.is_empty() {
            self.ratios.push((name.to_owned(), [rates, cpu], target));
        }
    }

    /// What is printed and kept.
    pub fn markdown(&self) -> String {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
        let mut text = format!(
            "{} cores ({}), {} records of the article's format in 2 partitions, {} rounds; broker, Postgres and job on \
             the same machine. Medians, with the least and the most.\n\n| arm | records/s | CPU of its process, µs a \
             record | peak memory, MiB | idle part of the cores |\n|---|---|---|---|---|\n",
            cores,
            cpu.trim_matches([' ', '\t', ':']),
            self.records,
            self.rounds
        );
        let cell = |values: &[f64], digits: usize| match spread(values) {
            _ if values.is_empty() => String::new(),
            (low, high) => format!("{:.digits$} ({low:.digits$}–{high:.digits$})", median(values)),
        };
        for (arm, runs) in &self.arms {
            let of = |value: &dyn Fn(&Run) -> Option<f64>| runs.iter().filter_map(value).collect::<Vec<_>>();
            let rates = of(&|run| Some(self.records as f64 / run.seconds));
            let cpu = of(&|run| Some(run.cpu? * 1e6 / self.records as f64));
            let (peak, idle) = (of(&|run| run.peak_mib), of(&|run| run.idle));
            writeln!(
                text,
                "| {arm} | {} | {} | {} | {} |",
                cell(&rates, 0),
                cell(&cpu, 2),
                cell(&peak, 0),
                cell(&idle, 2)
            )
            .unwrap();
        }
        text.push_str("\n| ratio | in rate | target | in CPU |\n|---|---|---|---|\n");
        for (name, [rates, cpu], target) in &self.ratios {
            let target = target.map_or(String::new(), |target| format!("≥ {target}"));
            writeln!(text, "| {name} | {} | {target} | {} |", cell(rates, 2), cell(cpu, 2)).unwrap();
        }
        text
    }
}

/// Replaces a benchmark's result in a page of `docs`.
pub fn save(page: &str, command: &str, result: &str) {
    let path = crate::files::repository().join("docs").join(page);
    let page = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- result: written by `{command} -- --save` -->\n");
    let (head, rest) = page.split_once(&begin).expect("the page has no place for the result");
    let (_, tail) = rest.split_once("<!-- end of result -->").expect("the page's result does not end");
    fs::write(path, format!("{head}{begin}\n{result}\n<!-- end of result -->{tail}")).unwrap();
}
