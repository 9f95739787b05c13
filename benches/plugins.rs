//! What each shipped plugin costs, with the call and the data of its own example.
//!
//! Measured like `kapacitor-wasm bench` does. In each round `moving_avg` runs before the plugin, with its example and as
//! many points: a ratio is that of the CPU times of a round, and holds on a busy machine, too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use comfy_table::{Table, presets};
use kapacitor_wasm::internals::{
    Call, Case, Config, Figures, HostSpec, Message, Pipeline, PluginHost, Purpose, find_cases,
    measure_together,
};
use kapacitor_wasm_data::{Point, Record};
use kapacitor_wasm_pack::pack;
use tempfile::TempDir;

use crate::Options;
use crate::report::{Report, Unit, median};

/// Points of a round.
const POINTS: usize = 100_000;

/// With what the others are compared.
const REFERENCE: &str = "moving_avg";

/// The memory of a group is that by which this many groups more than these few take more.
const GROUPS: usize = 1000;
const FEW_GROUPS: usize = 20;

/// The most points, and the most bytes of all groups, that the memory is measured with: a plugin has 64 MiB.
const MOST_POINTS: usize = 200_000;
const MOST_MEMORY: f64 = 16.0 * 1024.0 * 1024.0;

/// The tag by which copies of an example's groups differ.
const COPY: &str = "copy";

/// A table with a row for each plugin.
pub fn plugins(options: &Options, report: &mut Report) -> Result<()> {
    if !report.wants("plugins") {
        return Ok(());
    }
    let packed = tempfile::tempdir()?;
    let reference = Measured::start(&Subject::of_plugin(Path::new("plugins").join(REFERENCE)))?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let ratio = format!("to {REFERENCE}");
    table.set_header([
        "plugin",
        "edges",
        "points/s",
        "CPU for a point",
        &ratio,
        "memory for a group",
        "snapshot for a group",
        ".wasm",
    ]);
    for subject in subjects(&packed)? {
        let row = Measured::start(&subject).and_then(|plugin| plugin.row(&subject, &reference, options));
        table.add_row(row.unwrap_or_else(|error| vec![subject.name, format!("not measured: {error:#}")]));
    }
    report.table("Each plugin with its own example", &table);
    Ok(())
}

/// A plugin, and the folder of its cases.
struct Subject {
    name: String,
    wasm: PathBuf,
    cases: PathBuf,
}

/// The plugins of the repository, by name; one that has models with each of them.
fn subjects(packed: &TempDir) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for folder in folders(Path::new("plugins"))? {
        let plugin = Subject::of_plugin(folder);
        let models = plugin.cases.with_file_name("models");
        if !models.exists() {
            subjects.push(plugin);
            continue;
        }
        for model in folders(&models)? {
            subjects.push(plugin.with_model(&model, packed.path())?);
        }
    }
    Ok(subjects)
}

/// The folders in a folder, sorted by name.
fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(of).with_context(|| of.display().to_string())?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Subject {
    fn of_plugin(folder: PathBuf) -> Self {
        Self { name: name_of(&folder), wasm: folder.with_extension("wasm"), cases: folder.join("cases") }
    }

    /// The plugin with a model of its folder `models`, which is packed into a file in `packed`.
    fn with_model(&self, model: &Path, packed: &Path) -> Result<Self> {
        let model_name = name_of(model);
        let data = model.join(&model_name).with_extension("kwf");
        let data = fs::read(&data).with_context(|| data.display().to_string())?;
        let wasm = packed.join(format!("{}_{model_name}.wasm", self.name));
        fs::write(&wasm, pack(&fs::read(&self.wasm)?, &data)?)?;
        Ok(Self { name: format!("{} ({model_name})", self.name), wasm, cases: model.join("cases") })
    }

    /// Its example, or, without one, the first case that does not end with an error.
    fn case(&self) -> Result<Case> {
        let example = self.cases.join("example");
        if example.exists() {
            return Ok(Case::read(&example)?);
        }
        for folder in find_cases(&self.cases)? {
            let case = Case::read(&folder)?;
            if case.error.is_none() {
                return Ok(case);
            }
        }
        bail!("it has no example")
    }
}

/// A plugin that runs, with its data.
struct Measured {
    host: PluginHost,
    call: Call,
    /// The points of the example, and the time from its begin to that of its repetition.
    points: Vec<Point>,
    span: i64,
}

/// Points as the plugin gets them.
struct Input {
    messages: Vec<Message>,
    groups: usize,
}

