//! What reaches a UDF call of a finished pipeline.

use crate::error::Fault;
use crate::literal::short;
use crate::pipeline::{Kind, Node, Pipeline, Selection};
use crate::script::{Edge, GroupBy, LeftOut, PipelineCall, Script, Window};

/// Maximum number of bytes of names of databases, measurements and tags that a script makes us copy.
const MAX_COPIED: usize = 16 << 20;

/// All calls of a pipeline that was read from `text`.
pub(crate) fn reach(text: &str, pipeline: &Pipeline) -> Result<Script, Fault> {
    let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let source = Source { text, newlines };
    let mut copied = 0;
    let mut calls = Vec::new();
    for &node in &pipeline.calls {
        let start = pipeline.nodes[node].start;
        let call = reach_call(&source, pipeline, node)?;
        let names = [&call.database, &call.retention_policy, &call.measurement];
        copied += names.into_iter().flatten().chain(&call.group_by.tags).map(String::len).sum::<usize>();
        if copied > MAX_COPIED {
            return Err(Fault::new(start, "the names before this call are too long; write shorter ones"));
        }
        calls.push((start, call));
    }
    calls.sort_by_key(|(start, _)| *start);
    Ok(Script { calls: calls.into_iter().map(|(_, call)| call).collect() })
}

/// The text of a script, and where its lines end.
struct Source<'a> {
    text: &'a str,
    newlines: Vec<usize>,
}

impl Source<'_> {
    fn line(&self, at: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < at) + 1
    }

    fn left_out(&self, start: usize, end: usize, why: &str) -> LeftOut {
        LeftOut { line: self.line(start), text: short(&self.text[start..end]), why: why.to_owned() }
    }
}

fn reach_call(source: &Source<'_>, pipeline: &Pipeline, node: usize) -> Result<PipelineCall, Fault> {
    let Node { kind: Kind::Udf(call), parent, start, .. } = &pipeline.nodes[node] else {
        return Err(Fault::new(0, "this is no UDF call; report this as a bug"));
    };
    let mut reached = Reached {
        source,
        edge: Edge::Stream,
        selection: Selection::default(),
        window: None,
        left_out: Vec::new(),
    };
    let mut path = Vec::new();
    let mut next = *parent;
    while let Some(node) = next {
        path.push(&pipeline.nodes[node]);
        next = pipeline.nodes[node].parent;
    }
    for node in path.into_iter().rev() {
        reached.pass(node)?;
    }
    let Reached { edge, mut selection, window, mut left_out, .. } = reached;
    dbrp(source, pipeline, &mut selection, &mut left_out);
    Ok(PipelineCall {
        call: call.clone(),
        line: source.line(*start),
        edge,
        database: selection.database,
        retention_policy: selection.retention_policy,
        measurement: selection.measurement,
        group_by: selection.group_by,
        window: window.map(|(window, _)| window),
        left_out,
    })
}

/// Takes the database and the retention policy from the `dbrp` statements, if the nodes do not say them.
fn dbrp(source: &Source<'_>, pipeline: &Pipeline, selection: &mut Selection, left_out: &mut Vec<LeftOut>) {
    let fits = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|wanted| wanted == is);
    let mut fitting = pipeline.dbrps.iter().filter(|dbrp| {
        fits(&selection.database, &dbrp.database) && fits(&selection.retention_policy, &dbrp.retention_policy)
    });
    let Some(first) = fitting.next() else { return };
    if let Some(second) = fitting.next() {
        let why = "the script has several, and the points are played as if they came from the first";
        left_out.push(source.left_out(second.start, second.end, why));
    }
    selection.database = Some(first.database.clone());
    selection.retention_policy = Some(first.retention_policy.clone());
}

/// What comes out of the nodes that have been passed.
struct Reached<'a> {
    source: &'a Source<'a>,
    edge: Edge,
    selection: Selection,
    /// The window whose batches come out, and its node.
    window: Option<(Window, &'a Node)>,
    left_out: Vec<LeftOut>,
}

