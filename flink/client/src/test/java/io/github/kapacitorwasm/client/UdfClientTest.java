package io.github.kapacitorwasm.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.wire.WireReader;
import io.github.kapacitorwasm.wire.WireWriter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A client and a real host. */
@Timeout(120)
class UdfClientTest {

  private static HostProcess host;

  @BeforeAll
  static void startHost() throws Exception {
    host = TestHost.start("moving_avg", "outliers", "mirror", "stream_to_batch");
  }

  @AfterAll
  static void stopHost() throws IOException {
    if (host != null) {
      host.close();
    }
  }

  /** Keeps what comes. */
  private static final class Kept implements UdfHandler {

    private final List<byte[]> points = new ArrayList<>();
    private byte[] snapshot;
    private long fence = -1;
    private long answered;

    @Override
    public void point(UdfSession session, byte[] bytes, int offset, int length) {
      points.add(Arrays.copyOfRange(bytes, offset, offset + length));
    }

    @Override
    public void snapshot(UdfSession session, byte[] bytes) {
      snapshot = bytes;
    }

    @Override
    public void fence(UdfSession session, long id, long pointsAnswered, long pointsSkipped) {
      fence = id;
      answered = pointsAnswered;
    }
  }

  private static byte[] point(long time, String group, double value) {
    WireWriter field = new WireWriter().string(1, "value").float64(2, value);
    return new WireWriter()
        .varint(1, time)
        .string(2, "cpu")
        .string(5, group)
        .message(8, field)
        .toBytes();
  }

  private static final UdfOptions MEAN = mean(3);

  private static UdfOptions mean(int size) {
    return UdfOptions.none().with("field", "value").with("size", size).with("as", "mean");
  }

  private static void send(UdfSession session, int from, int to) throws Exception {
    for (int i = from; i < to; i++) {
      byte[] point = point(i + 1, "g" + i % 5, i * 0.1);
      session.point(point, 0, point.length);
    }
  }

  private static double mean(byte[] point) throws IOException {
    WireReader reader = new WireReader(point);
    double mean = Double.NaN;
    while (reader.next()) {
      if (reader.field() == 8) {
        WireReader entry = reader.message();
        assertTrue(entry.next());
        boolean isMean = entry.string().equals("mean");
        assertTrue(entry.next());
        mean = isMean ? entry.float64() : mean;
      }
    }
    return mean;
  }

  @Test
  void infoHasEdgesAndTypedOptions() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      FunctionInfo stream = client.info("moving_avg");
      assertEquals(EdgeType.STREAM, stream.wants());
      assertEquals(EdgeType.STREAM, stream.provides());
      assertEquals(List.of(ValueType.STRING), stream.options().get("field"));
      assertEquals(List.of(ValueType.INT), stream.options().get("size"));
      assertEquals(List.of(ValueType.DURATION), stream.options().get("period"));
      assertEquals(EdgeType.BATCH, client.info("outliers").wants());
    }
  }

  @Test
  void fenceComesBehindTheResultsOfThePointsBefore() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      Kept kept = new Kept();
      UdfSession session = client.open("moving_avg", "one", kept);
      session.init("t", "n", MEAN);
      send(session, 0, 1000);
      session.fence(42);
      client.await(() -> kept.fence == 42);
      assertEquals(1000, kept.points.size());
      assertEquals(1000, kept.answered);
      assertEquals((0.0 + 0.5 + 1.0) / 3, mean(kept.points.get(10)), 1e-12);
    }
  }

  @Test
  void restoredStateGoesOnWhereTheSnapshotWasTaken() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      Kept whole = new Kept();
      UdfSession one = client.open("moving_avg", "one", whole);
      one.init("t", "n", MEAN);
      send(one, 0, 100);
      one.snapshot();
      client.await(() -> whole.snapshot != null);
      assertEquals(100, whole.points.size());
      assertEquals(100, SnapshotHeader.read(whole.snapshot).pointsIn());
      assertEquals("moving_avg", SnapshotHeader.read(whole.snapshot).plugin());
      send(one, 100, 200);
      one.fence(1);
      client.await(() -> whole.fence == 1);

      Kept second = new Kept();
      UdfSession two = client.open("moving_avg", "two", second);
      two.init("t", "n", MEAN);
      two.restore(whole.snapshot);
      send(two, 100, 200);
      two.fence(1);
      client.await(() -> second.fence == 1);
      for (int i = 0; i < 100; i++) {
        assertArrayEquals(whole.points.get(100 + i), second.points.get(i));
      }
      two.finish();
      one.finish();
    }
  }

  @Test
  void whatComesAtTheEndIsWhole() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      Kept kept = new Kept();
      UdfSession session = client.open("stream_to_batch", "one", kept);
      session.init("t", "n", UdfOptions.none().with("size", 1_000_000));
      send(session, 0, 5_000);
      session.finish();
      assertEquals(5_000, kept.points.size());
      assertEquals(-1, kept.fence, "the last fence is not for the handler");
    }
  }

  @Test
  void wrongOptionIsRefusedWithTheHostsSentence() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      UdfSession session = client.open("moving_avg", "key group 1", new Kept());
      UdfException e =
          assertThrows(
              UdfException.class,
              () -> session.init("t", "n", UdfOptions.none().with("feld", "value")));
      assertTrue(
          e.getMessage().startsWith("function moving_avg, key group 1: the host refuses"),
          e.getMessage());
      assertTrue(e.getMessage().contains("feld"), e.getMessage());
    }
  }

  @Test
  void snapshotOfOtherOptionsIsRefused() throws Exception {
    try (UdfClient client = new UdfClient(host.socketDir())) {
      Kept kept = new Kept();
      UdfSession session = client.open("moving_avg", "one", kept);
      session.init("t", "n", MEAN);
      send(session, 0, 10);
      session.snapshot();
      client.await(() -> kept.snapshot != null);
      UdfSession other = client.open("moving_avg", "two", new Kept());
      other.init("t", "n", mean(4));
      UdfException e = assertThrows(UdfException.class, () -> other.restore(kept.snapshot));
      assertTrue(e.getMessage().contains("can't restore its state"), e.getMessage());
    }
  }

  /** A plugin that returns all it gets, and nobody who reads in between. */
  @Test
  void bothDirectionsMayBeFull() throws Exception {
    UdfClientOptions small = UdfClientOptions.defaults().withMaxReceivedBytes(64 << 10);
    try (UdfClient client = new UdfClient(host.socketDir(), small, () -> {})) {
      Kept kept = new Kept();
      UdfSession session = client.open("mirror", "one", kept);
      session.init("t", "n", UdfOptions.none());
      byte[] large = point(1, "x".repeat(1 << 16), 1);
      for (int i = 0; i < 1000; i++) {
        session.point(large, 0, large.length);
      }
      session.fence(1);
      client.await(() -> kept.fence == 1);
      assertEquals(1000, kept.points.size());
      assertArrayEquals(large, kept.points.get(999));
      assertTrue(client.blockedNanos() > 0);
    }
  }

  @Test
  void killedHostIsNoticed() throws Exception {
    try (HostProcess mortal = TestHost.start("mirror");
        UdfClient client = new UdfClient(mortal.socketDir())) {
      UdfSession session = client.open("mirror", "key group 9", new Kept());
      session.init("t", "n", UdfOptions.none());
      assertTrue(mortal.process().destroyForcibly());
      UdfException e =
          assertThrows(
              UdfException.class,
              () -> {
                while (true) {
                  send(session, 0, 1000);
                }
              });
      assertTrue(e.getMessage().startsWith("function mirror, key group 9: the "), e.getMessage());
    }
  }
}
