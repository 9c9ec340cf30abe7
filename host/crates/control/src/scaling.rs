//! How many instances a job of automatic parallelism is to have. Nothing is measured or done here: a [`Policy`] is shown
//! the job's [`Load`] once a second, and says when another number is due, and why.
//!
//! Another number drains the job, so it is rare. One more, where for seconds the job was behind and its instances or
//! their sinks were what it waited for; it stays if more records get done by it, else it is taken back, and not tried
//! again for long. One less, where that would have done with a margin for minutes, and for longer each time that this
//! turned out wrong.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the load is looked at, and how long a further instance is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// How long a job must have been short of instances until it gets one more.
const EVIDENCE: Duration = Duration::from_secs(5);
/// How long there is no further change after one.
const COOL: Duration = Duration::from_secs(10);
/// How long a job fills up again after a change.
const SETTLE: Duration = Duration::from_secs(3);
/// How long one less must have been enough.
const CALM: Duration = Duration::from_secs(180);
const LONGEST_CALM: Duration = Duration::from_secs(3600);
/// How long what has brought nothing is not tried again.
const BARRED: Duration = Duration::from_secs(1800);
const LONGEST_BARRED: Duration = Duration::from_secs(8 * 3600);
/// How long a host must have too much at work until a job gives one back.
const CROWDED: Duration = Duration::from_secs(60);
/// How long there must have been more than there may be: in a rebalance partitions go and come.
const TOO_MANY: Duration = Duration::from_secs(10);
/// How many seconds of work a job is behind with, beside what is only to be committed.
const BEHIND: Duration = Duration::from_secs(5);
/// The share of a window in which it must have been behind.
const MOSTLY: f64 = 0.8;
/// The share of the time that busy instances are at work.
const BUSY: f64 = 0.8;
/// The share of what may be in flight at which sinks are what is waited for, and below which they are not.
const FULL: f64 = 0.75;
const ROOMY: f64 = 0.25;
/// The share of the time that one less would at most be at work.
const MARGIN: f64 = 0.6;
/// How many instances' worth of work is none.
const IDLE: f64 = 0.05;
/// How many times as many records one more must get done.
const GAIN: f64 = 1.05;

/// What a job does at a moment. Sums are of all its instances, and never go back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// Instances that run.
    pub(crate) instances: usize,
    /// Partitions that it has.
    pub(crate) partitions: usize,
    /// Records that are not committed, where that is known.
    pub(crate) lag: Option<u64>,
    /// The share of what may be in flight that is.
    pub(crate) in_flight: f64,
    /// Time at work, which is in the guest or waiting for room for what it made.
    pub(crate) busy: Duration,
    /// Records that every sink has taken what was made of.
    pub(crate) done: u64,
}

/// What there is for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Most instances that it may have, whatever its partitions.
    pub(crate) most: usize,
    /// Whether the host has a core for one more.
    pub(crate) is_spare: bool,
    /// Whether the host has more at work than cores, and this job is the one to give one back.
    pub(crate) is_crowded: bool,
}

/// One more instance that has not proven itself yet.
#[derive(Debug)]
struct Trial {
    from: usize,
    /// Records a second before.
    rate: f64,
}

/// A number that brought nothing.
#[derive(Debug)]
struct Barred {
    above: usize,
    until: Instant,
    wait: Duration,
}

/// What the load of a window comes to.
struct Seen {
    now: Load,
    span: Duration,
    /// Instances' worth of work.
    busy: f64,
    /// Records a second.
    rate: f64,
    /// The share of the looks at which it was behind.
    behind: f64,
    in_flight: f64,
}

impl Seen {
    /// The share of the time that its instances were at work.
    fn share(&self) -> f64 {
        (self.busy / self.now.instances.max(1) as f64).min(1.0)
    }

    /// Whether its instances or their sinks are what it waits for.
    fn is_bound(&self) -> bool {
        self.share() >= BUSY || self.in_flight >= FULL
    }

    fn is_short(&self) -> bool {
        self.behind >= MOSTLY && self.is_bound()
    }
}

