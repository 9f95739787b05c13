package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.job.line.LineWriter;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFilterFunction;
import org.apache.flink.metrics.Counter;

/** Leaves out, and counts, points that have no form in line protocol. */
final class WritableFilter extends RichFilterFunction<Point> {

  private static final long serialVersionUID = 1L;

  private transient Counter left;
  private transient LongCounter total;

  @Override
  public void open(OpenContext context) {
    left =
        getRuntimeContext().getMetricGroup().addGroup("kapacitor_wasm").counter("pointsNotWritten");
    total = new LongCounter();
    getRuntimeContext().addAccumulator("pointsNotWritten", total);
  }

  @Override
  public boolean filter(Point point) {
    boolean isWritable = LineWriter.isWritable(point);
    if (!isWritable) {
      left.inc();
      total.add(1L);
    }
    return isWritable;
  }
}
