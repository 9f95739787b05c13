//! The options of the plugins that apply a model, and what they have in common.

use std::collections::BTreeMap;

use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

use super::columns::Columns;
use super::model::Model;
use super::results::Results;
use super::watch::Watch;

/// Points that go through a tree together: few enough that their features stay in the cache of the processor beside it.
const BLOCK: usize = 256;

/// `.missing('skip')` or `.missing('nan')`: what becomes of a point that lacks a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It has no prediction.
    Skip,
    /// The trees see NaN, and go the way that they have learned for missing values.
    Nan,
}

impl Scalar for Missing {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        match value {
            OptionValue::String("skip") => Some(Ok(Self::Skip)),
            OptionValue::String("nan") => Some(Ok(Self::Nan)),
            OptionValue::String(other) => Some(Err(format!("must be `skip` or `nan`, got `{other}`"))),
            _ => None,
        }
    }
}

/// The options, which the pages of the plugins describe, and the model that was packed into the plugin.
#[derive(Debug, Options)]
pub struct Settings {
    pub(super) feature: BTreeMap<String, FieldName>,
    #[option(default = Missing::Skip)]
    pub(super) missing: Missing,
    pub(super) r#as: Option<FieldName>,
    pub(super) probability: Option<FieldName>,
    pub(super) probabilities: Flag,
    pub(super) min_probability: Option<f64>,
    pub(super) unknown: Option<String>,
    pub(super) actual: Option<FieldName>,
    pub(super) residual: Option<FieldName>,
    pub(super) tolerance: Option<f64>,
    pub(super) relative_tolerance: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) flag: Option<FieldName>,
    loaded: Shared<Option<Loaded>>,
    watch: Shared<Watch>,
}

/// What is made of the model and the options when a task starts.
#[derive(Debug)]
struct Loaded {
    model: Model<'static>,
    columns: Columns,
    results: Results,
    /// Room for values of features, sums and a prediction: making it anew for each point would cost more than a tree.
    rows: Vec<f64>,
    sums: Vec<f64>,
    prediction: Vec<f64>,
}

impl Settings {
    /// Reads the model that was packed into the plugin.
    ///
    /// # Errors
    ///
    /// When there is none, when it is damaged, and when the options don't fit it.
    pub fn load(&self) -> Result<()> {
        let bytes = kapacitor_guest::packed().ok_or(
            "no model was packed into this plugin: pack one with `kapacitor-wasm pack forest.wasm MODEL.kwf -o NAME.wasm`",
        )?;
        let model = Model::read(bytes).map_err(|e| Error::new(format!("the packed model {e}")))?;
        let columns = Columns::new(&model, &self.feature)?;
        let results = Results::new(self, &model)?;
        info!("{}", model.describe());
        let (rows, sums, prediction) = Default::default();
        self.loaded.set(Some(Loaded { model, columns, results, rows, sums, prediction }));
        Ok(())
    }

    /// Sends points with what the model predicts for them, and leaves out those that lack a feature it needs.
    ///
    /// Returns how many points were left out, and why the last one was.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    ///
    /// # Panics
    ///
    /// If [`Settings::load`] has not been called.
    pub fn predict<'a>(
        &self,
        points: impl IntoIterator<Item = Point<'a>>,
        mut send: impl FnMut(Edited<'_>) -> Result<()>,
    ) -> Result<Option<(usize, Error)>> {
        let mut loaded = self.loaded.borrow_mut();
        let loaded = loaded.as_mut().expect("the model was loaded when the task started");
        let Loaded { model, columns, results, rows, sums, prediction } = loaded;
        let mut left_out: Option<(usize, Error)> = None;
        let mut points = points.into_iter().peekable();
        let mut block: Vec<Point<'a>> = Vec::new();
        while points.peek().is_some() {
            rows.clear();
            block.clear();
            for point in points.by_ref().take(BLOCK) {
                if self.watch.borrow().is_on() {
                    columns.watch(model, point, &mut self.watch.borrow_mut());
                }
                match columns.read(model, self.missing, point, rows) {
                    Ok(()) => block.push(point),
                    Err(e) => left_out = Some((1 + left_out.map_or(0, |(count, _)| count), e)),
                }
            }
            model.score(rows, sums);
            for (point, sums) in block.iter().zip(sums.chunks_exact(model.outputs())) {
                model.finish(sums, prediction);
                send(results.add(*point, prediction))?;
            }
        }
        Ok(left_out)
    }
}
