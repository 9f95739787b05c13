//! Scripts, and what is read from them.

use kapacitor_wasm_tickscript::{
    Edge, GroupBy, Literal, OptionValue, PipelineCall, Vars, Window, parse_script,
};

const MINUTE: i64 = 60_000_000_000;

/// The calls of a script.
fn read(script: &str) -> Vec<PipelineCall> {
    parse_script(script, "test.tick", &Vars::new()).unwrap().calls
}

/// The only call of a script.
fn only(script: &str) -> PipelineCall {
    let mut calls = read(script);
    assert_eq!(calls.len(), 1, "{script}");
    calls.remove(0)
}

fn tags(tags: &[&str]) -> GroupBy {
    GroupBy { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..GroupBy::default() }
}

/// What is left out before a call: the line and the text of each part.
fn left_out(call: &PipelineCall) -> Vec<(usize, &str)> {
    call.left_out.iter().map(|left_out| (left_out.line, left_out.text.as_str())).collect()
}

#[test]
fn from_says_which_points_reach_the_call() {
    let call = only(
        "// The moving average of each host.
        stream
            |from()
                .database('telegraf')
                .retentionPolicy('autogen')
                .measurement('cpu')
                .groupBy('host', 'cpu')
            @moving_avg()
                .field('usage_user')
                .size(30)
                .as('mean')
            |influxDBOut()
                .database('telegraf')",
    );
    assert_eq!(call.call.to_string(), "@moving_avg().field('usage_user').size(30).as('mean')");
    assert_eq!(call.line, 8);
    assert_eq!(call.edge, Edge::Stream);
    assert_eq!(call.database.as_deref(), Some("telegraf"));
    assert_eq!(call.retention_policy.as_deref(), Some("autogen"));
    assert_eq!(call.measurement.as_deref(), Some("cpu"));
    assert_eq!(call.group_by, tags(&["cpu", "host"]));
    assert_eq!(call.window, None);
    assert_eq!(call.left_out, []);
}

#[test]
fn window_cuts_the_stream() {
    let call = only("stream|from().measurement('m')|window().period(10m).every(5m).align().fillPeriod()@u()");
    let window = Window {
        period: 10 * MINUTE,
        every: 5 * MINUTE,
        align: true,
        fill_period: true,
        ..Window::default()
    };
    assert_eq!((call.edge, call.window), (Edge::Batch, Some(window)));
    let call = only("stream|from()|window().periodCount(10).everyCount(5)@u()");
    assert_eq!(call.window, Some(Window { period_count: 10, every_count: 5, ..Window::default() }));
    // Kapacitor raises the first letter of a node's and a property's name, but not of an option's.
    let call = only("stream|From().Measurement('m')|Window().Period(1m)@u().Option(1)");
    assert_eq!(call.measurement.as_deref(), Some("m"));
    assert_eq!(call.window, Some(Window { period: MINUTE, ..Window::default() }));
    assert_eq!(call.call.options[0].name, "Option");
}

#[test]
fn groups_are_those_of_the_last_node_that_groups_points() {
    for (script, expected) in [
        ("stream|from().groupBy(*)@u()", GroupBy { all_tags: true, ..GroupBy::default() }),
        ("stream|from().groupBy('b', 'a')@u()", tags(&["a", "b"])),
        ("var dims = ['b', 'a'] stream|from().groupBy(dims)@u()", tags(&["a", "b"])),
        ("stream|from().groupBy([*])@u()", GroupBy { all_tags: true, ..GroupBy::default() }),
        ("stream|from().groupBy('a')|groupBy('b')@u()", tags(&["b"])),
        ("stream|from().groupBy('a')|from()@u()", GroupBy::default()),
        (
            "stream|from().groupByMeasurement().groupBy('a')@u()",
            GroupBy { by_measurement: true, ..tags(&["a"]) },
        ),
        (
            "stream|from().groupByMeasurement()|groupBy('a')@u()",
            GroupBy { by_measurement: true, ..tags(&["a"]) },
        ),
        ("stream|from()|groupBy('a').byMeasurement()@u()", GroupBy { by_measurement: true, ..tags(&["a"]) }),
        ("batch|query('SELECT x FROM cpu').groupBy(time(10s, -5s), 'a')@u()", tags(&["a"])),
    ] {
        assert_eq!(only(script).group_by, expected, "{script}");
    }
}

