package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.EdgeType;
import io.github.kapacitorwasm.client.FunctionInfo;
import io.github.kapacitorwasm.client.UdfException;
import io.github.kapacitorwasm.client.UdfSession;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.KeyGroupStatePartitionStreamProvider;
import org.apache.flink.runtime.state.KeyedStateCheckpointOutputStream;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * Gives its input to a function of a kapacitor-wasm host, and passes on what comes back. Each key
 * group has a session of its own, whose snapshot is the raw keyed state of the key group.
 *
 * <p>Before a checkpoint's barrier goes on, all sessions with new points give a snapshot. All
 * results of the points before have come by then. So the barrier is behind exactly the results of
 * the points that the state has seen.
 *
 * @param <T> what comes in
 */
abstract class UdfOperator<T> extends AbstractStreamOperator<Point>
    implements OneInputStreamOperator<T, Point>, BoundedOneInput {

  private static final long serialVersionUID = 1L;

  private final UdfFunction function;

  private transient SharedHost host;
  private transient KeyGroupSessions sessions;
  private transient Results results;
  private transient WatermarkFence fence;
  private transient KeySelector<T, ?> keys;
  private transient MailboxExecutor mailbox;
  private transient AtomicBoolean isReceiveDue;
  private transient boolean isFlushDue;
  private transient KeyGroupStates states;
  private transient boolean makesStreamOfBatches;
  private transient Map<StateCount, LongCounter> counters;
  private transient long pointsIn;
  private transient long snapshotNanos;

  UdfOperator(UdfFunction function) {
    this.function = function;
  }

  /** Sends {@code input}, and returns how many points it has. */
  abstract long send(UdfSession session, T input) throws UdfException, InterruptedException;

  /** What the operator gives to the function. */
  abstract EdgeType edge();

  @Override
  protected boolean isUsingCustomRawKeyedState() {
    return true;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    states = new KeyGroupStates(function.name());
    for (KeyGroupStatePartitionStreamProvider provider : context.getRawKeyedStateInputs()) {
      states.read(provider.getKeyGroupId(), provider.getStream());
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    isReceiveDue = new AtomicBoolean();
    mailbox =
        getContainingTask()
            .getMailboxExecutorFactory()
            .createExecutor(getOperatorConfig().getChainIndex());
    results = new Results(output);
    keys = getOperatorConfig().getStatePartitioner(0, getUserCodeClassloader());
    fence = new WatermarkFence(id -> sessions.fence(id), this::passOn);
    String task =
        function.task() == null ? getRuntimeContext().getJobInfo().getJobName() : function.task();
    sessions =
        new KeyGroupSessions(
            function,
            task,
            getRuntimeContext().getTaskInfo().getMaxNumberOfParallelSubtasks(),
            socketDir(task),
            states,
            results,
            fence,
            this::scheduleReceive);
    FunctionInfo info = sessions.info();
    checkEdge(info);
    makesStreamOfBatches = info.wants() == EdgeType.BATCH && info.provides() == EdgeType.STREAM;
    sessions.restore();
    counters = new EnumMap<>(StateCount.class);
    for (StateCount count : StateCount.values()) {
      LongCounter counter = getRuntimeContext().getLongCounter("kapacitor_wasm." + count.metric());
      counter.add(states.count(count));
      counters.put(count, counter);
    }
    UdfMetrics.register(getMetricGroup().addGroup("kapacitor_wasm"), this);
  }

  private Path socketDir(String task) throws UdfException, InterruptedException {
    if (function.isHostStarted()) {
      host = function.acquireHost(task);
      return host.socketDir();
    }
    return SocketDir.of(
        function, getContainingTask().getEnvironment().getTaskManagerInfo().getConfiguration());
  }

  private void checkEdge(FunctionInfo info) throws UdfException {
    if (info.wants() != edge()) {
      throw new UdfException(
          function.name(),
          "",
          edge() == EdgeType.STREAM
              ? "it takes batches: write, for example, `window = \"10m\"` in its [[plugin]] of"
                  + " job.toml; in Java, apply it to a window, as in"
                  + " KapacitorWasm.apply(keyed.window(...), function)"
              : "it takes points one by one: leave `window` out of its [[plugin]] of job.toml; in"
                  + " Java, apply it to the keyed stream, without a window");
    }
  }

  /** Called by the thread that reads from the sockets. */
  private void scheduleReceive() {
    if (isReceiveDue.compareAndSet(false, true)) {
      try {
        mailbox.execute(this::receive, "results of %s", function);
      } catch (RejectedExecutionException e) {
        // The task ends.
      }
    }
  }

  private void receive() throws Exception {
    isReceiveDue.set(false);
    sessions.receive();
    fence.askNext();
  }

  /** Does nothing: there is no managed state, which would need to know the key of each record. */
  @Override
  public void setKeyContextElement(StreamRecord<T> element) {}

  @Override
  public void processElement(StreamRecord<T> element) throws Exception {
    T input = element.getValue();
    KeyGroupSessions.Open open = sessions.at(keys.getKey(input));
    pointsIn += send(open.session(), input);
    if (makesStreamOfBatches) {
      open.keyGroup().endBatch(open.session(), element.getTimestamp());
      sessions.await(open.keyGroup()::hasRoomForBatch);
    }
    if (!isFlushDue) {
      isFlushDue = true;
      long now = getProcessingTimeService().getCurrentProcessingTime();
      var unused =
          getProcessingTimeService()
              .registerTimer(now + function.flushInterval().toMillis(), time -> flush());
    }
  }

  private void flush() throws UdfException, InterruptedException {
    isFlushDue = false;
    sessions.flush();
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    if (mark.getTimestamp() == Watermark.MAX_WATERMARK.getTimestamp()) {
      // There is no more input. What the plugins send at their end must not be late.
      finish(mark);
    } else if (function.watermarks() == WatermarkPolicy.AT_ONCE) {
      passOn(mark);
    } else {
      fence.take(mark);
    }
  }

  private void finish(Watermark mark) throws Exception {
    settle();
    logCounts();
    sessions.finish();
    passOn(mark);
  }

  /** Passes on a watermark whose time has come. */
  private void passOn(Watermark mark) {
    try {
      super.processWatermark(mark);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("a watermark can't be passed on", e);
    }
  }

  private void logCounts() {
    for (StateCount count : StateCount.values()) {
      long points = states.count(count);
      if (points > 0) {
        LOG.warn("function " + function.name() + " " + count.sentence(), points);
      }
    }
  }

  @Override
  public void processWatermarkStatus(WatermarkStatus status) throws Exception {
    // A watermark must not come behind the word that there are none for now.
    while (fence.isHolding()) {
      sessions.await(() -> !fence.isAsking());
      fence.askNext();
    }
    super.processWatermarkStatus(status);
  }

  @Override
  public void endInput() throws Exception {
    settle();
    sessions.finish();
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    settle();
  }

  /** Takes the snapshots that are due, and passes on all results of the points so far. */
  private void settle() throws Exception {
    long begin = System.nanoTime();
    counters.forEach((count, counter) -> counter.add(-states.count(count)));
    sessions.snapshot();
    counters.forEach((count, counter) -> counter.add(states.count(count)));
    while (fence.isHolding()) {
      sessions.await(() -> !fence.isAsking());
      fence.askNext();
    }
    snapshotNanos = System.nanoTime() - begin;
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    KeyedStateCheckpointOutputStream target = context.getRawKeyedOperatorStateOutput();
    for (int keyGroup : target.getKeyGroupList()) {
      if (states.has(keyGroup)) {
        target.startNewKeyGroup(keyGroup);
        states.write(keyGroup, target);
      }
    }
  }

  @Override
  public void close() throws Exception {
    try {
      if (sessions != null) {
        sessions.close();
      }
    } finally {
      try {
        if (host != null) {
          host.release();
        }
      } finally {
        super.close();
      }
    }
  }

  // What the metrics read.

  KeyGroupSessions sessions() {
    return sessions;
  }

  WatermarkFence fence() {
    return fence;
  }

  KeyGroupStates states() {
    return states;
  }

  long pointsIn() {
    return pointsIn;
  }

  long pointsOut() {
    return results.points();
  }

  long snapshotNanos() {
    return snapshotNanos;
  }
}
