use kapacitor_guest::prelude::*;
use kapacitor_guest_tests::protocol;
use prost::Message;

/// Reads the field `x` of a point as a number, in both ways in which points are made.
fn number(point: &protocol::Point) -> [Result<f64>; 2] {
    let bytes = point.encode_to_vec();
    Point::from_message(&bytes).map(|point| point.number("x"))
}

#[test]
fn missing_field_names_the_fields_that_exist() {
    let mut point = protocol::Point { time: 1, ..protocol::Point::default() };
    for error in number(&point).map(Result::unwrap_err) {
        assert_eq!(error.to_string(), "the point has no field `x`; it has: ");
    }
    point.fields_double.insert("a".to_owned(), 1.0);
    point.fields_int.insert("b".to_owned(), 1);
    point.fields_string.insert("c".to_owned(), "x".to_owned());
    point.fields_bool.insert("d".to_owned(), true);
    for error in number(&point).map(Result::unwrap_err) {
        assert_eq!(error.to_string(), "the point has no field `x`; it has: a, b, c, d");
        assert!(error.is_skip());
    }
    point.fields_int = (0..100).map(|number| (format!("n{number:02}"), number)).collect();
    for error in number(&point).map(Result::unwrap_err) {
        let message = error.to_string();
        assert!(message.ends_with("n18") && message.matches(", ").count() == 19, "{message}");
    }
}

#[test]
fn field_of_another_type_is_named_with_its_type() {
    let mut point = protocol::Point::default();
    point.fields_string.insert("x".to_owned(), "1".to_owned());
    for error in number(&point).map(Result::unwrap_err) {
        assert_eq!(error, Error::skip("field `x` is a string, not a number"));
    }
    point.fields_string.clear();
    point.fields_bool.insert("x".to_owned(), true);
    for error in number(&point).map(Result::unwrap_err) {
        assert_eq!(error, Error::skip("field `x` is a bool, not a number"));
    }
}

#[test]
fn numbers_that_are_not_finite_are_skipped_by_name() {
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let mut point = protocol::Point::default();
        point.fields_double.insert("x".to_owned(), value);
        for error in number(&point).map(Result::unwrap_err) {
            assert_eq!(error, Error::skip(format!("field `x` is {name}, not a finite number")));
        }
        let bytes = point.encode_to_vec();
        for point in Point::from_message(&bytes) {
            assert_eq!(point.any_number("x").unwrap().to_bits(), value.to_bits());
            assert!(point.any_number("y").unwrap_err().is_skip());
        }
    }
}

#[test]
fn errors_of_conversions_are_skips() {
    fn convert(text: &str) -> Result<(u8, f64, bool, char)> {
        let number: i64 = text.parse()?;
        Ok((number.try_into()?, text.parse()?, text.parse()?, text.parse()?))
    }
    assert_eq!(convert("x"), Err(Error::skip("invalid digit found in string")));
    assert!(convert("1000").unwrap_err().is_skip());
    assert!(convert("1").unwrap_err().to_string().contains("`true` or `false`"));
    // Of any other error the plugin says which it is.
    let other = || std::fmt::Error;
    assert_eq!(Error::new(other()).to_string(), other().to_string());
    assert!(!Error::new(other()).is_skip() && Error::skip(other()).is_skip());
}

#[test]
fn errors_are_equal_if_kind_and_message_are() {
    let (skip, failure) = (Error::skip("a"), Error::new("a"));
    assert_eq!(skip, Error::skip("a"));
    assert_ne!(skip, failure);
    assert_ne!(failure, Error::new("b"));
    assert_eq!(failure, "a".into());
    assert_eq!(format!("{skip:?}"), "Error { message: \"a\", skip: true }");
    assert_eq!(skip.context("c"), Error::skip("c: a"));
}

#[test]
fn result_without_value_is_one_word() {
    assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
}