#[test]
fn a_query_says_which_measurement_its_batches_are_of() {
    let source = |from: &str| {
        let call = only(&format!("batch|query('SELECT mean(x) FROM {from}').period(1m).every(1m)@u()"));
        assert_eq!((call.edge, call.window), (Edge::Batch, None));
        assert_eq!(call.left_out.len(), 1);
        (call.database, call.retention_policy, call.measurement)
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(source("cpu"), (None, None, some("cpu")));
    assert_eq!(source("\"autogen\".\"cpu\" WHERE x > 3"), (None, some("autogen"), some("cpu")));
    assert_eq!(source(r#""telegraf"."autogen"."c\"pu""#), (some("telegraf"), some("autogen"), some("c\"pu")));
    assert_eq!(source("telegraf..cpu where host = \\'from\\'"), (some("telegraf"), None, some("cpu")));
    assert_eq!(source("(SELECT y FROM cpu)"), (None, None, None));
    assert_eq!(source("/cpu.*/"), (None, None, None));
    assert_eq!(source("cpu, mem"), (None, None, None));
    assert_eq!(source("a.b.c.d"), (None, None, None));
}

#[test]
fn what_is_not_played_is_left_out_with_its_line() {
    let call = only(
        "stream
            |from()
                .measurement('cpu')
                .where(lambda: \"host\" == 'a' AND
                    \"usage\" > 3)
                .truncate(1s)
            |eval(lambda: \"usage\" * 2.0)
                .as('twice')
            |where(lambda: \"twice\" > 8)
            @u()",
    );
    assert_eq!(call.measurement.as_deref(), Some("cpu"));
    assert_eq!(
        left_out(&call),
        [
            (4, ".where(lambda: \"host\" == 'a' AND \"usage\" > 3)"),
            (6, ".truncate(1s)"),
            (7, "|eval(lambda: \"usage\" * 2.0)"),
            (9, "|where(lambda: \"twice\" > 8)"),
        ]
    );
    assert!(call.left_out[0].why.contains("all points are played"));
}

#[test]
fn a_window_is_left_out_with_the_node_that_takes_its_batches() {
    // TestStream_CustomFunctions of Kapacitor: the UDF gets one point for each window.
    let call = only(
        "stream
            |from().measurement('cpu').where(lambda: \"host\" == 'serverA')
            |window().period(10s).every(10s)
            |count('value')
            @customFunc()
            |httpOut('TestStream_CustomFunctions')",
    );
    assert_eq!((call.edge, call.window), (Edge::Stream, None));
    let expected = [(2, ".where(lambda: \"host\" == 'serverA')"), (3, "|window()"), (4, "|count('value')")];
    assert_eq!(left_out(&call), expected);
    // Nodes that pass batches on leave the window where it is.
    let call = only("stream|from()|window().period(1m)|log()|eval(lambda: \"x\")@u()");
    assert!(call.window.is_some());
    assert_eq!(left_out(&call), [(1, "|log()"), (1, "|eval(lambda: \"x\")")]);
    // `top` makes a batch of a window, and `distinct` of a stream.
    assert_eq!(only("stream|from()|distinct('x')@u()").edge, Edge::Batch);
    let call = only("stream|from()|window().period(1m)|mean('x')|groupBy('a')|window().period(2m)@u()");
    assert_eq!(call.window.map(|window| window.period), Some(2 * MINUTE));
    assert_eq!(call.group_by, tags(&["a"]));
    assert_eq!(left_out(&call), [(1, "|window()"), (1, "|mean('x')")]);
    let call = only("stream|from()|window().period(1m)|groupBy('a')@u()");
    assert_eq!((call.group_by.clone(), left_out(&call)), (tags(&[]), vec![(1, "|groupBy('a')")]));
}

#[test]
fn calls_are_in_the_order_of_the_script() {
    let calls = read(
        "var cpu = stream|from().measurement('cpu')
        var mem = stream|from().measurement('mem')
        cpu@a()@b().x(1)
        mem|join(cpu@c())@d()
        cpu|httpOut('cpu')",
    );
    let names: Vec<_> = calls.iter().map(|call| call.call.function.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let measurements: Vec<_> = calls.iter().filter_map(|call| call.measurement.as_deref()).collect();
    assert_eq!(measurements, ["cpu", "cpu", "cpu", "mem"]);
    assert_eq!(left_out(&calls[1]), [(3, "@a()")]);
    assert_eq!(left_out(&calls[3]), [(4, "|join(cpu@c())")]);
}

#[test]
fn a_property_changes_its_node_wherever_it_is_called() {
    // The example of `where` in pipeline/stream.go: `data` is one node, for both.
    let calls = read(
        "var data = stream|from()
        data@a()
        var cpu = data.measurement('cpu')
        cpu@b()",
    );
    assert!(calls.iter().all(|call| call.measurement.as_deref() == Some("cpu")));
}

#[test]
fn dbrp_fills_in_what_from_does_not_say() {
    let place = |script: &str| {
        let call = only(script);
        let name = |name: Option<String>| name.unwrap_or_default();
        (name(call.database), name(call.retention_policy), call.left_out.len())
    };
    let is = |database: &str, policy: &str, left_out| (database.to_owned(), policy.to_owned(), left_out);
    assert_eq!(place("dbrp \"telegraf\".\"autogen\" stream|from()@u()"), is("telegraf", "autogen", 0));
    assert_eq!(place("dbrp \"a\".\"b\" dbrp \"c\".\"d\" stream|from()@u()"), is("a", "b", 1));
    assert_eq!(place("dbrp \"a\".\"b\" dbrp \"c\".\"d\" stream|from().database('c')@u()"), is("c", "d", 0));
    assert_eq!(place("dbrp \"a\".\"b\" stream|from().database('x')@u()"), is("x", "", 0));
    assert_eq!(place("stream|from().database('')@u()"), is("", "", 0));
}

#[test]
fn variables_have_their_defaults_or_what_is_given() {
    let script = "
        // Length of the average.
        var size = 10 * 3
        var field string
        var tags = ['host']
        var threshold = lambda: \"x\" > size
        var name = 'mean_' + field
        stream|from().groupBy(tags)@u().field(field).size(size).as(name)";
    let text = |text: &str| Literal::Value(OptionValue::String(text.into()));
    let mut vars = Vars::from([("field".into(), text("usage")), ("unused".into(), Literal::Star)]);
    let read = |vars: &Vars| parse_script(script, "test.tick", vars).map(|script| script.calls[0].clone());
    let call = read(&vars).unwrap();
    assert_eq!(call.call.to_string(), "@u().field('usage').size(30).as('mean_usage')");
    vars.insert("size".into(), Literal::Value(OptionValue::Int(5)));
    vars.insert("tags".into(), Literal::List(vec![text("b"), text("a")]));
    let call = read(&vars).unwrap();
    assert_eq!(call.call.to_string(), "@u().field('usage').size(5).as('mean_usage')");
    assert_eq!(call.group_by, tags(&["a", "b"]));
    vars.insert("size".into(), text("5"));
    let error = read(&vars).unwrap_err().to_string();
    assert_eq!(error, "test.tick:3:13: the vars give `size` the type string; its type is int");
}

#[test]
fn everything_else_in_a_script_is_passed_over() {
    // Alerts, templates, regular expressions and functions in lambdas, as in Kapacitor's examples.
    let call = only(
        r#"
        var period = 5m
        var warn = lambda: "mean" > 80 AND ("host" =~ /^a\/b/ OR -"mean" < sigma("mean", 3.0)) // comment
        var message = '''{{ .ID }} is {{ .Level }} '{{ index .Tags "host" }}' '''
        var data = stream
            |from()
                .measurement('cpu')
        data
            |window().period(period).every(1m)
            |mean('usage_user').as('mean')
            |alert()
                .id('{{ index .Tags "host"}}/cpu_used')
                .message(message)
                .warn(warn)
                .crit(lambda: int("mean") / 2 > 95)
                .stateChangesOnly(1h)
                .slack().channel('@jim')
                .log('/tmp/alerts.log')
        data
            |sideload()
                .source('file:///etc/kapacitor').order('hosts/{{.host}}.yml').field('limit', 0.0)
            @u()
                .x('@not_a_call()')
        "#,
    );
    assert_eq!(call.call.to_string(), "@u().x('@not_a_call()')");
    assert_eq!(left_out(&call), [(20, "|sideload()")]);
}
