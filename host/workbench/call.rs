//! How the plugin is called, and what comes before it: from a TICKscript, or from flags.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use kapacitor_wasm_tickscript as tick;
use sha2::{Digest as _, Sha256};

use super::pipeline::{GroupBy, PipelineSpec, WindowSpec};
use crate::digest::hex;
use crate::protocol::option_value::Value;
use crate::protocol::{Option as UdfOption, OptionValue, ValueType};

/// How the plugin is called, as flags and case files say it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CallSpec {
    /// The call as in a TICKscript, such as "@above().field('x').threshold(90.0)"; nodes may come before it.
    #[arg(long, value_name = "CALL", conflicts_with_all = ["tick", "option"])]
    pub call: Option<String>,
    /// A TICKscript with the call.
    #[arg(long, value_name = "FILE", conflicts_with = "option")]
    pub tick: Option<PathBuf>,
    /// Which UDF call of the script, counted from 1.
    #[arg(long, value_name = "N", requires = "tick")]
    pub node: Option<usize>,
    /// Values of the script's variables, in the JSON of `kapacitor define -vars`.
    #[arg(long, value_name = "FILE", requires = "tick")]
    pub vars: Option<PathBuf>,
    /// An option of the plugin, with values as in a TICKscript: 'text', 3, 3.0, TRUE, 5m.
    #[arg(long, value_name = "NAME=VALUE")]
    pub option: Vec<String>,
    /// Only points of this measurement; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub measurement: Vec<String>,
    /// A tag that points are grouped by, `*` for all; may be given several times.
    #[arg(long, value_name = "TAG")]
    pub group_by: Vec<String>,
    /// Whether points of different measurements are in different groups.
    #[arg(long)]
    pub group_by_measurement: bool,
    /// Cuts the stream into batches of this length, such as 10m.
    #[arg(long, value_name = "PERIOD")]
    pub window: Option<String>,
    /// How often a window is sent [default: its length].
    #[arg(long, value_name = "TIME", requires = "window")]
    pub every: Option<String>,
    /// Whether windows end at multiples of `every`.
    #[arg(long, requires = "window")]
    pub align: bool,
}

/// A call that was read.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The function, if the call names one.
    pub function: Option<String>,
    /// The options as Kapacitor would send them.
    pub options: Vec<UdfOption>,
    /// What comes before the call.
    pub pipeline: PipelineSpec,
    /// The call as in a TICKscript; empty if there are neither function nor options.
    pub shown: String,
    /// What of the script has no effect: a sentence each.
    pub left_out: Vec<String>,
}

impl CallSpec {
    /// Reads the call.
    ///
    /// # Errors
    ///
    /// When the script, the call or the value of a flag can't be read.
    pub fn read(&self) -> Result<Call> {
        for (flag, given) in [("--node", self.node.is_some()), ("--vars", self.vars.is_some())] {
            if given && self.tick.is_none() {
                bail!("{flag} is for a script: give --tick, too");
            }
        }
        let mut call = match (&self.call, &self.tick) {
            (Some(text), _) => of_pipeline(tick::parse_pipeline_call(text)?, ""),
            (None, Some(_)) => self.of_script()?,
            (None, None) => self.of_options()?,
        };
        let pipeline = &mut call.pipeline;
        if !self.measurement.is_empty() {
            pipeline.measurements.clone_from(&self.measurement);
        }
        if !self.group_by.is_empty() || self.group_by_measurement {
            pipeline.group_by = GroupBy::new(self.group_by.iter().cloned(), self.group_by_measurement);
        }
        if let Some(window) = &self.window {
            let period = positive("--window", window)?;
            let every = self.every.as_deref().map_or(Ok(period), |every| positive("--every", every))?;
            pipeline.window = Some(WindowSpec::Time { period, every, align: self.align, fill_period: false });
        }
        Ok(call)
    }

