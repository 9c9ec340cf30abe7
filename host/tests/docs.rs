//! What README.md and docs/ say is what the code does, wherever a test can tell: links, commands, settings, metrics,
//! headers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use pelton::cli::Cli;
use pelton::config::Config;
use pelton::metrics::Metrics;
use serde_json::{Value, json};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("failed to read {name}: {error}"))
}

/// README.md, SECURITY.md and all pages of docs/, by their paths in the repository.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(repository().join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.extend(["README.md", "SECURITY.md"].map(str::to_owned));
    pages.sort();
    pages
}

/// The lines of a page that are not in fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The lines of a page's fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("```{language}");
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        if fence {
            inside = *line == opening;
        }
        inside && !fence
    })
}

/// The cells of a page's table rows whose first cell is code, without the backticks.
fn rows(text: &str) -> Vec<Vec<&str>> {
    prose(text)
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

/// The part of a page between a heading and the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    after.split("\n## ").next().unwrap()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        let folder = repository().join(&name).parent().unwrap().to_owned();
        for line in prose(&text) {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if link.contains("://") {
                    continue;
                }
                seen += 1;
                let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() { repository().join(&name) } else { folder.join(path) };
                let leads = target.exists()
                    && (fragment.is_empty()
                        || prose(&fs::read_to_string(&target).unwrap())
                            .filter_map(|line| line.strip_prefix('#'))
                            .any(|heading| anchor(heading.trim_start_matches('#').trim()) == fragment));
                if !leads {
                    dead.push(format!("{name}: {link}"));
                }
            }
        }
    }
    assert!(dead.is_empty(), "dead links: {dead:#?}");
    assert!(seen > 20, "only {seen} links were found");
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let readme = page("README.md");
    let lines = readme.lines().count();
    assert!(lines < 250, "README.md has {lines} lines");
    for name in pages().iter().filter(|name| *name != "README.md") {
        assert!(readme.contains(&format!("]({name})")), "README.md has no link to {name}");
    }
}

/// The arguments of `pelton` in a line of a shell block, if that is what it runs.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.split(" # ").next()?.trim_end_matches(" &");
    let words: Vec<_> = line.split_whitespace().take_while(|word| !word.contains(['<', '>', '|'])).collect();
    let command = words.iter().position(|word| !word.contains('='))?;
    match words.get(command..)? {
        ["pelton", arguments @ ..] | ["cargo", "run", "--", arguments @ ..] => Some(arguments.to_vec()),
        _ => None,
    }
}

#[test]
fn every_command_is_one_that_the_command_line_takes() {
    let mut seen = BTreeSet::new();
    for name in pages() {
        let text = page(&name);
        for line in blocks(&text, "sh") {
            if let Some(arguments) = arguments(line) {
                seen.extend(arguments.first().copied().map(str::to_owned));
                if let Err(error) = Cli::try_parse_from(std::iter::once("pelton").chain(arguments)) {
                    panic!("{name}: {line}\n{error}");
                }
            }
        }
    }
    let commands = ["build", "demo", "list", "run", "show", "simulate", "submit"];
    assert!(commands.iter().all(|command| seen.contains(*command)), "{seen:?}");
}

