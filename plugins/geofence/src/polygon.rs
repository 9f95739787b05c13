//! Polygons.

use kapacitor_guest::options::{Occurrence, OptionValue, ValueType};

use crate::earth::{Bounds, Place, RADIUS, wrapped};
use crate::fence::{Fence, checked_name};

/// `.polygon('yard', '52.1,13.1 52.2,13.1 52.2,13.2')`: name, and latitude and longitude of each corner.
#[derive(Debug)]
pub struct Polygon {
    name: String,
    sides: Vec<Side>,
    bounds: Bounds,
    area: f64,
}

/// A side of a polygon, which is straight in latitude and longitude.
#[derive(Debug)]
struct Side {
    /// The southern end, so that what is computed from a side that two polygons share is the same in both.
    from: Place,
    to: Place,
    bounds: Bounds,
}

impl Occurrence for Polygon {
    const VALUES: &'static [ValueType] = <(String, String)>::VALUES;

    fn from_values(values: &[OptionValue<'_>]) -> Result<Self, String> {
        let (name, corners) = <(String, String)>::from_values(values)?;
        let name = checked_name(name)?;
        Self::new(name.clone(), &corners).map_err(|problem| format!("'{name}': {problem}"))
    }
}

impl Polygon {
    fn new(name: String, text: &str) -> Result<Self, String> {
        let half = || "goes around a pole, or has a side of half the earth: use a circle".to_owned();
        let mut corners: Vec<Place> = Vec::new();
        for corner in text.split_whitespace() {
            let mut place = read_place(corner)?;
            if let Some(last) = corners.last() {
                // Without a turn, nothing is rounded.
                place.lon += 360.0 * ((last.lon - place.lon) / 360.0).round();
                // Both ways around are as short.
                if (last.lon - place.lon).abs() >= 180.0 {
                    return Err(half());
                }
            }
            corners.push(place);
        }
        let (Some(first), Some(last)) = (corners.first(), corners.last()) else {
            return Err("has no corners, expected 'LAT,LON LAT,LON LAT,LON'".to_owned());
        };
        if (last.lon - first.lon).abs() >= 180.0 {
            return Err(half());
        }
        // The first corner may be given again as the last one.
        if corners.len() > 1 && first == last {
            corners.pop();
        }
        if corners.len() < 3 {
            return Err(format!("has {} corners, expected at least 3", corners.len()));
        }
        let bounds = Bounds::of(corners.iter().copied());
        if bounds.width() >= 360.0 {
            return Err("goes around the earth".to_owned());
        }
        let sides = ends(&corners).map(|(a, b)| {
            let (from, to) = if b.lat < a.lat { (b, a) } else { (a, b) };
            Side { from, to, bounds: Bounds::of([from, to]) }
        });
        Ok(Self { name, sides: sides.collect(), bounds, area: area(&corners) })
    }
}

/// The ends of each side of a polygon.
fn ends(corners: &[Place]) -> impl Iterator<Item = (Place, Place)> {
    let next = corners.iter().cycle().skip(1);
    corners.iter().copied().zip(next.copied())
}

/// The area of a polygon in square meters, in the equal-area projection of J. H. Lambert, 1772.
fn area(corners: &[Place]) -> f64 {
    let height = |place: Place| place.lat.to_radians().sin();
    let under = |(a, b): (Place, Place)| (b.lon - a.lon).to_radians() * (height(a) + height(b)) / 2.0;
    RADIUS * RADIUS * ends(corners).map(under).sum::<f64>().abs()
}

impl Fence for Polygon {
    fn name(&self) -> &str {
        &self.name
    }

    fn area(&self) -> f64 {
        self.area
    }

    /// By the number of sides that a line to the east crosses: M. Shimrat, *Algorithm 112: position of point relative to
    /// polygon*, Communications of the ACM 5, 1962. A place on a border that two polygons share is in one of them.
    fn contains(&self, place: Place) -> bool {
        let Some(lon) = self.bounds.longitude_within(place) else { return false };
        let crosses = |side: &&Side| {
            let Side { from, to, .. } = side;
            if from.lat > place.lat || to.lat <= place.lat {
                return false;
            }
            let share = (place.lat - from.lat) / (to.lat - from.lat);
            let crossing = from.lon + share * (to.lon - from.lon);
            // Rounding must not bring it out of the bounds.
            lon < crossing.clamp(from.lon.min(to.lon), from.lon.max(to.lon))
        };
        self.sides.iter().filter(crosses).count() % 2 == 1
    }

