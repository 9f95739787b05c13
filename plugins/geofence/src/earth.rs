//! Places on the earth, taken for a sphere.

/// The mean radius of the earth in meters: R1 of H. Moritz, *Geodetic reference system 1980*, Journal of Geodesy 74, 2000.
pub const RADIUS: f64 = 6_371_008.771_4;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From -90 in the south to 90 in the north.
    pub lat: f64,
    /// To the east. Values that differ by 360 are the same meridian.
    pub lon: f64,
    /// The cosine of the latitude, which each distance needs.
    pub cos: f64,
}

impl Place {
    /// A place.
    ///
    /// # Errors
    ///
    /// Says which of the two is no number within its range: -90 to 90, and -180 to 360.
    pub fn new(lat: f64, lon: f64) -> Result<Self, String> {
        if !(-90.0..=90.0).contains(&lat) {
            Err(format!("the latitude {lat} is not from -90 to 90"))
        } else if !(-180.0..=360.0).contains(&lon) {
            Err(format!("the longitude {lon} is not from -180 to 360"))
        } else {
            Ok(Self::at(lat, lon))
        }
    }

    /// A place that is known to be on the earth.
    pub fn at(lat: f64, lon: f64) -> Self {
        Self { lat, lon, cos: lat.to_radians().cos() }
    }

    /// The distance in meters along a great circle, by the haversine formula: R. W. Sinnott, *Virtues of the haversine*,
    /// Sky and Telescope 68, 1984.
    pub fn distance(self, other: Self) -> f64 {
        let haversine = |difference: f64| (difference.to_radians() / 2.0).sin().powi(2);
        let square = haversine(other.lat - self.lat) + self.cos * other.cos * haversine(other.lon - self.lon);
        let square = square.min(1.0);
        2.0 * RADIUS * square.sqrt().atan2((1.0 - square).sqrt())
    }
}

/// A part of the earth between two latitudes and two longitudes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    south: f64,
    north: f64,
    /// The longitude of the western bound, and that of the eastern one, which is greater by less than 360.
    west: f64,
    east: f64,
    /// The least cosine of a latitude.
    cos: f64,
}

impl Bounds {
    /// The bounds of places, whose longitudes go on over 180 degrees.
    pub fn of(places: impl IntoIterator<Item = Place>) -> Self {
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut bounds = Self { south: high, north: low, west: high, east: low, cos: 1.0 };
        for place in places {
            bounds.south = bounds.south.min(place.lat);
            bounds.north = bounds.north.max(place.lat);
            bounds.west = bounds.west.min(place.lon);
            bounds.east = bounds.east.max(place.lon);
            // Between two latitudes the cosine is least at one of them.
            bounds.cos = bounds.cos.min(place.cos);
        }
        bounds
    }

    /// How wide they are, in degrees.
    pub fn width(&self) -> f64 {
        self.east - self.west
    }

    /// The longitude of a place, with as many turns around the earth as bring it into the bounds; `None` if the place is
    /// outside.
    pub fn longitude_within(&self, place: Place) -> Option<f64> {
        let turns = ((self.west - place.lon) / 360.0).ceil();
        // Without a turn, nothing is rounded.
        let lon = place.lon + 360.0 * turns;
        ((self.south..=self.north).contains(&place.lat) && lon <= self.east).then_some(lon)
    }

    /// A distance in meters that a place at least has from all within the bounds.
    ///
    /// It is the haversine formula for the least differences of latitude and longitude, and for the least cosine. It needs
    /// no sines, since x - x³/6 is below that of x.
    pub fn at_least(&self, place: Place) -> f64 {
        let north = place.lat - place.lat.clamp(self.south, self.north);
        let east = (place.lon - self.west).rem_euclid(360.0);
        let outside = if east <= self.width() { 0.0 } else { (east - self.width()).min(360.0 - east) };
        let sine = |degrees: f64| {
            let half = degrees.abs().to_radians() / 2.0;
            half - half.powi(3) / 6.0
        };
        let square = sine(north).powi(2) + place.cos * self.cos * sine(outside).powi(2);
        2.0 * RADIUS * square.sqrt()
    }
}

/// The distance in meters between two circles of latitude, in degrees.
pub fn distance_of_latitudes(lat: f64, other: f64) -> f64 {
    RADIUS * (other - lat).abs().to_radians()
}

/// The same angle in degrees from -180 to 180.
pub fn wrapped(degrees: f64) -> f64 {
    degrees - 360.0 * (degrees / 360.0).round()
}

