//! Work for one session, and for a plugin that is hard to compile, delays no other.

/// Deadlines count what a guest computes.
mod deadlines {
    use std::process::{Child, Command};
    use std::thread;
    use std::time::Duration;

    use kapacitor_wasm::protocol::client::Client;
    use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

    use crate::support::{Host, SLOW, Setup, point};

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

    /// A host with the plugin `slow`, which computes for about 400 ms for each call and then returns its input.
    fn serve(config: &str) -> Host {
        let echo = "(i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
            (i64.extend_i32_u (local.get 1)))";
        let (before, after) = SLOW.split_once("(br_if $spin (local.get $i)))").unwrap();
        let after = after.replacen("(i64.const 0)", echo, 1);
        let slow = format!("{before}(br_if $spin (local.get $i))){after}").replace("200000000", "800000000");
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
        let host = serve("[limits]\ncall-deadline = \"1s\"\n[sessions]\ndrain-deadline = \"2s\"\n");
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
        let host = serve("[policy]\non-trap = \"fail\"\n[limits]\ncall-deadline = \"2s\"\n");
        let mut client = host.start("slow", &[]);
        send(&mut client, 1);
        thread::sleep(Duration::from_millis(100));
        for (signal, pause) in [("STOP", Duration::from_secs(3)), ("CONT", Duration::ZERO)] {
            host.signal(signal);
            thread::sleep(pause);
        }
        assert_eq!(points(client), 1, "{}", host.log());
    }
}