/// Leaves of a JSON object by dotted path; an empty object is a leaf.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, into);
            }
        }
        leaf => drop(into.insert(prefix.to_owned(), leaf.clone())),
    }
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let config = Config::default();
    let mut settings = BTreeMap::new();
    flatten("", &serde_json::to_value(&config).unwrap(), &mut settings);
    // Settings of Postgres that are not set have the sink's own defaults.
    let sink = pelton::connect::postgres::PostgresConfig::of(&config.postgres).unwrap();
    let duration = |duration| json!(humantime::format_duration(duration).to_string());
    for (key, default) in [
        ("max_rows", json!(sink.max_rows)),
        ("max_bytes", json!(sink.max_bytes)),
        ("write_timeout", duration(sink.write_timeout)),
        ("lock_timeout", duration(sink.lock_timeout())),
        ("statement_timeout", duration(sink.statement_timeout())),
        ("linger", duration(sink.linger)),
        ("statement_rows", json!(sink.statement_rows)),
        ("statement_linger", duration(sink.statement_linger)),
    ] {
        let unset = settings.insert(format!("postgres.{key}"), default);
        assert_eq!(unset, Some(Value::Null), "{key} has a default in Config");
    }

    let text = page("docs/configuration.md");
    let table = text.split("\n## ").next().unwrap();
    let mut documented = BTreeMap::new();
    for row in rows(table) {
        let default = match row[1] {
            "unset" => Value::Null,
            literal => {
                let table: toml::Table = format!("default = {literal}").parse().unwrap();
                serde_json::to_value(&table["default"]).unwrap()
            }
        };
        let before = documented.insert(row[0].to_owned(), default);
        assert_eq!(before, None, "{} is documented twice", row[0]);
    }
    assert_eq!(documented, settings);
}

#[test]
fn the_toml_in_the_documentation_is_taken() {
    let text = page("docs/configuration.md");
    let toml: Vec<_> = blocks(&text, "toml").collect();
    let config: Config = toml::from_str(&toml.join("\n")).unwrap();
    assert_eq!(config.kafka.consumer["group.protocol"], "consumer");
    assert_eq!(config.kafka.properties.len(), 4);
}

/// The metrics of a host with one job, with every family there is.
fn rendered() -> String {
    let metrics = Arc::new(Metrics::default());
    let job = metrics.job("j");
    // Families are rendered once they have a series.
    drop((job.sink("s"), job.guest_counter("n"), job.guest_gauge("n"), metrics.spans("exported")));
    job.set_lag("t", 0, 0);
    job.batch(std::time::Duration::from_millis(100));
    metrics.render()
}

#[test]
fn every_metric_is_documented() {
    let rendered = rendered();
    let mut expected = BTreeMap::new();
    for (name, kind) in rendered.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
        let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let series = rendered.lines().find(|line| line.starts_with(&sample) && line.contains('{')).unwrap();
        let labels = series.split_once('{').unwrap().1.split_once('}').unwrap().0.split(',');
        let labels = labels.map(|label| label.split_once('=').unwrap().0.to_owned()).filter(|label| label != "le");
        expected.insert(sample, (kind.to_owned(), labels.collect::<BTreeSet<_>>()));
    }

    let text = page("docs/api.md");
    let documented: BTreeMap<_, _> = rows(section(&text, "## Metrics"))
        .into_iter()
        .map(|row| {
            let labels = row[2].split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
            (row[0].to_owned(), (row[1].to_owned(), labels))
        })
        .collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_metric_that_is_named_anywhere_exists() {
    let documented = page("docs/api.md");
    for name in pages() {
        for word in page(&name).split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_metric = word.starts_with("pelton_") && word != "pelton_job";
            assert!(!is_metric || documented.contains(&format!("| `{word}` |")), "{name} names {word}");
        }
    }
}

/// What a text names with our prefix.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pelton_")).collect()
}

/// The names of all samples that `/metrics` has.
fn samples(rendered: &str) -> BTreeSet<&str> {
    let lines = rendered.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&page("docs/grafana/pelton.json")).unwrap();
    let rendered = rendered();
    let exist = samples(&rendered);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && panel["description"].is_string(), "{panel}");
        for target in targets {
            let named = metrics_in(target["expr"].as_str().unwrap());
            assert!(!named.is_empty() && named.is_subset(&exist), "{target}");
            shown.extend(named);
        }
    }
    let variables = dashboard["templating"].to_string();
    assert!(metrics_in(&variables).is_subset(&exist), "{variables}");
    // The job's own metrics have names that nobody knows here; a histogram is shown by its buckets.
    let not_shown: Vec<_> = exist.difference(&shown).filter(|name| !name.starts_with("pelton_job_")).collect();
    assert_eq!(not_shown, [&"pelton_batch_seconds_count", &"pelton_batch_seconds_sum"]);
}