    fn of_script(&self) -> Result<Call> {
        let Some(path) = &self.tick else { return Ok(Call::default()) };
        let file = path.display().to_string();
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("{}: can't be read", path.display()))
        };
        let vars = match &self.vars {
            None => tick::Vars::new(),
            Some(vars) => tick::parse_vars(&read(vars)?, &vars.display().to_string())?,
        };
        let mut calls = tick::parse_script(&read(path)?, &file, &vars)?.calls;
        let list = |calls: &[tick::PipelineCall]| {
            let line = |(number, call): (usize, &tick::PipelineCall)| {
                format!("{}: @{} in line {}", number + 1, call.call.function, call.line)
            };
            calls.iter().enumerate().map(line).collect::<Vec<_>>().join(", ")
        };
        let chosen = match (self.node, calls.len()) {
            (_, 0) => bail!("{file}: there is no UDF call in it, such as @above()"),
            (None, 1) => 0,
            (None, _) => bail!("{file}: it has several UDF calls, choose one with --node: {}", list(&calls)),
            (Some(node), many) if node == 0 || node > many => {
                bail!("{file}: it has no UDF call {node}; it has {}", list(&calls))
            }
            (Some(node), _) => node - 1,
        };
        Ok(of_pipeline(calls.swap_remove(chosen), &file))
    }

    fn of_options(&self) -> Result<Call> {
        let mut call = tick::Call::default();
        for option in &self.option {
            let Some((name, values)) = option.split_once('=') else {
                bail!("--option {option}: write NAME=VALUE, such as threshold=90.0");
            };
            let values = if values.trim().is_empty() {
                Vec::new()
            } else {
                tick::parse_option_values(values).with_context(|| format!("--option {option}"))?
            };
            call.options.push(tick::CallOption { name: name.trim().to_owned(), values });
        }
        let shown = call.options.iter().map(ToString::to_string).collect();
        let options = call.options.into_iter().map(protocol_option).collect();
        Ok(Call { options, shown, ..Call::default() })
    }
}

impl Call {
    /// A short name that is the same for the same call, and with all likelihood another one for another call:
    /// `moving_avg-0123456789ab`. It is made from the plugin, the options, the groups and the window.
    pub fn key(&self, plugin: &str) -> String {
        let window = match self.pipeline.window {
            None => String::new(),
            Some(WindowSpec::Time { period, every, align, fill_period }) => {
                format!("time {period} {every} {align} {fill_period}")
            }
            Some(WindowSpec::Count { period, every, fill_period }) => {
                format!("count {period} {every} {fill_period}")
            }
        };
        let mut hash = Sha256::new();
        for part in [plugin, &self.shown, &self.pipeline.group_by.to_string(), &window] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        format!("{plugin}-{}", &hex(&hash.finalize())[..12])
    }
}

fn positive(flag: &str, text: &str) -> Result<i64> {
    match tick::parse_duration(text) {
        Ok(span) if span > 0 => Ok(span),
        Ok(_) => bail!("{flag} {text}: it must be longer than nothing, such as 10m"),
        Err(error) => bail!("{flag} {text}: {error}"),
    }
}

fn of_pipeline(call: tick::PipelineCall, file: &str) -> Call {
    let tick::GroupBy { mut tags, all_tags, by_measurement } = call.group_by;
    if all_tags {
        tags.push("*".to_owned());
    }
    let pipeline = PipelineSpec {
        database: call.database.unwrap_or_default(),
        retention_policy: call.retention_policy.unwrap_or_default(),
        measurements: call.measurement.into_iter().collect(),
        group_by: GroupBy::new(tags, by_measurement),
        window: call.window.map(window),
    };
    let place = |line| if file.is_empty() { String::new() } else { format!("{file}:{line}: ") };
    let left_out =
        call.left_out.iter().map(|left| format!("{}left out: {}: {}", place(left.line), left.text, left.why));
    Call {
        left_out: left_out.collect(),
        shown: call.call.to_string(),
        function: Some(call.call.function),
        options: call.call.options.into_iter().map(protocol_option).collect(),
        pipeline,
    }
}

fn window(window: tick::Window) -> WindowSpec {
    let tick::Window { period, every, align, fill_period, period_count, every_count } = window;
    let count = |count| usize::try_from(count).unwrap_or(usize::MAX).max(1);
    if period > 0 {
        WindowSpec::Time { period, every, align, fill_period }
    } else {
        WindowSpec::Count { period: count(period_count), every: count(every_count), fill_period }
    }
}

/// The options of a call as Kapacitor sends them.
pub fn protocol_options(call: &tick::Call) -> Vec<UdfOption> {
    call.options.iter().cloned().map(protocol_option).collect()
}

fn protocol_option(option: tick::CallOption) -> UdfOption {
    let values = option.values.into_iter().map(|value| {
        let (ty, value) = match value {
            tick::OptionValue::String(text) => (ValueType::String, Value::StringValue(text)),
            tick::OptionValue::Int(int) => (ValueType::Int, Value::IntValue(int)),
            tick::OptionValue::Double(double) => (ValueType::Double, Value::DoubleValue(double)),
            tick::OptionValue::Duration(span) => (ValueType::Duration, Value::DurationValue(span)),
            tick::OptionValue::Bool(bool) => (ValueType::Bool, Value::BoolValue(bool)),
        };
        OptionValue { r#type: ty.into(), value: Some(value) }
    });
    UdfOption { name: option.name, values: values.collect() }
}
