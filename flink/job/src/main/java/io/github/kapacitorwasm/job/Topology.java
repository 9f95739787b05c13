package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.KapacitorWasm;
import io.github.kapacitorwasm.flink.Point;
import io.github.kapacitorwasm.flink.PointTypeInfo;
import io.github.kapacitorwasm.flink.UdfFunction;
import java.nio.file.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;

/** Makes the operators of a job. */
final class Topology {

  private Topology() {}

  /** Adds source, plugins and sink to an environment, and sets what the file says of the job. */
  static void build(StreamExecutionEnvironment environment, JobConfig config) {
    environment.setMaxParallelism(config.maxParallelism());
    config.parallelism().ifPresent(environment::setParallelism);
    environment.enableCheckpointing(config.checkpointInterval().toMillis());
    DataStream<Point> points = Sources.points(environment, config);
    for (JobConfig.Plugin plugin : config.plugins()) {
      points = apply(config.name(), points.keyBy(Point::group), plugin, function(config, plugin));
    }
    points
        .filter(new WritableFilter(config.name()))
        .uid("writable")
        .name("writable")
        .sinkTo(Sinks.sink(config))
        .uid("sink")
        .name("sink");
  }

  private static UdfFunction function(JobConfig config, JobConfig.Plugin plugin) {
    UdfFunction function =
        KapacitorWasm.function(plugin.call().function()).task(config.name()).node(plugin.node());
    for (PluginCall.Option option : plugin.call().options()) {
      function = function.option(option.name(), option.values().toArray());
    }
    JobConfig.Host host = config.host();
    if (host.socketDir().isPresent()) {
      function = function.socketDir(Path.of(host.socketDir().get()));
    }
    if (host.program().isPresent() && host.pluginsDir().isPresent()) {
      function =
          function.startHost(Path.of(host.program().get()), Path.of(host.pluginsDir().get()));
    }
    return function;
  }

  private static DataStream<Point> apply(
      String job, KeyedStream<Point, String> keyed, JobConfig.Plugin plugin, UdfFunction function) {
    String uid = "plugin-" + plugin.node();
    if (plugin.window().isEmpty()) {
      return KapacitorWasm.apply(keyed, function).uid(uid);
    }
    JobConfig.Window window = plugin.window().get();
    KeyedStream<Point, String> goingOn = KeptWatermark.in(keyed, uid + "-watermark");
    return KapacitorWasm.apply(
            window.every().equals(window.length())
                ? goingOn.window(TumblingEventTimeWindows.of(window.length(), window.offset()))
                : goingOn
                    .window(
                        SlidingEventTimeWindows.of(
                            window.length(), window.every(), window.offset()))
                    .trigger(new OverlapTrigger(job, plugin.node(), window)),
            function,
            late ->
                late.process(new LatePoints(job, plugin.node()), PointTypeInfo.INSTANCE)
                    .uid(plugin.node() + "-late")
                    .name("late points of " + function))
        .uid(uid);
  }
}
