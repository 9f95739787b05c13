package io.github.kapacitorwasm.flink;

import java.util.function.Consumer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.datastream.WindowedStream;
import org.apache.flink.streaming.api.windowing.windows.Window;
import org.apache.flink.util.OutputTag;

/**
 * Applies functions of a kapacitor-wasm host to streams of Flink.
 *
 * <pre>{@code
 * DataStream<Point> means =
 *     KapacitorWasm.apply(
 *             points.keyBy(Point::group),
 *             KapacitorWasm.function("moving_avg").option("field", "usage_user").option("as", "mean"))
 *         .uid("mean");
 * }</pre>
 *
 * <p>The plugin's state takes part in checkpoints and savepoints, exactly once, and moves with its
 * key groups when the parallelism changes. Each key group is one sandbox, so a max parallelism of
 * 64 to 128 is best ({@code env.setMaxParallelism}); it can't be changed later. Give the operator a
 * {@code uid}, so that a changed job finds its state.
 */
public final class KapacitorWasm {

  private KapacitorWasm() {}

  /**
   * Begins a call of a function.
   *
   * @param name name of the function at the host: that of its plugin, or of {@code udf.toml}
   * @return a call without options
   */
  public static UdfFunction function(String name) {
    return new UdfFunction(name);
  }

  /**
   * Gives the points of a stream to a function.
   *
   * @param points a stream whose key is the group of its points, or something that all points of a
   *     group share
   * @param function the call
   * @param <K> the key
   * @return what the function sends
   */
  public static <K> SingleOutputStreamOperator<Point> apply(
      KeyedStream<Point, K> points, UdfFunction function) {
    return points.transform(
        function.toString(), PointTypeInfo.INSTANCE, new StreamUdfOperator(function));
  }

  /**
   * Gives the points of windows to a function that takes batches. Flink keeps the points until the
   * window ends; each group of a window is one batch. The operator of the windows has the uid of
   * the function's node and {@code -window}.
   *
   * @param windows windows over a stream whose key is the group of its points, or something that
   *     all points of a group share
   * @param function the call
   * @param <K> the key
   * @param <W> the kind of window
   * @return what the function sends
   */
  public static <K, W extends Window> SingleOutputStreamOperator<Point> apply(
      WindowedStream<Point, K, W> windows, UdfFunction function) {
    return apply(batches(windows, function), function);
  }

  /**
   * Gives the points of windows to a function as {@link #apply(WindowedStream, UdfFunction)} does,
   * and the points that come too late for their windows to someone else. Flink's {@code
   * numLateRecordsDropped} does not count them then.
   *
   * @param windows windows over a stream whose key is the group of its points, or something that
   *     all points of a group share
   * @param function the call
   * @param late takes the stream of the points that are too late
   * @param <K> the key
   * @param <W> the kind of window
   * @return what the function sends
   */
  public static <K, W extends Window> SingleOutputStreamOperator<Point> apply(
      WindowedStream<Point, K, W> windows,
      UdfFunction function,
      Consumer<? super DataStream<Point>> late) {
    OutputTag<Point> tag = new OutputTag<>("late", PointTypeInfo.INSTANCE);
    SingleOutputStreamOperator<Batch> batches = batches(windows.sideOutputLateData(tag), function);
    late.accept(batches.getSideOutput(tag));
    return apply(batches, function);
  }

  private static <K, W extends Window> SingleOutputStreamOperator<Batch> batches(
      WindowedStream<Point, K, W> windows, UdfFunction function) {
    return windows
        .process(new BatchCollector<>(), BatchTypeInfo.INSTANCE)
        .uid(function.node() + "-window")
        .name("batches for " + function);
  }

  private static SingleOutputStreamOperator<Point> apply(
      SingleOutputStreamOperator<Batch> batches, UdfFunction function) {
    return batches
        .keyBy(Batch::group)
        .transform(function.toString(), PointTypeInfo.INSTANCE, new BatchUdfOperator(function));
  }
}
