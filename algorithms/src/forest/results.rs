//! The fields that a prediction becomes.

use kapacitor_guest::prelude::*;

use super::header::Task;
use super::model::Model;
use super::settings::Settings;
use crate::different_names;
use crate::fields::finite;

/// The fields that are added to a point.
#[derive(Debug)]
pub(super) enum Results {
    Number { name: String, residual: Option<Residual> },
    Class { name: String, probability: String, classes: Vec<Class>, at_least: f64, unknown: String },
    Score { name: String, flag: String, threshold: f64 },
}

/// A class, and the field for its probability if it has one.
#[derive(Debug)]
pub(super) struct Class {
    name: String,
    probability: Option<String>,
}

/// How far a number is from what was measured.
#[derive(Debug)]
pub(super) struct Residual {
    actual: String,
    name: String,
    /// The field that says whether it is too far.
    rule: Option<Rule>,
}

/// A residual is too large if it is larger than both.
#[derive(Debug)]
struct Rule {
    flag: String,
    absolute: f64,
    relative: f64,
}

impl Results {
    /// The results that the options ask for.
    ///
    /// # Errors
    ///
    /// When an option makes no sense, or is for other models than this one.
    pub(super) fn new(settings: &Settings, model: &Model<'_>) -> Result<Self> {
        settings.refuse_others(model.task())?;
        let or = |name: &Option<FieldName>, default: &str| {
            name.as_ref().map_or_else(|| default.to_owned(), FieldName::to_string)
        };
        let results = match model.task() {
            Task::Regression => {
                let residual = match &settings.actual {
                    Some(actual) => Some(Residual {
                        actual: actual.to_string(),
                        name: or(&settings.residual, "residual"),
                        rule: settings.rule()?,
                    }),
                    None => None,
                };
                Self::Number { name: or(&settings.r#as, "prediction"), residual }
            }
            Task::Classification => {
                let probability = or(&settings.probability, "probability");
                let class = |name: &String| Class {
                    name: name.clone(),
                    probability: settings.probabilities.is_set().then(|| format!("{probability}_{name}")),
                };
                let classes = model.classes().iter().map(class).collect();
                let at_least = settings.min_probability.unwrap_or(0.0);
                if !(0.0..=1.0).contains(&at_least) {
                    return Err("option `min_probability`: must be a number from 0 to 1".into());
                }
                let unknown = settings.unknown.clone().unwrap_or_else(|| "unknown".to_owned());
                if settings.min_probability.is_some() && model.classes().contains(&unknown) {
                    return Err(Error::new(format!(
                        "option `unknown`: the model has a class `{unknown}`: choose another word"
                    )));
                }
                Self::Class { name: or(&settings.r#as, "class"), probability, classes, at_least, unknown }
            }
            Task::Isolation => {
                let threshold = settings.threshold.or(model.header.threshold).unwrap_or(0.5);
                if !(0.0..=1.0).contains(&threshold) {
                    return Err("option `threshold`: must be a number from 0 to 1".into());
                }
                let (name, flag) = (or(&settings.r#as, "score"), or(&settings.flag, "anomaly"));
                Self::Score { name, flag, threshold }
            }
        };
        different_names(&results.names())?;
        Ok(results)
    }

    /// The names of all results.
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Number { name, residual } => {
                let mut names = vec![&name[..]];
                if let Some(Residual { name, rule, .. }) = residual {
                    names.push(name);
                    names.extend(rule.iter().map(|rule| &rule.flag[..]));
                }
                names
            }
            Self::Class { name, probability, classes, .. } => {
                let each = classes.iter().filter_map(|class| class.probability.as_deref());
                [&name[..], probability].into_iter().chain(each).collect()
            }
            Self::Score { name, flag, .. } => vec![name, flag],
        }
    }

    /// The point with what was predicted for it.
    pub(super) fn add<'a>(&'a self, point: Point<'a>, prediction: &[f64]) -> Edited<'a> {
        match self {
            Self::Number { name, residual } => {
                let edited = point.with(name, prediction[0]);
                match residual {
                    Some(residual) => residual.add(point, edited, prediction[0]),
                    None => edited,
                }
            }
            Self::Class { name, probability, classes, at_least, unknown } => {
                // The first of several that are equal, as in the libraries.
                let mut best = 0;
                for (place, value) in prediction.iter().enumerate() {
                    if *value > prediction[best] {
                        best = place;
                    }
                }
                let class = if prediction[best] >= *at_least { &classes[best].name } else { unknown };
                let mut edited = point.with(name, &class[..]).with(probability, prediction[best]);
                for (class, value) in classes.iter().zip(prediction) {
                    if let Some(name) = &class.probability {
                        edited = edited.with(name, *value);
                    }
                }
                edited
            }
            Self::Score { name, flag, threshold } => {
                point.with(name, prediction[0]).with(flag, prediction[0] > *threshold)
            }
        }
    }
}

impl Residual {
    /// Adds the residual if the point has what was measured. Without it there is nothing that could be unusual.
    fn add<'a>(&'a self, point: Point<'_>, edited: Edited<'a>, prediction: f64) -> Edited<'a> {
        let residual = finite(point, &self.actual).map(|actual| actual - prediction);
        let edited = match residual {
            Some(residual) => edited.with(&self.name, residual),
            None => edited,
        };
        match &self.rule {
            Some(Rule { flag, absolute, relative }) => {
                let limit = absolute.max(relative * prediction.abs());
                edited.with(flag, residual.is_some_and(|residual| residual.abs() > limit))
            }
            None => edited,
        }
    }
}

impl Settings {
    /// The rule for residuals, if one was given.
    fn rule(&self) -> Result<Option<Rule>> {
        let tolerances = [("tolerance", self.tolerance), ("relative_tolerance", self.relative_tolerance)];
        for (name, value) in tolerances {
            if !value.is_none_or(|value| value >= 0.0 && value.is_finite()) {
                return Err(Error::new(format!("option `{name}`: must be a number of at least 0")));
            }
        }
        if self.tolerance.is_none() && self.relative_tolerance.is_none() {
            return match self.flag {
                Some(_) => Err("option `flag`: needs option `tolerance` or `relative_tolerance`".into()),
                None => Ok(None),
            };
        }
        Ok(Some(Rule {
            flag: self.flag.as_ref().map_or_else(|| "anomaly".to_owned(), FieldName::to_string),
            absolute: self.tolerance.unwrap_or(0.0),
            relative: self.relative_tolerance.unwrap_or(0.0),
        }))
    }

    /// Refuses options that would have no effect.
    fn refuse_others(&self, task: Task) -> Result<()> {
        use Task::{Classification, Isolation, Regression};
        let given: [(&str, bool, &[Task]); 10] = [
            ("probability", self.probability.is_some(), &[Classification]),
            ("probabilities", self.probabilities.is_set(), &[Classification]),
            ("min_probability", self.min_probability.is_some(), &[Classification]),
            ("unknown", self.unknown.is_some(), &[Classification]),
            ("actual", self.actual.is_some(), &[Regression]),
            ("residual", self.residual.is_some(), &[Regression]),
            ("tolerance", self.tolerance.is_some(), &[Regression]),
            ("relative_tolerance", self.relative_tolerance.is_some(), &[Regression]),
            ("threshold", self.threshold.is_some(), &[Isolation]),
            ("flag", self.flag.is_some(), &[Isolation, Regression]),
        ];
        for (name, given, tasks) in given {
            if given && !tasks.contains(&task) {
                let of: Vec<&str> = tasks.iter().map(|task| task.name()).collect();
                let (of, task) = (of.join(" and "), task.name());
                return Err(Error::new(format!(
                    "option `{name}`: is for {of}, and the packed model is {task}"
                )));
            }
            let needs_actual = ["residual", "tolerance", "relative_tolerance", "flag"].contains(&name);
            if given && needs_actual && task == Regression && self.actual.is_none() {
                return Err(Error::new(format!("option `{name}`: needs option `actual`")));
            }
        }
        Ok(())
    }
}
