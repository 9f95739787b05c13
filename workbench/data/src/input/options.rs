//! How an input is read.

/// Unit of the timestamps in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 1 ns.
    #[default]
    Nanoseconds,
    /// 1,000 ns.
    Microseconds,
    /// 1,000,000 ns.
    Milliseconds,
    /// 1,000,000,000 ns.
    Seconds,
}

impl Precision {
    /// Nanoseconds in one unit.
    pub fn nanoseconds(self) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ns" => Ok(Self::Nanoseconds),
            "us" => Ok(Self::Microseconds),
            "ms" => Ok(Self::Milliseconds),
            "s" => Ok(Self::Seconds),
            _ => Err(format!("{text:?} is no precision: write ns, us, ms or s")),
        }
    }
}

/// What happens at a line that can't be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadLine {
    /// It is counted, and reading goes on.
    #[default]
    Skip,
    /// Reading ends with an error.
    Fail,
}

/// What happens at a line of line protocol without a timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeIfMissing {
    /// It is a bad line.
    #[default]
    Refuse,
    /// The point gets the time at which it is read, as from InfluxDB and Telegraf.
    Now,
}

/// How a CSV with a header is read. Annotated CSV says these things itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// The column with the time; by default `time`, or else `timestamp` or `_time`.
    pub time: Option<String>,
    /// The measurement; by default the name of the file without its extension, or `stdin`.
    pub measurement: Option<String>,
    /// The columns that are tags. All others are fields.
    pub tags: Vec<String>,
}

/// How an input is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Unit of the timestamps in line protocol, and of numbers in the time column of a CSV with a header.
    pub precision: Precision,
    /// What happens at a line that can't be read.
    pub on_bad_line: OnBadLine,
    /// What happens at a line of line protocol without a timestamp.
    pub time_if_missing: TimeIfMissing,
    /// For a CSV with a header.
    pub csv: CsvOptions,
}