    fn distance(&self, place: Place, most: f64) -> f64 {
        if self.bounds.at_least(place) >= most {
            return most;
        }
        self.sides.iter().fold(most, |most, side| {
            if side.bounds.at_least(place) >= most { most } else { side.distance(place).min(most) }
        })
    }
}

impl Side {
    /// The distance in meters of a place.
    ///
    /// The nearest place of the side is that of a plane at first, in which a degree of longitude is as long as at the place.
    /// One step of Newton's method on the sphere then brings it to where the cosine of the distance is greatest.
    fn distance(&self, place: Place) -> f64 {
        let &Self { from, to, .. } = self;
        let (height, width) = (to.lat - from.lat, to.lon - from.lon);
        // From the place to the beginning of the side, by the way on which the middle of the side is nearer.
        let east = wrapped(from.lon + width / 2.0 - place.lon) - width / 2.0;
        let north = from.lat - place.lat;
        let squared = place.cos * place.cos;
        let length = height * height + width * width * squared;
        if length == 0.0 {
            return place.distance(from);
        }
        let share = (-(north * height + east * width * squared) / length).clamp(0.0, 1.0);
        let share = (share + self.newton(place, share, east + share * width)).clamp(0.0, 1.0);
        place.distance(Place::at(from.lat + share * height, place.lon + east + share * width))
    }

