//! The nodes of a script and their properties, as `pipeline/*.go` of Kapacitor 1.5 keeps them.
//!
//! Properties change their node wherever they are called, also after other nodes were chained to it. So what
//! reaches a call is known only at the end of the script; `reach.rs` works it out.

use crate::arguments::{Link, Step};
use crate::call::{Call, CallOption};
use crate::error::Fault;
use crate::literal::short;
use crate::query::{QuerySource, query_source};
use crate::script::{GroupBy, Window};

/// Maximum number of nodes and properties of a script, and of its UDF calls. Each call lists what is left out
/// before it, so that the product of the two bounds what a script can make us list.
const MAX_STEPS: usize = 2_000;
const MAX_CALLS: usize = 100;

pub(crate) struct Pipeline {
    pub nodes: Vec<Node>,
    /// The nodes that are UDF calls.
    pub calls: Vec<usize>,
    pub dbrps: Vec<Dbrp>,
    steps: usize,
}

/// A statement `dbrp "database"."retentionPolicy"`, and where it lies in the text.
pub(crate) struct Dbrp {
    pub database: String,
    pub retention_policy: String,
    pub start: usize,
    pub end: usize,
}

pub(crate) struct Node {
    pub kind: Kind,
    pub parent: Option<usize>,
    /// Where its step lies in the text.
    pub start: usize,
    pub end: usize,
    /// Properties that have no place in `kind`: where they lie in the text, and what leaving them out means.
    pub left_out: Vec<(usize, usize, &'static str)>,
}

pub(crate) enum Kind {
    Stream,
    Batch,
    From(Selection),
    Query(Selection),
    Window(Window),
    GroupBy(GroupBy),
    Udf(Call),
    /// Any other node, by its name.
    Other(String),
}

/// The points that a `from` or a `query` takes.
#[derive(Default)]
pub(crate) struct Selection {
    pub database: Option<String>,
    pub retention_policy: Option<String>,
    pub measurement: Option<String>,
    pub group_by: GroupBy,
}

impl Pipeline {
    /// The node `stream`.
    pub const STREAM: usize = 0;
    /// The node `batch`.
    pub const BATCH: usize = 1;

    pub fn new() -> Self {
        let source = |kind| Node { kind, parent: None, start: 0, end: 0, left_out: Vec::new() };
        let nodes = vec![source(Kind::Stream), source(Kind::Batch)];
        Self { nodes, calls: Vec::new(), dbrps: Vec::new(), steps: 0 }
    }

    /// A stream of all points, for a call without a script around it.
    pub fn all_points(&mut self) -> usize {
        self.push(Kind::From(Selection::default()), Self::STREAM, 0, 0)
    }

