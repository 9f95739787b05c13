use kapacitor_guest::log::dbg;

#[test]
fn dbg_returns_its_values() {
    #[derive(Debug)]
    struct NoCopy(i32);
    let (a, (b, c)) = (dbg!(NoCopy(1)), dbg!(2, NoCopy(3)));
    assert_eq!((a.0, b, c.0), (1, 2, 3));
    // Temporaries live as long as the value is looked at.
    let length = dbg!(String::from("text").as_str()).len();
    assert_eq!(length, 4);
}

/// In a function that has no other imports.
#[test]
fn macros_are_in_the_prelude_and_in_the_module() {
    let x = 1;
    {
        use kapacitor_guest::prelude::*;
        debug!("{x}");
        info!("{x} {}", 2);
        warn!("{x:?}");
        error!("{x:>3}",);
        println!("the standard library's");
    }
    {
        use kapacitor_guest::log;
        log::info!("{x}");
        log::println!();
        log::eprintln!();
        std::println!("the standard library's");
    }
}
