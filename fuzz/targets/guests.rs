//! What the targets that run guests share.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kapacitor_wasm::internals::{
    Bytes, Engine, Labels, Limits, Plugin, Provenance, Sandbox, SandboxContext, Snapshot, Span,
};
use kapacitor_wasm::protocol::{Point, RequestMessage, put_request};
use tokio::runtime::{Builder, Runtime};

/// Small, so that a guest that does its worst costs little.
pub static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    memory: Bytes::mib(1),
    call_deadline: Span(Duration::from_millis(20)),
    stack: Bytes::kib(64),
    output: Bytes::mib(1),
    ..Limits::default()
});

/// What guests are run with. One for all inputs, as in the host.
pub struct Host {
    pub engine: Arc<Engine>,
    pub runtime: Runtime,
}

pub static HOST: LazyLock<Host> = LazyLock::new(|| Host {
    engine: Arc::new(Engine::new(LIMITS.stack, None).expect("this machine runs wasmtime")),
    runtime: Builder::new_current_thread().enable_time().build().expect("this machine runs tokio"),
});

/// A new instance. `None` if it fails under the limits.
pub async fn start(plugin: &Plugin) -> Option<Sandbox> {
    plugin.start(&SandboxContext::without_session(Labels::default(), *LIMITS)).await.ok()
}

pub fn taken(plugin: &Plugin) -> Provenance<'_> {
    Provenance::without_session(plugin.identity())
}

/// Has a guest work. Fails like any guest may.
pub async fn work(sandbox: &mut Sandbox) -> Option<()> {
    let mut run = Vec::new();
    for time in 0..3 {
        put_request(RequestMessage::Point(Point { time, ..Point::default() }), &mut run);
    }
    sandbox.process(&run).await.ok()?;
    within_limits(sandbox);
    Some(())
}

/// Saves the state of a guest and gives it to another instance, which is then the same. Nothing, if
/// the state can't be captured or the plugin has a format of its own.
pub async fn there_and_back(plugin: &Plugin, sandbox: &mut Sandbox) {
    let (false, Ok(image)) = (plugin.own_format, &plugin.memory_image) else { return };
    let taken = taken(plugin);
    let saved = image.save(sandbox, &taken).await.expect("what can be instrumented can be saved");
    let snapshot = Snapshot::parse(&saved).expect("it was just made");
    snapshot.check_fit(&taken).expect("it was just made");
    // An instance that fails to start may do so at times: its deadline is one of time.
    let Some(mut other) = start(plugin).await else { return };
    image.load(&mut other, &snapshot, LIMITS.memory).await.expect("it was just made");
    assert!(sandbox.copy_of_memory() == other.copy_of_memory(), "the memory differs");
    let again = image.save(&mut other, &taken).await.expect("what was saved can be saved");
    let again = Snapshot::parse(&again).expect("it was just made");
    assert_eq!(snapshot.header.globals, again.header.globals);
    assert!(snapshot.payload(Bytes(u64::MAX)).is_ok());
}

pub fn within_limits(sandbox: &Sandbox) {
    assert!(sandbox.copy_of_memory().len() as u64 <= LIMITS.memory.0);
}
