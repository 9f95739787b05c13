package io.github.kapacitorwasm.flink;

import java.util.function.Consumer;
import org.apache.flink.streaming.api.watermark.Watermark;

/**
 * Holds watermarks back until the results of the points before them are out. There is one round of
 * fences at a time; of the watermarks that come meanwhile only the newest counts.
 */
final class WatermarkFence {

  /** Asks all sessions with unfenced points for a fence. */
  interface Asker {
    /**
     * Asks.
     *
     * @param id of the fences
     * @return how many sessions were asked
     */
    int ask(long id) throws Exception;
  }

  private final Asker asker;
  private final Consumer<Watermark> passOn;
  private Watermark waiting;
  private Watermark asked;

  /** How many sessions have not answered; below 0 if answers come while sessions are asked. */
  private int unanswered;

  private boolean isBeginning;
  private long rounds;
  private long roundBegin;
  private long nanos;

  WatermarkFence(Asker asker, Consumer<Watermark> passOn) {
    this.asker = asker;
    this.passOn = passOn;
  }

  /** Takes a watermark, and asks for fences if none are on their way. */
  void take(Watermark watermark) throws Exception {
    waiting = watermark;
    askNext();
  }

  /** Begins the next round if it is due. Not to be called by a handler. */
  void askNext() throws Exception {
    while (waiting != null && asked == null) {
      asked = waiting;
      waiting = null;
      roundBegin = System.nanoTime();
      // Answers may come while sessions are asked, since writing to one that is full handles what
      // was read. The round must not end before all are asked.
      isBeginning = true;
      unanswered = 0;
      int sessions = asker.ask(++rounds);
      unanswered += sessions;
      isBeginning = false;
      endIfAnswered();
    }
  }

  /** One session has answered. */
  void answered() {
    unanswered--;
    endIfAnswered();
  }

  private void endIfAnswered() {
    if (unanswered == 0 && !isBeginning) {
      nanos += System.nanoTime() - roundBegin;
      Watermark watermark = asked;
      asked = null;
      passOn.accept(watermark);
    }
  }

  /** Whether a watermark is held back. */
  boolean isHolding() {
    return asked != null || waiting != null;
  }

  /** Whether fences have no answer yet. */
  boolean isAsking() {
    return asked != null;
  }

  /** The number of rounds so far. */
  long rounds() {
    return rounds;
  }

  /** The time of all rounds together, in nanoseconds. */
  long nanos() {
    return nanos;
  }
}
