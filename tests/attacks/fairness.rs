//! Work for one session, and for a plugin that is hard to compile, delays no other.

/// Deadlines count what a guest computes.
mod deadlines {
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;
    use std::time::Duration;

    use kapacitor_wasm::protocol::client::Client;
    use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

    use crate::support::{Host, SLOW, Setup, number, point, receive};

    /// Processes that use all of the CPU time that they get.
    struct Load(Vec<Child>);

    impl Load {
        fn new() -> Self {
            let count = 5 * thread::available_parallelism().map_or(1, usize::from);
            let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
            Self((0..count).map(|_| spin()).collect())
        }
    }

    impl Drop for Load {
        fn drop(&mut self) {
            for process in &mut self.0 {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }

    /// Turns of a loop that take about 400 ms.
    const LONG: &str = "800000000";

    /// A host with the plugin `slow`, which computes for so many `turns` for each call and then returns its input.
    fn serve(config: &str, turns: &str) -> Host {
        let echo = "(i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
            (i64.extend_i32_u (local.get 1)))";
        let (before, after) = SLOW.split_once("(br_if $spin (local.get $i)))").unwrap();
        let after = after.replacen("(i64.const 0)", echo, 1);
        let slow = format!("{before}(br_if $spin (local.get $i))){after}").replace("200000000", turns);
        Setup::new(config).with_wat("slow", &slow).serve()
    }

    fn send(client: &mut Client, time: i64) {
        client.send(RequestMessage::Point(point("a", time, 1.0))).unwrap();
    }

    /// The number of points that come until the input has ended.
    fn points(mut client: Client) -> usize {
        client.end_input().unwrap();
        let responses = client.rest().unwrap();
        responses.iter().filter(|response| matches!(response, ResponseMessage::Point(_))).count()
    }

    #[test]
    fn load_of_others_makes_no_call_fail() {
        let host = serve("[limits]\ncall-deadline = \"1s\"\n[sessions]\ndrain-deadline = \"2s\"\n", LONG);
        let mut client = host.start("slow", &[]);
        let _load = Load::new();
        send(&mut client, 1);
        // The second point comes while the first one is computed, and is finished after the end of the input.
        thread::sleep(Duration::from_millis(100));
        send(&mut client, 2);
        assert_eq!(points(client), 2, "{}", host.log());
        assert_eq!(host.count_logs(&["plugin failed"]), 0);
    }

    #[test]
    fn pause_of_the_process_makes_no_call_fail() {
        let host = serve("[policy]\non-trap = \"fail\"\n[limits]\ncall-deadline = \"2s\"\n", LONG);
        let mut client = host.start("slow", &[]);
        send(&mut client, 1);
        thread::sleep(Duration::from_millis(100));
        for (signal, pause) in [("STOP", Duration::from_secs(3)), ("CONT", Duration::ZERO)] {
            host.signal(signal);
            thread::sleep(pause);
        }
        assert_eq!(points(client), 1, "{}", host.log());
    }

    #[test]
    fn pauses_cost_no_point_with_a_short_deadline() {
        // A call takes about ten milliseconds, and each pause is many times longer than the deadline.
        let host = serve("[policy]\non-trap = \"fail\"\n[limits]\ncall-deadline = \"60ms\"\n", "20000000");
        let mut client = host.start("slow", &[]);
        let paused = AtomicBool::new(false);
        let sent = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut sent = 0;
                while !paused.load(Relaxed) {
                    sent += 1;
                    send(&mut client, sent);
                    assert!(
                        matches!(receive(&mut client), Some(ResponseMessage::Point(_))),
                        "{}",
                        host.log()
                    );
                }
                sent
            });
            // Half of the time and more there is a call, which one of the pauses interrupts.
            for _ in 0..20 {
                host.signal("STOP");
                thread::sleep(Duration::from_millis(200));
                host.signal("CONT");
                thread::sleep(Duration::from_millis(25));
            }
            paused.store(true, Relaxed);
            sender.join().unwrap()
        });
        assert_eq!(points(client), 0);
        let ended = host.wait_for_log(&["task ended"]);
        assert_eq!((number(&ended, "points_in="), number(&ended, "points_out=")), (sent as u64, sent as u64));
    }
}

/// Files that are hard to compile.
mod compile {
    use std::fs;
    use std::time::{Duration, Instant};

    use crate::support::{Host, Setup, compile_bomb};

    /// A host that loads four files that take a minute each, and plugins.
    fn begin(plugins: &[&str]) -> Host {
        let bomb = compile_bomb();
        let setup = (0..4).fold(Setup::new(""), |setup, i| setup.with_wat(&format!("bomb{i}"), &bomb));
        setup.with(plugins).begin_to_serve()
    }

    /// A number of a process in `/proc/ID/stat`, counted from 3, which is its state.
    fn stat(process: u32, field: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(field - 3).map(str::to_owned)
    }

    #[test]
    fn good_plugins_load_before_files_that_take_long() {
        let host = begin(&["mirror", "moving_avg"]);
        for plugin in ["mirror", "moving_avg"] {
            host.wait_for_log(&["plugin loaded", &format!("plugin={plugin}")]);
        }
        assert_eq!(host.count_logs(&["plugin=bomb"]), 0, "{}", host.log());
    }

    #[test]
    fn one_process_at_a_time_compiles_with_a_low_priority() {
        let host = begin(&["mirror"]);
        host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
        let mut seen = 0;
        while seen < 100 {
            let nices: Vec<_> = host.children().into_iter().filter_map(|child| stat(child, 19)).collect();
            // One more may be standing still, or ending.
            assert!(nices.len() <= 2, "{nices:?}");
            // A process lowers its priority when it begins.
            seen += nices.iter().filter(|nice| nice.parse::<i32>().unwrap() >= 10).count();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn stop_signal_is_obeyed_at_once_while_files_compile() {
        let mut host = begin(&["mirror"]);
        host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
        let task = host.start("mirror", &[]);
        // A session that waits for its plugin.
        let waiting = host.connect("bomb0");
        let (begin, children) = (Instant::now(), host.children());
        assert_eq!(host.stop(), Some(0), "{}", host.log());
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        for child in children {
            let deadline = Instant::now() + Duration::from_secs(10);
            while stat(child, 3).is_some_and(|state| state != "Z") {
                assert!(Instant::now() < deadline, "{child} goes on");
            }
        }
        drop((task, waiting));
    }

    #[test]
    fn update_that_takes_long_delays_no_other() {
        let host = Setup::new("").with(&["mirror", "moving_avg"]).serve();
        let bomb = wat::parse_str(compile_bomb()).unwrap();
        fs::write(host.setup.plugin("moving_avg"), &bomb).unwrap();
        // Until it has used up its first turn and its last one has begun, a shorter time does as well.
        while host.children().is_empty() {}
        let mut version = crate::support::wasm("mirror");
        version.extend([0, 2, 1, b'v']);
        fs::write(host.setup.plugin("mirror"), version).unwrap();
        host.wait_for_log(&["plugin has a new version", "plugin=mirror"]);
        assert_eq!(host.count_logs(&["lvl=error"]), 0, "{}", host.log());
        // Nor does it delay a file that is new.
        host.setup.add("outliers", "outliers");
        host.wait_for_log(&["plugin loaded", "plugin=outliers"]);
        assert_eq!(host.count_logs(&["lvl=error"]), 0, "{}", host.log());
    }
}