/// Decides for one job.
#[derive(Debug)]
pub(crate) struct Policy {
    /// How far a job is behind that is as far as it can be: what is done is committed that often.
    commit_interval: Duration,
    window: VecDeque<(Instant, Load)>,
    settled: Option<Instant>,
    changed: Option<Instant>,
    trial: Option<Trial>,
    barred: Option<Barred>,
    /// Since when one less is enough, and what was at work by then.
    calm: Option<(Instant, Duration)>,
    calm_for: Duration,
    went_down: Option<Instant>,
    crowded: Option<Instant>,
    too_many: Option<Instant>,
    at_work: usize,
    reason: String,
}

impl Policy {
    /// For a job whose offsets are committed that often.
    pub(crate) fn new(commit_interval: Duration) -> Self {
        Self {
            commit_interval,
            window: VecDeque::new(),
            settled: None,
            changed: None,
            trial: None,
            barred: None,
            calm: None,
            calm_for: CALM,
            went_down: None,
            crowded: None,
            too_many: None,
            at_work: 0,
            reason: "nothing has called for another number yet".to_owned(),
        }
    }

    /// Why it has as many as it has.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Forgets what was seen: the job doesn't run, or is changing.
    pub(crate) fn interrupt(&mut self) {
        self.window.clear();
        (self.settled, self.calm, self.crowded, self.too_many) = (None, None, None, None);
    }

    /// Forgets also what has brought nothing: the job is another one.
    pub(crate) fn forget(&mut self) {
        self.interrupt();
        (self.trial, self.barred) = (None, None);
    }

