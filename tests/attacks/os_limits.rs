//! The limits of the operating system are known, and a task that does not fit is refused.

use std::fs;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Host, Setup, error_of, number, play, point, receive};

/// The number of tasks to start at most, unless `ATTACK_TASKS` says another one.
const TASKS: usize = 8_000;

/// Lets this process open as many files as it may.
fn raise_own_descriptors() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.unwrap_or(u64::MAX)
}

/// Starts up to `count` tasks; returns those that run, and the error of the first one that was refused.
fn start(host: &Host, count: usize) -> (Vec<Client>, Option<String>) {
    let mut clients = Vec::new();
    for task in 0..count {
        let mut client = host.connect("mirror");
        let response = match client.init(&format!("task{task}"), Vec::new()) {
            Ok(response) => response,
            Err(e) => panic!("{e}\n{}", host.log()),
        };
        if !response.success {
            return (clients, Some(response.error));
        }
        clients.push(client);
    }
    (clients, None)
}

#[test]
fn many_tasks_run_or_are_refused_and_none_dies() {
    let descriptors = raise_own_descriptors() as usize;
    let most = std::env::var("ATTACK_TASKS").ok().and_then(|tasks| tasks.parse().ok()).unwrap_or(TASKS);
    // A client has three descriptors.
    let most = most.min(descriptors.saturating_sub(1_000) / 3);
    let mut host = Host::with(&["mirror"]);
    let fit = number(&host.wait_for_log(&["number of sandboxes that fit"]), "sandboxes=") as usize;
    let (mut clients, refused) = start(&host, most);
    println!("{} tasks run, {fit} were foreseen, refused: {refused:?}", clients.len());
    if fit < most {
        // What is foreseen is the least.
        assert!(clients.len() >= fit, "{} of {fit}", clients.len());
    }
    if let Some(error) = refused {
        assert!(error.contains("no more fit within"), "{error}");
    }
    // Large frames need mappings of their own. Some hundred tasks hold theirs at the same time.
    let mut large = point("a", 1, 1.0);
    large.fields_string.insert("text".to_owned(), "x".repeat(100_000));
    for clients in clients.chunks_mut(200) {
        for client in &mut *clients {
            client.send(RequestMessage::Point(large.clone())).unwrap();
        }
        for client in clients {
            assert!(matches!(receive(client), Some(ResponseMessage::Point(_))));
        }
    }
    drop(clients);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn connection_beyond_the_file_descriptors_is_refused_with_a_sentence() {
    let host = Setup::new("").with(&["mirror"]).under("ulimit -n 300").serve();
    let mut open = Vec::new();
    let refused = loop {
        let mut client = host.connect("mirror");
        match client.info() {
            Ok(_) => open.push(client),
            Err(e) => break e.to_string(),
        }
        assert!(open.len() < 300);
    };
    assert!(open.len() >= 100, "{}", open.len());
    println!("refused after {}: {refused}", open.len());
    host.wait_for_log(&["a connection was not accepted", "300 open files", "LimitNOFILE="]);
    // It is an error of the protocol, so that Kapacitor logs it.
    let responses = host.connect("mirror").rest().unwrap();
    assert!(
        error_of(&responses).contains("connections are open, and no more fit within 300"),
        "{responses:?}"
    );
    // Sessions that end make room, and those that run have all that they need.
    let mut first = open.remove(0);
    assert!(first.init("task", Vec::new()).unwrap().success);
    assert!(first.snapshot(&mut Vec::new()).is_ok());
    open.clear();
    host.wait_for_logs(&["connection ended"], 90);
    // Another task, which waits for no state of the first one.
    let mut client = host.connect("mirror");
    assert!(client.init("other", Vec::new()).unwrap().success);
    assert_eq!(play(client, [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
}

#[test]
fn soft_limit_of_file_descriptors_is_raised() {
    let host = Setup::new("").with(&["mirror"]).under("ulimit -S -n 64").serve();
    let limits = fs::read_to_string(host.proc("limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.split_whitespace().skip(3);
    assert_eq!(words.next(), words.next(), "{line}");
    assert_eq!(start(&host, 80).0.len(), 80);
}

#[test]
fn sandbox_beyond_the_address_space_is_refused_with_a_sentence() {
    // In KiB: room for three sandboxes.
    let host = Setup::new("").with(&["mirror"]).under("ulimit -v 16000000").serve();
    host.wait_for_log(&["number of sandboxes that fit", "sandboxes=3", "of address space"]);
    let (mut clients, refused) = start(&host, 4);
    assert_eq!(clients.len(), 3);
    assert!(refused.unwrap().contains("`ulimit -v unlimited`"));
    for client in &mut clients {
        client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        assert!(matches!(receive(client), Some(ResponseMessage::Point(_))));
    }
}

#[test]
fn sandbox_beyond_the_private_memory_is_refused_with_a_sentence() {
    let mut host = Setup::new("").with(&["mirror"]).under("ulimit -d 102400").serve();
    host.wait_for_log(&["number of sandboxes that fit", "100MiB of private memory", "LimitDATA="]);
    let (mut clients, refused) = start(&host, 60);
    assert!(!clients.is_empty());
    assert!(refused.unwrap().contains("`ulimit -d`"));
    // What runs has all that it needs.
    for _ in 0..3 {
        for client in &mut clients {
            for _ in 0..500 {
                client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
            }
            for _ in 0..500 {
                assert!(matches!(receive(client), Some(ResponseMessage::Point(_))));
            }
            client.snapshot(&mut Vec::new()).unwrap();
        }
    }
    drop(clients);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn host_without_the_private_memory_to_serve_anything_says_so() {
    for limit in ["ulimit -d 40000", "ulimit -d 10000"] {
        let host = Setup::new("").with(&["mirror"]).under(limit).begin_to_serve();
        host.wait_for_log(&["of private memory of this process", "`ulimit -d`"]);
    }
}

/// A host that is let start `most` threads while a file is there.
fn with_few_threads(most: usize) -> (Setup, std::path::PathBuf, crate::support::preload::Library) {
    let library = crate::support::preload::compile("few_threads");
    let setup = Setup::new("").with(&["mirror"]);
    let file = setup.folder.path().join("no-threads");
    fs::write(&file, "").unwrap();
    let setup = setup
        .env("LD_PRELOAD", library.path.clone())
        .env("KW_THREADS", most.to_string().into())
        .env("KW_NO_THREADS", file.clone());
    (setup, file, library)
}

#[test]
fn too_few_threads_are_refused_with_a_sentence() {
    for most in [0, 1, 2, 6, 12, 20] {
        let (setup, _, _library) = with_few_threads(most);
        let (code, _, stderr) = setup.run(&["serve"]);
        assert_eq!(code, 1, "{most}: {stderr}");
        assert!(stderr.contains(&format!("lets this process start {most} threads")), "{stderr}");
        assert!(stderr.contains("`ulimit -u`") && !stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn threads_that_are_missing_for_a_moment_are_tried_again() {
    let (setup, file, _library) = with_few_threads(4);
    let host = setup.begin_to_serve();
    fs::remove_file(file).unwrap();
    host.wait_for_log(&["msg=ready"]);
    play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
}
