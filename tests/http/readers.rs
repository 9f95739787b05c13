//! A real Telegraf reads the metrics.

use super::get;
use crate::support::{Setup, mean, moving_avg};
use crate::telegraf::daemon::Live;

#[test]
fn telegraf_reads_all_metrics_from_a_port_and_from_a_socket() {
    let config = "[http]\nlisten = [\"127.0.0.1:0\", \"unix:http.sock\"]\n";
    let host = Setup::new(config).with(&["moving_avg"]).serve();
    let mut client = host.start("moving_avg", &moving_avg(2));
    mean(&mut client, 5.0);
    let line = host.wait_for_log(&["answers over HTTP", "address=127"]);
    let port = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let socket = host.setup.folder.path().join("http.sock");
    let inputs = format!(
        "[[inputs.prometheus]]\nurls = [\"http://{port}/metrics\"]\nmetric_version = 2\n[inputs.prometheus.tags]\nby = \"port\"\n\
         [[inputs.prometheus]]\nurls = [\"unix://{}\"]\nmetric_version = 2\n[inputs.prometheus.tags]\nby = \"socket\"\n",
        socket.display()
    );
    let Some(mut telegraf) = Live::start(&inputs, &[]) else { return };
    for by in ["port", "socket"] {
        let point = telegraf.wait_for(&format!("metrics by {by}"), |telegraf| {
            let output = telegraf.output();
            let found = output.lines().find(|line| {
                line.contains(&format!("by={by}")) && line.contains("kapacitor_wasm_points_in_total=1")
            });
            found.map(str::to_owned)
        });
        assert!(point.contains("task=task"), "{point}");
    }
    // All that is served has come, in whatever lines.
    let output = telegraf.output();
    let text = get(&host, "/metrics", "").body;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(output.contains(name), "Telegraf has not read {name}");
    }
    let log = telegraf.log();
    assert!(!log.contains("E! [inputs.prometheus]"), "{log}");
}
