//! A plugin whose crate defines all names on which `register!` and `derive(Options)` could depend.
//!
//! It counts the points of each group, with a snapshot format of its own. The tests of the SDK include
//! this file and run it natively, too.

#![forbid(unsafe_code)]
#![allow(
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    unused_macros,
    clippy::upper_case_acronyms,
    reason = "these names only have to exist"
)]

// Crates, and the modules that the macros could define.
mod alloc {}
mod core {}
mod kapacitor_guest {}
mod kapacitor_udf_exports {}
mod std {}

// Types, traits and variants of the prelude.
struct Box;
struct Err;
struct None;
struct Ok;
struct Option;
enum Result {}
struct Some;
struct String;
struct Vec;
trait Default {}
trait From {}
trait Into {}

// Primitive types.
type bool = ();
type f64 = ();
type i32 = ();
type i64 = ();
type str = ();
type u32 = ();
type u8 = ();
type usize = ();

// Items of the SDK.
struct Batch;
struct Calls;
struct Described;
struct Given;
struct Options;
struct Plugin;
struct Registered;
struct Snapshot;
struct Stream;
struct Subject;

// Functions of the interface and of the macros.
fn call() {}
fn calls() {}
fn kapacitor_udf_abi_1() {}
fn kapacitor_udf_calls() {}
fn start() {}
fn udf_info() {}
fn udf_input() {}

// Constants that are named like options, or like variables of the macros.
const given: () = ();
const length: () = ();
const options: () = ();
const size: () = ();

/// A trait that gives every type methods named like those that the macros call.
trait Greedy {
    fn add(self)
    where
        Self: Sized,
    {
    }
    fn calls() {}
    fn info(self)
    where
        Self: Sized,
    {
    }
    fn into(self)
    where
        Self: Sized,
    {
    }
    fn take(self)
    where
        Self: Sized,
    {
    }
    fn take_or(self)
    where
        Self: Sized,
    {
    }
}

impl<T> Greedy for T {}

macro_rules! format {
    () => {};
}
macro_rules! vec {
    () => {};
}

/// Some options have names that the macros could use for variables.
#[derive(::kapacitor_guest::Options)]
pub struct Shadowed {
    #[option(name = "as", default = "count")]
    r#as: ::std::string::String,
    #[option(default = 0)]
    given: ::core::primitive::i64,
    #[option(default = 0)]
    options: ::core::primitive::i64,
    size: ::core::option::Option<::core::primitive::i64>,
    value: ::std::vec::Vec<::core::primitive::f64>,
}

impl ::kapacitor_guest::Stream for Shadowed {
    type Group = ::core::primitive::i64;

    fn point(
        &self,
        count: &mut ::core::primitive::i64,
        point: ::kapacitor_guest::Point<'_>,
        out: &mut ::kapacitor_guest::Output,
    ) -> ::kapacitor_guest::Result<()> {
        *count += 1;
        let offset = self.given + self.options + self.size.unwrap_or(0);
        out.send(point.with(&self.r#as, *count + offset).with("values", self.value.len()))
    }
}

impl ::kapacitor_guest::Snapshot<::core::primitive::i64> for Shadowed {
    fn snapshot(
        &self,
        groups: &::kapacitor_guest::Groups<::core::primitive::i64>,
    ) -> ::kapacitor_guest::Result<::std::vec::Vec<::core::primitive::u8>> {
        let count: ::core::primitive::i64 = groups.iter().map(|(_, count)| *count).sum();
        ::core::result::Result::Ok(count.to_le_bytes().to_vec())
    }

    fn restore(
        &self,
        _: ::core::primitive::u32,
        snapshot: &[::core::primitive::u8],
        groups: &mut ::kapacitor_guest::Groups<::core::primitive::i64>,
    ) -> ::kapacitor_guest::Result<()> {
        let count = snapshot.try_into().map_err(|_| ::kapacitor_guest::Error::new("not eight bytes"))?;
        groups.insert("", ::core::primitive::i64::from_le_bytes(count));
        ::core::result::Result::Ok(())
    }
}

::kapacitor_guest::register!(Shadowed, snapshot);
