//! The calls of guest interface 1, without their calling convention.

/// A plugin as the host calls it. The result of a call is in [`Calls::result`] until the next call.
pub trait Calls {
    /// A buffer of at least `length` bytes for the input of the next calls. It is valid until it is
    /// asked for again. A `length` of zero means that no input is expected for now: all buffers are
    /// given up.
    fn input(&mut self, length: usize) -> &mut [u8];
    /// Results in an InfoResponse.
    fn info(&mut self);
    /// Takes an InitRequest, the first `length` bytes of the input; results in an InitResponse.
    fn init(&mut self, length: usize);
    /// Takes frames of Requests, the first `length` bytes of the input; results in frames of Responses.
    fn process(&mut self, length: usize);
    /// Results in the last frames of Responses.
    fn finish(&mut self);
    /// Results in the descriptions of the metrics, a line each.
    fn metrics(&mut self);
    /// The bits of the value of the metric with this `index`; `None` if there are not so many.
    fn metric_value(&self, index: usize) -> Option<u64>;
    /// The version of the plugin's own snapshot format; zero if it has none.
    fn state_version(&self) -> u32;
    /// Results in a SnapshotResponse.
    fn snapshot(&mut self);
    /// Takes a RestoreRequest, the first `length` bytes of the input; results in a RestoreResponse.
    fn restore(&mut self, length: usize);
    /// The result of the last call.
    fn result(&self) -> &[u8];
}

/// A plugin that was passed to [`register!`](crate::register), which implements this. It has no other
/// implementations.
pub trait Registered {
    /// The calls into a new instance of the plugin.
    #[doc(hidden)]
    fn calls() -> Box<dyn Calls>;
}