    /// Does one step from a node, and says which node it ends at.
    pub fn step(&mut self, from: usize, step: Step) -> Result<usize, Fault> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            let message =
                format!("the script has more than {MAX_STEPS} nodes and properties; write several scripts");
            return Err(Fault::new(step.start, message));
        }
        if let Kind::Other(name) = &self.nodes[from].kind
            && step.link != Link::Property
            && ["influxDBOut", "kapacitorLoopback"].contains(&name.as_str())
        {
            let message = format!("no points come out of `{name}`; write `{}` before it", short(&step.name));
            return Err(Fault::new(step.start, message));
        }
        match step.link {
            Link::Property => self.property(from, step).map(|()| from),
            Link::Chain => {
                let kind = self.chained(from, &step)?;
                Ok(self.push(kind, from, step.start, step.end))
            }
            Link::Udf => {
                if let Some((at, _)) = step.arguments.first() {
                    let message = format!(
                        "`@{}` takes no argument; write options after it: .name(value)",
                        short(&step.name)
                    );
                    return Err(Fault::new(*at, message));
                }
                if self.calls.len() == MAX_CALLS {
                    let message =
                        format!("the script has more than {MAX_CALLS} UDF calls; write several scripts");
                    return Err(Fault::new(step.start, message));
                }
                let call = Call { function: step.name, options: Vec::new() };
                let node = self.push(Kind::Udf(call), from, step.start, step.end);
                self.calls.push(node);
                Ok(node)
            }
        }
    }

    fn push(&mut self, kind: Kind, parent: usize, start: usize, end: usize) -> usize {
        self.nodes.push(Node { kind, parent: Some(parent), start, end, left_out: Vec::new() });
        self.nodes.len() - 1
    }

    /// The node that `|name(arguments)` adds.
    fn chained(&self, from: usize, step: &Step) -> Result<Kind, Fault> {
        let name = step.node_name();
        Ok(match (&self.nodes[from].kind, name.as_str()) {
            (Kind::Stream | Kind::From(_), "from") => {
                step.no_arguments()?;
                Kind::From(Selection::default())
            }
            (Kind::Batch, "query") => {
                let mut selection = Selection::default();
                if let Some(QuerySource { database, retention_policy, measurement }) =
                    query_source(&step.text()?)
                {
                    selection = Selection {
                        database,
                        retention_policy,
                        measurement: Some(measurement),
                        group_by: GroupBy::default(),
                    };
                }
                Kind::Query(selection)
            }
            (Kind::Stream | Kind::Batch, "stats" | "deadman") => Kind::Other(name),
            (source @ (Kind::Stream | Kind::Batch), _) => {
                let first = if matches!(source, Kind::Stream) {
                    "stream|from()"
                } else {
                    "batch|query('SELECT ...')"
                };
                let message = format!("`{}` can't be here; write `{first}` before it", short(&step.name));
                return Err(Fault::new(step.start, message));
            }
            (Kind::Query(_) | Kind::Window(_), "window") => {
                let message = "`window` can't cut batches, which it gets here; write it after a stream";
                return Err(Fault::new(step.start, message));
            }
            (_, "window") => {
                step.no_arguments()?;
                Kind::Window(Window::default())
            }
            (_, "groupBy") => Kind::GroupBy(step.dimensions()?),
            _ => Kind::Other(name),
        })
    }

    /// Sets a property of a node.
    fn property(&mut self, node: usize, step: Step) -> Result<(), Fault> {
        let node = &mut self.nodes[node];
        let name = step.node_name();
        let why = match &mut node.kind {
            Kind::Stream | Kind::Batch => {
                let message = format!("`.{0}` can't be here; write `|{0}(...)`", short(&step.name));
                return Err(Fault::new(step.start, message));
            }
            Kind::Udf(call) => {
                // Every node has this property, which says that its errors aren't logged.
                if step.name != "quiet" || !step.arguments.is_empty() {
                    let values = step.option_values()?;
                    call.options.push(CallOption { name: step.name, values });
                }
                return Ok(());
            }
            Kind::Other(_) => return Ok(()),
            Kind::From(selection) => from_property(selection, &name, &step)?,
            Kind::Query(selection) => query_property(selection, &name, &step)?,
            Kind::Window(window) => window_property(window, &name, &step)?,
            Kind::GroupBy(group_by) => match name.as_str() {
                "byMeasurement" => {
                    step.no_arguments()?;
                    group_by.by_measurement = true;
                    None
                }
                "quiet" => None,
                "exclude" => Some("these tags are not excluded from the groups"),
                _ => Some(UNKNOWN),
            },
        };
        node.left_out.extend(why.map(|why| (step.start, step.end, why)));
        Ok(())
    }
}

/// Why a property is left out that Kapacitor 1.5 does not have.
const UNKNOWN: &str = "the node has no such property, and Kapacitor 1.5 refuses the script";

fn from_property(selection: &mut Selection, name: &str, step: &Step) -> Result<Option<&'static str>, Fault> {
    match name {
        // An empty name stands for all.
        "database" => selection.database = Some(step.text()?).filter(|name| !name.is_empty()),
        "retentionPolicy" => selection.retention_policy = Some(step.text()?).filter(|name| !name.is_empty()),
        "measurement" => selection.measurement = Some(step.text()?).filter(|name| !name.is_empty()),
        "groupBy" | "groupByMeasurement" => group_by_property(&mut selection.group_by, name, step)?,
        "where" => return Ok(Some("the condition is not evaluated, so that all points are played")),
        "truncate" | "round" => return Ok(Some("times are played as they are")),
        "quiet" => {}
        _ => return Ok(Some(UNKNOWN)),
    }
    Ok(None)
}

fn query_property(selection: &mut Selection, name: &str, step: &Step) -> Result<Option<&'static str>, Fault> {
    match name {
        "groupBy" | "groupByMeasurement" => group_by_property(&mut selection.group_by, name, step)?,
        // What is left out with the query as a whole.
        "period" | "every" | "align" | "cron" | "offset" | "alignGroup" | "fill" | "cluster" | "quiet" => {}
        _ => return Ok(Some(UNKNOWN)),
    }
    Ok(None)
}

fn group_by_property(group_by: &mut GroupBy, name: &str, step: &Step) -> Result<(), Fault> {
    if name == "groupByMeasurement" {
        group_by.by_measurement = true;
        return step.no_arguments();
    }
    *group_by = GroupBy { by_measurement: group_by.by_measurement, ..step.dimensions()? };
    Ok(())
}

fn window_property(window: &mut Window, name: &str, step: &Step) -> Result<Option<&'static str>, Fault> {
    match name {
        "period" => window.period = step.duration()?,
        "every" => window.every = step.duration()?,
        "periodCount" => window.period_count = step.count()?,
        "everyCount" => window.every_count = step.count()?,
        "align" => {
            step.no_arguments()?;
            window.align = true;
        }
        "fillPeriod" => {
            step.no_arguments()?;
            window.fill_period = true;
        }
        "quiet" => {}
        _ => return Ok(Some(UNKNOWN)),
    }
    Ok(None)
}
