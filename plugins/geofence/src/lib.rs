//! The fence that a place is in, by circles and polygons on the earth, and the points at which it is entered or left.

use std::borrow::Cow;

use kapacitor_guest::prelude::*;

mod earth;
mod fence;
mod polygon;
#[cfg(test)]
mod tests;

use earth::{Place, geohash};
use fence::{Circle, Fence};
use polygon::Polygon;

/// The options.
#[derive(Options)]
pub struct Geofence {
    #[option(default = "lat")]
    lat: FieldName,
    #[option(default = "lon")]
    lon: FieldName,
    circle: Vec<Circle>,
    polygon: Vec<Polygon>,
    #[option(default = 0.0)]
    margin: f64,
    precision: Option<usize>,
    #[option(default = String::new())]
    prefix: String,
}

/// Where a group was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// It has not been anywhere yet.
    #[default]
    Unknown,
    /// It is in no fence.
    Outside,
    /// In the fence at this place of [`Geofence::fences`].
    Inside(usize),
}

/// The names of the results.
const RESULTS: [&str; 6] = ["fence", "inside", "event", "left", "distance", "geohash"];

fn as_fence<T: Fence>(fence: &T) -> &dyn Fence {
    fence
}

impl Geofence {
    /// All fences.
    fn fences(&self) -> impl Iterator<Item = &dyn Fence> {
        self.circle.iter().map(as_fence).chain(self.polygon.iter().map(as_fence))
    }

    /// The name of a fence; empty for none.
    fn name(&self, position: Position) -> &str {
        match position {
            Position::Inside(number) => self.fences().nth(number).map_or("", Fence::name),
            _ => "",
        }
    }

    /// The smallest fence that holds a place. One that the group is in holds what is up to `margin` outside of it, too.
    fn locate(&self, before: Position, place: Place) -> Position {
        let holds = |(number, fence): &(usize, &dyn Fence)| {
            fence.contains(place)
                || before == Position::Inside(*number) && fence.distance(place, self.margin) < self.margin
        };
        let within = self.fences().enumerate().filter(holds);
        let smallest = within.min_by(|(_, a), (_, b)| a.area().total_cmp(&b.area()));
        smallest.map_or(Position::Outside, |(number, _)| Position::Inside(number))
    }

    /// The name of a result.
    fn result(&self, name: &'static str) -> Cow<'_, str> {
        if self.prefix.is_empty() { name.into() } else { format!("{}{name}", self.prefix).into() }
    }
}

impl Stream for Geofence {
    type Group = Position;

    fn check(&self) -> Result<()> {
        let mut names: Vec<&str> = self.fences().map(Fence::name).collect();
        if names.is_empty() {
            return Err("there is no fence: give at least one `circle` or `polygon`".into());
        }
        names.sort_unstable();
        if let Some([twice, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::new(format!("two fences have the name '{twice}'")));
        }
        if !(self.margin >= 0.0 && self.margin.is_finite()) {
            return Err("option `margin`: must be a number of meters of at least 0".into());
        }
        if self.precision.is_some_and(|letters| !(1..=12).contains(&letters)) {
            return Err("option `precision`: must be from 1 to 12 letters".into());
        }
        for name in RESULTS {
            FieldName::new(self.result(name))
                .map_err(|e| e.context("option `prefix`: the name of a result"))?;
        }
        Ok(())
    }

    fn point(&self, position: &mut Position, point: Point<'_>, out: &mut Output) -> Result<()> {
        let place = Place::new(point.number(&self.lat)?, point.number(&self.lon)?).map_err(Error::skip)?;
        let before = *position;
        *position = self.locate(before, place);
        let event = match *position {
            now if now == before || before == Position::Unknown => "",
            Position::Inside(_) => "enter",
            _ => "leave",
        };
        let left = if event.is_empty() { "" } else { self.name(before) };
        let distance = self.fences().fold(f64::INFINITY, |most, fence| fence.distance(place, most));
        let mut edited = point
            .with(self.result("fence"), self.name(*position))
            .with(self.result("inside"), matches!(position, Position::Inside(_)))
            .with(self.result("event"), event)
            .with(self.result("left"), left)
            .with(self.result("distance"), distance);
        if let Some(letters) = self.precision {
            edited = edited.with(self.result("geohash"), geohash(place, letters));
        }
        out.send(edited)
    }
}

register!(Geofence);
