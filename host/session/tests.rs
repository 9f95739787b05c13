//! Whole sessions over a connection in memory, with a guest that gives its input back.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::executor::{Executor, Work};
use super::{End, Link, Session};
use crate::config::Config;
use crate::protocol::client::receive;
use crate::protocol::{
    FenceRequest, InfoRequest, InitRequest, KeepaliveRequest, Point, RequestMessage, ResponseMessage,
    RestoreRequest, SnapshotRequest, put_request,
};
use crate::shared::{Mode, Shared};
use crate::task::{Reply, Trial};

/// A plugin that returns each run as it came: requests for data have the form of responses.
const MIRROR: &str = r#"(module
    (memory (export "memory") 4)
    ;; An InitResponse that says success.
    (data (i32.const 16) "\08\01")
    (func (export "kapacitor_udf_abi_1"))
    (func (export "udf_info") (result i64) i64.const 0)
    (func (export "udf_input") (param i32) (result i32) i32.const 65536)
    ;; (16 << 32) | 2
    (func (export "udf_init") (param i32 i32) (result i64) i64.const 68719476738)
    (func (export "udf_process") (param i32 i32) (result i64)
        (i64.or
            (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
            (i64.extend_i32_u (local.get 1))))
    (func (export "udf_finish") (result i64) i64.const 0))"#;

/// A host with the functions `mirror` and `gone`, whose plugin is missing.
struct Host {
    shared: Arc<Shared>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        fs::write(plugins.join("mirror.wasm"), wat::parse_str(MIRROR).unwrap()).unwrap();
        let text = format!(
            "plugins-dir = {:?}\nstate-dir = {:?}\n[functions.gone]\n",
            plugins.to_str().unwrap(),
            folder.path().join("state").to_str().unwrap()
        );
        let config = Config::from_text(&text, Path::new("udf.toml")).unwrap();
        let shared = Arc::new(Shared::load(config, &Mode::default()).unwrap());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { shared, runtime, _folder: folder }
    }

    /// What Kapacitor gets for `input`, which it ends; up to the end of the connection.
    fn answers(&self, function: &str, input: &[u8]) -> Vec<ResponseMessage> {
        let function = self.shared.function(function).unwrap();
        self.runtime.block_on(async {
            let (kapacitor, host) = duplex(1 << 20);
            let (reader, writer) = split(host);
            let session = Session::new(
                Arc::clone(&self.shared),
                function,
                Link::of_two(End::reader(reader), End::writer(writer)),
            );
            let (mut responses, mut requests) = split(kapacitor);
            requests.write_all(input).await.unwrap();
            requests.shutdown().await.unwrap();
            session.run().await;
            let mut bytes = Vec::new();
            responses.read_to_end(&mut bytes).await.unwrap();
            let mut bytes = &bytes[..];
            std::iter::from_fn(|| receive(&mut bytes).unwrap()).collect()
        })
    }
}

fn requests(messages: impl IntoIterator<Item = RequestMessage>) -> Vec<u8> {
    let mut frames = Vec::new();
    messages.into_iter().for_each(|message| put_request(message, &mut frames));
    frames
}

fn init() -> RequestMessage {
    let (task_id, node_id) = ("task".to_owned(), "udf2".to_owned());
    RequestMessage::Init(InitRequest { task_id, node_id, ..InitRequest::default() })
}

fn point(time: i64) -> RequestMessage {
    let fields_double = [("value".to_owned(), 0.5)].into();
    RequestMessage::Point(Point { time, name: "cpu".to_owned(), fields_double, ..Point::default() })
}

#[test]
fn points_and_requests_are_answered_in_order() {
    let input = requests([
        RequestMessage::Info(InfoRequest {}),
        init(),
        point(1),
        RequestMessage::Keepalive(KeepaliveRequest { time: 7 }),
        point(2),
        RequestMessage::Snapshot(SnapshotRequest {}),
        point(3),
    ]);
    let answers = Host::new().answers("mirror", &input);
    // The keepalive overtakes what comes before it.
    let [keepalive, info, init, first, second, snapshot, third] = &answers[..] else { panic!("{answers:?}") };
    assert!(matches!(keepalive, ResponseMessage::Keepalive(keepalive) if keepalive.time == 7));
    assert!(matches!(info, ResponseMessage::Info(_)));
    assert!(matches!(init, ResponseMessage::Init(init) if init.success));
    for (answer, time) in [(first, 1), (second, 2), (third, 3)] {
        assert!(matches!(answer, ResponseMessage::Point(point) if point.time == time), "{answer:?}");
    }
    assert!(matches!(snapshot, ResponseMessage::Snapshot(snapshot) if !snapshot.snapshot.is_empty()));
}

#[test]
fn fence_keeps_its_place_among_points_and_requests() {
    let fence = |id| RequestMessage::Fence(FenceRequest { id, at_end: false });
    let input = requests([
        fence(1),
        init(),
        fence(2),
        point(1),
        fence(3),
        RequestMessage::Snapshot(SnapshotRequest {}),
        point(2),
        point(3),
        fence(4),
    ]);
    let answers = Host::new().answers("mirror", &input).into_iter().map(|answer| match answer {
        ResponseMessage::Fence(fence) => format!("{} after {}", fence.id, fence.points_answered),
        ResponseMessage::Point(point) => format!("point {}", point.time),
        ResponseMessage::Snapshot(_) => "snapshot".to_owned(),
        ResponseMessage::Init(_) => "init".to_owned(),
        other => panic!("{other:?}"),
    });
    let expected = [
        "1 after 0",
        "init",
        "2 after 0",
        "point 1",
        "3 after 1",
        "snapshot",
        "point 2",
        "point 3",
        "4 after 3",
    ];
    assert_eq!(answers.collect::<Vec<_>>(), expected);
}

