package io.github.kapacitorwasm.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireWriter;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FrameCutterTest {

  @Test
  void anyPiecesGiveTheSameFrames() throws WireException {
    Random random = new Random(7);
    for (int round = 0; round < 200; round++) {
      ByteArrayOutputStream sent = new ByteArrayOutputStream();
      for (int frame = random.nextInt(20); frame >= 0; frame--) {
        sent.writeBytes(frame(random, random.nextInt(4) == 0 ? 3000 : 20));
      }
      byte[] all = sent.toByteArray();
      FrameCutter cutter = new FrameCutter(4000);
      ByteArrayOutputStream cut = new ByteArrayOutputStream();
      for (int at = 0; at < all.length; ) {
        int piece = Math.min(1 + random.nextInt(200), all.length - at);
        byte[] frames = cut(cutter, all, at, piece);
        if (frames != null) {
          assertWhole(frames);
          cut.writeBytes(frames);
        }
        at += piece;
      }
      assertArrayEquals(all, cut.toByteArray());
      assertFalse(cutter.isWithinFrame());
    }
  }

  /** The frames that are whole with this piece; null for none. */
  private static byte[] cut(FrameCutter cutter, byte[] bytes, int offset, int length)
      throws WireException {
    Frames frames = cutter.cut(ByteBuffer.wrap(bytes, offset, length));
    return frames == null ? null : Arrays.copyOf(frames.bytes(), frames.length());
  }

  private static byte[] frame(Random random, int maxSize) {
    byte[] body = new byte[random.nextInt(maxSize)];
    random.nextBytes(body);
    byte[] length = new byte[WireWriter.varintLength(body.length)];
    int end = WireWriter.putVarint(length, 0, body.length);
    assertEquals(length.length, end);
    ByteArrayOutputStream frame = new ByteArrayOutputStream();
    frame.writeBytes(length);
    frame.writeBytes(body);
    return frame.toByteArray();
  }

  private static void assertWhole(byte[] frames) throws WireException {
    FrameCutter again = new FrameCutter(4000);
    assertArrayEquals(frames, cut(again, frames, 0, frames.length));
    assertFalse(again.isWithinFrame());
  }

  @Test
  void lengthBeyondTheBoundIsRefusedBeforeItsBytesCome() {
    FrameCutter cutter = new FrameCutter(1000);
    WireException e =
        assertThrows(
            WireException.class, () -> cutter.cut(ByteBuffer.wrap(new byte[] {(byte) 0xE9, 0x07})));
    assertTrue(e.getMessage().contains("more than 1000 bytes"), e.getMessage());
  }

  @Test
  void lengthOfManyBytesIsRefused() {
    FrameCutter cutter = new FrameCutter(Integer.MAX_VALUE);
    byte[] zeros = {(byte) 0x80, (byte) 0x80, (byte) 0x80, (byte) 0x80, (byte) 0x80};
    assertThrows(WireException.class, () -> cutter.cut(ByteBuffer.wrap(zeros)));
  }

  @Test
  void partOfAFrameIsKept() throws WireException {
    FrameCutter cutter = new FrameCutter(1000);
    assertNull(cutter.cut(ByteBuffer.wrap(new byte[] {3, 1})));
    assertTrue(cutter.isWithinFrame());
    assertArrayEquals(new byte[] {3, 1, 2, 3, 0}, cut(cutter, new byte[] {2, 3, 0, 9}, 0, 4));
    assertTrue(cutter.isWithinFrame());
  }
}