impl Measured {
    fn start(subject: &Subject) -> Result<Self> {
        let host = PluginHost::start(HostSpec {
            plugin: subject.wasm.clone(),
            function: None,
            config: Config::from_text("", Path::new("udf.toml"))?,
            compiler: None,
            purpose: Purpose::Trial,
        })?;
        let Case { call, input, .. } = subject.case()?;
        let points = input.into_iter().flat_map(|record| match record {
            Record::Point(point) => vec![point],
            Record::Batch(batch) => batch.points,
        });
        let points: Vec<Point> = points.collect();
        let times = || points.iter().map(|point| point.time);
        let (first, last) = times().min().zip(times().max()).context("its example has no points")?;
        // The usual distance lies between the last point and the first one of the repetition.
        let distance = (last - first) / points.len() as i64;
        Ok(Self { host, call, span: last - first + distance.max(1), points })
    }

    /// The example, again and again, up to so many points of the recording.
    fn repeated(&self, points: usize) -> Result<Input> {
        let rounds = (0..).flat_map(|round| self.points.iter().map(move |point| (round, point)));
        let later = rounds
            .take(points.max(self.points.len()))
            .map(|(round, point)| Point { time: point.time + round * self.span, ..point.clone() });
        self.input(self.call.clone(), later)
    }

    /// The example once, each of its groups so many times.
    fn copied(&self, copies: usize) -> Result<Input> {
        let mut call = self.call.clone();
        call.pipeline.group_by = call.pipeline.group_by.and(COPY);
        let points = self.points.iter().flat_map(|point| {
            (0..copies).map(move |copy| {
                let mut point = point.clone();
                point.tags.insert(COPY.to_owned(), copy.to_string());
                point
            })
        });
        self.input(call, points)
    }

    fn input(&self, call: Call, points: impl Iterator<Item = Point>) -> Result<Input> {
        let mut pipeline = Pipeline::new(call.pipeline, self.host.plugin().info.wants())?;
        let mut messages = Vec::new();
        for point in points {
            messages.extend(pipeline.push(Record::Point(point))?);
        }
        ensure!(!messages.is_empty(), "no point of its example reaches it");
        Ok(Input { messages, groups: pipeline.counts.groups() })
    }

    fn run(&self, input: &Input) -> Result<Figures> {
        measure_together(&self.host, &self.call, &input.messages, input.groups)
    }

    /// Bytes of a group in memory and in a snapshot.
    fn of_group(&self, options: &Options) -> Result<(f64, f64)> {
        let copies = |groups: usize, example: &Input| groups.div_ceil(example.groups).max(1);
        let once = self.copied(1)?;
        let few = self.copied(copies(options.scaled(FEW_GROUPS), &once))?;
        let small = self.run(&few)?;
        let most = (MOST_MEMORY / small.memory_per_group.max(1.0)) as usize;
        let fits = options.scaled(MOST_POINTS) / self.points.len();
        let many = copies(options.scaled(GROUPS).min(most), &once).min(fits.max(1));
        let many = self.copied(many)?;
        if many.groups <= few.groups {
            return Ok((small.memory_per_group, small.snapshot / few.groups as f64));
        }
        let large = self.run(&many)?;
        let more = (many.groups - few.groups) as f64;
        Ok(((large.memory - small.memory) / more, large.snapshot / many.groups as f64))
    }

    fn row(&self, subject: &Subject, reference: &Self, options: &Options) -> Result<Vec<String>> {
        let [ours, theirs] = [self, reference].map(|plugin| plugin.repeated(options.scaled(POINTS)));
        let (ours, theirs) = (ours?, theirs?);
        let (mut rates, mut times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let [theirs, ours] = [reference.run(&theirs)?, self.run(&ours)?];
            rates.push(ours.points_per_second);
            times.push(ours.cpu * 1e-9);
            ratios.push(ours.cpu / theirs.cpu);
        }
        let (memory, snapshot) = self.of_group(options)?;
        let size = fs::metadata(&subject.wasm)?.len() as f64;
        Ok(vec![
            subject.name.clone(),
            self.host.plugin().edges().to_string(),
            Unit::PointsPerSecond.show(median(&rates)),
            Unit::Time.show(median(&times)),
            format!("{:.2}", median(&ratios)),
            Unit::Bytes.show(memory),
            Unit::Bytes.show(snapshot),
            Unit::Bytes.show(size),
        ])
    }
}