#[test]
fn every_alert_rule_is_on_a_metric_that_exists_and_says_what_to_do() {
    let alerts: Value = serde_yaml_ng::from_str(&page("docs/grafana/alerts.yml")).unwrap();
    let rendered = rendered();
    let exist = samples(&rendered);
    let mut watched = BTreeSet::new();
    for rule in alerts["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let named = metrics_in(rule["expr"].as_str().unwrap());
        assert!(!named.is_empty() && named.is_subset(&exist), "{rule}");
        watched.extend(named);
        for (of, key) in [(rule, "alert"), (&rule["labels"], "severity")] {
            assert!(of[key].is_string(), "{rule} has no {key}");
        }
        for key in ["summary", "action"] {
            let text = rule["annotations"][key].as_str().unwrap_or_else(|| panic!("{rule} has no {key}"));
            assert!(text.len() > 20, "{text}");
        }
    }
    for metric in [
        "job_up",
        "lag_records",
        "commit_age_seconds",
        "dead_letters_total",
        "records_expired_total",
        "guest_failures_total",
    ] {
        assert!(watched.contains(format!("pelton_{metric}").as_str()), "no rule watches {metric}");
    }
}

#[test]
fn every_header_of_a_dead_letter_is_documented() {
    let source = include_str!("../crates/connect/src/letters/form.rs");
    let sent = source.split("(\"pelton.").skip(1).map(|rest| format!("pelton.{}", rest.split('"').next().unwrap()));
    let text = page("docs/dead-letters.md");
    let documented: Vec<_> =
        rows(&text).into_iter().map(|row| row[0].to_owned()).filter(|name| name.starts_with("pelton.")).collect();
    assert_eq!(documented, sent.collect::<Vec<_>>());
}

#[test]
fn every_report_of_the_field_has_its_test() {
    let tests = sources("host/tests");
    let text = page("docs/field.md");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| [")).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let name = row.trim_end_matches(" |").rsplit('`').nth(1).unwrap();
        assert!(tests.contains(&format!("#[test]\nfn {name}()")), "there is no test {name}: {row}");
    }
}

/// All Rust sources below a folder, joined.
fn sources(folder: &str) -> String {
    let mut joined = String::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false if entry.extension().is_some_and(|extension| extension == "rs") => {
                    joined.push_str(&fs::read_to_string(entry).unwrap());
                }
                false => {}
            }
        }
    }
    joined
}

#[test]
fn every_promise_of_security_has_its_code_and_its_test() {
    let (text, sources) = (page("SECURITY.md"), sources("host"));
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
        .collect();
    assert!(rows.len() > 20, "{}", rows.len());
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for row in rows {
        let [promise, code, tests] = &row[..] else { panic!("{row:?}") };
        let (files, names) = (quoted(code), quoted(tests));
        assert!(!files.is_empty() && !names.is_empty(), "{promise}");
        for file in files {
            assert!(repository().join(&file).is_file(), "there is no {file}: {promise}");
        }
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}: {promise}");
        }
    }
}

#[test]
fn the_drawing_of_the_crates_is_what_cargo_says() {
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let short = |name: &Value| name.as_str().unwrap().trim_start_matches("pelton-").to_owned();
    let uses = |package: &Value| -> BTreeSet<String> {
        let all = package["dependencies"].as_array().unwrap().iter();
        let ours =
            all.filter(|used| used["kind"].is_null() && used["path"].is_string()).map(|used| short(&used["name"]));
        ours.collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    let are: BTreeMap<_, _> = packages.map(|package| (short(&package["name"]), uses(package))).collect();

    let page = page("docs/development.md");
    let lines = blocks(section(&page, "## The house"), "text").filter_map(|line| line.split_once(" uses"));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let drawn = lines.map(|(of, uses)| (of.split(' ').next().unwrap().to_owned(), words(uses))).collect();
    assert_eq!(are, drawn);
}
