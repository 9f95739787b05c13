//! Which field each feature is in.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use kapacitor_guest::prelude::*;

use super::model::Model;
use super::settings::Missing;
use super::watch::Watch;
use crate::fields::finite;

/// The fields of the features of a model.
#[derive(Debug)]
pub(super) struct Columns {
    /// The field of each feature.
    fields: Vec<String>,
    /// The feature of each field: each field of a point is looked up here once. To look up each feature in the point would
    /// take the square of their number.
    features: HashMap<String, usize, FixedState>,
}

impl Columns {
    /// The fields that have the names of the features, or others.
    ///
    /// # Errors
    ///
    /// When there is another name for a feature that the model does not have.
    pub(super) fn new(model: &Model<'_>, others: &BTreeMap<String, FieldName>) -> Result<Self> {
        if let Some(name) = others.keys().find(|name| !model.features().any(|(known, _)| known == **name)) {
            let known: Vec<&str> = model.features().map(|(known, _)| known).take(50).collect();
            let known = known.join(", ");
            return Err(Error::new(format!(
                "option `feature`: the model has no feature `{name}`; it has: {known}"
            )));
        }
        let field =
            |(name, _): (&str, bool)| others.get(name).map_or_else(|| name.to_owned(), FieldName::to_string);
        let fields: Vec<String> = model.features().map(field).collect();
        let mut features = HashMap::with_capacity_and_hasher(fields.len(), FixedState::default());
        for (place, field) in fields.iter().enumerate() {
            if let Some(before) = features.insert(field.clone(), place) {
                let name = |place| model.features().nth(place).unwrap_or_default().0;
                let (one, two) = (name(before), name(place));
                return Err(Error::new(format!(
                    "option `feature`: features `{one}` and `{two}` of the model can't both be in field `{field}`"
                )));
            }
        }
        Ok(Self { fields, features })
    }

    /// Appends the values of a point's features to `rows`.
    ///
    /// # Errors
    ///
    /// A skip if the point lacks one that is needed. Nothing is appended then.
    #[inline]
    pub(super) fn read(
        &self,
        model: &Model<'_>,
        missing: Missing,
        point: Point<'_>,
        rows: &mut Vec<f64>,
    ) -> Result<()> {
        let start = rows.len();
        rows.resize(start + self.fields.len(), f64::NAN);
        let row = &mut rows[start..];
        for (name, value) in point.fields() {
            if let Some(place) = self.features.get(name)
                && let Some(value) = value.as_number().filter(|value| value.is_finite())
            {
                row[*place] = model.seen(*place, value);
            }
        }
        if missing == Missing::Skip
            && let Some(place) = first_missing(model, row)
        {
            rows.truncate(start);
            // It says what the point has instead.
            let reason =
                point.number(&self.fields[place]).map_or_else(|e| e, |_| Error::skip("no finite number"));
            return Err(reason);
        }
        Ok(())
    }

    /// Looks which features a point has, and says behind the first points which of them never came.
    #[cold]
    pub(super) fn watch(&self, model: &Model<'_>, point: Point<'_>, watch: &mut Watch) {
        let has = |(field, (_, used)): (&String, (&str, bool))| !used || finite(point, field).is_some();
        for place in watch.point(self.fields.iter().zip(model.features()).map(has)) {
            let (name, _) = model.features().nth(place).unwrap_or_default();
            warn!(
                "none of the first {} points has a number in field `{}`, which is feature `{name}` of the model",
                Watch::points(),
                self.fields[place]
            );
        }
    }
}

/// The first feature that trees ask for and a row lacks.
fn first_missing(model: &Model<'_>, row: &[f64]) -> Option<usize> {
    model.features().zip(row).position(|((_, used), value)| used && value.is_nan())
}
