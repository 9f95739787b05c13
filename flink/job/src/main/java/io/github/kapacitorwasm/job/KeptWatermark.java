package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Keeps the watermark in front of windows in savepoints and checkpoints. Flink itself begins again
 * without one, so that a late point would begin a window anew that has been given out before, and
 * its result would come a second time, with that point alone.
 */
final class KeptWatermark extends AbstractStreamOperator<Point>
    implements OneInputStreamOperator<Point, Point> {

  private static final long serialVersionUID = 1L;

  /** The watermark of the state, until it was passed on; none if it is the lowest one. */
  private transient long restored;

  private transient long current;
  private transient ListState<Long> state;

  /** The same stream, whose watermark goes on after a restart of the job. */
  static KeyedStream<Point, String> in(KeyedStream<Point, String> keyed, String uid) {
    return DataStreamUtils.reinterpretAsKeyedStream(
        keyed
            .transform("watermark", PointTypeInfo.INSTANCE, new KeptWatermark())
            .uid(uid)
            .name("watermark"),
        Point::group,
        Types.STRING);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    current = Long.MIN_VALUE;
    restored = Long.MIN_VALUE;
    state =
        context
            .getOperatorStateStore()
            .getUnionListState(new ListStateDescriptor<>("watermark", Types.LONG));
    if (context.isRestored()) {
      // Windows that another subtask had not ended yet must not be late.
      long least = Long.MAX_VALUE;
      for (long watermark : state.get()) {
        least = Math.min(least, watermark);
      }
      restored = least == Long.MAX_VALUE ? Long.MIN_VALUE : least;
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    state.update(List.of(Math.max(current, restored)));
  }

  /** Does nothing: there is no state of keys. */
  @Override
  public void setKeyContextElement(StreamRecord<Point> element) {}

  @Override
  public void processElement(StreamRecord<Point> element) throws Exception {
    if (restored > current) {
      current = restored;
      super.processWatermark(new Watermark(restored));
    }
    output.collect(element);
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    if (mark.getTimestamp() <= Math.max(current, restored)) {
      return;
    }
    // That of the end of all input is not one to go on with.
    if (mark.getTimestamp() < Watermark.MAX_WATERMARK.getTimestamp()) {
      current = mark.getTimestamp();
    }
    super.processWatermark(mark);
  }
}
