package io.github.kapacitorwasm.job;

import io.github.kapacitorwasm.flink.Point;
import java.time.Instant;
import org.apache.flink.streaming.api.windowing.triggers.EventTimeTrigger;
import org.apache.flink.streaming.api.windowing.triggers.Trigger;
import org.apache.flink.streaming.api.windowing.triggers.TriggerResult;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;

/**
 * Ends windows that overlap when their time has come, and counts points that came after the end of
 * some of their windows. Flink has no word for these: only a point that is late for all of its
 * windows is a late one.
 */
final class OverlapTrigger extends Trigger<Point, TimeWindow> {

  private static final long serialVersionUID = 1L;

  private final String node;
  private final long length;
  private final long every;
  private final long offset;
  private final EventTimeTrigger end = EventTimeTrigger.create();
  private final Losses losses;

  private transient boolean isOpen;

  /**
   * Ends windows.
   *
   * @param job the job, for the log
   * @param node the call that gets the windows
   * @param window the windows
   */
  OverlapTrigger(String job, String node, JobConfig.Window window) {
    this.node = node;
    this.length = window.length().toMillis();
    this.every = window.every().toMillis();
    this.offset = window.offset().toMillis();
    losses =
        new Losses(
            job,
            "pointsPartlyLate",
            "points came after the end of some of their windows (" + node + ")");
  }

  @Override
  public TriggerResult onElement(
      Point point, long timestamp, TimeWindow window, TriggerContext context) throws Exception {
    if (!isOpen) {
      losses.open(context.getMetricGroup());
      isOpen = true;
    }
    losses.look();
    long last = TimeWindow.getWindowStartWithOffset(timestamp, offset, every);
    // Called for each window that has not ended; the last one of them is there in any case.
    if (window.getStart() == last) {
      long ended = context.getCurrentWatermark();
      if (endOfFirst(last, timestamp) <= ended) {
        losses.take(() -> sentence(point, Instant.ofEpochMilli(ended)));
      }
    }
    return end.onElement(point, timestamp, window, context);
  }

  /** The last time in the first window of a point, whose last window begins at {@code last}. */
  private long endOfFirst(long last, long timestamp) {
    long before = (last + length - 1 - timestamp) / every;
    return last - before * every + length - 1;
  }

  private String sentence(Point point, Instant ended) {
    return "a point of %s came after the end of some of its windows for %s, and is not in these: windows have ended up to %s. %s"
        .formatted(PointText.of(point), node, ended, LatePoints.ADVICE);
  }

  @Override
  public TriggerResult onEventTime(long time, TimeWindow window, TriggerContext context)
      throws Exception {
    return end.onEventTime(time, window, context);
  }

  @Override
  public TriggerResult onProcessingTime(long time, TimeWindow window, TriggerContext context)
      throws Exception {
    return end.onProcessingTime(time, window, context);
  }

  @Override
  public void clear(TimeWindow window, TriggerContext context) throws Exception {
    end.clear(window, context);
  }
}