    /// The step of Newton's method for the share of the side at which the cosine of the distance is greatest: minus its
    /// derivative divided by the second one. `east` is the difference of the longitudes there, in degrees.
    fn newton(&self, place: Place, share: f64, east: f64) -> f64 {
        let height = (self.to.lat - self.from.lat).to_radians();
        let width = (self.to.lon - self.from.lon).to_radians();
        let (sin, cos) = (self.from.lat.to_radians() + share * height).sin_cos();
        let (east_sin, east_cos) = east.to_radians().sin_cos();
        let place_sin = place.lat.to_radians().sin();
        let slope =
            height * (place_sin * cos - place.cos * sin * east_cos) - width * place.cos * cos * east_sin;
        let bend = -height * height * (place_sin * sin + place.cos * cos * east_cos)
            + 2.0 * height * width * place.cos * sin * east_sin
            - width * width * place.cos * cos * east_cos;
        // Where the cosine is least, far away from the side, there is no such step.
        if bend < 0.0 { -slope / bend } else { 0.0 }
    }
}

/// Reads `LAT,LON`.
fn read_place(text: &str) -> Result<Place, String> {
    let numbers = text.split_once(',').and_then(|(lat, lon)| Some((lat.parse().ok()?, lon.parse().ok()?)));
    let (lat, lon) = numbers.ok_or_else(|| format!("`{text}` is no corner, expected LAT,LON"))?;
    Place::new(lat, lon)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;
    use crate::earth::distance_of_latitudes;
    use proptest::prelude::*;

    fn polygon(corners: &str) -> Polygon {
        Polygon::new("p".to_owned(), corners).unwrap()
    }

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).unwrap()
    }

    #[test]
    fn polygons_hold_what_is_within() {
        // Like a U.
        let yard = polygon("0,0 10,0 10,3 5,3 5,7 10,7 10,10 0,10 0,0");
        let cases =
            [(7.0, 1.0, true), (7.0, 5.0, false), (7.0, 8.0, true), (3.0, 5.0, true), (-1.0, 5.0, false)];
        for (lat, lon, expected) in cases {
            assert_eq!(yard.contains(place(lat, lon)), expected, "{lat} {lon}");
        }
    }

    #[test]
    fn place_on_a_shared_border_is_in_one_polygon() {
        let (west, east) = (polygon("0,0 2,0 2,1 0,1"), polygon("0,1 2,1 2,2 0,2"));
        let (south, north) = (polygon("0,0 1,0 1,2 0,2"), polygon("1,0 2,0 2,2 1,2"));
        let on_it = [place(0.5, 1.0), place(1.5, 1.0)];
        assert!(on_it.iter().all(|place| west.contains(*place) != east.contains(*place)));
        let on_it = [place(1.0, 0.5), place(1.0, 1.5)];
        assert!(on_it.iter().all(|place| south.contains(*place) != north.contains(*place)));
    }

    #[test]
    fn rounding_brings_no_side_out_of_its_bounds() {
        // Just below the northern end of the side that both parts share, the side is computed to be further east than its end.
        let (west, east) =
            (polygon("-2.6,-5.133 1.97,-5 1.97,0.017"), polygon("-2.6,-5.133 1.97,0.017 -2.6,3"));
        let whole = polygon("-2.6,-5.133 1.97,-5 1.97,0.017 -2.6,3");
        let place = place(1.97_f64.next_down(), 0.017 + 2e-16);
        assert_eq!(west.contains(place) != east.contains(place), whole.contains(place));
    }

    #[test]
    fn fences_lie_across_the_antimeridian() {
        let fiji = polygon("-20,177 -15,177 -15,-178 -20,-178");
        for lon in [177.5, 180.0, -180.0, 181.9, -178.5, 181.5] {
            assert!(fiji.contains(place(-17.0, lon)), "{lon}");
        }
        for lon in [176.5, -177.5, 0.0, 183.0] {
            assert!(!fiji.contains(place(-17.0, lon)), "{lon}");
        }
        let degree = distance_of_latitudes(0.0, 1.0);
        let expected = degree * 17_f64.to_radians().cos();
        for lon in [176.0, -177.0, 179.0, -179.0] {
            let found = fiji.distance(place(-17.0, lon), f64::INFINITY);
            assert!((found / expected - f64::from(u8::from(lon == 179.0)) - 1.0).abs() < 1e-3, "{lon}");
        }
    }

    #[test]
    fn areas_are_those_of_a_sphere() {
        let whole = 4.0 * PI * RADIUS * RADIUS;
        let octant = polygon("0,0 0,90 90,90 90,0");
        assert!((octant.area() / whole - 0.125).abs() < 1e-12);
    }

    #[test]
    fn wrong_polygons_are_refused() {
        let cases = [
            ("", "has no corners, expected 'LAT,LON LAT,LON LAT,LON'"),
            ("1,1 2,2 1,1", "has 2 corners, expected at least 3"),
            ("1,1 2;2 3,3", "`2;2` is no corner, expected LAT,LON"),
            ("1,1 2,2 91,3", "the latitude 91 is not from -90 to 90"),
            ("80,0 80,120 80,-120", "goes around a pole, or has a side of half the earth: use a circle"),
            ("0,0 10,180 20,-90", "goes around a pole, or has a side of half the earth: use a circle"),
        ];
        for (corners, expected) in cases {
            assert_eq!(Polygon::new("p".to_owned(), corners).unwrap_err(), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The distance from the border is that of the nearest of many places on it.
        #[test]
        fn distance_is_that_of_the_nearest_place(
            (lat, lon) in (-70.0..70.0, -180.0..180.0),
            corners in proptest::collection::vec((-2.0..2.0, -2.0..2.0), 3..8),
            (north, east) in (-4.0..4.0, -4.0..4.0),
        ) {
            const PARTS: u32 = 4000;
            let text: Vec<String> =
                corners.iter().map(|(n, e)| format!("{},{}", lat + n, wrapped(lon + e))).collect();
            let polygon = polygon(&text.join(" "));
            let place = place(lat + north, wrapped(lon + east));
            let mut nearest = f64::INFINITY;
            for side in &polygon.sides {
                for part in 0..=PARTS {
                    let share = f64::from(part) / f64::from(PARTS);
                    let lat = side.from.lat + share * (side.to.lat - side.from.lat);
                    let on_it = Place::at(lat, side.from.lon + share * (side.to.lon - side.from.lon));
                    nearest = nearest.min(place.distance(on_it));
                }
            }
            let found = polygon.distance(place, f64::INFINITY);
            // It is the distance of a place on the border, so that it is never too small.
            prop_assert!(found <= nearest * 1.000_001 && found >= nearest - 200.0, "{} {}", found, nearest);
            prop_assert_eq!(polygon.distance(place, found / 2.0), found / 2.0);
        }

        /// The step is that of the differences of the cosine of the distance.
        #[test]
        fn step_is_that_of_differences(
            (lat, lon) in (-60.0..60.0, -180.0..180.0),
            (south, west, height, width) in (-20.0..20.0, -20.0..20.0, 0.0..20.0, -20.0..20.0),
            share in 0.0..1.0,
        ) {
            const PART: f64 = 1e-4;
            let place = place(lat, lon);
            let from = Place::at(lat + south, lon + west);
            let to = Place::at(from.lat + height, from.lon + width);
            let side = Side { from, to, bounds: Bounds::of([from, to]) };
            let cosine = |share: f64| {
                let on_it = Place::at(from.lat + share * height, from.lon + share * width);
                (place.distance(on_it) / RADIUS).cos()
            };
            let [before, here, after] = [share - PART, share, share + PART].map(cosine);
            let bend = (after + before - 2.0 * here) / (PART * PART);
            prop_assume!(bend < -0.003);
            let expected = -(after - before) / (2.0 * PART) / bend;
            let found = side.newton(place, share, west + share * width);
            prop_assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{} {}", found, expected);
        }

        /// A place on the border between two parts of a polygon is in one of them, whatever is rounded.
        #[test]
        fn each_place_of_a_divided_polygon_is_in_one_part(
            [a, b, c, d] in [(0.1..9.0, 0.1..9.0), (0.1..9.0, -9.0..-0.1), (-9.0..-0.1, -9.0..-0.1), (-9.0..-0.1, 0.1..9.0)],
            share in 0.0..1.0,
            turned in any::<bool>(),
        ) {
            let text = |corners: &[(f64, f64)]| {
                corners.iter().map(|(lat, lon)| format!("{lat},{lon}")).collect::<Vec<_>>().join(" ")
            };
            let whole = polygon(&text(&[a, b, c, d]));
            let parts = [polygon(&text(&[a, b, c])), polygon(&text(&if turned { [c, d, a] } else { [a, d, c] }))];
            let place = place(a.0 + share * (c.0 - a.0), a.1 + share * (c.1 - a.1));
            let holding = parts.iter().filter(|part| part.contains(place)).count();
            prop_assert_eq!(holding % 2 == 1, whole.contains(place));
        }

        /// A polygon holds the same places wherever on the earth its longitudes are, and however its corners are turned.
        #[test]
        fn containing_does_not_depend_on_the_meridian(
            corners in proptest::collection::vec((-100_i32..100, -100_i32..100), 3..8),
            (north, east) in (-100_i32..100, -100_i32..100),
            shift in 0_i32..360,
            turn in 0_usize..8,
        ) {
            let next = corners.iter().cycle().skip(1);
            prop_assume!(corners.iter().zip(next).all(|(a, b)| a != b));
            // Quarters of a degree, so that nothing is rounded. Places lie between the corners' latitudes and longitudes.
            let text = |shift: i32, turn: usize| {
                let mut corners = corners.clone();
                let turn = turn % corners.len();
                corners.rotate_left(turn);
                let corner = |(n, e): &(i32, i32)| {
                    format!("{},{}", f64::from(*n) / 4.0, wrapped(f64::from(*e) / 4.0 + f64::from(shift)))
                };
                corners.iter().map(corner).collect::<Vec<_>>().join(" ")
            };
            let (lat, lon) = (f64::from(north) / 4.0 + 0.125, f64::from(east) / 4.0 + 0.0625);
            let here = polygon(&text(0, 0)).contains(place(lat, lon));
            let there = polygon(&text(shift, turn)).contains(place(lat, wrapped(lon + f64::from(shift))));
            prop_assert_eq!(here, there);
        }
    }
}
