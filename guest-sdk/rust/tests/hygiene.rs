use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, point};

/// A plugin whose crate defines many names. It is also built for WebAssembly, with the other guests of the
/// host's tests.
#[path = "../../../tests/guests/examples/shadowed_names.rs"]
mod shadowed_names;

use shadowed_names::Shadowed;

#[test]
fn plugin_may_define_any_names() {
    let options = [("given", 10.into()), ("options", 100.into()), ("value", 1.5.into())];
    let mut harness = Harness::<Shadowed>::start(options).unwrap();
    let sent = harness.point(&point()).unwrap().remove(0);
    assert_eq!(sent.fields["count"], OwnedValue::Int(111));
    assert_eq!(sent.fields["values"], OwnedValue::Int(1));
    let snapshot = harness.snapshot();
    let mut second = Harness::<Shadowed>::start([("as", "n".into())]).unwrap();
    second.restore(&snapshot).unwrap();
    assert_eq!(second.point(&point()).unwrap().remove(0).fields["n"], OwnedValue::Int(2));
}

/// The macros work where they are called through a path, without the prelude, and inside of a function.
#[test]
fn macros_need_no_imports() {
    mod without_imports {
        #[derive(::kapacitor_guest::Options)]
        pub struct Plain {}

        impl ::kapacitor_guest::Stream for Plain {
            type Group = ();

            fn point(
                &self,
                (): &mut (),
                point: ::kapacitor_guest::Point<'_>,
                out: &mut ::kapacitor_guest::Output,
            ) -> ::kapacitor_guest::Result<()> {
                out.send(point)
            }
        }

        ::kapacitor_guest::register!(Plain);
    }
    let mut harness = Harness::<without_imports::Plain>::start([]).unwrap();
    assert_eq!(harness.point(&point().field("x", 1)).unwrap().len(), 1);
}

/// Two plugins in one crate, which is possible natively, share no names.
#[test]
fn registered_plugins_do_not_collide() {
    #[derive(Options)]
    struct First;
    #[derive(Options)]
    struct Second;

    impl Stream for First {
        type Group = ();

        fn point(&self, (): &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
            out.send(point)
        }
    }

    impl Stream for Second {
        type Group = ();

        fn point(&self, (): &mut (), _: Point<'_>, _: &mut Output) -> Result<()> {
            Ok(())
        }
    }

    register!(First);
    register!(Second);

    let sent = |harness: Result<Vec<NewPoint>>| harness.unwrap().len();
    assert_eq!(sent(Harness::<First>::start([]).unwrap().point(&point().field("x", 1))), 1);
    assert_eq!(sent(Harness::<Second>::start([]).unwrap().point(&point())), 0);
}
