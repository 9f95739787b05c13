//! What a fence is, and circles.

use std::f64::consts::PI;

use kapacitor_guest::options::{Occurrence, OptionValue, ValueType};

use crate::earth::{Place, RADIUS, distance_of_latitudes};

/// What is asked of a fence.
pub trait Fence {
    /// Its name.
    fn name(&self) -> &str;
    /// Its area in square meters.
    fn area(&self) -> f64;
    /// Whether a place is inside.
    fn contains(&self, place: Place) -> bool;
    /// The distance of a place from the border in meters, or `most` if it is more than that.
    fn distance(&self, place: Place, most: f64) -> f64;
}

/// `.circle('depot', 52.5, 13.4, 500.0)`: name, latitude and longitude of the center, and radius in meters.
#[derive(Debug)]
pub struct Circle {
    name: String,
    center: Place,
    radius: f64,
    area: f64,
}

impl Circle {
    fn new(name: String, center: Place, radius: f64) -> Self {
        let area = 2.0 * PI * RADIUS * RADIUS * (1.0 - (radius / RADIUS).cos());
        Self { name, center, radius, area }
    }
}

impl Occurrence for Circle {
    const VALUES: &'static [ValueType] = <(String, f64, f64, f64)>::VALUES;

    fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
        let (name, lat, lon, radius) = <(String, f64, f64, f64)>::from_values(values)?;
        let name = checked_name(name)?;
        let center = Place::new(lat, lon).map_err(|problem| format!("'{name}': {problem}"))?;
        if radius > 0.0 && radius < PI * RADIUS {
            Ok(Self::new(name, center, radius))
        } else {
            Err(format!("'{name}': the radius must be above 0 and below 20,015,000 meters"))
        }
    }
}

impl Fence for Circle {
    fn name(&self) -> &str {
        &self.name
    }

    fn area(&self) -> f64 {
        self.area
    }

    fn contains(&self, place: Place) -> bool {
        // The distance of latitudes is never above the distance, and needs no sines.
        distance_of_latitudes(self.center.lat, place.lat) <= self.radius
            && self.center.distance(place) <= self.radius
    }

    fn distance(&self, place: Place, most: f64) -> f64 {
        if distance_of_latitudes(self.center.lat, place.lat) - self.radius >= most {
            return most;
        }
        (self.center.distance(place) - self.radius).abs().min(most)
    }
}

/// The name of a fence, if it may have it.
///
/// # Errors
///
/// Says that the name is empty.
pub fn checked_name(name: String) -> Result<String, String> {
    // The empty name stands for no fence.
    if name.is_empty() { Err("the name must not be empty".to_owned()) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(lat: f64, lon: f64, radius: f64) -> Circle {
        Circle::new("c".to_owned(), place(lat, lon), radius)
    }

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).unwrap()
    }

    #[test]
    fn circles_lie_around_a_pole() {
        let degree = distance_of_latitudes(0.0, 1.0);
        let circle = circle(89.0, 0.0, 2.0 * degree);
        assert!(circle.contains(place(89.5, 180.0)) && circle.contains(place(90.0, 77.0)));
        assert!(!circle.contains(place(88.5, 180.0)));
        let distance = circle.distance(place(89.5, 180.0), f64::INFINITY);
        assert!((distance / (0.5 * degree) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn circles_lie_across_the_antimeridian() {
        let circle = circle(0.0, 179.9, 0.3 * distance_of_latitudes(0.0, 1.0));
        assert!(circle.contains(place(0.0, -179.9)) && !circle.contains(place(0.0, -179.7)));
    }

    #[test]
    fn area_is_that_of_a_cap() {
        let half = circle(1.0, 2.0, RADIUS * PI / 2.0);
        assert!((half.area() / (2.0 * PI * RADIUS * RADIUS) - 1.0).abs() < 1e-12);
    }
}
