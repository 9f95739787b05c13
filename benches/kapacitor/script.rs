//! The TICKscripts of the measurements, and their points.

use std::fmt::Write as _;

/// The node behind the UDF, whose messages are counted.
pub const LAST_NODE: &str = "eval";

/// Points of a batch.
const BATCH: usize = 1000;

/// Groups of the points.
const GROUPS: usize = 10;

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pipeline {
    /// A moving average of a stream.
    MovingAvg,
    /// Three of them in a row.
    ThreeNodes,
    /// Outliers of batches.
    Outliers,
    /// A stream that comes back as it is.
    Mirror,
}

impl Pipeline {
    /// The TICKscript with the functions `NAME_moving_avg` and so on, or without any UDF.
    pub fn script(self, functions: Option<&str>) -> String {
        let average = |field: &str, mean: &str| match functions {
            Some(name) => format!("@{name}_moving_avg().field('{field}').size(10).as('{mean}')\n"),
            None => String::new(),
        };
        let name = functions.unwrap_or_default();
        let udf = match self {
            Self::MovingAvg => average("usage_user", "mean"),
            Self::ThreeNodes => [("usage_user", "a"), ("usage_idle", "b"), ("usage_system", "c")]
                .map(|(field, mean)| average(field, mean))
                .concat(),
            Self::Outliers => format!(
                "|window().periodCount({BATCH}).everyCount({BATCH})\n@{name}_outliers().field('usage_user').scale(1.5)\n"
            ),
            Self::Mirror => format!("@{name}_mirror()\n"),
        };
        format!(
            "stream|from().measurement('cpu').groupBy('host')\n{udf}|eval(lambda: \"usage_user\").as('behind')"
        )
    }

    /// Number of messages that the last node gets for so many points: points of a stream, or batches.
    pub fn messages(self, points: usize) -> usize {
        if self == Self::Outliers { points / BATCH } else { points }
    }
}

/// Points as Telegraf's CPU plugin writes them, in bodies of line protocol.
pub fn lines(points: usize, body: usize) -> Vec<String> {
    let mut bodies = vec![String::new()];
    for i in 0..points {
        if i % body == 0 && i > 0 {
            bodies.push(String::new());
        }
        let (host, time) = (i % GROUPS, 1_700_000_000_000_000_000 + i as i64 * 1_000_000);
        let (user, system, idle) = (10.0 + (i % 13) as f64, 4.5 + (i % 7) as f64, 80.25 + (i % 17) as f64);
        if let Some(lines) = bodies.last_mut() {
            let _ = writeln!(
                lines,
                "cpu,cpu=cpu-total,host=web{host:02},region=eu-west usage_idle={idle},usage_iowait=0.5,usage_system={system},usage_user={user} {time}"
            );
        }
    }
    bodies
}
