package io.github.kapacitorwasm.bench;

import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import io.github.kapacitorwasm.wire.WireWriter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * What the plugin {@code moving_avg} does, in Java with keyed state: the mean of the last values of
 * a field is added to the point.
 */
final class JavaMovingAverage extends KeyedProcessFunction<String, Point, Point> {

  private static final long serialVersionUID = 1L;

  /** The field of a Point that has its fields of type double. */
  private static final int DOUBLES = 8;

  /** Where the state has the number of values so far and their sum, before the values. */
  private static final int SEEN = 0;

  private static final int SUM = 1;
  private static final int VALUES = 2;

  private final String field;
  private final String as;
  private final int size;
  private transient ValueState<double[]> window;

  JavaMovingAverage(String field, int size, String as) {
    this.field = field;
    this.size = size;
    this.as = as;
  }

  @Override
  public void open(OpenContext context) {
    window =
        getRuntimeContext()
            .getState(
                new ValueStateDescriptor<>(
                    "window", PrimitiveArrayTypeInfo.DOUBLE_PRIMITIVE_ARRAY_TYPE_INFO));
  }

  @Override
  public void processElement(Point point, Context context, Collector<Point> out) throws Exception {
    double[] values = window.value();
    if (values == null) {
      values = new double[VALUES + size];
    }
    double value = value(point);
    int slot = VALUES + (int) (values[SEEN] % size);
    values[SUM] += value - values[slot];
    values[slot] = value;
    values[SEEN]++;
    window.update(values);
    double mean = values[SUM] / Math.min(values[SEEN], size);
    out.collect(
        Point.of(
            new WireWriter()
                .append(point.bytes())
                .message(DOUBLES, new WireWriter().string(1, as).float64(2, mean))
                .toBytes()));
  }

  private double value(Point point) throws WireException {
    WireReader reader = new WireReader(point.bytes());
    while (reader.next()) {
      if (reader.field() == DOUBLES) {
        WireReader entry = reader.message();
        if (entry.next() && entry.string().equals(field) && entry.next()) {
          return entry.float64();
        }
      }
    }
    throw new WireException("a point has no field " + field);
  }
}
