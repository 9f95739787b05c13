//! Recordings of several kinds, with what a plugin would make of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kapacitor_wasm_data::{Point, Source, Value};
use kapacitor_wasm_report::{Group, Level, Recorder, Report};

/// A recording by name.
pub struct Case {
    pub name: &'static str,
    pub make: fn() -> (Report, Recorder),
}

pub const ALL: [Case; 9] = [
    Case { name: "average", make: average },
    Case { name: "outliers", make: outliers },
    Case { name: "million", make: million },
    Case { name: "groups", make: groups },
    Case { name: "hostile", make: hostile },
    Case { name: "silent", make: silent },
    Case { name: "skipped", make: skipped },
    Case { name: "nothing", make: nothing },
    Case { name: "states", make: states },
];

/// 2026-03-02 06:00:00 UTC.
const START: i64 = 1_772_431_200_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    /// From -1 to 1, more often near 0.
    fn next(&mut self) -> f64 {
        let mut one = || {
            // Source: Marsaglia, *Xorshift RNGs*, 2003.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        };
        one() + one() - one() - one()
    }
}

fn report(title: &str, call: &str, rows: &[(&str, &str)]) -> Report {
    Report {
        title: title.to_owned(),
        call: call.to_owned(),
        summary: rows.iter().map(|(what, much)| ((*what).to_owned(), (*much).to_owned())).collect(),
    }
}

fn group(host: &str) -> Group {
    Group::new(None, [("host", host)])
}

fn point(time: i64, fields: &[(&str, Value)]) -> Point {
    Point {
        source: Arc::new(Source::default()),
        measurement: "cpu".to_owned(),
        tags: BTreeMap::from([("host".to_owned(), "a".to_owned())]),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        time,
    }
}

fn wave(random: &mut Random, i: i64, host: usize) -> f64 {
    let slow = (i as f64 / 300.0 + host as f64).sin() * 8.0 + (i as f64 / 1900.0).cos() * 12.0;
    let spike = if random.next() > 1.7 { 35.0 } else { 0.0 };
    ((28.0 + 6.0 * host as f64 + slow + random.next() * 5.0 + spike).max(0.0) * 100.0).round() / 100.0
}

const HOSTS: [&str; 6] = ["web-1", "web-2", "web-3", "db-1", "db-2", "cache-1"];

fn average() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["usage_user".to_owned(), "mean".to_owned()]);
    let mut random = Random(7);
    let mut sums = [const { Vec::new() }; 6];
    for i in 0..2000 {
        for (h, host) in HOSTS.iter().enumerate() {
            let time = START + i * 10 * SECOND;
            let group = group(host);
            if h == 1 && (700..820).contains(&i) {
                continue;
            }
            let usage = wave(&mut random, i, h);
            let mut fields = vec![
                ("usage_user", Value::Double(usage)),
                ("usage_system", Value::Double((usage / 4.0 + random.next()).max(0.0))),
                ("n_cpus", Value::Int(8)),
            ];
            if h == 4 && i % 180 == 7 {
                fields.remove(0);
                recorder.input(&group, &point(time, &fields));
                recorder.skipped(Some(&group), time, "field `usage_user` is missing or not a number");
                continue;
            }
            recorder.input(&group, &point(time, &fields));
            let last: &mut Vec<f64> = &mut sums[h];
            last.push(usage);
            let size = last.len().min(30);
            let mean = last[last.len() - size..].iter().sum::<f64>() / size as f64;
            fields.push(("mean", Value::Double(mean)));
            recorder.output(&group, &point(time, &fields));
        }
    }
    recorder.log(
        Level::Info,
        Some(START),
        "a moving average of 30 points of `usage_user`, written to `mean`",
    );
    recorder.log(Level::Warn, Some(START + 70 * SECOND), "a point without `usage_user` is skipped");
    let call = "@moving_avg()\n    .field('usage_user')\n    .size(30)\n    .as('mean')";
    let rows = [
        ("points in", "11,880"),
        ("points out", "11,868"),
        ("skipped", "12"),
        ("groups", "6"),
        ("points/s", "1,240,000"),
        ("time of the data", "2026-03-02 06:00:00 to 11:33:10"),
    ];
    (report("moving_avg on recording.lp", call, &rows), recorder)
}

fn outliers() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["usage_user".to_owned()]);
    let mut random = Random(11);
    for i in 0..2400 {
        for (h, host) in HOSTS.iter().enumerate() {
            let (time, usage) = (START + i * 10 * SECOND, wave(&mut random, i, h));
            let point = point(time, &[("usage_user", Value::Double(usage))]);
            recorder.input(&group(host), &point);
            if usage > 80.0 {
                recorder.output(&group(host), &point);
            }
        }
    }
    let rows = [("points in", "14,400"), ("points out", "77"), ("skipped", "0"), ("groups", "6")];
    (
        report("outliers on recording.lp", "@outliers()\n    .field('usage_user')\n    .scale(3.0)", &rows),
        recorder,
    )
}

