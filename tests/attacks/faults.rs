//! A fault of the host costs no more than what it happens in.

use crate::support::{Setup, mean, moving_avg};

#[test]
fn panic_of_a_thread_has_one_line_and_its_work_goes_on() {
    let config = "[state]\ncheckpoint-interval = \"20ms\"\n";
    let mut host = Setup::new(config).with(&["moving_avg"]).with_clock_that_may_fail("state-write").serve();
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 2.0), 2.0);
    host.wait_for_log(&["checkpoint written"]);
    for (round, expected) in [(0, 3.0), (1, 4.0), (2, 5.0)] {
        host.setup.fail_once();
        assert_eq!(mean(&mut client, 4.0 + 2.0 * f64::from(round)), expected);
        host.wait_for_logs(
            &["lvl=error", "a fault of the host", "thread=state-write", "err=", "at="],
            round as usize + 1,
        );
    }
    let log = host.log();
    assert!(!log.contains("panicked at") && !log.contains("RUST_BACKTRACE"), "{log}");
    // What could not be written is written again, and the host stops as ever.
    assert_eq!(host.stop(), Some(0));
    host.serve_again();
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 10.0), 6.0);
}