#[test]
fn snapshot_is_given_back_to_another_session() {
    let host = Host::new();
    let input = requests([init(), point(1), RequestMessage::Snapshot(SnapshotRequest {})]);
    let Some(ResponseMessage::Snapshot(snapshot)) = host.answers("mirror", &input).pop() else {
        panic!("a snapshot")
    };
    let restore = |snapshot| {
        let input = requests([init(), RequestMessage::Restore(RestoreRequest { snapshot })]);
        match host.answers("mirror", &input).pop() {
            Some(ResponseMessage::Restore(restore)) => restore.success,
            other => panic!("{other:?}"),
        }
    };
    assert!(restore(snapshot.snapshot));
    // A state that does not fit is set aside, and the task starts clean.
    assert!(restore(b"not a snapshot".to_vec()));
}

#[test]
fn failed_init_is_answered_with_the_reason() {
    let answers = Host::new().answers("gone", &requests([init(), point(1)]));
    let [ResponseMessage::Init(init)] = &answers[..] else { panic!("{answers:?}") };
    assert!(!init.success && init.error.contains("there is no plugin of its name"), "{}", init.error);
}

#[test]
fn requests_out_of_order_end_the_session_with_the_reason() {
    let host = Host::new();
    let answers = host.answers("mirror", &requests([point(1)]));
    let [ResponseMessage::Error(error)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(error.error, "function \"mirror\": a point or batch before init");

    let answers = host.answers("mirror", &requests([init(), init()]));
    let [_, ResponseMessage::Init(init)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(init.error, "a second init on the same connection");

    let restore = RequestMessage::Restore(RestoreRequest::default());
    let answers = host.answers("mirror", &requests([restore]));
    let [ResponseMessage::Restore(restore)] = &answers[..] else { panic!("{answers:?}") };
    assert!(restore.error.ends_with("restore before init"), "{}", restore.error);
}

#[test]
fn bytes_that_are_no_frames_close_the_connection_without_a_word() {
    let host = Host::new();
    assert_eq!(host.answers("mirror", &[0xff; 11]), []);
    // The input ends inside a message.
    assert_eq!(host.answers("mirror", &requests([init()])[..5]), []);
}

#[test]
fn stopping_host_ends_a_session_that_waits() {
    let host = Host::new();
    let function = host.shared.function("mirror").unwrap();
    host.runtime.block_on(async {
        let (_kapacitor, connection) = duplex(1024);
        let (reader, writer) = split(connection);
        let link = Link::of_two(End::reader(reader), End::writer(writer));
        let session = Session::new(Arc::clone(&host.shared), function, link);
        let session = tokio::spawn(session.run());
        host.shared.stop().await;
        session.await.unwrap();
    });
}

#[test]
fn answers_of_a_tick_go_out_before_the_next() {
    let host = Host::new();
    let function = host.shared.function("mirror").unwrap();
    let clock = host.shared.gather_clock();
    // It does not tick by itself in the time of this test.
    clock.set_interval(Duration::from_secs(3600));
    host.runtime.block_on(async {
        let (mut kapacitor, socket) = UnixStream::pair().unwrap();
        let session = Session::new(Arc::clone(&host.shared), function, Link::socket(socket));
        let session = tokio::spawn(session.run());
        let mut received = BytesMut::new();
        let mut answers = async |kapacitor: &mut UnixStream, count: usize| {
            let mut found = Vec::new();
            while found.len() < count {
                let mut left = &received[..];
                // Of a part of an answer, it says that it ends too soon.
                if let Ok(Some(answer)) = receive(&mut left) {
                    found.push(answer);
                    let taken = received.len() - left.len();
                    received.advance(taken);
                } else {
                    assert_ne!(kapacitor.read_buf(&mut received).await.unwrap(), 0);
                }
            }
            found
        };
        kapacitor.write_all(&requests([init()])).await.unwrap();
        answers(&mut kapacitor, 1).await;
        // Points that follow each other quickly, until the session gathers.
        let mut time = 0;
        while clock.waiting() == 0 {
            time += 1;
            kapacitor.write_all(&requests([point(time)])).await.unwrap();
            let _ = timeout(Duration::from_millis(20), answers(&mut kapacitor, 1)).await;
        }
        let keepalive = RequestMessage::Keepalive(KeepaliveRequest { time: 7 });
        kapacitor.write_all(&requests([keepalive, point(time + 1), point(time + 2)])).await.unwrap();
        clock.tick();
        // One of the points may have been written before the session began to gather.
        let mut times = Vec::new();
        while times.last() != Some(&(time + 2)) {
            let soon = timeout(Duration::from_secs(20), answers(&mut kapacitor, 1)).await;
            match &soon.expect("an answer before the next tick")[..] {
                [ResponseMessage::Point(point)] => times.push(point.time),
                [ResponseMessage::Keepalive(keepalive)] => assert_eq!(keepalive.time, 7),
                other => panic!("{other:?}"),
            }
        }
        assert!(times.is_sorted());
        assert_eq!(clock.waiting(), 1, "the session does not gather any more");
        drop(kapacitor);
        clock.tick();
        session.await.unwrap();
    });
}

#[test]
fn future_of_a_piece_of_work_is_small() {
    let host = Host::new();
    let function = host.shared.function("mirror").unwrap();
    let mut executor = Executor::new(Arc::clone(&host.shared), function, Trial::default());
    let mut reply = Reply::default();
    // It is moved to the heap for each run, so its size is a part of what a point costs that comes alone.
    let size = size_of_val(&executor.run(Work::Finish, &mut reply));
    assert!(size <= 2304, "{size} bytes");
}