/// A million points of 100 groups, with one spike in each.
pub fn million() -> (Report, Recorder) {
    let mut recorder = Recorder::new([]);
    let mut random = Random(3);
    let groups: Vec<_> = (0..100).map(|i| group(&format!("host-{i:03}"))).collect();
    let mut one = point(0, &[("value", Value::Double(0.0))]);
    for i in 0..10_000 {
        for (g, group) in groups.iter().enumerate() {
            one.time = START + i * SECOND / 10 + g as i64;
            let spike = if i == 5_000 + g as i64 { 500.0 } else { 0.0 };
            let value = 100.0 + (i as f64 / 500.0 + g as f64).sin() * 20.0 + random.next() * 10.0 + spike;
            if let Some(field) = one.fields.get_mut("value") {
                *field = Value::Double(value);
            }
            recorder.input(group, &one);
            if spike > 0.0 {
                recorder.output(group, &one);
            }
        }
    }
    let rows = [("points in", "1,000,000"), ("points out", "100"), ("groups", "100")];
    (report("spikes of a million points", "@spikes().field('value')", &rows), recorder)
}

fn groups() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["usage_user".to_owned()]);
    let mut random = Random(5);
    for i in 0..200 {
        for g in 0..1000 {
            let group = Group::new(
                Some("cpu"),
                [("cpu", &*format!("cpu{}", g % 8)), ("host", &*format!("node-{:04}.example.org", g / 8))],
            );
            let usage = wave(&mut random, i * 10, g % 7);
            let mut fields = vec![("usage_user", Value::Double(usage))];
            recorder.input(&group, &point(START + i * 60 * SECOND, &fields));
            fields.push(("score", Value::Double(random.next().abs())));
            recorder.output(&group, &point(START + i * 60 * SECOND, &fields));
        }
    }
    let rows = [("points in", "200,000"), ("points out", "200,000"), ("groups", "1,000")];
    (report("score on cluster.lp", "@score().field('usage_user')", &rows), recorder)
}

/// What tries to leave the place that it is written to.
pub const HOSTILE: &str = "</script><script>document.title='owned'</script><img src=x onerror=\"alert(1)\">&amp;'\"`\u{2028}\u{2029}\u{0}\u{1b}é☃\u{202e}abc\u{202c}\\";

fn hostile() -> (Report, Recorder) {
    let mut recorder = Recorder::new([HOSTILE.to_owned()]);
    let long = "x".repeat(5000);
    for (g, name) in [HOSTILE, "<!--", "]]>", &long, "-->"].iter().enumerate() {
        let group = Group::new(Some(name), [(*name, HOSTILE)]);
        for i in 0..100 {
            let time = START + i * SECOND;
            let mut fields = vec![(HOSTILE, Value::Double(i as f64)), ("__proto__", Value::Int(i))];
            recorder.input(&group, &point(time, &fields));
            fields.push(("constructor", Value::Double(i as f64 * 1.1)));
            fields.push((
                "</style>",
                Value::String(if i % 20 < 5 { HOSTILE.to_owned() } else { String::new() }),
            ));
            fields.push(("level", Value::String((*name).to_owned())));
            recorder.output(&group, &point(time, &fields));
            if i % 30 == g as i64 {
                recorder.skipped(Some(&group), time, HOSTILE);
                recorder.log(Level::Error, Some(time), HOSTILE);
            }
        }
    }
    (report(HOSTILE, HOSTILE, &[(HOSTILE, HOSTILE)]), recorder)
}

fn silent() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["usage_user".to_owned()]);
    let mut random = Random(13);
    for i in 0..500 {
        let usage = wave(&mut random, i, 0);
        recorder
            .input(&group("web-1"), &point(START + i * 10 * SECOND, &[("usage_user", Value::Double(usage))]));
    }
    let rows = [("points in", "500"), ("points out", "0"), ("groups", "1")];
    (report("above on recording.lp", "@above().field('usage_user').threshold(990.0)", &rows), recorder)
}

fn skipped() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["usage_user".to_owned()]);
    for i in 0..300 {
        let time = START + i * 10 * SECOND;
        let host = group(HOSTS[i as usize % 2]);
        recorder.input(&host, &point(time, &[("status", Value::String("ok".to_owned()))]));
        recorder.skipped(Some(&host), time, "field `usage_user` is missing or not a number");
    }
    recorder.skipped(None, START, "line 17 of recording.lp can't be read");
    let rows = [("points in", "300"), ("points out", "0"), ("skipped", "301")];
    (report("moving_avg on status.lp", "@moving_avg().field('usage_user').size(30)", &rows), recorder)
}

fn nothing() -> (Report, Recorder) {
    (report("above on empty.lp", "", &[("points in", "0")]), Recorder::new([]))
}

/// Texts, truths, a score of another size, a field that changes, and times in any order.
fn states() -> (Report, Recorder) {
    let mut recorder = Recorder::new(["temperature".to_owned()]);
    let mut random = Random(17);
    for i in 0..3000 {
        let i = if i % 50 == 0 { (i - 25).max(0) } else { i };
        let time = START + i * 60 * SECOND + 123_456_789;
        let temperature = 20_000.0 + (i as f64 / 200.0).sin() * 300.0 + random.next() * 30.0;
        recorder.input(&Group::new(None, []), &point(time, &[("temperature", Value::Double(temperature))]));
        let level = match temperature {
            t if t > 20_250.0 => "CRITICAL",
            t if t > 20_100.0 => "WARNING",
            _ => "OK",
        };
        let fields = [
            ("temperature", Value::Double((temperature / 100.0).round() * 100.0)),
            ("level", Value::String(level.to_owned())),
            ("jump", Value::Bool(random.next() > 1.4)),
            ("z_score", Value::Double((temperature - 20_000.0) / 200.0)),
        ];
        recorder.output(&Group::new(None, []), &point(time, &fields));
    }
    let rows = [("points in", "3,000"), ("points out", "3,000")];
    (report("levels on furnace.lp", "@levels()\n    .field('temperature')", &rows), recorder)
}