/// The geohash of a place: a cell of a grid that halves longitude and latitude in turn, written with 5 halvings in each
/// letter. Source: G. Niemeyer, <http://geohash.org/site/tips.html>, 2008.
pub fn geohash(place: Place, letters: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let lon = if place.lon >= 180.0 { place.lon - 360.0 } else { place.lon };
    // What is halved next is the first.
    let (mut next, mut other) = ((lon, -180.0, 180.0), (place.lat, -90.0, 90.0));
    let mut halve = || {
        let (value, low, high) = next;
        let middle = f64::midpoint(low, high);
        let is_upper = value >= middle;
        let half = if is_upper { (value, middle, high) } else { (value, low, middle) };
        (next, other) = (other, half);
        usize::from(is_upper)
    };
    (0..letters).map(|_| char::from(ALPHABET[(0..5).fold(0, |letter, _| 2 * letter + halve())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).unwrap()
    }

    #[test]
    fn distances_are_those_of_a_sphere() {
        let quarter = RADIUS * std::f64::consts::FRAC_PI_2;
        let cases = [
            (place(0.0, 0.0), place(90.0, 77.0), quarter),
            (place(0.0, 0.0), place(0.0, 180.0), 2.0 * quarter),
            (place(0.0, 179.5), place(0.0, -179.5), quarter / 90.0),
            (place(89.5, 0.0), place(89.5, 180.0), quarter / 90.0),
            (place(10.0, 20.0), place(10.0, 20.0), 0.0),
            (place(0.0, 0.0), place(0.0, 1e-9), quarter / 90.0 * 1e-9),
        ];
        for (from, to, expected) in cases {
            assert!((from.distance(to) - expected).abs() <= 1e-9 * expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn places_are_in_range() {
        assert_eq!(Place::new(90.1, 0.0), Err("the latitude 90.1 is not from -90 to 90".to_owned()));
        assert_eq!(Place::new(0.0, -181.0), Err("the longitude -181 is not from -180 to 360".to_owned()));
        assert!(Place::new(0.0, f64::NAN).is_err() && Place::new(f64::NAN, 0.0).is_err());
    }

    #[test]
    fn geohash_of_known_places() {
        // The example of Wikipedia, and the corners of the grid.
        assert_eq!(geohash(place(57.64911, 10.40744), 11), "u4pruydqqvj");
        assert_eq!(geohash(place(-90.0, -180.0), 4), "0000");
        assert_eq!(geohash(place(90.0, 179.999_999), 4), "zzzz");
        assert_eq!(geohash(place(10.0, 180.0), 12), geohash(place(10.0, -180.0), 12));
        assert_eq!(geohash(place(10.0, 350.0), 12), geohash(place(10.0, -10.0), 12));
    }

    #[test]
    fn bounds_are_about_as_far_as_their_nearest_place() {
        let bounds = Bounds::of([place(50.0, 179.0), place(51.0, 181.0)]);
        for (from, nearest) in [
            (place(50.5, -178.0), place(50.5, -179.0)),
            (place(50.5, 178.0), place(50.5, 179.0)),
            (place(49.0, 180.0), place(50.0, 180.0)),
        ] {
            let ratio = bounds.at_least(from) / from.distance(nearest);
            assert!((0.98..=1.0).contains(&ratio), "{from:?} {ratio}");
        }
    }

    /// The cell of a geohash: its south and north, west and east.
    fn cell(geohash: &str) -> [(f64, f64); 2] {
        let mut ranges = [(-180.0, 180.0), (-90.0, 90.0)];
        for (place, letter) in geohash.bytes().enumerate() {
            let number = "0123456789bcdefghjkmnpqrstuvwxyz".bytes().position(|b| b == letter).unwrap();
            for bit in 0..5 {
                let range: &mut (f64, f64) = &mut ranges[(5 * place + bit) % 2];
                let middle = (range.0 + range.1) / 2.0;
                *range = if number >> (4 - bit) & 1 == 1 { (middle, range.1) } else { (range.0, middle) };
            }
        }
        [ranges[1], ranges[0]]
    }

    proptest! {
        /// No place within the bounds is nearer, and the nearest corner is not much further if it is near.
        #[test]
        fn bounds_are_no_further_than_what_they_hold(
            (south, west) in (-90.0..90.0, -180.0..180.0),
            (height, width) in (0.0..1.0, 0.0..1.0),
            (north_share, east_share) in (0.0..=1.0, 0.0..=1.0),
            (lat, lon) in (-90.0..90.0, -180.0..180.0),
            whole in any::<bool>(),
        ) {
            let (height, width) = (height * (90.0 - south), width * if whole { 359.0 } else { 5.0 });
            let bounds = Bounds::of([Place::at(south, west), Place::at(south + height, west + width)]);
            let within = Place::at(south + north_share * height, west + east_share * width);
            let from = place(lat, lon);
            prop_assert!(bounds.at_least(from) <= from.distance(within) * (1.0 + 1e-12));
            let inner = (0.001..0.999).contains(&north_share) && (0.001..0.999).contains(&east_share);
            prop_assert!(bounds.longitude_within(within).is_some() || !inner);
            prop_assert_eq!(bounds.at_least(within), 0.0);
        }

        #[test]
        fn geohash_holds_its_place(lat in -90.0..90.0, lon in -180.0..180.0, letters in 1_usize..=12) {
            let geohash = geohash(place(lat, lon), letters);
            prop_assert_eq!(geohash.len(), letters);
            let [(south, north), (west, east)] = cell(&geohash);
            prop_assert!((south..north).contains(&lat) && (west..east).contains(&lon), "{}", geohash);
        }
    }
}
