//! Names that InfluxDB can't store are refused before a task starts.

use kapacitor_wasm::protocol::client::text;

use crate::support::{Host, moving_avg};

#[test]
fn field_that_influxdb_cannot_store_ends_the_task_when_it_starts() {
    let host = Host::with(&["moving_avg"]);
    for name in ["", "time", "a\nother v=1", "a\\", "a\\ b", "_tagKey"] {
        let mut options = moving_avg(3);
        options[2] = text("as", name);
        let response = host.connect("moving_avg").init("task", options).unwrap();
        assert!(!response.success, "{name:?}");
        assert!(response.error.contains("option `as`: must not "), "{}", response.error);
        assert!(!response.error.contains('\n'), "{}", response.error);
    }
}