    /// Sees the load, once a second.
    pub(crate) fn see(&mut self, now: Instant, load: Load) {
        if self.window.back().is_some_and(|(_, last)| last.instances != load.instances) {
            self.interrupt();
        }
        if now < *self.settled.get_or_insert(now + SETTLE) {
            return;
        }
        self.window.push_back((now, load));
        while self.window.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.window.pop_front();
        }
    }

    fn seen(&self) -> Option<Seen> {
        let ((began, first), (at, last)) = (self.window.front()?, self.window.back()?);
        let span = at.saturating_duration_since(*began);
        let seconds = Some(span.as_secs_f64()).filter(|seconds| *seconds > 0.0)?;
        let rate = last.done.saturating_sub(first.done) as f64 / seconds;
        let late = rate * (BEHIND + 2 * self.commit_interval).as_secs_f64();
        let is_behind =
            |load: &Load| load.in_flight >= FULL || load.lag.is_some_and(|lag| lag > 0 && lag as f64 >= late);
        let looks = self.window.len() as f64;
        Some(Seen {
            now: *last,
            span,
            busy: last.busy.saturating_sub(first.busy).as_secs_f64() / seconds,
            rate,
            behind: self.window.iter().filter(|(_, load)| is_behind(load)).count() as f64 / looks,
            in_flight: self.window.iter().map(|(_, load)| load.in_flight).sum::<f64>() / looks,
        })
    }

    /// How many cores the job may be taken to have: all its instances where it is short of them. While it changes it is
    /// what it was.
    pub(crate) fn at_work(&mut self) -> usize {
        if let Some(seen) = self.seen().filter(|seen| seen.span >= EVIDENCE) {
            let busy = if seen.is_short() { seen.now.instances } else { seen.busy.round() as usize };
            self.at_work = busy.min(seen.now.instances);
        }
        self.at_work
    }

    /// The number of instances that the job is to have instead, where another one is due.
    pub(crate) fn decide(&mut self, now: Instant, room: Room) -> Option<usize> {
        let seen = self.seen()?;
        let instances = seen.now.instances;
        let most = seen.now.partitions.min(room.most).max(1);
        let decided = self
            .too_many(now, &seen, most)
            .or_else(|| self.gives_back(now, &seen, room))
            .or_else(|| self.judge(now, &seen))
            .or_else(|| self.less(now, &seen))
            .or_else(|| self.more(now, &seen, most, room));
        let (to, reason) = decided?;
        if to > instances {
            // It went down too soon.
            let was_wrong = self.went_down.is_some_and(|at| now.saturating_duration_since(at) < self.calm_for * 2);
            self.calm_for = if was_wrong { (self.calm_for * 2).min(LONGEST_CALM) } else { CALM };
            self.trial = Some(Trial { from: instances, rate: seen.rate });
        } else {
            self.trial = None;
        }
        self.at_work = if to > instances { to } else { self.at_work.min(to) };
        self.changed = Some(now);
        self.reason = reason;
        self.interrupt();
        Some(to)
    }

    fn too_many(&mut self, now: Instant, seen: &Seen, most: usize) -> Option<(usize, String)> {
        let Load { instances, partitions, .. } = seen.now;
        if instances <= most || partitions == 0 {
            self.too_many = None;
            return None;
        }
        let since = *self.too_many.get_or_insert(now);
        let why = if partitions == most { "partitions that it has here" } else { "instances that it may have" };
        (now.saturating_duration_since(since) >= TOO_MANY)
            .then(|| (most, format!("{instances} are above the {most} {why}")))
    }

    fn gives_back(&mut self, now: Instant, seen: &Seen, room: Room) -> Option<(usize, String)> {
        if !room.is_crowded || seen.now.instances < 2 {
            self.crowded = None;
            return None;
        }
        let since = *self.crowded.get_or_insert(now);
        (now.saturating_duration_since(since) >= CROWDED)
            .then(|| (seen.now.instances - 1, "other jobs of the host need the core".to_owned()))
    }

    /// Whether one more has brought anything.
    fn judge(&mut self, now: Instant, seen: &Seen) -> Option<(usize, String)> {
        let Trial { from, rate: before } = self.trial.as_ref().filter(|_| seen.span >= WINDOW)?;
        let (from, before) = (*from, *before);
        self.trial = None;
        if seen.behind < 0.5 {
            self.reason.push_str("; since then it keeps up");
            return None;
        }
        let gain = seen.rate / before.max(f64::MIN_POSITIVE);
        if gain >= GAIN {
            let told = format!("; that got {:.0} records a second done instead of {before:.0}", seen.rate);
            self.reason.push_str(&told);
            return None;
        }
        let wait = match &self.barred {
            Some(barred) if barred.above == from => (barred.wait * 2).min(LONGEST_BARRED),
            _ => BARRED,
        };
        self.barred = Some(Barred { above: from, until: now + wait, wait });
        let reason = format!(
            "{} got {:.0} records a second done, and {from} got {before:.0}; it is not tried again for {} min",
            seen.now.instances,
            seen.rate,
            wait.as_secs() / 60
        );
        Some((from, reason))
    }

    fn less(&mut self, now: Instant, seen: &Seen) -> Option<(usize, String)> {
        let Load { instances, busy, .. } = seen.now;
        let is_enough = seen.in_flight < ROOMY && seen.busy <= MARGIN * (instances.saturating_sub(1)) as f64;
        if instances < 2 || self.trial.is_some() || !is_enough || seen.span < EVIDENCE {
            self.calm = None;
            return None;
        }
        let (since, before) = *self.calm.get_or_insert((now, busy));
        let time = now.saturating_duration_since(since);
        if time < self.calm_for {
            return None;
        }
        self.went_down = Some(now);
        let busy = busy.saturating_sub(before).as_secs_f64() / time.as_secs_f64();
        let to = if busy < IDLE { 1 } else { instances - 1 };
        let share = 100.0 * busy / instances as f64;
        let minutes = time.as_secs() / 60;
        Some((to, format!("{instances} were at work {share:.0} % of the time for {minutes} min")))
    }

    fn more(&mut self, now: Instant, seen: &Seen, most: usize, room: Room) -> Option<(usize, String)> {
        let Load { instances, lag, .. } = seen.now;
        let is_cool = self.changed.is_none_or(|at| now.saturating_duration_since(at) >= COOL);
        let is_barred = self.barred.as_ref().is_some_and(|barred| instances >= barred.above && now < barred.until);
        let may = is_cool && !is_barred && self.trial.is_none() && room.is_spare && instances < most;
        if !may || seen.span < EVIDENCE || !seen.is_short() {
            return None;
        }
        let left = lag.map_or_else(String::new, |lag| format!("{lag} records were left, "));
        let bound = if seen.share() >= BUSY {
            let are = if instances == 1 { "its instance was" } else { "its instances were" };
            format!("{are} at work {:.0} % of the time", 100.0 * seen.share())
        } else {
            format!("its sinks kept {:.0} % of what may be in flight waiting", 100.0 * seen.in_flight.min(1.0))
        };
        Some((instances + 1, format!("{left}{:.0} a second got done, and {bound}", seen.rate)))
    }
}
