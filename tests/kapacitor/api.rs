//! The HTTP interfaces of Kapacitor and of InfluxDB, as far as the tests need them.

use serde_json::{Map, Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use super::daemons::{PATIENCE, poll, wait_for};

/// Both interfaces. No call waits longer than [`PATIENCE`].
pub struct Api {
    agent: Agent,
    kapacitor: u16,
    influxdb: u16,
}

/// A row of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Nanoseconds.
    pub time: i64,
    /// Tags and fields by name. A whole number is an integer, whatever the type of the field, since
    /// InfluxDB gives 2.0 as `2`.
    pub columns: Map<String, Value>,
}

impl Row {
    /// An expected row; `columns` is a JSON object.
    pub fn new(time: i64, columns: Value) -> Self {
        let Value::Object(mut columns) = columns else { panic!("no columns: {columns}") };
        for value in columns.values_mut() {
            if let Some(whole) = value.as_f64().filter(|n| value.is_f64() && n.fract() == 0.0) {
                *value = json!(whole as i64);
            }
        }
        Self { time, columns }
    }
}

impl Api {
    /// The interfaces at these ports of 127.0.0.1.
    pub fn new(kapacitor: u16, influxdb: u16) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { agent: config.into(), kapacitor, influxdb }
    }

    /// `http://127.0.0.1:port`
    pub fn kapacitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.kapacitor)
    }

    /// `http://127.0.0.1:port`
    pub fn influxdb_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.influxdb)
    }

    /// Whether Kapacitor answers.
    pub fn kapacitor_is_up(&self) -> bool {
        self.agent.get(self.kapacitor_path("ping")).call().is_ok_and(|response| response.status() == 204)
    }

    /// Whether InfluxDB answers.
    pub fn influxdb_is_up(&self) -> bool {
        self.agent.get(self.influxdb_path("ping")).call().is_ok_and(|response| response.status() == 204)
    }

    /// Defines a task on the database `in`, and enables it. `kind` is `stream` or `batch`.
    #[track_caller]
    pub fn enable_task(&self, id: &str, kind: &str, script: &str) {
        self.enable_task_on("in", id, kind, script);
    }

    /// The same on another database, which need not exist, unless the script names its own with `dbrp`.
    #[track_caller]
    pub fn enable_task_on(&self, database: &str, id: &str, kind: &str, script: &str) {
        let names_its_own = script.lines().any(|line| line.starts_with("dbrp "));
        let dbrps = if names_its_own { json!([]) } else { json!([{"db": database, "rp": "autogen"}]) };
        let task = json!({
            "id": id,
            "type": kind,
            "dbrps": dbrps,
            "script": script,
            "status": "enabled",
        });
        accept(&format!("task {id}"), self.agent.post(self.kapacitor_path("tasks")).send(task.to_string()));
    }

    /// Enables or disables a task.
    #[track_caller]
    pub fn set_status(&self, id: &str, status: &str) {
        let task = json!({"status": status}).to_string();
        let path = self.kapacitor_path(&format!("tasks/{id}"));
        accept(&format!("{status} {id}"), self.agent.patch(path).send(task));
    }

    /// Gives a disabled task another script.
    #[track_caller]
    pub fn change_script(&self, id: &str, script: &str) {
        let task = json!({"script": script}).to_string();
        accept(
            &format!("script of {id}"),
            self.agent.patch(self.kapacitor_path(&format!("tasks/{id}"))).send(task),
        );
    }

    /// Deletes a task, which stops it.
    #[track_caller]
    pub fn delete_task(&self, id: &str) {
        let path = self.kapacitor_path(&format!("tasks/{id}"));
        accept(&format!("delete {id}"), self.agent.delete(path).call());
    }

    /// The description of a task by Kapacitor, as in `GET /kapacitor/v1/tasks/ID`.
    #[track_caller]
    pub fn task(&self, id: &str) -> Value {
        let path = self.kapacitor_path(&format!("tasks/{id}"));
        parse(&accept(&format!("task {id}"), self.agent.get(path).call()))
    }

    /// The events of a topic whose level is not `OK`: their messages.
    #[track_caller]
    pub fn alerts(&self, topic: &str) -> Vec<String> {
        let path = self.kapacitor_path(&format!("alerts/topics/{topic}/events"));
        let mut answer = self.agent.get(path).call().expect("Kapacitor answers");
        let text = answer.body_mut().read_to_string().expect("Kapacitor's answer is text");
        // No alert has had it yet.
        if text.contains("unknown topic") {
            return Vec::new();
        }
        let events = parse(&text);
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let raised = events.iter().filter(|event| event["state"]["level"] != "OK");
        raised.map(|event| event["state"]["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Deletes a topic with its events.
    #[track_caller]
    pub fn delete_topic(&self, topic: &str) {
        let path = self.kapacitor_path(&format!("alerts/topics/{topic}"));
        accept(&format!("delete topic {topic}"), self.agent.delete(path).call());
    }

    /// Waits until a task has failed, and returns its error.
    #[track_caller]
    pub fn wait_for_error(&self, id: &str) -> String {
        wait_for(&format!("task {id} has an error"), || {
            self.task(id)["error"].as_str().filter(|error| !error.is_empty()).map(str::to_owned)
        })
    }

    /// The number of points of a measurement that have reached Kapacitor.
    #[track_caller]
    pub fn points_received(&self, database: &str, measurement: &str) -> u64 {
        let vars = parse(&accept("debug/vars", self.agent.get(self.kapacitor_path("debug/vars")).call()));
        let statistics = vars["kapacitor"].as_object().into_iter().flat_map(Map::values);
        statistics
            .filter(|s| s["name"] == "ingress")
            .filter(|s| s["tags"]["database"] == database && s["tags"]["measurement"] == measurement)
            .filter_map(|s| s["values"]["points_received"].as_u64())
            .sum()
    }

    /// Has Kapacitor begin to record; `what` is `stream`, `batch` or `query`, `request` a JSON object with an `id`.
    #[track_caller]
    pub fn record(&self, what: &str, request: &Value) {
        let path = self.kapacitor_path(&format!("recordings/{what}"));
        accept(&format!("record {what}"), self.agent.post(path).send(request.to_string()));
    }

    /// Waits until a recording is finished.
    #[track_caller]
    pub fn wait_for_recording(&self, id: &str) {
        let path = self.kapacitor_path(&format!("recordings/{id}"));
        let recording = wait_for(&format!("recording {id} is finished"), || {
            let recording = parse(&accept("recording", self.agent.get(&path).call()));
            (recording["status"] != "running").then_some(recording)
        });
        assert_eq!(recording["status"], "finished", "{recording}");
    }

    /// Writes line protocol to Kapacitor, as if InfluxDB had.
    #[track_caller]
    pub fn write_kapacitor(&self, lines: &str) {
        self.write_kapacitor_on("in", lines);
    }

    /// The same to another database.
    #[track_caller]
    pub fn write_kapacitor_on(&self, database: &str, lines: &str) {
        let path = self.kapacitor_path(&format!("write?db={database}&rp=autogen"));
        accept("write to Kapacitor", self.agent.post(path).send(lines));
    }

    /// Writes line protocol to InfluxDB.
    #[track_caller]
    pub fn write_influxdb(&self, database: &str, lines: &str) {
        let path = self.influxdb_path(&format!("write?db={database}"));
        accept("write to InfluxDB", self.agent.post(path).send(lines));
    }

    /// The answer of InfluxDB to a statement.
    #[track_caller]
    pub fn query_influxdb(&self, statement: &str) -> Value {
        let request = self.agent.post(self.influxdb_path("query"));
        let answer = accept(statement, request.query("q", statement).query("epoch", "ns").send_empty());
        let answer = parse(&answer);
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{statement}: {}", result["error"]);
        result.clone()
    }

    /// The rows of a measurement in the order of their time. Columns without a value are left out.
    #[track_caller]
    pub fn rows(&self, database: &str, measurement: &str) -> Vec<Row> {
        let result = self.query_influxdb(&format!("SELECT * FROM \"{database}\"..\"{measurement}\""));
        let series = &result["series"][0];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let names: Vec<_> = list(&series["columns"]).iter().map(|n| n.as_str().unwrap().to_owned()).collect();
        let row = |values: &Value| {
            let mut columns: Map<_, _> =
                names.iter().cloned().zip(list(values)).filter(|(_, value)| !value.is_null()).collect();
            let time = columns.remove("time").and_then(|time| time.as_i64()).expect("a row has a time");
            Row::new(time, Value::Object(columns))
        };
        list(&series["values"]).iter().map(row).collect()
    }

    /// Waits until a measurement in `out` has the rows `expected` and no others.
    ///
    /// # Panics
    ///
    /// With the rows that differ, when [`PATIENCE`] is over.
    #[track_caller]
    pub fn expect_rows(&self, measurement: &str, expected: &[Row]) {
        self.expect_rows_where(measurement, |_| true, expected);
    }

    /// Waits until the rows of a measurement in `out` that `keep` are `expected`.
    ///
    /// The rows of one time may come in any order. InfluxDB can show a row before all of its fields, so
    /// their number alone says nothing.
    ///
    /// # Panics
    ///
    /// With the rows that differ, when [`PATIENCE`] is over.
    #[track_caller]
    pub fn expect_rows_where(&self, measurement: &str, keep: impl Fn(&Row) -> bool, expected: &[Row]) {
        let sorted = |mut rows: Vec<Row>| {
            rows.sort_by_key(|row| (row.time, json!(row.columns).to_string()));
            rows
        };
        let expected = sorted(expected.to_vec());
        let mut rows = Vec::new();
        let equal = poll(|| {
            rows = sorted(self.rows("out", measurement).into_iter().filter(&keep).collect());
            (rows == expected).then_some(())
        });
        assert!(equal.is_some(), "{measurement} after {PATIENCE:?}: {}", difference(&rows, &expected));
    }

    /// The fields of a measurement with their types.
    #[track_caller]
    pub fn field_types(&self, database: &str, measurement: &str) -> Value {
        let statement = format!("SHOW FIELD KEYS ON \"{database}\" FROM \"{measurement}\"");
        self.query_influxdb(&statement)["series"][0]["values"].clone()
    }

    fn kapacitor_path(&self, path: &str) -> String {
        format!("{}/kapacitor/v1/{path}", self.kapacitor_url())
    }

    fn influxdb_path(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.influxdb)
    }
}

/// The rows that are in only one of two lists, a line each.
fn difference(rows: &[Row], expected: &[Row]) -> String {
    let missing = expected.iter().filter(|row| !rows.contains(row)).map(|row| ("missing", row));
    let unexpected = rows.iter().filter(|row| !expected.contains(row)).map(|row| ("unexpected", row));
    let line = |(what, row): (&str, &Row)| format!("{what}: {} {}\n", row.time, json!(row.columns));
    let lines: Vec<String> = missing.chain(unexpected).map(line).collect();
    format!("{} rows instead of {}\n{}", rows.len(), expected.len(), lines.concat())
}

/// The text of an answer that is a success.
#[track_caller]
fn accept(what: &str, answer: Result<Response<Body>, ureq::Error>) -> String {
    let mut answer = answer.unwrap_or_else(|e| panic!("{what}: {e}"));
    let text = answer.body_mut().read_to_string().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(answer.status().is_success(), "{what}: {}: {text}", answer.status());
    text
}

#[track_caller]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("no JSON: {e}: {text}"))
}
