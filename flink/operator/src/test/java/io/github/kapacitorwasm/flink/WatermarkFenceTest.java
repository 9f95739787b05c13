package io.github.kapacitorwasm.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.junit.jupiter.api.Test;

class WatermarkFenceTest {

  private final List<Long> passed = new ArrayList<>();
  private int sessions;
  private int answersWhileAsking;

  private final WatermarkFence fence =
      new WatermarkFence(this::ask, mark -> passed.add(mark.getTimestamp()));

  private int ask(long id) {
    for (int i = 0; i < answersWhileAsking; i++) {
      fence.answered();
    }
    return sessions;
  }

  @Test
  void watermarkWaitsForAllAnswers() throws Exception {
    sessions = 2;
    fence.take(new Watermark(1));
    fence.answered();
    assertTrue(fence.isAsking());
    fence.answered();
    assertEquals(List.of(1L), passed);
    assertFalse(fence.isHolding());
  }

  @Test
  void watermarkWithoutSessionsGoesOnAtOnce() throws Exception {
    fence.take(new Watermark(1));
    assertEquals(List.of(1L), passed);
  }

  /** A session that is asked may be full, and its client handles answers of others meanwhile. */
  @Test
  void answersWhileSessionsAreAskedDoNotEndTheRound() throws Exception {
    sessions = 3;
    answersWhileAsking = 2;
    fence.take(new Watermark(1));
    fence.take(new Watermark(2));
    assertEquals(List.of(), passed);
    assertEquals(1, fence.rounds(), "the next round has begun before the first one has ended");
    fence.answered();
    assertEquals(List.of(1L), passed);
    answersWhileAsking = 3;
    fence.askNext();
    assertEquals(List.of(1L, 2L), passed);
  }
}
