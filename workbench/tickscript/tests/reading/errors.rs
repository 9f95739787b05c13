//! What is said of texts that can't be read.

use kapacitor_wasm_tickscript::{Vars, parse_call, parse_duration, parse_option_values, parse_script};

fn script_error(script: &str) -> String {
    parse_script(script, "a.tick", &Vars::new())
        .map(|read| panic!("{script}: {read:?}"))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_script_is_refused_with_the_place() {
    for (script, expected) in [
        ("stream\n  |from()\n  @u().x(3", "a.tick:3:11: the end of the text can't be here; write `,` or `)`"),
        (
            "stream|from()@u().x('a)",
            "a.tick:1:21: the single quote is not closed; write another one after the text",
        ),
        ("stream|from()@u().x(1h30m)", "a.tick:1:23: `30m` can't be here; write `,` or `)`"),
        ("stream|from()@u().x(n)", "a.tick:1:21: `n` is not defined"),
        (
            "stream|from()@u().x(\"n\")",
            "a.tick:1:21: a name in double quotes is no value; write text in single",
        ),
        ("stream|from()@u().x(*)", "a.tick:1:21: a * is no value of an option"),
        ("stream|from()@u().x(1 > 2)", "a.tick:1:21: a comparison is no value of an option"),
        (
            "stream|from()@u().x(1 + 2.0)",
            "a.tick:1:23: this operator can't be between an integer and a float",
        ),
        (
            "stream|from()@u().x(1 / 0)",
            "a.tick:1:23: this is beyond the range of an integer, or a division by zero",
        ),
        (
            "stream|from()@u().x(9223372036854775808)",
            "a.tick:1:21: `9223372036854775808` is beyond the range",
        ),
        ("stream|from()@u().x(09)", "a.tick:1:21: `09` is no octal number, and a leading zero means octal"),
        ("stream|from()@u(3)", "a.tick:1:17: `@u` takes no argument; write options after it"),
        ("stream|from()@u.x(3)", "a.tick:1:16: `.` can't be here; write `(`"),
        ("stream|from()@u().align", "a.tick:1:18: a property needs parentheses; write `.align()`"),
        ("var x int", "a.tick:1:5: the variable `x` has no value; give it one in the vars"),
        ("var x text", "a.tick:1:7: `text` is no type of a variable; write one of bool, int"),
        ("var x = 3\nvar x = 4", "a.tick:2:5: `x` is declared a second time"),
        ("var stream = 4", "a.tick:1:5: `stream` is declared a second time"),
        ("stream.from()", "a.tick:1:7: `.from` can't be here; write `|from(...)`"),
        (
            "stream|from()|influxDBOut()@u()",
            "a.tick:1:28: no points come out of `influxDBOut`; write `u` before it",
        ),
        ("stream|window()", "a.tick:1:7: `window` can't be here; write `stream|from()` before it"),
        ("stream|from().measurement(cpu)", "a.tick:1:27: `cpu` is not defined"),
        (
            "stream|from().measurement(3)",
            "a.tick:1:27: the argument of `measurement` is 3; write a text in single",
        ),
        ("stream|from().measurement()", "a.tick:1:14: `measurement` has 0 arguments; write one"),
        ("stream|from().groupBy(*, 'a')", "a.tick:1:14: `groupBy` has both * and names of tags"),
        ("stream|from().groupBy('')", "a.tick:1:23: the argument of `groupBy` is ''; write names of tags"),
        (
            "stream|from()|window().period(-5m)",
            "a.tick:1:31: the argument of `period` is -5m; write a duration",
        ),
        ("stream|from()|window()@u()", "a.tick:1:14: `window` has no length; write .period(10m)"),
        ("stream|from()|window().period(1m).periodCount(1)@u()", "a.tick:1:14: `window` has both"),
        (
            "stream|from()|window().periodCount(1)@u()",
            "a.tick:1:14: a window with `periodCount` needs .everyCount",
        ),
        ("batch|query('SELECT x FROM y')|window()", "a.tick:1:31: `window` can't cut batches"),
        ("var x = 'a'\nx|from()", "a.tick:2:3: `from` is called on a text; write it after a node"),
        ("dbrp 'a'.'b'", "a.tick:1:6: `'a'` can't be here; write the database in double quotes"),
        ("stream|from()\n\t@ü$()", "a.tick:2:4: the character '$' can't be here"),
    ] {
        let error = script_error(script);
        assert!(error.starts_with(expected), "{script}\n{error}\n{expected}");
    }
}

#[test]
fn a_value_of_the_command_line_is_refused_with_what_a_shell_needs() {
    let quote =
        |text: &str| format!("`{text}` is no value; write text in single quotes, and double quotes around");
    for (text, expected) in [
        ("usage_user", quote("usage_user")),
        ("/var/log", quote("/var/log")),
        ("\"usage\"", quote("\"usage\"")),
        ("true", "`true` is no value; write TRUE (column 1)".to_owned()),
        (
            "10.0.0.1",
            "a number has two decimal points; write it with one; if it is text, write text".to_owned(),
        ),
        ("'a' 'b'", "`'b'` can't be here; write a comma, or nothing more (column 5)".to_owned()),
    ] {
        let error = parse_option_values(text).unwrap_err().to_string();
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = parse_duration("10 minutes").unwrap_err().to_string();
    let expected =
        "`10 minutes` is no duration; write a whole number and one of the units u, ms, s, m, h, d, w";
    assert_eq!(error, format!("{expected} (column 1)"));
}

#[test]
fn a_call_is_one_call() {
    for (text, expected) in [
        ("", "this has no UDF call; write one, such as @name().option('value') (column 1)"),
        ("stream|from()", "this has no UDF call"),
        ("@a()@b()", "this has 2 UDF calls; write one of them, or a script"),
        ("@a().x(y)", "`y` is not defined; write text in single quotes"),
        (
            "@a()\n.x(y)",
            "`y` is not defined; write text in single quotes, and declare variables with `var` (line 2, col",
        ),
    ] {
        let error = parse_call(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn hostile_texts_are_refused_quickly() {
    const LONG: usize = 1 << 20;
    let repeated = |part: &str| part.repeat(LONG / part.len());
    let doubling: Vec<_> = (1..60).map(|n| format!("var a{n} = a{0} + a{0}", n - 1)).collect();
    let doubling = "var a0 = 'xxxxxxxxxxxxxxxx'\n".to_owned() + &doubling.join("\n");
    let copies = format!("var a = '{}'\nvar b = [{}]", "x".repeat(LONG / 2), "a,".repeat(LONG / 8));
    for (text, expected) in [
        (repeated("("), "nested more than 100 deep"),
        (repeated("-"), "nested more than 100 deep"),
        (repeated("a("), "nested more than 100 deep"),
        (format!("var x = lambda: {}", "(".repeat(1000)), "nested more than 100 deep"),
        (format!("var x = lambda: {}", "a(".repeat(1000)), "nested more than 100 deep"),
        (format!("stream{}", "|from(stream".repeat(1000)), "nested more than 100 deep"),
        (repeated("["), "in the list"),
        (format!("stream|from(){}", "@a()".repeat(1000)), "more than 100 UDF calls"),
        (format!("stream|from(){}", "|log()".repeat(10_000)), "more than 2000 nodes and properties"),
        (format!("stream@u(){}", ".x()".repeat(10_000)), "more than 2000 nodes and properties"),
        (doubling, "too long"),
        (copies, "too long"),
        ("x".repeat(LONG), "is not defined"),
        (format!("var {0} = 1 var {0} = 1", "x".repeat(LONG / 4)), "declared a second time"),
        (format!("stream|from()@{}(1)", "x".repeat(LONG / 4)), "takes no argument"),
        (repeated("x") + "1", "the text is 1048577 bytes long"),
    ] {
        let error = script_error(&text);
        assert!(error.contains(expected), "{}: {error}", &text[..text.len().min(40)]);
        assert!(error.len() < 400, "{error}");
    }
    // Long texts that are fine take no more than their length.
    let sum = format!("stream@u().x(0{})", "+1".repeat(400_000));
    let call = parse_script(&sum, "a.tick", &Vars::new()).unwrap().calls.remove(0);
    assert_eq!(call.call.to_string(), "@u().x(400000)");
    let lambda = format!("var x = lambda: 0{}", " OR 1 < 2 AND 3".repeat(60_000));
    assert!(parse_script(&lambda, "a.tick", &Vars::new()).is_ok());
}
