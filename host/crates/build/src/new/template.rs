//! What a new project does at first.

use clap::ValueEnum;

/// A job to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Passes on the long ones of words
    Words,
    /// Passes on the readings of sensors above a temperature
    Filter,
    /// Passes each reading on to one of three topics
    Router,
    /// Writes each reading to a table, with a column of its type for each field
    Table,
    /// Adds to each reading what a parameter, a file of JSON, says of its sensor
    Lookup,
}

impl Template {
    /// The name of its folders.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Filter => "filter",
            Self::Router => "router",
            Self::Table => "table",
            Self::Lookup => "lookup",
        }
    }

    /// The topic that the job reads.
    pub fn source(self) -> &'static str {
        if self == Self::Words { "words" } else { "sensors" }
    }

    /// The parameters that it must be given, as arguments of a command, with a blank before.
    pub fn set(self) -> &'static str {
        if self == Self::Lookup { " --set sites=@sites.json" } else { "" }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Words => "passes on long words",
            Self::Filter => "passes on readings above a temperature",
            Self::Router => "sorts readings by their temperature",
            Self::Table => "writes readings to a table",
            Self::Lookup => "adds to readings the sites of their sensors",
        }
    }

    /// What the job does, for its project's README.
    fn reads(self) -> &'static str {
        match self {
            Self::Words => "it reads the topic `words` and passes the long ones on to\n`long_words`",
            Self::Filter => "it reads the topic `sensors` and passes the hot readings\non to `hot`",
            Self::Router => {
                "it reads the topic `sensors` and passes each reading on to\n`hot`, `mild` or `cold`, by its temperature"
            }
            Self::Table => "it reads the topic `sensors` and writes each reading to\nthe table `readings`",
            Self::Lookup => {
                "it reads the topic `sensors` and passes each reading on to\n`located`, with the site of its sensor"
            }
        }
    }

    /// Rows of the table of files in its project's README.
    fn files(self) -> &'static str {
        if self == Self::Lookup {
            "| `sites.json` | the sensors' sites, the value of the parameter `sites` |\n"
        } else {
            ""
        }
    }

    /// What it needs in Rust beside the SDK.
    fn dependencies(self) -> &'static str {
        if matches!(self, Self::Filter | Self::Lookup) { "serde_json = \"1\"\n" } else { "" }
    }

    /// The text of a file, with the project's name and what is this template's in it.
    pub(super) fn fill(self, text: &str, name: &str) -> String {
        let parts = [
            ("{{name}}", name),
            ("{{description}}", self.description()),
            ("{{reads}}", self.reads()),
            ("{{source}}", self.source()),
            ("{{set}}", self.set()),
            ("{{files}}", self.files()),
            ("{{dependencies}}", self.dependencies()),
        ];
        parts.iter().fold(text.to_owned(), |text, (placeholder, part)| text.replace(placeholder, part))
    }
}