impl<'a> Reached<'a> {
    fn pass(&mut self, node: &'a Node) -> Result<(), Fault> {
        match &node.kind {
            Kind::Stream => self.edge = Edge::Stream,
            Kind::Batch => self.edge = Edge::Batch,
            Kind::From(from) => self.select(from),
            Kind::Query(query) => {
                self.select(query);
                let why = if query.measurement.is_some() {
                    "the query is not run, and batches are played as they are in the recording"
                } else {
                    "the query is not run, and which measurement it takes can't be read from it"
                };
                self.leave_out(node, why);
            }
            Kind::Window(window) => {
                check_window(window).map_err(|message| Fault::new(node.start, message))?;
                self.close_window();
                self.window = Some((*window, node));
                self.edge = Edge::Batch;
            }
            Kind::GroupBy(group_by) if self.edge == Edge::Stream => {
                let by_measurement = group_by.by_measurement || self.selection.group_by.by_measurement;
                self.selection.group_by = GroupBy { by_measurement, ..group_by.clone() };
            }
            Kind::GroupBy(_) => self.leave_out(node, "batches are not grouped again"),
            Kind::Udf(_) => self.leave_out(node, "this UDF is not run, and the points pass it unchanged"),
            Kind::Other(name) => self.other(node, name),
        }
        for &(start, end, why) in &node.left_out {
            self.left_out.push(self.source.left_out(start, end, why));
        }
        Ok(())
    }

    /// A `from` takes from the points what an earlier one has left; the groups are those of the last.
    fn select(&mut self, selection: &Selection) {
        let narrow = |name: &mut Option<String>, by: &Option<String>| {
            if by.is_some() {
                name.clone_from(by);
            }
        };
        narrow(&mut self.selection.database, &selection.database);
        narrow(&mut self.selection.retention_policy, &selection.retention_policy);
        narrow(&mut self.selection.measurement, &selection.measurement);
        self.selection.group_by.clone_from(&selection.group_by);
    }

    fn other(&mut self, node: &'a Node, name: &str) {
        let edge = match name {
            // The nodes that take batches and provide points, and the other way round.
            "combine" | "count" | "deadman" | "ec2Autoscale" | "first" | "k8sAutoscale" | "last" | "max"
            | "mean" | "median" | "min" | "mode" | "percentile" | "spread" | "stats" | "stddev" | "sum"
            | "swarmAutoscale" => Edge::Stream,
            "bottom" | "distinct" | "holtWinters" | "top" => Edge::Batch,
            _ => self.edge,
        };
        if edge == Edge::Stream {
            self.close_window();
        }
        self.edge = edge;
        let why = match name {
            "where" => "the condition is not evaluated, so that all points are played",
            "log" | "httpOut" | "noOp" => "the node is not run, and passes on what it gets",
            "join" | "union" => "the other data is not played",
            _ => "the node is not run, and what it gets is played instead of what it makes",
        };
        self.leave_out(node, why);
    }

    /// Leaves out the window, if there is one: its batches do not come further than here.
    fn close_window(&mut self) {
        if let Some((_, node)) = self.window.take() {
            self.leave_out(node, "its batches go to a node that is not run");
        }
    }

    fn leave_out(&mut self, node: &Node, why: &str) {
        self.left_out.push(self.source.left_out(node.start, node.end, why));
    }
}

/// Checks what `validate` of `pipeline/window.go` and `newWindowNode` of `window.go` check.
fn check_window(window: &Window) -> Result<(), &'static str> {
    let Window { period, period_count, every_count, align, .. } = *window;
    match (period != 0, period_count != 0) {
        (false, false) => Err("`window` has no length; write .period(10m) or .periodCount(10) after it"),
        (true, true) => Err("`window` has both `period` and `periodCount`; write one of them"),
        (false, true) if align => Err("a window with `periodCount` can't be aligned; remove .align()"),
        (false, true) if every_count == 0 => {
            Err("a window with `periodCount` needs .everyCount(1) or more; add it")
        }
        _ => Ok(()),
    }
}
